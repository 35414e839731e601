"""The sources of events, each with what sends its events into an inbox: `subscription` says topic and filter. Pure.

Sources: Cloud Storage documentation, "Pub/Sub notifications", "CORS configuration examples"; Eventarc documentation,
"Route Firestore events"; Cloud Scheduler reference, Job; Pub/Sub documentation, "Filter messages".
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from ..firestore_value import EXPIRY, field_name
from ..forwarder import VARIABLE as FORWARD_TO
from . import functions, messages, names
from .settings import of_resource, of_stage

_SIZE = "x-goog-content-length-range"  # of a signed PUT with `max_bytes`; see `drivers.bucket`
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_MOST_RETRIES = 5
_EVENTS = {"create": "OBJECT_FINALIZE", "delete": "OBJECT_DELETE"}


# Queues and topics


def queue(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    """A declared queue: its topic, the subscription in which messages wait while it has no handler, and its dead
    letters. A queue of dead letters is made by the one that it belongs to, and is declared here."""
    id = names.logical_id("queue", resource.name)
    owner = names.owner("queue", resource.name)
    if "dead_letters_of" in resource.options:
        return {"resources": {id: {"owner": owner}, f"{id}:subscription": {"owner": {**owner, "part": "subscription"}}}}
    dead = messages.dead_letters(f"{id}-dead", resource.name, stage, {**owner, "part": "dead-letters"})
    if resource.existing:
        names.existing_name(resource, stage)
        return dead
    made = messages.topic(id, resource.name, stage, owner)["resources"]
    part: Any = {**owner, "part": "subscription"}
    waiting = messages.kept(f"{id}:subscription", resource.name, stage, part, ordered=is_ordered(resource))
    return {"resources": {**made, **waiting["resources"], **dead["resources"]}}


def queue_inbox(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """A queue has one handler, whose inbox its subscription is."""
    body: dict[str, Any] = {"topic": messages.existing_or_own_topic(resource, stage)}
    if is_ordered(resource):
        body["enableMessageOrdering"] = True
    return {"resources": {names.inbox_id(function): {"body": body}}}


def topic(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    if resource.existing:
        names.existing_name(resource, stage)
        return {}
    return messages.topic(names.logical_id("topic", resource.name), resource.name, stage)


def topic_inbox(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    body: dict[str, Any] = {
        "topic": messages.existing_or_own_topic(resource, stage),
        "filter": messages.only_for(function),
    }
    if is_ordered(resource):
        body["enableMessageOrdering"] = True
    return {"resources": {names.inbox_id(function): {"body": body}}}


def is_ordered(resource: ResourceSpec) -> bool:
    return bool(resource.options.get("ordered"))


# Buckets


def bucket(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    """Private, whatever anybody grants, and encrypted, as every bucket is."""
    if resource.existing:
        bucket_address(resource, stage)
        return {}
    body: dict[str, Any] = {
        "location": of_stage(stage, "bucket_location", "${region}"),
        "iamConfiguration": functions.PRIVATE,
        # Whoever has a signed URL may use it from any page; what it allows is in the signature.
        "cors": [
            {
                "origin": ["*"],
                "method": ["GET", "HEAD", "PUT"],
                # Google has one list of those that a page may send and those that it may read.
                "responseHeader": ["Content-Type", "Content-Length", "Content-Range", "ETag", "Accept-Ranges", _SIZE],
                "maxAgeSeconds": 600,
            }
        ],
        "versioning": {"enabled": bool(of_resource("buckets", resource, stage).get("versioning", False))},
    }
    id = names.logical_id("bucket", resource.name)
    return {
        "resources": {id: {"type": "storage.bucket", "name": names.bucket_name(resource.name, stage), "body": body}}
    }


def bucket_inbox(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """One topic a bucket, which is notified of what any handler wants; filters by prefix, the entry by suffix."""
    id = names.logical_id("bucket", resource.name)
    part = names.owner("bucket", resource.name, "events")
    topic_name = f"{resource.name}-bucket-events"
    event = _EVENTS[function.trigger.kind]
    condition = f'attributes.eventType = "{event}"'
    prefix = function.trigger.settings.get("prefix") or ""
    if prefix and '"' not in prefix and "\\" not in prefix:
        condition += f' AND hasPrefix(attributes.objectId, "{prefix}")'
    where = bucket_address(resource, stage)
    return {
        "resources": {
            **messages.topic(f"{id}:events", topic_name, stage, part)["resources"],
            f"{id}:{event.lower()}": {
                "type": "storage.notification",
                "name": f"projects/_/buckets/{where}/notificationConfigs/{id}:{event.lower()}",
                "body": {
                    "topic": f"//pubsub.googleapis.com/{names.topic_name(topic_name, stage)}",
                    "event_types": [event],
                    "payload_format": "JSON_API_V1",
                },
                "owner": part,
            },
            names.inbox_id(function): {
                "body": {
                    "topic": names.topic_name(topic_name, stage),
                    "filter": messages.only_for(function, condition),
                }
            },
        },
        "bindings": [{"on": f"{id}:events", "role": "roles/pubsub.publisher", "member": names.STORAGE_AGENT}],
    }


def bucket_address(resource: ResourceSpec, stage: Stage) -> str:
    """Its name in the world. One that exists already may be named as Google's tools and APIs do."""
    if not resource.existing:
        return names.bucket_name(resource.name, stage).removeprefix("projects/_/buckets/")
    given = names.existing_name(resource, stage)
    found = given.removeprefix("gs://").removeprefix("projects/_/buckets/").rstrip("/")
    if not _BUCKET.fullmatch(found):
        raise ConfigError(
            f"[tool.faasbridge.stages.{stage.name}.gcp.existing]: bucket {resource.name!r} is the name of a bucket, "
            f"not {given!r}"
        )
    return found


