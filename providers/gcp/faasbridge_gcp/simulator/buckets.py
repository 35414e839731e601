"""Buckets as Cloud Storage describes them. fake-gcs-server keeps their objects and little else: labels, IAM policies,
notification configurations and the rest of a bucket's resource are here.

Source: https://cloud.google.com/storage/docs/json_api/v1/buckets, .../notifications.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from google.iam.v1 import policy_pb2  # type: ignore[import-untyped, unused-ignore]
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError  # type: ignore[import-untyped, unused-ignore]

from .names import PROJECT_NUMBER
from .policies import Policies
from .rpc import Refusal

AGENT = f"service-{PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
MOST_NOTIFICATIONS = 100  # a bucket: https://cloud.google.com/storage/quotas
_NAME = re.compile(r"(?!goog)(?!.*g[o0]{2}gle)[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_TOPIC = re.compile(r"//pubsub\.googleapis\.com/(projects/[^/]+/topics/[^/]+)")
_FIXED = ("name", "id", "kind", "selfLink", "projectNumber", "timeCreated", "location", "locationType", "etag")


class StorageError(Exception):
    """An answer of the JSON API."""

    def __init__(self, status: int, message: str, reason: str = "invalid") -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {
                "code": status,
                "message": message,
                "errors": [{"message": message, "domain": "global", "reason": reason}],
            }
        }


@dataclass
class Bucket:
    resource: dict[str, Any]
    project: str
    notifications: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: int = 0  # how many notifications so far

    @property
    def name(self) -> str:
        return str(self.resource["name"])


class Buckets:
    """`url` is the storage's own; `is_topic` knows topics."""

    def __init__(self, policies: Policies, is_topic: Callable[[str], bool]) -> None:
        self._policies = policies
        self._is_topic = is_topic
        self.url = ""
        self.buckets: dict[str, Bucket] = {}

    def find(self, name: str) -> Bucket:
        if name not in self.buckets:
            raise StorageError(404, "The specified bucket does not exist.", "notFound")
        return self.buckets[name]

    def create(self, project: str, given: dict[str, Any]) -> Bucket:
        name = str(given.get("name", ""))
        if not project:
            raise StorageError(400, "Required parameter: project", "required")
        if not _NAME.fullmatch(name):
            raise StorageError(400, f"Invalid bucket name: '{name}'")
        if name in self.buckets:
            text = "Your previous request to create the named bucket succeeded and you already own it."
            raise StorageError(409, text, "conflict")
        now = _now()
        resource = {
            "storageClass": "STANDARD",
            "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}, "publicAccessPrevention": "inherited"},
            **given,
            "kind": "storage#bucket",
            "id": name,
            "selfLink": f"{self.url}/storage/v1/b/{name}",
            "projectNumber": PROJECT_NUMBER,
            "location": str(given.get("location") or "US").upper(),
            "locationType": "multi-region" if str(given.get("location") or "US").upper() in ("US", "EU") else "region",
            "timeCreated": now,
            "updated": now,
            "metageneration": "1",
            "etag": "CAE=",
        }
        self.buckets[name] = Bucket(resource, project)
        return self.buckets[name]

    def change(self, bucket: Bucket, given: dict[str, Any], query: dict[str, str], *, whole: bool) -> dict[str, Any]:
        """PATCH: null takes a field or label away. PUT, `whole`: what is not given goes."""
        wanted = query.get("ifMetagenerationMatch")
        if wanted is not None and wanted != bucket.resource["metageneration"]:
            raise StorageError(412, "At least one of the pre-conditions you specified did not hold.", "conditionNotMet")
        old = bucket.resource
        base = {key: value for key, value in old.items() if not whole or key in (*_FIXED, "storageClass")}
        patch = {key: value for key, value in given.items() if key not in _FIXED}
        bucket.resource = {**_merged(base, patch), "updated": _now()}
        bucket.resource["metageneration"] = str(int(old["metageneration"]) + 1)
        return bucket.resource

    def drop(self, name: str) -> None:
        del self.buckets[name]
        self._policies.drop(f"buckets/{name}")

    def listed(self, project: str, prefix: str) -> dict[str, Any]:
        found = [each.resource for name, each in sorted(self.buckets.items()) if each.project == project]
        return {"kind": "storage#buckets", "items": [each for each in found if each["name"].startswith(prefix)]}

    def policy(self, bucket: Bucket) -> dict[str, Any]:
        found = MessageToDict(self._policies.read(f"buckets/{bucket.name}"))
        return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket.name}", "version": 1, **found}

    def set_policy(self, bucket: Bucket, given: dict[str, Any]) -> dict[str, Any]:
        wanted = {key: value for key, value in given.items() if key in ("bindings", "etag", "version")}
        try:
            policy = ParseDict(wanted, policy_pb2.Policy())
            self._policies.write(f"buckets/{bucket.name}", policy)
        except ParseError as error:
            raise StorageError(400, f"Invalid policy: {error}") from error
        except Refusal as refusal:
            status = 412 if "concurrent" in refusal.message else 400
            raise StorageError(status, refusal.message) from refusal
        return self.policy(bucket)

    def notify(self, bucket: Bucket, given: dict[str, Any]) -> dict[str, Any]:
        """A new notification configuration."""
        found = _TOPIC.fullmatch(str(given.get("topic", "")))
        if found is None:
            raise StorageError(400, f"Invalid Google Cloud Pub/Sub topic: {given.get('topic')}")
        topic = found[1]
        project = "/".join(topic.split("/")[:2])
        allowed: set[str] = set()
        for role in ("roles/pubsub.publisher", "roles/pubsub.editor", "roles/pubsub.admin"):
            allowed |= self._policies.members(topic, role) | self._policies.members(project, role)
        if not self._is_topic(topic) or f"serviceAccount:{AGENT}" not in allowed:
            text = (
                f"The service account '{AGENT}' does not have permission to publish messages to to the Cloud Pub/Sub "
                f"topic '//pubsub.googleapis.com/{topic}', or that topic does not exist."
            )
            raise StorageError(403, text, "forbidden")
        if given.get("payload_format") not in ("JSON_API_V1", "NONE"):
            raise StorageError(400, "Required: payload_format, JSON_API_V1 or NONE", "required")
        if len(bucket.notifications) >= MOST_NOTIFICATIONS:
            raise StorageError(400, f"a bucket has at most {MOST_NOTIFICATIONS} notification configurations")
        bucket.made += 1
        id = str(bucket.made)
        bucket.notifications[id] = {
            **given,
            "kind": "storage#notification",
            "id": id,
            "etag": id,
            "selfLink": f"{self.url}/storage/v1/b/{bucket.name}/notificationConfigs/{id}",
        }
        return bucket.notifications[id]


def _merged(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = _merged(found[key], value)
        else:
            found[key] = value
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
