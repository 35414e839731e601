"""Taking a deployment down: what holds data is found first, and emptied only where that was asked for.

Each part can be done again, so a destroy that was interrupted is finished by the next. What may outlive the stack is
noted before it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from faasbridge.deploy import Progress, Step
from faasbridge.errors import ConfigError, DeployError
from faasbridge.provider import Stage

from .artifacts import Artifacts
from .connection import Account, Clients, code_of
from .progress import Tracker
from .secrets import forget
from .stack import Stack, StackEvent, StackResource, first_cause, owners

# A secret in its recovery window, and a log group that was made again for a function which was still running.
_OUTLIVING = ("AWS::SecretsManager::Secret", "AWS::Logs::LogGroup")
_ATTEMPTS = 3  # a function that runs on may write into a bucket that was just emptied


class Teardown:
    def __init__(self, account: Account, stage: Stage, stack: Stack, artifacts: Artifacts) -> None:
        self._clients = account.clients
        self._stage = stage
        self._stack = stack
        self._artifacts = artifacts

    def destroy(self, *, delete_data: bool) -> Iterator[Progress]:
        """Nothing where nothing is deployed. Raises ConfigError where something is protected or holds data, DeployError
        with the first cause."""
        found = self._stack.describe()
        status = found["StackStatus"] if found is not None else ""
        if found is not None and status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            yield from self._wait(found["StackId"])
            found = self._stack.describe()
        if found is not None:
            template = self._stack.template()
            resources = self._stack.resources(template)
            self._refuse_protected(found, resources)
            left = left_buckets(self._clients, self._stack, found)
            if not delete_data:
                others = [StackResource("", each, "AWS::S3::Bucket", ("bucket", each), is_part=False) for each in left]
                self._refuse_data([*resources, *others])
            for bucket in left:  # while the stack still tells of them
                yield from remove_bucket(self._clients, bucket, objects=delete_data)
            outliving = [(each.type, each.physical_id) for each in resources if each.type in _OUTLIVING]
            if outliving:
                self._artifacts.note(outliving)
            yield from self._delete(found["StackId"], template, resources, delete_data=delete_data)
        else:
            outliving = self._artifacts.noted()
        for type_, physical_id in outliving:
            self._sweep(type_, physical_id)
        yield from self._artifacts.clear()

    def _wait(self, stack_id: str) -> Iterator[Progress]:
        step = Step("update", "stack", self._stack.name, "another operation is running")
        yield Progress(step, "started", "waiting for the operation that is running")
        for event in self._stack.follow(stack_id, None):
            yield Progress(step, "started", f"{event.status} {event.logical_id}")
        yield Progress(step, "done")

    def _refuse_protected(self, found: Mapping[str, Any], resources: list[StackResource]) -> None:
        """Before anything is emptied: what is protected would stay, and the rest would be gone."""
        if found.get("EnableTerminationProtection"):
            raise ConfigError(
                f"the stack {self._stack.name} has termination protection: turn that off with `aws cloudformation "
                f"update-termination-protection --no-enable-termination-protection --stack-name {self._stack.name}`"
            )
        for each in resources:
            if each.type == "AWS::DynamoDB::Table" and _is_protected(self._clients, each.physical_id):
                raise ConfigError(f"{protected(each.owner[1], self._stage)}, deploy, then destroy")

    def _refuse_data(self, resources: list[StackResource]) -> None:
        held = [f"{each.owner[0]} {each.owner[1]!r} {said}" for each in resources if (said := self._holds(each))]
        if held:
            raise ConfigError(f"{', '.join(held)}: destroy that as well with --delete-data")

    def _holds(self, resource: StackResource) -> str:
        if resource.type == "AWS::S3::Bucket":
            count, more = _objects_in(self._clients, resource.physical_id)
            return f"holds {'more than ' if more else ''}{count} object{'s' * (count != 1)}" if count else ""
        if resource.type == "AWS::DynamoDB::Table":
            count, more = _rows_in(self._clients, resource.physical_id)
            return f"holds {'more than ' if more else ''}{count} row{'s' * (count != 1)}" if count else ""
        return ""

    def _delete(
        self, stack_id: str, template: dict[str, Any], resources: list[StackResource], *, delete_data: bool
    ) -> Iterator[Progress]:
        kinds = dict.fromkeys(owners(template).values())
        steps = tuple(Step("delete", kind, name) for kind, name in kinds)
        tracker = Tracker(steps, {}, template, frozenset(each.logical_id for each in resources))
        buckets = [each.physical_id for each in resources if each.type == "AWS::S3::Bucket"]
        events: list[StackEvent] = []
        for attempt in range(_ATTEMPTS):
            for bucket in buckets:
                yield from empty_bucket(self._clients, bucket, objects=delete_data)
            after = self._stack.newest_event(stack_id)
            self._stack.api.delete_stack(StackName=stack_id, ClientRequestToken=f"faasbridge-{uuid4()}")
            events = []
            for event in self._stack.follow(stack_id, after):
                events.append(event)
                if not event.failed or attempt == _ATTEMPTS - 1:
                    yield from tracker.saw(event)
            if events and events[-1].status == "DELETE_COMPLETE":
                break
            cause = first_cause(events)
            if cause is None or cause.type != "AWS::S3::Bucket":
                break
        if not events or events[-1].status != "DELETE_COMPLETE":
            raise self._stack.failure(
                events, template, f"the stack {self._stack.name} is half destroyed: run destroy again"
            )
        yield from tracker.finish()

    def _sweep(self, type_: str, physical_id: str) -> None:
        from botocore.exceptions import ClientError

        if type_ == "AWS::SecretsManager::Secret":
            forget(self._clients, physical_id)
        elif type_ == "AWS::Logs::LogGroup":
            try:
                self._clients.get("logs").delete_log_group(logGroupName=physical_id)
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise


def empty_bucket(clients: Clients, bucket: str, *, objects: bool = True) -> Iterator[Progress]:
    """Removes every version, delete marker and unfinished upload; without `objects` no version. Nothing where the
    bucket is gone. Raises DeployError for an object that stays."""
    from botocore.exceptions import ClientError

    api = clients.get("s3")
    step = Step("delete", "objects", bucket, data_loss=True)
    count = 0
    try:
        total = _counted(api, bucket) if objects else 0
        for page in api.get_paginator("list_object_versions").paginate(Bucket=bucket):
            versions = [
                {"Key": each["Key"], "VersionId": each["VersionId"]}
                for each in (*(page.get("Versions", ()) if objects else ()), *page.get("DeleteMarkers", ()))
            ]
            if not versions:
                continue
            answer = api.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
            refused = answer.get("Errors", ())
            if refused:
                raise DeployError(
                    f"the bucket {bucket} cannot be emptied: AWS deleted {len(versions) - len(refused):,} objects, "
                    f"{refused[0]['Key']!r} not ({refused[0]['Code']}): {refused[0].get('Message', '')}".rstrip(": ")
                )
            count += len(versions)
            share = min(100, count * 100 // total) if total else 100
            yield Progress(step, "started", f"{count:,} of {total:,}, {share} %")
        for page in api.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for each in page.get("Uploads", ()):
                api.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])
    except ClientError as error:
        if code_of(error) != "NoSuchBucket":
            raise
    if count:
        yield Progress(step, "done", f"{count:,}")


def _counted(api: Any, bucket: str) -> int:
    """All versions and delete markers: a request for a thousand, so that whoever waits is told how far it is."""
    pages = api.get_paginator("list_object_versions").paginate(Bucket=bucket)
    return sum(len(page.get("Versions", ())) + len(page.get("DeleteMarkers", ())) for page in pages)


def left_buckets(clients: Clients, stack: Stack, found: Mapping[str, Any]) -> tuple[str, ...]:
    """Those that the stack's last update gave up and nobody deleted then, since the deployment was interrupted or its
    update rolled back."""
    given_up = stack.given_up(found, "AWS::S3::Bucket")
    return tuple(bucket for bucket in given_up if not _is_gone(clients, bucket))


def remove_bucket(clients: Clients, bucket: str, *, objects: bool = True) -> Iterator[Progress]:
    """With all that is in it, unless `objects` is false. Nothing where it is gone."""
    from botocore.exceptions import ClientError

    if _is_gone(clients, bucket):
        return
    yield from empty_bucket(clients, bucket, objects=objects)
    try:
        clients.get("s3").delete_bucket(Bucket=bucket)
    except ClientError as error:
        if code_of(error) != "NoSuchBucket":
            raise


def _is_gone(clients: Clients, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        clients.get("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if code_of(error) in ("404", "NoSuchBucket"):
            return True
        raise
    return False


def _objects_in(clients: Clients, bucket: str) -> tuple[int, bool]:
    """How many versions, up to a thousand, and whether there are more."""
    from botocore.exceptions import ClientError

    try:
        page = clients.get("s3").list_object_versions(Bucket=bucket, MaxKeys=1000)
    except ClientError as error:
        if code_of(error) == "NoSuchBucket":
            return 0, False
        raise
    return len(page.get("Versions", ())), bool(page.get("IsTruncated"))


def protected(table: str, stage: Stage) -> str:
    """The beginning of a sentence."""
    setting = f"[tool.faasbridge.stages.{stage.name}.aws.tables.{table}]"
    return f"table {table!r} is protected from deletion: set deletion_protection = false in {setting}"


def _is_protected(clients: Clients, table: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        return bool(clients.get("dynamodb").describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"))
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return False
        raise


def _rows_in(clients: Clients, table: str) -> tuple[int, bool]:
    """Counted, since the table's own count is up to six hours old. Source: API_TableDescription, ItemCount."""
    from botocore.exceptions import ClientError

    try:
        page = clients.get("dynamodb").scan(TableName=table, Select="COUNT", Limit=1000, ConsistentRead=True)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return 0, False
        raise
    return page["Count"], "LastEvaluatedKey" in page
