"""What-if's answers as steps: a table of examples."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")
from faasbridge.deploy import Step
from faasbridge_azure.deploying.changes import creations, steps
from faasbridge_azure.deploying.stack import Made, key_of, owner_in, owners, with_owners

GROUP = "/subscriptions/1/resourceGroups/g/providers"
SITE = f"{GROUP}/Microsoft.Web/sites/work"
ROLE = f"{SITE}/providers/Microsoft.Authorization/roleAssignments/8f"
TABLE = f"{GROUP}/Microsoft.DocumentDB/databaseAccounts/docs/sqlDatabases/app/containers/rows"
OWNERS = {
    "Microsoft.Web/sites/work": ["function", "work", ""],
    "Microsoft.Authorization/roleAssignments/8f": ["function", "work", "rights"],
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/docs/app/rows": ["table", "rows", ""],
}


def template(*ids: str, **more: Any) -> dict[str, Any]:
    resources = []
    for id in ids:
        namespace, *rest = id.rpartition("/providers/")[2].split("/")
        kind, name = "/".join((namespace, *rest[::2])), "/".join(rest[1::2])
        resources.append({"type": kind, "name": name, **more})
    return {"resources": resources, "metadata": {"faasbridge": {"owners": OWNERS}}}


def change(id: str, kind: str, *paths: str) -> Any:
    return SimpleNamespace(resource_id=id, change_type=kind, delta=[SimpleNamespace(path=path) for path in paths])


def made(*ids: str) -> list[Made]:
    known = owners(template())
    return [Made(id, *owner_in(known, key_of(id))) for id in ids]


def test_a_first_deployment_creates_each_declared_thing_once() -> None:
    assert creations(template(SITE, ROLE, TABLE)) == (
        Step("create", "function", "work"),
        Step("create", "table", "rows"),
    )


@pytest.mark.parametrize(
    ("found", "before", "wanted", "there", "expected"),
    [
        ([change(SITE, "NoChange")], template(SITE), template(SITE), made(SITE), Step("none", "function", "work")),
        (
            [change(SITE, "Modify", "properties.siteConfig.appSettings")],
            template(SITE),
            template(SITE, properties=1),
            made(SITE),
            Step("update", "function", "work", "appSettings"),
        ),
        (
            [change(SITE, "Modify", "properties.state")],
            template(SITE),
            template(SITE),
            made(SITE),
            Step("none", "function", "work"),
        ),
        (
            [change(SITE, "NoChange"), change(ROLE, "Create")],
            template(SITE),
            template(SITE, ROLE),
            made(SITE),
            Step("update", "function", "work", "new rights"),
        ),
        (
            [change(SITE, "Create"), change(ROLE, "Create")],
            template(),
            template(SITE, ROLE),
            made(),
            Step("create", "function", "work"),
        ),
        (
            [change(SITE, "NoChange")],
            template(SITE, ROLE),
            template(SITE),
            made(SITE, ROLE),
            Step("update", "function", "work", "no rights any more"),
        ),
        (
            [change(TABLE, "Modify", "properties.resource.partitionKey.paths")],
            template(TABLE),
            template(TABLE, properties=1),
            made(TABLE),
            Step("replace", "table", "rows", "partitionKey.paths cannot be changed", data_loss=True),
        ),
        ([], template(TABLE), template(), made(TABLE), Step("delete", "table", "rows", data_loss=True)),
        ([], template(SITE), template(), made(SITE), Step("delete", "function", "work")),
    ],
    ids=[
        "nothing",
        "a setting",
        "noise",
        "a new part",
        "made whole",
        "a part that goes",
        "what cannot be changed",
        "a table that goes",
        "a function that goes",
    ],
)
def test_a_change_is_a_step(found: Any, before: Any, wanted: Any, there: Any, expected: Step) -> None:
    assert steps(found, before, wanted, there, []) == (expected,)


def within(*inner: str, **more: Any) -> dict[str, Any]:
    """A template with a deployment in it."""
    made = template(f"{GROUP}/Microsoft.Resources/deployments/elsewhere")
    made["resources"][0]["properties"] = {"template": template(*inner, **more)}
    made["metadata"]["faasbridge"]["owners"]["Microsoft.Resources/deployments/elsewhere"] = [
        "function",
        "work",
        "rights",
    ]
    return made


def test_what_a_deployment_within_the_deployment_made_is_declared_too() -> None:
    assert steps([], within(ROLE), within(ROLE), made(ROLE), []) == (Step("none", "function", "work"),)
    modified = [change(ROLE, "Modify", "properties.condition")]
    assert steps(modified, within(ROLE), within(ROLE), made(ROLE), []) == (Step("none", "function", "work"),)
    (step,) = steps(modified, within(ROLE), within(ROLE, properties=1), made(ROLE), [])
    assert (step.action, step.reason) == ("update", "rights: condition")
    (step,) = steps([], within(ROLE), within(), made(ROLE), [])
    assert (step.action, step.reason) == ("update", "no rights any more")


def test_other_code_is_an_update() -> None:
    same = template(SITE)
    assert steps([], same, same, made(SITE), [("function", "work")]) == (Step("update", "function", "work", "code"),)


def test_what_is_not_in_the_template_any_more_is_still_known_by_its_owner() -> None:
    sent = with_owners({"resources": [], "metadata": {"faasbridge": {"owners": {}}}}, template(TABLE))
    assert owner_in(owners(sent), key_of(TABLE)) == (("table", "rows"), "")
