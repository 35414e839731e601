"""The deployment stack of an app and stage: what it says, what it made, and its operations followed to their end.

Source: Azure Resource Manager documentation, "Create and deploy Azure deployment stacks".
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from faasbridge.errors import ConfigError, DeployError

from .connection import Cloud, stack_name
from .faults import Fault, check_missing, innermost, is_wrapper, of_response, sentence

TEMPLATE_TAG = "faasbridge-template"
_ENDED = frozenset({"succeeded", "failed", "canceled"})
_BUSY = "DeploymentStackInNonTerminalState"
_SLOWEST_S = 3.0
_TAKEN_UP_S = 30.0  # a deletion that Azure has accepted, by when the stack says so
UNKNOWN = "resource"
"""The kind of owner of what nothing tells the owner of."""

Owner = tuple[str, str]
"""Kind and name of the declared thing that a resource is, or is a part of."""


@dataclass(frozen=True)
class Operation:
    """Of one resource of a deployment; `key` as in `key_of`."""

    key: str
    state: str
    error: Fault | None = None


@dataclass(frozen=True)
class Made:
    """A resource of the stack."""

    id: str
    owner: Owner
    part: str

    @property
    def key(self) -> str:
        return key_of(self.id)

    @property
    def type(self) -> str:
        return type_of(self.id)

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]


class Stack:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.name = stack_name(cloud.stage)

    def describe(self) -> Any:
        """None where there is none. Raises ConfigError where it is not ours."""
        try:
            found = self._cloud.stacks.get_at_resource_group(self._cloud.group, self.name)
        except ResourceNotFoundError as error:
            check_missing(error)
            return None
        if not self._cloud.is_ours(found.tags):
            raise ConfigError(
                f"there is a deployment stack {self.name!r} in the resource group {self._cloud.group!r} that "
                "FaaSBridge did not make: rename the app or the stage, or delete it"
            )
        return found

    def template(self) -> dict[str, Any]:
        """As it was last sent; empty where Azure does not have it any more."""
        try:
            found = self._cloud.stacks.export_template_at_resource_group(self._cloud.group, self.name)
        except ResourceNotFoundError:
            return {}
        return dict(found.template or {})

    def put(self, template: Mapping[str, Any], digest: str) -> None:
        """Begins; what is in the stack and not in the template any more is deleted at its end."""
        properties = {
            "template": template,
            "parameters": self._cloud.parameters(template),
            "actionOnUnmanage": {"resources": "delete", "resourceGroups": "detach", "managementGroups": "detach"},
            "denySettings": {"mode": "none"},
        }
        body = {"tags": {**self._cloud.tags, TEMPLATE_TAG: digest}, "properties": properties}
        begin = self._cloud.stacks.begin_create_or_update_at_resource_group
        begin(self._cloud.group, self.name, body, polling=False)

    def delete(self) -> None:
        """Begins."""
        from azure.core.exceptions import HttpResponseError

        begin = self._cloud.stacks.begin_delete_at_resource_group
        try:
            begin(
                self._cloud.group,
                self.name,
                unmanage_action_resources="delete",
                unmanage_action_resource_groups="detach",
                bypass_stack_out_of_sync_error=True,
                polling=False,
            )
        except ResourceNotFoundError:
            return
        except HttpResponseError as error:
            if of_response(error)[0] != _BUSY:
                raise

    def follow(self) -> Iterator[Operation]:
        """What happens to resources until the operation that runs has ended. Raises DeployError where it failed."""
        seen: dict[str, str] = {}
        failed: list[Operation] = []
        pause_s = 0.05
        while True:
            found = self.describe()
            if found is None:
                return
            ended = state_of(found) in _ENDED
            fresh = False
            for each in self._operations(found):
                if seen.get(each.key) != each.state:
                    seen[each.key] = each.state
                    fresh = True
                    if each.error is not None:
                        failed.append(each)
                    yield each
            if ended:
                break
            pause_s = 0.1 if fresh else min(pause_s * 1.5, _SLOWEST_S)
            time.sleep(pause_s)
        if state_of(found) != "succeeded":
            raise self._failure(found, failed)

    def gone(self) -> Iterator[None]:
        """Until it is deleted, a turn each time that Azure was asked. Raises DeployError where that failed, or where
        another operation came before it."""
        pause_s = 0.1
        taken_up, deadline = False, time.monotonic() + _TAKEN_UP_S
        while (found := self.describe()) is not None:
            taken_up = taken_up or is_running(found)
            if not is_running(found) and (taken_up or time.monotonic() > deadline):
                if is_settled(found):
                    raise DeployError(f"the stack {self.name} was deployed and not destroyed: run destroy again")
                raise self._failure(found, [], "half destroyed: run destroy again")
            yield
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _SLOWEST_S)

    def _operations(self, found: Any) -> list[Operation]:
        deployment = str(found.properties.deployment_id or "").rpartition("/")[2]
        if not deployment:
            return []
        try:
            listed = list(self._cloud.operations.list(self._cloud.group, deployment))
        except ResourceNotFoundError:
            return []
        return [each for raw in listed if (each := _operation(raw)) is not None]

    def _failure(self, found: Any, failed: list[Operation], ending: str = "") -> DeployError:
        """`table 'photos' (Microsoft.DocumentDB/...): <reason>; what was made stays: ...`"""
        ending = ending or "what was made stays, so put that right and deploy again"
        causes = [each for each in failed if each.error is not None and not is_wrapper(each.error[0])]
        if causes:
            (cause, *_) = causes
            owner, _ = owner_in(owners(self.template()), cause.key)
            what = f"{owner[0]} {owner[1]!r} ({type_in(cause.key)})"
            return DeployError(f"{what}: {sentence(*cause.error).rstrip('.')}; {ending}")  # type: ignore[misc]
        fault = innermost(_plain(found.properties.error))
        for each in found.properties.failed_resources or ():
            if each.error is not None:
                fault = innermost(_plain(each.error))
                return DeployError(f"{type_of(each.id)} {each.id.rpartition('/')[2]}: {sentence(*fault)}; {ending}")
        return DeployError(f"{sentence(*fault).rstrip('.')}; {ending}")


def state_of(found: Any) -> str:
    return text(found.properties.provisioning_state).lower()


def text(value: Any) -> str:
    """Of an enumeration of the SDK's, too."""
    return str(getattr(value, "value", value) or "")


