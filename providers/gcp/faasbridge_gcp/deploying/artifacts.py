"""The source that Cloud Build takes: one object a content in the stage's own bucket, uploaded once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from google.api_core import exceptions

from faasbridge.deploy import Progress, Step
from faasbridge.provider import Artifact

from .connection import Cloud, faults

_PART_BYTES = 8 * 1024 * 1024


class Artifacts:
    """`bucket` is the full name, `projects/_/buckets/B`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def source(self, bucket: str, digest: str) -> dict[str, str]:
        """functions.v2 StorageSource"""
        return {"bucket": _short(bucket), "object": f"{digest}.zip"}

    def upload(self, bucket: str, artifact: Artifact) -> Iterator[Progress]:
        blob = self._bucket(bucket).blob(f"{artifact.sha256}.zip", chunk_size=_PART_BYTES)
        step = Step("create", "artifact", artifact.sha256[:12])
        size = f"{artifact.size / 1_000_000:.1f} MB"
        with faults("the artifact"):
            if blob.exists():
                return
            yield Progress(step, "started", size)
            with suppress(exceptions.PreconditionFailed):  # another deployment has put the same there
                blob.upload_from_filename(str(artifact.path), content_type="application/zip", if_generation_match=0)
        yield Progress(step, "done", size)

    def prune(self, bucket: str, digest: str) -> None:
        for each in self._bucket(bucket).list_blobs():
            if each.name != f"{digest}.zip":
                try:
                    each.delete()
                except exceptions.NotFound:
                    continue

    def _bucket(self, name: str) -> Any:
        return self._cloud.get("storage").bucket(_short(name))


def _short(name: str) -> str:
    return name.removeprefix("projects/_/buckets/")
