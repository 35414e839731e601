"""What a deployed function may do: what its `uses` says, its own inbox, code and log, and nothing else."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faasbridge import App
from faasbridge.conformance.app import app as conformance
from faasbridge.spec import FunctionSpec

sys.path.insert(0, str(Path(__file__).parent))
from arm_templates import ASSIGNMENTS, COSMOS, STORAGE, Evaluated, stage, template, whole_app

_CONTAINERS, _QUEUES = (f"{STORAGE}/{each}" for each in ("blobServices/containers", "queueServices/queues"))
_BLOBS, _MESSAGES, _ITEMS = f"{_CONTAINERS}/blobs", f"{_QUEUES}/messages", f"{COSMOS}/sqlDatabases/containers/items"
_QUERY, _FEED = (f"{COSMOS}/sqlDatabases/containers/{each}" for each in ("executeQuery", "readChangeFeed"))
_DELEGATE = f"{STORAGE}/blobServices/generateUserDelegationKey/action"
_ADD = f"{_MESSAGES}/add/action"
_SECRET, _PUBLISH = "Microsoft.KeyVault/vaults/secrets/getSecret/action", "Microsoft.EventGrid/events/send/action"

# What Azure's built-in roles allow. Source: Azure documentation, "Azure built-in roles".
ROLES = {
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": {f"{_CONTAINERS}/read", f"{_BLOBS}/read", _DELEGATE},
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": {
        *(f"{_CONTAINERS}/{each}" for each in ("delete", "read", "write")),
        *(f"{_BLOBS}/{each}" for each in ("delete", "read", "write", "move/action", "add/action")),
        _DELEGATE,
    },
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": {_DELEGATE},
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": {
        *(f"{_QUEUES}/{each}" for each in ("delete", "read", "write")),
        *(f"{_MESSAGES}/{each}" for each in ("delete", "read", "write", "process/action")),
        _ADD,
    },
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": {_ADD},
    "d5a91429-5739-47e2-a06b-3470a27159e7": {_PUBLISH},
    "4633458b-17de-408a-b874-0445c86b69e6": {_SECRET, "Microsoft.KeyVault/vaults/secrets/readMetadata/action"},
    "3913510d-42f4-4e42-8a64-420c390055eb": {"Microsoft.Insights/Metrics/Write"},
}

# What each operation of a driver calls, by kind.
CALLS: dict[str, dict[str, set[str]]] = {
    "bucket": {
        "get": {f"{_BLOBS}/read"},
        "head": {f"{_BLOBS}/read"},
        "put": {f"{_BLOBS}/write"},
        "delete": {f"{_BLOBS}/delete"},
        "list": {f"{_BLOBS}/read"},
        "copy": {f"{_BLOBS}/read", f"{_BLOBS}/write"},
        "sign_get": {f"{_BLOBS}/read", _DELEGATE},
        "sign_put": {f"{_BLOBS}/write", _DELEGATE},
    },
    "table": {
        "get": {f"{_ITEMS}/read"},
        "put": {f"{_ITEMS}/{each}" for each in ("create", "read", "replace", "upsert")},
        "update": {f"{_ITEMS}/read", f"{_ITEMS}/replace"},
        "delete": {f"{_ITEMS}/read", f"{_ITEMS}/delete"},
        "query": {_QUERY},
        "scan": {_QUERY},
    },
    "queue": {"send": {_ADD}},
    "topic": {"publish": {_PUBLISH}},
    "secret": {"get": {_SECRET}},
}
# Blobs are added by whoever may write them.
ALSO = {f"{_BLOBS}/write": f"{_BLOBS}/add/action"}
EVERY_ACTION = sorted({each for actions in ROLES.values() for each in actions} | {_QUERY, _FEED} | {
    f"{_ITEMS}/{each}" for each in ("create", "delete", "read", "replace", "upsert")
})  # fmt: skip


class Rights:
    """Of one function, as Azure evaluates role assignments."""

    def __init__(self, made: Evaluated, function: str) -> None:
        principal = made.principal(function)
        self._found: list[tuple[str, set[str]]] = []
        for each in made.of_type(ASSIGNMENTS).values():
            if each["properties"]["principalId"] == principal:
                scope = each["id"].partition(f"/providers/{ASSIGNMENTS}")[0]
                allowed = ROLES[each["properties"]["roleDefinitionId"].rpartition("/")[2]]
                self._found.append((scope, allowed - denied(each["properties"].get("condition", ""))))
        definitions = made.of_type(f"{COSMOS}/sqlRoleDefinitions")
        for each in made.of_type(f"{COSMOS}/sqlRoleAssignments").values():
            if each["properties"]["principalId"] == principal:
                id = each["properties"]["roleDefinitionId"].rpartition("/")[2]
                (definition,) = (one for name, one in definitions.items() if name.endswith(f"/{id}"))
                scope = (
                    each["properties"]["scope"].replace("/dbs/", "/sqlDatabases/").replace("/colls/", "/containers/")
                )
                self._found.append((scope, set(definition["properties"]["permissions"][0]["dataActions"])))

    def may(self, action: str, on: str) -> bool:
        return any(f"{on}/".startswith(f"{scope}/") and action in actions for scope, actions in self._found)

    def scopes(self) -> set[str]:
        return {scope for scope, _ in self._found}


def denied(condition: str) -> set[str]:
    """The actions that conditions of the template's one form take away."""
    form = r"\(\(!\(ActionMatches\{'([^']+)'\}\)\) OR \(@Resource\[[^]]+:name\] StringEquals '-'\)\)"
    assert re.fullmatch(rf"({form}( AND {form})*)?", condition), condition
    return set(re.findall(r"ActionMatches\{'([^']+)'\}", condition))


