"""The typed models of Azure's SDKs find nothing in any app's template, and find what is misspelt or misplaced."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faasbridge import App, DeployError
from faasbridge.config import Project
from faasbridge.conformance.app import app as conformance
from faasbridge.spec import AppSpec
from faasbridge_azure import lint

sys.path.insert(0, str(Path(__file__).parent))
from arm_templates import STORAGE, stage, template, whole_app

APPS = Path(__file__).parents[3] / "apps"


@pytest.mark.parametrize("name", ["hello", "photos"])
def test_the_sample_apps_have_valid_templates(name: str) -> None:
    spec: AppSpec = Project.load(APPS / name).read_spec()
    assert lint.findings(template(spec)) == []


def test_the_conformance_app_has_a_valid_template() -> None:
    assert lint.findings(template(conformance)) == []


def test_an_app_with_everything_has_a_valid_template() -> None:
    settings = {
        "storage": {"redundancy": "Standard_ZRS", "versioning": True},
        "vault": {"retention_days": 90, "purge_protection": True},
    }
    assert lint.findings(template(whole_app(), stage(version="1.0!+x", settings=settings))) == []


def keys(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of every property of a resource, but for tags, whose names are free, and names that are expressions."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key != "tags" and not key.startswith("["):
                yield (*path, key)
                yield from keys(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from keys(each, (*path, index))


def test_a_misspelt_property_is_found_wherever_it_is() -> None:
    seen: set[Any] = set()
    for resource in template(whole_app())["resources"]:
        for path in keys(resource):
            form = (resource["type"], *("*" if isinstance(each, int) else each for each in path))
            if form in seen:
                continue
            seen.add(form)
            wrong = copy.deepcopy(resource)
            place: Any = wrong
            for each in path[:-1]:
                place = place[each]
            place[f"{path[-1]}x"] = place.pop(path[-1])
            assert lint.findings({"resources": [wrong]}), form
    assert len(seen) > 250


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"properties": {"minimumTlsVersion": "Tls12"}}, "'Tls12' is none of TLS1_0"),
        (
            {"properties": {"allowSharedKeyAccess": "no"}},
            "properties/allowSharedKeyAccess: a value of type bool is wanted",
        ),
        ({"properties": {"publicAccess": "None"}}, "properties/publicAccess: there is no such property"),
        ({"properties": []}, "properties: an object is wanted"),
        ({"publicNetworkAccess": "Enabled"}, "publicNetworkAccess: there is no such property"),
        ({"scope": "[resourceGroup().id]"}, "scope belongs to what is an extension"),
        ({"apiVersion": None}, "it has no apiVersion"),
        ({"type": f"{STORAGE}/shares"}, "there is no model of"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(change: dict[str, Any], said: str) -> None:
    good = {"type": STORAGE, "apiVersion": "2024-01-01", "name": "a", "location": "westeurope", "kind": "StorageV2"}
    made = {**good, "sku": {"name": "Standard_LRS"}, **change}
    (found,) = lint.findings({"resources": [made]})
    assert said in found
    assert found.startswith(f"{made['type']}/a: ")
    with pytest.raises(DeployError, match="the template is not valid"):
        lint.check({"resources": [made]})


def test_a_property_that_only_azure_sets_is_found() -> None:
    app = {"type": "Microsoft.Web/sites", "apiVersion": "2024-04-01", "name": "a", "properties": {"state": "Running"}}
    (found,) = lint.findings({"resources": [app]})
    assert "properties/state: only Azure sets it" in found


def test_a_resource_that_is_there_twice_is_found() -> None:
    one = {"type": f"{STORAGE}/queueServices/queues", "apiVersion": "2024-01-01", "name": "a/default/b"}
    assert lint.findings({"resources": [one, dict(one)]}) == [f"{one['type']}/a/default/b: it is there twice"]


def test_an_app_that_is_too_large_for_a_deployment_gets_a_sentence() -> None:
    app = App("large")
    for number in range(80):
        app.queue(f"jobs-{number}").on_message(name=f"work-{number}")(lambda message: None)
    (found,) = lint.findings(template(app))
    assert found.startswith("the app needs 1,")
    assert "azure={'app': ...}" in found


def test_the_models_are_not_imported_with_the_plugin() -> None:
    code = "import sys, faasbridge_azure.plugin, faasbridge_azure.template, faasbridge_azure.lint\n"
    code += "print([name for name in sys.modules if name.startswith('azure')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
