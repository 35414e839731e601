"""Tables: collections of the stage's Firestore database, their indexes, and how their changes get into an inbox. Pure.

Sources: Eventarc documentation, "Route Firestore events"; Firestore REST reference, Field and Index.
"""

from __future__ import annotations

from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from ..firestore_value import EXPIRY, field_name
from ..forwarder import VARIABLE as FORWARD_TO
from . import functions, messages, names
from .settings import of_stage


def table(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    """A collection of the stage's database: its indexes, and the field that ends a row's life."""
    if resource.existing:
        place(resource, stage)
        return {}
    database = names.database_name(stage)
    group = f"{database}/collectionGroups/{resource.name}"
    id = names.logical_id("table", resource.name)
    settings = {key: of_stage(stage, key, None) for key in ("point_in_time_recovery", "deletion_protection")}
    body: dict[str, Any] = {"type": "FIRESTORE_NATIVE", "locationId": of_stage(stage, "database_location", "${region}")}
    if settings["point_in_time_recovery"]:
        body["pointInTimeRecoveryEnablement"] = "POINT_IN_TIME_RECOVERY_ENABLED"
    if settings["deletion_protection"]:
        body["deleteProtectionState"] = "DELETE_PROTECTION_ENABLED"
    made: dict[str, Any] = {
        names.DATABASE: {
            "type": "firestore.database",
            "name": database,
            "body": body,
            "owner": names.owner("database", database.rpartition("/")[2]),
        },
        id: {
            "type": "firestore.field",
            "name": f"{group}/fields/{_quoted(EXPIRY)}",
            "body": {"ttlConfig": {}},
        },
    }
    options = resource.options
    pairs = [options["key"], options["sort_key"]] if options.get("sort_key") else []
    orders = {"": pairs} if pairs else {}
    orders.update({name: list(pair) for name, pair in (options.get("indexes") or {}).items()})
    for name, (key, sort) in sorted(orders.items()):
        for direction in ("ASCENDING", "DESCENDING"):
            part = "-".join(filter(None, ("index", name, direction.lower())))
            made[f"{id}:{part}"] = {
                "type": "firestore.index",
                "name": f"{group}/indexes/{id}:{part}",
                "body": {
                    "queryScope": "COLLECTION",
                    "fields": [
                        {"fieldPath": _quoted(field_name(key)), "order": "ASCENDING"},
                        {"fieldPath": _quoted(field_name(sort)), "order": direction},
                        {"fieldPath": "__name__", "order": direction},
                    ],
                },
                "owner": names.owner("table", resource.name, part),
            }
    return {"resources": made}


def inbox(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """Eventarc calls the table's forwarder, which publishes to one topic a table."""
    id = names.logical_id("table", resource.name)
    part, topic_name = names.owner("table", resource.name, "changes"), f"{resource.name}-table-changes"
    database, collection = place(resource, stage)
    trigger = {
        "triggerRegion": of_stage(stage, "database_location", "${region}"),
        "eventType": "google.cloud.firestore.document.v1.written",
        "eventFilters": [
            {"attribute": "database", "value": database},
            {"attribute": "namespace", "value": "(default)"},
            {"attribute": "document", "value": f"{collection}/{{id}}", "operator": "match-path-pattern"},
        ],
        "serviceAccountEmail": names.account(names.PUSHER_NAME, stage),
        "retryPolicy": "RETRY_POLICY_RETRY",
    }
    topic = names.topic_name(topic_name, stage)
    made = functions.forwarder(f"{id}:forwarder", _forwarder(resource), stage, {FORWARD_TO: topic}, trigger, part)
    return {
        "resources": {
            **messages.topic(f"{id}:changes", topic_name, stage, part)["resources"],
            **made["resources"],
            names.inbox_id(function): {"body": {"topic": topic, "filter": messages.only_for(function)}},
        },
        "bindings": [
            *made["bindings"],
            {
                "on": f"{id}:changes",
                "role": "roles/pubsub.publisher",
                "member": functions.member(_forwarder(resource), stage),
                "owner": part,
            },
        ],
    }


def _forwarder(resource: ResourceSpec) -> str:
    """A full stop, so that no function of the app is called so."""
    return f"{resource.name}.changes"


def place(resource: ResourceSpec, stage: Stage) -> tuple[str, str]:
    """Database and collection, of the stage's project. One that exists already is `D/C`, or
    `projects/P/databases/D/documents/C` with the project that the stage names."""
    if not resource.existing:
        return names.database_name(stage).rpartition("/")[2], resource.name
    where = f"[tool.faasbridge.stages.{stage.name}.gcp.existing]"
    parts = names.existing_name(resource, stage).strip("/").split("/")
    if len(parts) == 6 and parts[::2] == ["projects", "databases", "documents"]:
        if parts[1] != of_stage(stage, "project", None):
            raise ConfigError(
                f"{where}: table {resource.name!r} is in project {parts[1]!r}. A right on a table is given on its "
                "project, its changes are told only there, and a deployment is of one project: one of the stage's own "
                "is DATABASE/COLLECTION"
            )
        parts = [parts[3], parts[5]]
    if len(parts) != 2:
        raise ConfigError(f"{where}: table {resource.name!r} is DATABASE/COLLECTION, not {'/'.join(parts)!r}")
    return parts[0], parts[1]


def address(resource: ResourceSpec, stage: Stage) -> str:
    database, collection = place(resource, stage)
    return f"projects/${{project}}/databases/{database}/documents/{collection}"


def _quoted(field: str) -> str:
    """A field's name as a path. Source: Firestore REST reference, Field.name and Index.IndexField."""
    plain = field.replace("_", "a")
    if plain.isascii() and plain.isalnum() and not plain[0].isdigit():
        return field
    escaped = field.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