def id_of(made: Evaluated, kind: str, name: str, action: str) -> str:
    """What an action is called on."""
    account = made.one(STORAGE)["id"]
    if action == _DELEGATE:
        return str(account)
    if kind == "bucket":
        return f"{account}/blobServices/default/containers/{made.stage.app}-dev-{name}"
    if kind == "queue":
        queue = made.outputs["addresses"][variable("queue", name)].rpartition("/")[2]
        return f"{account}/queueServices/default/queues/{queue}"
    if kind == "topic":
        return str(made.of_type("Microsoft.EventGrid/topics")[f"{made.stage.app}-dev-{name}"]["id"])
    if kind == "secret":
        return f"{made.one('Microsoft.KeyVault/vaults')['id']}/secrets/{name}"
    address = made.outputs["addresses"].get(variable("table", name), name)  # that of the leases is no table's
    container = address.partition("?")[0].rpartition("/")[2]
    return f"{made.one(COSMOS)['id']}/sqlDatabases/{made.stage.app}-dev-tables/containers/{container}"


def variable(kind: str, name: str) -> str:
    return f"FAASBRIDGE_{kind}_{name}".upper().replace("-", "_")


def things(app: App) -> list[tuple[str, str]]:
    return [(each.kind, each.name) for each in app.spec().resources]


APPS = {"whole": whole_app(), "conformance": conformance}
MADE = {name: Evaluated(template(app), stage(app.app_name)) for name, app in APPS.items()}
CASES = [(name, each) for name, app in APPS.items() for each in app.spec().functions]


def members(function: FunctionSpec, app: App) -> list[FunctionSpec]:
    """It and what shares its app."""
    group = function.options.get("azure", {}).get("app")
    return [each for each in app.spec().functions if group and each.options.get("azure", {}).get("app") == group] or [
        function
    ]


def calls(function: FunctionSpec, app: App) -> Iterator[tuple[str, str, str]]:
    watched = {each.trigger.resource for each in app.spec().functions if each.trigger.kind == "change"}
    for one in members(function, app):
        for right in one.rights:
            for action in CALLS[right.kind].get(right.operation, ()):  # `native` is none
                yield right.kind, right.name, action
            if right.kind == "table" and right.name in watched and right.operation in ("put", "update", "delete"):
                yield "table", right.name, f"{_ITEMS}/create"  # the document of the change
        if one.trigger.resource_kind == "queue":  # its inbox, and the poison queue beside it
            inbox = one.trigger.resource
            yield from (("queue", inbox, action) for action in ROLES["974c5e8b-45b9-4653-ba55-5f855dd0fb88"])
            yield "queue", f"{inbox}-dead", _ADD
        if one.trigger.kind == "change":
            yield from (("table", one.trigger.resource, action) for action in (_FEED, _QUERY, f"{_ITEMS}/read"))


