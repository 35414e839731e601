"""What a right in `uses` becomes: the narrowest of Google's own roles that has it, on the one resource. Pure.

A binding here has no member yet; the function's account is put in. Sources: IAM documentation, "Cloud Storage roles",
"Pub/Sub roles", "Secret Manager roles", "Firestore roles"; Firestore documentation, "Configure IAM conditions for
databases".
"""

from __future__ import annotations

from typing import Any

from faasbridge.provider import Stage
from faasbridge.spec import ResourceSpec

from . import messages, names, sources, tables

# Reading needs the right to list as well: without it a missing object is answered 403. Overwriting is deleting, so
# writing needs that right; legacyBucketWriter has both and cannot read.
_READ, _LIST, _WRITE = "storage.objectViewer", "storage.legacyBucketReader", "storage.legacyBucketWriter"
_BUCKET = {
    "get": {_READ},
    "head": {_READ},
    "sign_get": {_READ},
    "list": {_LIST},
    "put": {_WRITE},
    "delete": {_WRITE},
    "sign_put": {_WRITE},
    "copy": {_READ, _WRITE},
}
_ROWS_READ = frozenset({"get", "query", "scan"})


def bucket(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    roles = {role for right in rights for role in _BUCKET.get(right, ())}
    if _READ in roles or _WRITE in roles:
        roles.discard(_LIST)
    name = f"projects/_/buckets/{sources.bucket_address(resource, stage)}"
    return [_binding(resource, "storage.bucket", name, role) for role in sorted(roles)]


def table(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    """On the project, for a database has no policy of its own; the condition is what limits it."""
    if not rights:
        return []
    database, _ = tables.place(resource, stage)
    role = "datastore.viewer" if rights <= _ROWS_READ else "datastore.user"
    expression = f'resource.name == "projects/${{project}}/databases/{database}"'
    condition = {"title": f"faasbridge-{database}"[:100], "expression": expression}
    return [{"on": "project", "role": f"roles/{role}", "condition": condition}]


def without_covered(bindings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tables share a database: who may write one of them may read all."""
    writes = [each["condition"] for each in bindings if each["role"] == "roles/datastore.user"]
    return [
        each for each in bindings if each["role"] != "roles/datastore.viewer" or each.get("condition") not in writes
    ]


def publisher(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    if not rights & {"send", "publish"}:
        return []
    return [_binding(resource, "pubsub.topic", messages.existing_or_own_topic(resource, stage), "pubsub.publisher")]


def secret(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    if "get" not in rights:
        return []
    name = names.existing(resource, stage, "secrets") if resource.existing else ""
    return [_binding(resource, "secretmanager.secret", name, "secretmanager.secretAccessor")]


def _binding(resource: ResourceSpec, type: str, name: str, role: str) -> dict[str, Any]:
    if resource.existing:
        return {"on": "", "type": type, "resource": name, "role": f"roles/{role}"}
    return {"on": names.logical_id(resource.kind, resource.name), "role": f"roles/{role}"}
