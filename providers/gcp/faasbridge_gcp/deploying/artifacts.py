"""The source that Cloud Build takes: one object a content in the stage's own bucket, uploaded once."""

from __future__ import annotations

import io
import queue
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.api_core import exceptions

from faasbridge.deploy import Progress, Step
from faasbridge.provider import Artifact

from .connection import Cloud, faults

_PART_BYTES = 8 * 1024 * 1024
_RECENT = timedelta(days=1)


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
            for sent in _sent(blob, artifact):
                if artifact.size > _PART_BYTES:
                    yield Progress(step, "started", f"{sent * 100 // artifact.size} % of {size}")
        yield Progress(step, "done", size)

    def prune(self, bucket: str, used: Collection[str]) -> None:
        """`used`: how the digests begin of what functions have. What is young may be somebody's who deploys now."""
        old = datetime.now(UTC) - _RECENT
        for each in self._bucket(bucket).list_blobs():
            if each.updated < old and not each.name.startswith(tuple(used)):
                try:
                    each.delete()
                except exceptions.NotFound:
                    continue

    def _bucket(self, name: str) -> Any:
        return self._cloud.get("storage").bucket(_short(name))


def _sent(blob: Any, artifact: Artifact) -> Iterator[int]:
    """Uploads it; gives the bytes that are read, each time that Google's client reads a part."""
    parts: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    with _Watched(artifact.path, parts.put) as source, ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            blob.upload_from_file, source, size=artifact.size, content_type="application/zip", if_generation_match=0
        )
        future.add_done_callback(lambda _: parts.put(None))
        try:
            yield from iter(parts.get, None)
        finally:
            source.stopped = not future.done()  # by Ctrl-C: the part on its way is the last
        with suppress(exceptions.PreconditionFailed):  # another deployment has put the same there
            future.result()


class _Watched(io.FileIO):
    def __init__(self, path: Path, told: Callable[[int], None]) -> None:
        super().__init__(path)
        self._told = told
        self.stopped = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.stopped:
            raise InterruptedError("the upload was interrupted")
        data = super().read(size) or b""
        self._told(self.tell())
        return data


def _short(name: str) -> str:
    return name.removeprefix("projects/_/buckets/")
