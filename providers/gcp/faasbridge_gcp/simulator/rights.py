"""What a service account may do: which permission a call takes on which resource, and whether a role gives it.

Roles other than those listed here give nothing, except the basic ones, a service's administrator (`roles/pubsub.admin`)
and the project's custom roles. Of conditions the one is known that templates use, an equality of `resource.name`.
Sources: https://cloud.google.com/iam/docs/roles-permissions, of storage, pubsub, secretmanager, datastore and iam;
https://cloud.google.com/firestore/docs/security/iam, "Required permissions for API methods".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc  # type: ignore[import-untyped, unused-ignore]
from google.cloud.firestore_v1.types import firestore

from .policies import Policies
from .rpc import Refusal, Servicer
from .services.accounts import DEFAULT_ACCOUNT

_ROWS_READ = frozenset({"datastore.databases.get", "datastore.entities.get", "datastore.entities.list"})
_OBJECTS_LISTED = frozenset({"storage.buckets.get", "storage.objects.list"})
_ROLES: Mapping[str, frozenset[str]] = {
    "roles/datastore.viewer": _ROWS_READ,
    "roles/datastore.user": _ROWS_READ | {"datastore.entities.write"},  # create, update and delete, which go together
    "roles/iam.serviceAccountOpenIdTokenCreator": frozenset({"iam.serviceAccounts.getOpenIdToken"}),
    "roles/iam.serviceAccountTokenCreator": frozenset(
        f"iam.serviceAccounts.{each}" for each in ("getAccessToken", "getOpenIdToken", "signBlob", "signJwt")
    ),
    "roles/logging.logWriter": frozenset({"logging.logEntries.create"}),
    "roles/pubsub.publisher": frozenset({"pubsub.topics.publish"}),
    "roles/pubsub.subscriber": frozenset({"pubsub.subscriptions.consume"}),
    "roles/secretmanager.secretAccessor": frozenset({"secretmanager.versions.access"}),
    "roles/storage.legacyBucketReader": _OBJECTS_LISTED,
    "roles/storage.legacyBucketWriter": _OBJECTS_LISTED | {"storage.objects.create", "storage.objects.delete"},
    "roles/storage.objectCreator": frozenset({"storage.objects.create"}),
    "roles/storage.objectViewer": frozenset({"storage.objects.get", "storage.objects.list"}),
    "roles/storage.objectUser": frozenset(
        f"storage.objects.{each}" for each in ("create", "delete", "get", "list", "update")
    ),
}
_BASIC = frozenset({"roles/owner", "roles/editor"})
_CALLS: Mapping[str, tuple[str, str]] = {  # the permission, and the field that names the resource
    "AccessSecretVersion": ("secretmanager.versions.access", "name"),
    "Acknowledge": ("pubsub.subscriptions.consume", "subscription"),
    "GenerateAccessToken": ("iam.serviceAccounts.getAccessToken", "name"),
    "GenerateIdToken": ("iam.serviceAccounts.getOpenIdToken", "name"),
    "ModifyAckDeadline": ("pubsub.subscriptions.consume", "subscription"),
    "Publish": ("pubsub.topics.publish", "topic"),
    "Pull": ("pubsub.subscriptions.consume", "subscription"),
    "SignBlob": ("iam.serviceAccounts.signBlob", "name"),
    "SignJwt": ("iam.serviceAccounts.signJwt", "name"),
    "StreamingPull": ("pubsub.subscriptions.consume", "subscription"),
    "WriteLogEntries": ("logging.logEntries.create", "log_name"),
}
_WRITES = ("CreateDocument", "UpdateDocument", "DeleteDocument", "Commit", "BatchWrite", "Write")
_OWN_NAME = re.compile(r'\s*resource\.name\s*==\s*"([^"]*)"\s*')


class Rights:
    """`custom(role)`: the permissions of a role that the project made."""

    def __init__(self, policies: Policies, custom: Callable[[str], Iterable[str]]) -> None:
        self._policies = policies
        self._custom = custom

    def has(self, email: str, permission: str, resource: str, project: str, *, kept_at: str = "") -> bool:
        """On a resource of a project by that name; `kept_at`: the name of its policy, where that is another."""
        if email == DEFAULT_ACCOUNT:  # an editor of its project
            return True
        for place in (kept_at or resource, f"projects/{project}"):
            for role, expression in self._policies.given(place, f"serviceAccount:{email}"):
                if self._gives(role, permission) and _holds(expression, resource):
                    return True
        return False

    def refusal(self, email: str, servicer: Servicer, method: str, request: Any) -> Refusal | None:
        """Why the account may not make this call; None where it may. What is not listed takes an administrator."""
        service = servicer.api_name.partition(".")[0] or "pubsub"  # whose policies have a service without an API
        permission, field = _CALLS.get(method, (f"{service}.{method}", "resource"))
        resource = str(getattr(request, field, "")).partition("/versions/")[0]
        if resource.startswith("projects/-/"):
            resource = resource.replace("-", project_of(resource), 1)
        project = resource.split("/")[1] if resource.startswith("projects/") else project_of(email)
        return None if self.has(email, permission, resource, project) else denied(permission, resource)

    def firestore_refusal(self, email: str, method: str, message: bytes) -> Refusal | None:
        """The same for Firestore, of a method by its last name and its first message."""
        kind = getattr(firestore, f"{method}Request", None)
        if kind is None:
            return denied(f"datastore.{method}", "")
        request = kind.pb().FromString(message)
        place = next(filter(None, (getattr(request, field, "") for field in ("database", "parent", "name"))), "")
        place = "/".join(str(place or getattr(request, "document", request).name).split("/")[:4])
        writes = method in _WRITES and (method != "Commit" or bool(request.writes))
        permission = "datastore.entities.write" if writes else "datastore.entities.get"
        allowed = place.count("/") == 3 and self.has(email, permission, place, place.split("/")[1])
        return None if allowed else denied(permission, place)

    def _gives(self, role: str, permission: str) -> bool:
        if role in _BASIC or role == f"roles/{permission.partition('.')[0]}.admin":
            return True
        return permission in _ROLES.get(role, ()) or permission in self._custom(role)


def project_of(email: str) -> str:
    return email.rpartition("@")[2].partition(".")[0]


def denied(permission: str, resource: str) -> Refusal:
    text = f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
    return Refusal(grpc.StatusCode.PERMISSION_DENIED, text)


def _holds(expression: str, resource: str) -> bool:
    found = _OWN_NAME.fullmatch(expression)
    return not expression or (found is not None and found[1] == resource)