@pytest.mark.parametrize(("name", "function"), CASES, ids=[f"{name}-{each.name}" for name, each in CASES])
class TestEachFunction:
    def test_may_do_what_its_uses_says(self, name: str, function: FunctionSpec) -> None:
        rights = Rights(MADE[name], function.name)
        for kind, thing, action in calls(function, APPS[name]):
            if (kind, thing) in things(APPS[name]):
                assert rights.may(action, id_of(MADE[name], kind, thing, action)), (kind, thing, action)

    def test_may_do_nothing_else_with_the_apps_resources(self, name: str, function: FunctionSpec) -> None:
        rights = Rights(MADE[name], function.name)
        allowed = set(calls(function, APPS[name]))
        allowed |= {(kind, thing, ALSO[action]) for kind, thing, action in allowed if action in ALSO}
        for kind, thing in things(APPS[name]):
            for action in EVERY_ACTION:
                # A container itself is no secret to who may use what is in it; a signature alone allows nothing.
                if (
                    action.startswith(f"{_CONTAINERS}/") and not action.startswith(f"{_BLOBS}/")
                ) or action == _DELEGATE:
                    continue
                if (kind, thing, action) not in allowed and not (kind == "secret" and "readMetadata" in action):
                    assert not rights.may(action, id_of(MADE[name], kind, thing, action)), (kind, thing, action)

    def test_nothing_is_granted_on_more_than_one_thing(self, name: str, function: FunctionSpec) -> None:
        rights = Rights(MADE[name], function.name)
        account = MADE[name].one(STORAGE)["id"]
        whole = {scope for scope in rights.scopes() if scope == account}
        signs = any(
            right.operation in ("sign_get", "sign_put")
            for each in members(function, APPS[name])
            for right in each.rights
        )
        assert whole == ({account} if signs else set())
        group = account.partition("/providers/")[0]
        assert not any(scope in (group, f"/subscriptions/{group.split('/')[2]}") for scope in rights.scopes())

    def test_the_host_may_use_its_code_its_leases_and_the_log(self, name: str, function: FunctionSpec) -> None:
        made = MADE[name]
        rights = Rights(made, function.name)
        storage = made.site(function.name)["properties"]["functionAppConfig"]["deployment"]["storage"]["value"]
        containers = f"{made.one(STORAGE)['id']}/blobServices/default/containers"
        for container in (storage.rpartition("/")[2], "azure-webjobs-hosts", "azure-webjobs-secrets"):
            for action in ("read", "write", "delete"):
                assert rights.may(f"{_BLOBS}/{action}", f"{containers}/{container}")
        assert rights.may("Microsoft.Insights/Metrics/Write", made.one("Microsoft.Insights/components")["id"])

    def test_nobody_has_the_code_of_another(self, name: str, function: FunctionSpec) -> None:
        rights = Rights(MADE[name], function.name)
        own = MADE[name].site(function.name)["properties"]["functionAppConfig"]["deployment"]["storage"]["value"]
        for container in MADE[name].of_type(_CONTAINERS).values():
            last = container["name"].rpartition("/")[2]
            if last.startswith("faasbridge-code-") and last != own.rpartition("/")[2]:
                assert not any(rights.may(action, container["id"]) for action in EVERY_ACTION if action != _DELEGATE)


@pytest.mark.parametrize("name", APPS)
def test_what_brings_changes_and_ticks_may_write_into_the_inbox_and_its_leases(name: str) -> None:
    made = MADE[name]
    for function in APPS[name].spec().functions:
        if function.trigger.kind not in ("change", "tick"):
            continue
        rights = Rights(made, function.name)
        inbox = made.outputs["inboxes"][function.name]["inbox"].rpartition("/")[2]
        assert rights.may(_ADD, f"{made.one(STORAGE)['id']}/queueServices/default/queues/{inbox}")
        if function.trigger.kind == "change":
            leases = id_of(made, "table", "faasbridge-leases", "")
            assert all(rights.may(f"{_ITEMS}/{each}", leases) for each in ("create", "replace", "delete", "read"))


@pytest.mark.parametrize("name", APPS)
def test_event_grid_may_write_into_the_inboxes_that_it_feeds_only(name: str) -> None:
    made = MADE[name]
    principal = f"principal of {made.stage.app}-dev--events"
    scopes = {
        each["id"].partition(f"/providers/{ASSIGNMENTS}")[0].rpartition("/")[2]
        for each in made.of_type(ASSIGNMENTS).values()
        if each["properties"]["principalId"] == principal
    }
    fed = [each for each in APPS[name].spec().functions if each.trigger.resource_kind in ("bucket", "topic")]
    inboxes = {made.outputs["inboxes"][each.name]["inbox"].rpartition("/")[2] for each in fed}
    assert scopes == {*inboxes, "faasbridge-undelivered"}


def test_senders_may_leave_a_claim_and_not_read_those_of_others() -> None:
    app = App("shop")
    jobs = app.queue("jobs")

    @app.get("/", uses=[jobs.send])
    def home(request: Any) -> None: ...

    made = Evaluated(template(app))
    claims = f"{made.one(STORAGE)['id']}/blobServices/default/containers/faasbridge-claims"
    rights = Rights(made, "http")
    assert rights.may(f"{_BLOBS}/write", claims)
    assert not rights.may(f"{_BLOBS}/read", claims)
    assert not rights.may(f"{_BLOBS}/delete", claims)


def test_an_assignment_keeps_its_name_and_differs_from_every_other() -> None:
    one, same = (Evaluated(template(whole_app())) for _ in range(2))
    assert set(one.of_type(ASSIGNMENTS)) == set(same.of_type(ASSIGNMENTS))
    other = Evaluated(template(whole_app(), stage(name="prod")), stage(name="prod"))
    assert not set(one.of_type(ASSIGNMENTS)) & set(other.of_type(ASSIGNMENTS))
