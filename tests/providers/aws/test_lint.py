"""cfn-lint, without errors and without warnings, for every app there is."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from faasbridge import App, DeployError
from faasbridge.config import Project
from faasbridge.spec import AppSpec
from faasbridge_aws import lint

sys.path.insert(0, str(Path(__file__).parent))
from template_apps import Resolved, app_with_long_names, stage, template, whole_app

APPS = Path(__file__).parents[3] / "apps"


@pytest.mark.parametrize("name", ["hello", "photos"])
def test_the_sample_apps_have_valid_templates(name: str) -> None:
    spec: AppSpec = Project.load(APPS / name).read_spec()
    assert lint.findings(template(spec)) == []


def test_the_conformance_app_has_a_valid_template() -> None:
    from faasbridge.conformance.app import app

    assert lint.findings(template(app)) == []


def test_an_app_with_everything_has_a_valid_template() -> None:
    assert lint.findings(template(whole_app(), stage(version="1.0!+x"))) == []


def test_long_names_make_a_valid_template() -> None:
    assert lint.findings(template(app_with_long_names(), stage("a" * 40, "s" * 40))) == []


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_every_python_is_a_runtime(python: str) -> None:
    app = App("tiny")

    @app.get("/")
    def home(request: Any) -> None: ...

    assert lint.findings(template(app, stage("tiny", python=python))) == []


def test_a_misspelt_property_is_found_with_its_place() -> None:
    app = App("tiny")
    app.queue("jobs")
    made = template(app)
    made["Resources"]["Queue0jobs"]["Properties"]["DelaySecond"] = 3
    (found,) = lint.findings(made)
    assert "Queue0jobs" in found
    assert "DelaySecond" in found
    with pytest.raises(DeployError, match="DelaySecond"):
        lint.check(made)


def test_a_service_that_the_region_lacks_is_found() -> None:
    app = App("tiny")
    rows = app.table("rows", key="id")

    @rows.on_change
    def changed(change: Any) -> None: ...

    assert lint.findings(template(app), "eu-central-1") == []
    assert "AWS::Pipes::Pipe" in lint.findings(template(app), "ca-west-1")[0]


def test_an_app_that_is_too_large_for_a_stack_gets_a_sentence() -> None:
    many = {"Resources": {f"Queue{i}": {"Type": "AWS::SQS::Queue"} for i in range(501)}}
    (found,) = lint.findings(many)
    assert found.startswith("the app needs 501 resources")


def test_the_linter_is_not_imported_with_the_plugin() -> None:
    import subprocess

    code = "import sys, faasbridge_aws.plugin, faasbridge_aws.template; print({'cfnlint', 'boto3'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


def test_a_role_that_iam_will_not_take_is_found_before_it_is_deployed() -> None:
    app = App("shop")
    indexes = {f"by-customer-and-day-{i}": ("id", f"field{i}") for i in range(5)}
    app.get("/", uses=[app.table(f"customer-orders-{i}", key="id", indexes=indexes) for i in range(16)])(
        lambda request: {}
    )
    (found,) = lint.findings(template(app))
    (role,) = Resolved(template(app)).of_type("AWS::IAM::Role")
    policy = {"Version": "2012-10-17", "Statement": Resolved(template(app)).statements(role)}
    real = len(json.dumps(policy, separators=(",", ":")))
    assert real > lint.MOST_ROLE_CHARS
    about = int(re.search(r"about ([0-9,]+) characters", found)[1].replace(",", ""))  # type: ignore[index]
    assert about == pytest.approx(real, rel=0.05)


def test_a_region_that_the_linter_does_not_know_yet_is_linted_all_the_same() -> None:
    made = template(whole_app())
    assert lint.findings(made, "eu-north-9") == []
    made["Resources"]["Queue0jobs"]["Properties"]["DelaySecond"] = 3
    assert len(lint.findings(made, "eu-north-9")) == 1