def is_running(found: Any) -> bool:
    return state_of(found) not in _ENDED


def is_settled(found: Any) -> bool:
    return state_of(found) == "succeeded"


def digest_of(template: Mapping[str, Any]) -> str:
    return sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:40]


def owners(template: Mapping[str, Any]) -> dict[str, tuple[str, str, str]]:
    """Key -> kind, name and part of what the template says that a resource is."""
    given = ((template.get("metadata") or {}).get("faasbridge") or {}).get("owners") or {}
    found = {}
    for key, owner in given.items():
        kind, name, *part = owner
        found[key.lower()] = (str(kind), str(name), str(part[0] or "") if part else "")
    return found


def with_owners(template: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The template that also says whose the resources are that it does not have any more: where a deployment fails,
    they are still there."""
    metadata = dict(template.get("metadata") or {})
    own = dict(metadata.get("faasbridge") or {})
    own["owners"] = {**{key: list(owner) for key, owner in owners(before).items()}, **(own.get("owners") or {})}
    return {**template, "metadata": {**metadata, "faasbridge": own}}


def owner_in(known: Mapping[str, tuple[str, str, str]], key: str) -> tuple[Owner, str]:
    """What a plugin put there without an owner is its own."""
    kind, name, part = known.get(key, (UNKNOWN, key.rpartition("/")[2], ""))
    return (kind, name), part


def made(found: Any, template: Mapping[str, Any]) -> list[Made]:
    known = owners(template)
    return [
        Made(each.id, *owner_in(known, key_of(each.id)))
        for each in found.properties.resources or ()
        if "/providers/" in each.id
    ]


def key_of(id: str) -> str:
    """`<type>/<name>` in lower case, of the resource that an id names: `microsoft.web/sites/shop-dev-work`."""
    namespace, *rest = id.rpartition("/providers/")[2].split("/")
    return "/".join((namespace, *rest[::2], *rest[1::2])).lower()


def key_of_declared(resource: Mapping[str, Any]) -> str:
    return f"{resource['type']}/{resource['name']}".lower()


def type_of(id: str) -> str:
    namespace, *rest = id.rpartition("/providers/")[2].split("/")
    return "/".join((namespace, *rest[::2]))


def type_in(key: str) -> str:
    namespace, *rest = key.split("/")
    return "/".join((namespace, *rest[: (len(rest) + 1) // 2]))


def _operation(raw: Any) -> Operation | None:
    properties = raw.properties
    target = properties.target_resource
    if target is None or not target.id or "/providers/" not in target.id:
        return None
    state = text(properties.provisioning_state)
    error = None
    if state == "Failed":
        message = _plain(properties.status_message) or {}
        error = innermost(message.get("error", message) if isinstance(message, Mapping) else message)
    return Operation(key_of(target.id), state, error)


def _plain(value: Any) -> Any:
    return value.as_dict() if hasattr(value, "as_dict") else value