# Tables


def table(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    """A collection of the stage's database: its indexes, and the field that ends a row's life."""
    if resource.existing:
        table_place(resource, stage)
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


def table_inbox(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """Eventarc calls the table's forwarder, which publishes to one topic a table."""
    id = names.logical_id("table", resource.name)
    part, topic_name = names.owner("table", resource.name, "changes"), f"{resource.name}-table-changes"
    database, collection = table_place(resource, stage)
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


def table_place(resource: ResourceSpec, stage: Stage) -> tuple[str, str]:
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


def table_address(resource: ResourceSpec, stage: Stage) -> str:
    database, collection = table_place(resource, stage)
    return f"projects/${{project}}/databases/{database}/documents/{collection}"


def _quoted(field: str) -> str:
    """A field's name as a path. Source: Firestore REST reference, Field.name and Index.IndexField."""
    plain = field.replace("_", "a")
    if plain.isascii() and plain.isalnum() and not plain[0].isdigit():
        return field
    escaped = field.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


# Schedules


def schedule(function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """Cloud Scheduler cannot say when a tick was due: the entry takes the minute in which it was published."""
    id = names.function_id(function)
    settings: Mapping[str, Any] = function.trigger.settings
    zone = settings.get("timezone") or "UTC"
    tick = {"faasbridge": "tick", "schedule": function.name, "timezone": zone}
    name = f"{function.name}-schedule"
    return {
        "resources": {
            **messages.topic(f"{id}:ticks", name, stage)["resources"],
            f"{id}:schedule": {
                "type": "scheduler.job",
                "name": names.job_name(function.name, stage),
                "body": {
                    "schedule": settings["cron"],
                    "timeZone": zone,
                    "retryConfig": {"retryCount": _MOST_RETRIES},  # of a publishing that failed; of itself none
                    "pubsubTarget": {
                        "topicName": names.topic_name(name, stage),
                        "data": b64encode(json.dumps(tick).encode()).decode(),
                    },
                },
            },
            names.inbox_id(function): {"body": {"topic": names.topic_name(name, stage)}},
        }
    }
