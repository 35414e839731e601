"""Buckets and their notifications, which have no protobuf: their JSON is the JSON API's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions

from faasbridge.errors import DeployError

from ..template.document import Type
from .connection import Cloud
from .owning import is_ours, owner_of, refuse_foreign

if TYPE_CHECKING:
    from .kinds import Found

_AT_A_TIME = 16


class Buckets:
    type: Type = "storage.bucket"
    message = None

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._api = cloud.get("storage")

    def found(self, labels: Mapping[str, str]) -> Iterable[Found]:
        from .kinds import Found

        for each in self._api.list_buckets(project=self._cloud.project):
            if is_ours(each.labels, labels):
                yield Found(self.type, f"projects/_/buckets/{each.name}", _body(each), owner_of(each.labels))

    def create(self, name: str, body: dict[str, Any]) -> None:
        bucket = self._api.bucket(_short(name))
        _set(bucket, body)
        try:
            self._api.create_bucket(bucket, project=self._cloud.project, location=body["location"])
        except exceptions.Conflict as error:
            try:
                there = self._api.get_bucket(_short(name))
            except (exceptions.NotFound, exceptions.Forbidden):
                raise DeployError(f"the bucket name {_short(name)} is taken by another project") from error
            refuse_foreign(name, there, body)
            self._update(name, body)

    def update(self, found: Found, body: dict[str, Any], changed: Iterable[str]) -> None:
        self._update(found.name, body)

    def _update(self, name: str, body: dict[str, Any]) -> None:
        bucket = self._api.get_bucket(_short(name))
        _set(bucket, body)
        bucket.patch()

    def emptied(self, found: Found) -> Iterator[str]:
        """Removes every object and old version; says how far it is: `3 of 4, 75 %`."""
        return _empty(self._api, _short(found.name))

    def delete(self, found: Found) -> None:
        """Of an empty one."""
        try:
            self._api.bucket(_short(found.name)).delete()
        except exceptions.NotFound:
            return

    def objects(self, name: str) -> tuple[int, bool]:
        """How many objects and old versions, up to a thousand, and whether there are more."""
        try:
            found = list(self._api.list_blobs(_short(name), versions=True, max_results=1001))
        except exceptions.NotFound:
            return 0, False
        return min(len(found), 1000), len(found) > 1000


def _empty(api: Any, bucket: str) -> Iterator[str]:
    def remove(blob: Any) -> None:
        try:
            blob.delete()
        except exceptions.NotFound:
            return

    count = 0
    try:
        # A request for a thousand more, so that whoever waits is told how far it is.
        total = sum(1 for _ in api.list_blobs(bucket, versions=True, fields="items(name),nextPageToken"))
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            for page in api.list_blobs(bucket, versions=True).pages:
                count += sum(1 for _ in pool.map(remove, page))
                if count:
                    yield share(count, total)
    except exceptions.NotFound:
        return


def share(count: int, total: int) -> str:
    total = max(count, total)
    return f"{count:,} of {total:,}, {count * 100 // total} %"


class Notifications:
    """Found by what they say, for Google numbers them; made anew where they differ."""

    type: Type = "storage.notification"
    message = None

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._api = cloud.get("storage")

    def found(self, buckets: Iterable[str], topics: frozenset[str]) -> Iterable[Found]:
        """Those of the buckets that tell one of the topics, which are ours."""
        from .kinds import Found

        for name in buckets:
            try:
                listed = list(self._api.bucket(_short(name)).list_notifications())
            except exceptions.NotFound:
                continue
            for each in listed:
                topic = f"projects/{each.topic_project}/topics/{each.topic_name}"
                if topic in topics:
                    body = {
                        "topic": f"//pubsub.googleapis.com/{topic}",
                        "event_types": list(each.event_types or ()),
                        "payload_format": each.payload_format,
                    }
                    place = f"{name}/notificationConfigs/{each.notification_id}"
                    yield Found(self.type, place, body, {"kind": "", "name": ""}, each.notification_id)

    def create(self, name: str, body: dict[str, Any]) -> None:
        bucket, _, _ = name.partition("/notificationConfigs/")
        project, topic = body["topic"].split("/")[-3], body["topic"].split("/")[-1]
        self._api.bucket(_short(bucket)).notification(
            topic_name=topic,
            topic_project=project,
            event_types=body["event_types"],
            payload_format=body["payload_format"],
        ).create()

    def delete(self, found: Found) -> None:
        bucket, _, _ = found.name.partition("/notificationConfigs/")
        try:
            self._api.bucket(_short(bucket)).notification(notification_id=found.handle).delete()
        except exceptions.NotFound:
            return


def _short(name: str) -> str:
    return name.removeprefix("projects/_/buckets/")


def _set(bucket: Any, body: Mapping[str, Any]) -> None:
    bucket.labels = body.get("labels") or {}
    bucket.cors = body.get("cors") or []
    bucket.versioning_enabled = bool((body.get("versioning") or {}).get("enabled"))
    access = body.get("iamConfiguration") or {}
    bucket.iam_configuration.uniform_bucket_level_access_enabled = access["uniformBucketLevelAccess"]["enabled"]
    bucket.iam_configuration.public_access_prevention = access["publicAccessPrevention"]


def canonical(body: Mapping[str, Any]) -> dict[str, Any]:
    """As `_body` gives it back: Cloud Storage takes locations in any case, and tells them in capitals."""
    return {**body, "location": body["location"].lower()}


def _body(bucket: Any) -> dict[str, Any]:
    access = bucket.iam_configuration
    return {
        "location": (bucket.location or "").lower(),
        "labels": dict(bucket.labels),
        "cors": [dict(each) for each in bucket.cors],
        "versioning": {"enabled": bool(bucket.versioning_enabled)},
        "iamConfiguration": {
            "uniformBucketLevelAccess": {"enabled": bool(access.uniform_bucket_level_access_enabled)},
            "publicAccessPrevention": access.public_access_prevention,
        },
    }
