"""The bucket that artifacts are deployed from: one an account and region, and in it one object a content.

The keys are `<app>/<stage>/<sha256>.zip`. A rollback takes a function back to the object that the stack names, which is
older than what runs where code was changed past the stack. So no lifecycle rule removes objects by age; `prune`
keeps what a deployment still needs. A stage has a folder of its own, so that destroying one cannot take from another.
It goes last, so it also holds the note of what is left to do once the stack is gone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from faasbridge.deploy import Progress, Step
from faasbridge.errors import DeployError
from faasbridge.provider import Artifact, Stage

from ..template import policies
from .connection import Account, code_of

_PART_BYTES = 8 * 1024 * 1024  # at least 5 MiB a part. Source: S3 User Guide, "Multipart upload limits"
_ABSENT = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}


class Artifacts:
    """Every call names the account that the bucket must belong to: a stranger's of this name is never used."""

    def __init__(self, account: Account, stage: Stage) -> None:
        self._account = account
        self._folder = f"{stage.app}/{stage.name}"

    @property
    def bucket(self) -> str:
        return f"faasbridge-artifacts-{self._account.id}-{self._account.region}"

    def key(self, digest: str) -> str:
        return f"{self._folder}/{digest}.zip"

    def upload(self, artifact: Artifact) -> Iterator[Progress]:
        """Puts it there unless it is, making the bucket on first use. Raises DeployError."""
        key = self.key(artifact.sha256)
        if self._has(key, artifact):
            return
        self._make_bucket()
        step = Step("create", "artifact", artifact.sha256[:12])
        yield Progress(step, "started", _size(artifact.size))
        if artifact.size <= _PART_BYTES:
            self._s3.put_object(
                Body=artifact.path.read_bytes(), ChecksumSHA256=_base64(artifact.sha256), **self._object(key)
            )
        else:
            for sent in self._parts(key, artifact):
                yield Progress(step, "started", f"{sent * 100 // artifact.size} % of {_size(artifact.size)}")
        yield Progress(step, "done", _size(artifact.size))

    def put_template(self, text: str) -> str:
        """The URL of a template that is too large to be sent with a request."""
        self._make_bucket()
        key = f"{self._folder}/{sha256(text.encode()).hexdigest()}.template.json"
        self._s3.put_object(Body=text.encode(), ContentType="application/json", **self._object(key))
        return f"{self._s3.meta.endpoint_url}/{self.bucket}/{key}"

    def prune(self, keep: Collection[str]) -> None:
        """Removes this stage's objects older than a day whose digest is not in `keep`."""
        before = datetime.now(UTC) - timedelta(days=1)
        kept = {self.key(digest) for digest in keep}
        self._delete(
            [each["Key"] for each in self._objects() if each["Key"] not in kept and each["LastModified"] < before]
        )

    def note(self, outliving: Iterable[tuple[str, str]]) -> None:
        """Writes down the types and physical ids of what a stack that is being deleted may leave, for `noted`, until
        `clear`. An account without the bucket has nothing to find it in again."""
        from botocore.exceptions import ClientError

        try:
            self._s3.put_object(Body=json.dumps([*outliving]).encode(), **self._object(self._note))
        except ClientError as error:
            if code_of(error) not in _ABSENT:
                raise

    def noted(self) -> list[tuple[str, str]]:
        from botocore.exceptions import ClientError

        try:
            body = self._s3.get_object(**self._object(self._note))["Body"].read()
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return []
            raise
        return [(type_, id) for type_, id in json.loads(body)]

    def clear(self) -> Iterator[Progress]:
        """Removes all of this stage's objects."""
        keys = [each["Key"] for each in self._objects()]
        if not keys:
            return
        step = Step("delete", "artifacts", self._folder)
        yield Progress(step, "started", f"{len(keys)}")
        self._delete(keys)
        yield Progress(step, "done")

    @property
    def _note(self) -> str:
        return f"{self._folder}/outliving.json"

    @property
    def _s3(self) -> Any:
        return self._account.clients.get("s3")

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": key, "ExpectedBucketOwner": self._account.id}

    def _has(self, key: str, artifact: Artifact) -> bool:
        from botocore.exceptions import ClientError

        try:
            found = self._s3.head_object(ChecksumMode="ENABLED", **self._object(key))
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return False
            if code_of(error) == "403":
                raise DeployError(
                    f"the bucket {self.bucket} cannot be used: it is another account's, or the credentials lack "
                    f"s3:GetObject and s3:ListBucket on it"
                ) from error
            raise
        checksum = found.get("ChecksumSHA256", "")
        whole = not checksum or "-" in checksum  # of parts, it is a checksum of their checksums
        return found["ContentLength"] == artifact.size and (whole or checksum == _base64(artifact.sha256))

    def _make_bucket(self) -> None:
        """Also where it is there: an interruption may have left it without its settings."""
        from botocore.exceptions import ClientError

        region, owner = self._account.region, self._account.id
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._s3.create_bucket(Bucket=self.bucket, **place)
        except ClientError as error:
            if code_of(error) == "BucketAlreadyExists":
                raise DeployError(
                    f"the bucket {self.bucket} belongs to another account, so artifacts cannot be stored: "
                    f"deploy to another region, and tell AWS Support of it"
                ) from error
            if code_of(error) != "BucketAlreadyOwnedByYou":
                raise
        common = {"Bucket": self.bucket, "ExpectedBucketOwner": owner}
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        self._s3.put_public_access_block(PublicAccessBlockConfiguration=dict.fromkeys(closed, True), **common)
        arn = f"arn:{self._account.partition}:s3:::{self.bucket}"
        tls_only = policies.document([policies.tls_only("s3:*", [arn, f"{arn}/*"])])
        self._s3.put_bucket_policy(Policy=json.dumps(tls_only), **common)
        encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
        self._s3.put_bucket_encryption(ServerSideEncryptionConfiguration=encryption, **common)
        abort = {
            "ID": "interrupted-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        self._s3.put_bucket_lifecycle_configuration(LifecycleConfiguration={"Rules": [abort]}, **common)

    def _parts(self, key: str, artifact: Artifact) -> Iterator[int]:
        """The bytes sent so far. What an interruption leaves is removed by the bucket's lifecycle rule."""
        where = self._object(key)
        upload = self._s3.create_multipart_upload(ChecksumAlgorithm="SHA256", **where)["UploadId"]
        parts: list[dict[str, Any]] = []
        sent = 0
        with artifact.path.open("rb") as stream:
            while block := stream.read(_PART_BYTES):
                number = len(parts) + 1
                digest = base64.b64encode(sha256(block).digest()).decode()
                part = self._s3.upload_part(
                    Body=block, PartNumber=number, UploadId=upload, ChecksumSHA256=digest, **where
                )
                parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": digest})
                sent += len(block)
                yield sent
        self._s3.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": parts}, **where)

    def _objects(self) -> list[dict[str, Any]]:
        from botocore.exceptions import ClientError

        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self._folder}/", ExpectedBucketOwner=self._account.id
        )
        try:
            return [each for page in pages for each in page.get("Contents", ())]
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return []
            raise

    def _delete(self, keys: list[str]) -> None:
        for i in range(0, len(keys), 1000):  # Source: API_DeleteObjects
            objects = {"Objects": [{"Key": key} for key in keys[i : i + 1000]], "Quiet": True}
            self._s3.delete_objects(Bucket=self.bucket, Delete=objects, ExpectedBucketOwner=self._account.id)


def digest_of(key: str) -> str:
    """The content's digest in an object's key, or in CloudFormation's parameter."""
    return key.rpartition("/")[2].removesuffix(".zip")


def code_sha256(digest: str) -> str:
    """As Lambda tells the content of a function: base64. Source: API_FunctionConfiguration, CodeSha256."""
    return _base64(digest)


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def to_text(template: Any) -> str:
    """A template as it is sent: ASCII, since CloudFormation gives other characters back as question marks."""
    return json.dumps(template, separators=(",", ":"))
