"""The sources of events, each with what sends its events into an inbox: `subscription` says topic and filter. Pure.

Those of tables are in `tables`.
Sources: Cloud Storage documentation, "Pub/Sub notifications", "CORS configuration examples"; Cloud Scheduler reference,
Job; Pub/Sub documentation, "Filter messages".
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

from . import functions, messages, names
from .settings import of_resource, of_stage

_SIZE = "x-goog-content-length-range"  # of a signed PUT with `max_bytes`; see `drivers.bucket`
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_MOST_RETRIES = 5


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
        "versioning": {"enabled": _has_versions(resource, stage)},
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
    event = _event(function, resource, stage)
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


def _event(function: FunctionSpec, resource: ResourceSpec, stage: Stage) -> str:
    if function.trigger.kind == "create":
        return "OBJECT_FINALIZE"
    # With versions an object is deleted by making it an old one; what is then deleted is an old version.
    return "OBJECT_ARCHIVE" if _has_versions(resource, stage) else "OBJECT_DELETE"


def _has_versions(resource: ResourceSpec, stage: Stage) -> bool:
    """Of a bucket that exists already the setting tells it too."""
    return bool(of_resource("buckets", resource, stage).get("versioning", False))


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
