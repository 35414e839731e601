"""Least privilege: a function's account has the roles that its `uses` implies, on those resources, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from faasbridge import App
from faasbridge.conformance.app import app as conformance
from faasbridge.spec import FunctionSpec, Right
from faasbridge_gcp.template import Template, names

sys.path.insert(0, str(Path(__file__).parent))
from template_apps import of_type, stage, template, whole_app

APPS = {"whole": whole_app(), "conformance": conformance.load()}
READ, WRITE, LIST = "storage.objectViewer", "storage.legacyBucketWriter", "storage.legacyBucketReader"
# What each operation takes of Google's own roles, by kind.
ROLES: dict[str, dict[str, set[str]]] = {
    "bucket": {
        "get": {READ},
        "head": {READ},
        "list": {LIST},
        "put": {WRITE},
        "delete": {WRITE},
        "copy": {READ, WRITE},
        "sign_get": {READ},
        "sign_put": {WRITE},
    },
    "table": {
        "get": {"datastore.viewer"},
        "query": {"datastore.viewer"},
        "scan": {"datastore.viewer"},
        "put": {"datastore.user"},
        "update": {"datastore.user"},
        "delete": {"datastore.user"},
    },
    "queue": {"send": {"pubsub.publisher"}},
    "topic": {"publish": {"pubsub.publisher"}},
    "secret": {"get": {"secretmanager.secretAccessor"}},
}
# One that has all that the others have.
INCLUDES = {READ: {LIST}, WRITE: {LIST}, "datastore.user": {"datastore.viewer"}}


def member_of(function: str, app: str) -> str:
    return f"serviceAccount:{names.account(function, stage(app))}"


def given(made: Template, member: str) -> set[tuple[str, str]]:
    """Role and what it is given on, of one member."""
    return {
        (each["role"].removeprefix("roles/"), each["condition"]["expression"] if "condition" in each else each["on"])
        for each in made["bindings"]
        if each["member"] == member
    }


def implied(function: FunctionSpec, app: str) -> set[tuple[str, str]]:
    """What `uses` says, and what every function needs."""
    found: dict[str, set[str]] = {}
    database = f'resource.name == "projects/${{project}}/databases/{app}-dev-tables"'
    for right in function.rights:
        place = database if right.kind == "table" else f"{right.kind}:{right.name}"
        found.setdefault(place, set()).update(ROLES[right.kind].get(right.operation, ()))
    pairs = set()
    for place, roles in found.items():
        covered = {each for role in roles for each in INCLUDES.get(role, ())}
        pairs |= {(role, place) for role in roles - covered}
    own = f"{'api' if function.inbox is None else 'function'}:{function.name}"
    if any(right.operation in ("sign_get", "sign_put") for right in function.rights):
        pairs.add(("iam.serviceAccountTokenCreator", f"{own}:account"))
    if function.inbox is None:
        return pairs | {("secretmanager.secretAccessor", "app:invoke-key")}
    return pairs | {("pubsub.publisher", names.dead_letters_id(function))}


@pytest.mark.parametrize("name", APPS)
def test_a_function_may_do_what_its_uses_says_and_nothing_else(name: str) -> None:
    spec = APPS[name].spec()
    made = template(spec)
    for function in spec.functions:
        assert given(made, member_of(function.name, spec.name)) == implied(function, spec.name), function.name


@pytest.mark.parametrize("name", APPS)
def test_nobody_else_is_given_anything_but_googles_agents_and_the_pusher(name: str) -> None:
    spec = APPS[name].spec()
    made = template(spec)
    own = {f"serviceAccount:{each['name'].rpartition('/')[2]}" for each in of_type(made, "iam.serviceAccount").values()}
    assert {each["member"] for each in made["bindings"]} - own <= {names.PUBSUB_AGENT, names.STORAGE_AGENT}
    for agent, roles in (
        (names.PUBSUB_AGENT, {"pubsub.publisher", "pubsub.subscriber"}),
        (names.STORAGE_AGENT, {"pubsub.publisher"}),
    ):
        assert {role for role, _ in given(made, agent)} <= roles
    pusher = given(made, member_of(names.PUSHER_NAME, spec.name))
    assert {role for role, _ in pusher} <= {"run.invoker", "eventarc.eventReceiver"}


def test_no_function_but_a_public_api_can_be_called_by_others() -> None:
    made = template(whole_app())
    for id, each in of_type(made, "run.service").items():
        invokers = {each["member"] for each in made["bindings"] if each["on"] == id}
        if each["owner"]["kind"] == "api":
            assert (each["body"], invokers) == ({"invokerIamDisabled": True}, set())
        else:
            assert (each["body"], invokers) == ({}, {member_of(names.PUSHER_NAME, "shop")})


def test_every_function_has_an_account_of_its_own() -> None:
    made = template(whole_app())
    accounts = [
        each["body"]["serviceConfig"]["serviceAccountEmail"] for each in of_type(made, "functions.function").values()
    ]
    assert len(set(accounts)) == len(accounts)


def test_the_whole_project_is_given_to_nobody_but_for_one_database() -> None:
    for each in template(whole_app())["bindings"]:
        if each["on"] == "project":
            assert each["role"] == "roles/eventarc.eventReceiver" or "condition" in each, each


def test_the_apps_together_have_every_right_there_is() -> None:
    """So that the tests above see each."""
    found = {
        (right.kind, right.operation) for app in APPS.values() for each in app.spec().functions for right in each.rights
    }
    assert found >= {(kind, operation) for kind, operations in ROLES.items() for operation in operations}


@pytest.mark.parametrize("operation", [*ROLES["bucket"]])
def test_reading_is_not_writing(operation: str) -> None:
    app = App("shop")
    files = app.bucket("files")

    def handler(event: Any) -> None: ...

    app.queue("jobs").on_message(name="work", uses=[getattr(files, operation)])(handler)
    spec = app.spec()
    assert Right("bucket", "files", operation) in spec.functions[0].rights
    roles = {role for role, on in given(template(spec), member_of("work", "shop")) if on == "bucket:files"}
    assert (WRITE in roles) == (operation in ("put", "delete", "copy", "sign_put"))
