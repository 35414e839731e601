"""What an AWS artifact holds, and the machine that its wheels fit."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from faasbridge import App, ConfigError
from faasbridge.plugins import provider

sys.path.insert(0, str(Path(__file__).parent))
from template_apps import stage, template


def app_of(*, bucket: bool = False, **options: Any) -> App:
    app = App("shop", **options)
    if bucket:
        app.bucket("files")

    @app.get("/")
    def home(request: Any) -> None: ...

    return app


@pytest.mark.parametrize(
    ("python", "settings", "expected"),
    [
        ("3.13", {}, "aarch64-manylinux_2_34"),
        ("3.12", {}, "aarch64-manylinux_2_34"),
        ("3.12", {"architecture": "x86_64"}, "x86_64-manylinux_2_34"),
        ("3.11", {}, "x86_64-manylinux2014"),
        ("3.11", {"architecture": "arm64"}, "aarch64-manylinux2014"),
        ("3.13", {"platform": "x86_64-manylinux_2_28"}, "x86_64-manylinux_2_28"),
    ],
)
def test_wheels_fit_the_image_of_the_runtime(python: str, settings: dict[str, str], expected: str) -> None:
    found = provider("aws").layout(app_of().spec(), stage(python=python, settings=settings))
    assert (found.python_version, found.python_platform) == (python, expected)


def test_template_and_wheels_agree_on_the_architecture() -> None:
    app = app_of(aws={"architecture": "x86_64"})
    made = template(app)["Resources"]["ApiFunction0http"]["Properties"]
    assert made["Architectures"] == ["x86_64"]
    assert provider("aws").layout(app.spec(), stage()).python_platform.startswith("x86_64-")


def test_an_app_has_one_architecture() -> None:
    app = app_of(aws={"architecture": "x86_64"})
    jobs = app.queue("jobs")

    @jobs.on_message(aws={"architecture": "arm64"})
    def work(message: Any) -> None: ...

    with pytest.raises(ConfigError, match="one architecture"):
        template(app)
    chosen = stage(settings={"architecture": "arm64"})
    assert template(app, chosen)["Resources"]["Function0work"]["Properties"]["Architectures"] == ["arm64"]


def test_only_apps_with_buckets_pack_the_client_for_them() -> None:
    aws = provider("aws")
    assert aws.layout(app_of().spec(), stage()).requirements == ()
    (requirement,) = aws.layout(app_of(bucket=True).spec(), stage()).requirements
    assert requirement.startswith("obstore")


def test_a_simulated_stage_packs_wheels_for_this_machine() -> None:
    aws: Any = provider("aws")
    here = aws.simulated_stage(stage(settings={"region": "eu-central-1"}))
    assert aws.layout(app_of().spec(), here).python_platform == ""
    machine = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
    assert here.settings == {"region": "eu-central-1", "architecture": machine, "platform": ""}


def test_doctor_says_what_is_missing_and_prints_no_credential(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for variable in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    found = {each.code: each for each in provider("aws").doctor(stage())}
    assert (found["aws.credentials"].severity, found["aws.region"].severity) == ("warning", "warning")
    assert found["aws.cfn-lint"].severity == "ok"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    found = {each.code: each for each in provider("aws").doctor(stage(settings={"region": "eu-west-1"}))}
    assert (found["aws.credentials"].severity, found["aws.region"].severity) == ("ok", "ok")
    assert not any("wJalr" in each.message or "AKID" in each.message for each in found.values())
