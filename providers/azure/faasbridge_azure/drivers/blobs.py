"""Blobs through the vendor's SDK: every operation, every name.

What is larger than a block is uploaded in blocks and there all at once, with its condition, when they are committed;
what was never committed, Azure forgets after a week. Sources: Azure Storage REST API, "Put Block List", "Copy Blob",
"List Blobs", "Create a user delegation SAS" (a key for 7 days at most), "Put Blob" (`x-ms-blob-type` is required).
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter import cursors
from faasbridge.adapter.streams import reader
from faasbridge.errors import Conflict, FaaSBridgeError, NotFound
from faasbridge.media_types import media_type
from faasbridge.resources import BlobInfo, Page

from ..blob_names import from_metadata, to_key, to_metadata, to_name, to_prefix
from . import listing
from .errors import code_of, status_of, translating

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, BinaryIO

    from .clients import Clients

_KEY_LIFE = timedelta(days=1)
_COPY_S = 600.0


class Blobs:
    """Those of the container at `url`."""

    def __init__(self, url: str, what: str, clients: Clients) -> None:
        self._url = url
        self._what = what
        self._clients = clients
        self._lock = threading.Lock()
        self._delegation: tuple[Any, datetime] | None = None
        self.client: Any = clients.container(url)

    def get(self, key: str) -> bytes:
        with self._for(key) as blob:
            data: bytes = blob.download_blob().readall()
        return data

    def open(self, key: str) -> BinaryIO:
        with self._for(key) as blob:
            pieces = iter(blob.download_blob().chunks())  # each asks for the version that the first one saw

        def next_piece(_: int) -> bytes:
            with translating(self._what):
                return bytes(next(pieces, b""))

        return reader(next_piece)

    def put(
        self,
        key: str,
        data: bytes | Iterable[bytes],
        content_type: str | None,
        metadata: Mapping[str, str],
        if_absent: bool,
        if_match: str | None,
    ) -> BlobInfo:
        from azure.core import MatchConditions
        from azure.storage.blob import BlobBlock, BlobType, ContentSettings

        condition: dict[str, Any] = {}
        if if_absent:
            condition = {"match_condition": MatchConditions.IfMissing}
        elif if_match is not None:
            condition = {"match_condition": MatchConditions.IfNotModified, "etag": f'"{if_match}"'}
        type = content_type or media_type(key)
        about = {"content_settings": ContentSettings(content_type=type), "metadata": to_metadata(metadata), **condition}
        blob = self.client.get_blob_client(to_name(key))
        size = 0
        try:
            if isinstance(data, bytes):
                size = len(data)
                answer = blob.upload_blob(data, blob_type=BlobType.BLOCKBLOB, overwrite=not condition, **about)
            else:
                staged = []
                for number, block in enumerate(data):
                    id = f"{number:08d}"
                    blob.stage_block(id, block, len(block))
                    staged.append(BlobBlock(id))
                    size += len(block)
                answer = blob.commit_block_list(staged, **about)
        except Exception as error:
            if condition and status_of(error) in (404, 409, 412) and code_of(error) != "ContainerNotFound":
                raise Conflict(
                    f"{self._what}: object {key!r} is there already, or is not the version that was asked for"
                ) from error
            with translating(self._what):
                raise
        return BlobInfo(
            key,
            size=size,
            etag=answer["etag"].strip('"'),
            content_type=type,
            metadata=dict(metadata),
            modified=answer["last_modified"],
        )

    def delete(self, key: str) -> None:
        try:
            with self._for(key) as blob:
                blob.delete_blob(delete_snapshots="include")
        except NotFound as error:
            if code_of(error.__cause__ or error) == "ContainerNotFound":
                raise

    def head(self, key: str) -> BlobInfo:
        with self._for(key) as blob:
            return _info(blob.get_blob_properties())

    def list(self, prefix: str, size: int, cursor: str | None) -> Page[BlobInfo]:
        place = [self._url, prefix]
        marker, after = ("", "") if cursor is None else cursors.decode(place, cursor, 2)
        names = to_prefix(prefix)

        def fetch(marker: str, number: int) -> tuple[list[Any], str]:
            with translating(self._what):
                pages = self.client.list_blobs(
                    name_starts_with=names or None, include=["metadata"], results_per_page=number
                ).by_page(marker or None)
                found = [blob for blob in next(pages) if to_key(blob.name).startswith(prefix)]
            return found, pages.continuation_token or ""

        blobs, following = listing.page(fetch, size, marker, after)
        return Page([_info(blob) for blob in blobs], following and cursors.encode(place, following))

    def copy(self, key: str, to: str) -> BlobInfo:
        """Within an account a copy is done at once as a rule; where it is not, this waits."""
        with self._for(key) as blob:
            source = blob.url
        with self._for(key, to) as target:
            state = target.start_copy_from_url(source).get("copy_status")
            deadline = time.monotonic() + _COPY_S
            while state == "pending":
                if time.monotonic() > deadline:
                    raise FaaSBridgeError(f"{self._what}: Azure did not copy {key!r} within {_COPY_S:.0f} s")
                time.sleep(0.2)
                state = target.get_blob_properties().copy.status
            if state != "success":
                raise FaaSBridgeError(f"{self._what}: Azure did not copy {key!r}: {state}")
        return self.head(to)

    def sign(self, key: str, expires_s: int, *, read: bool) -> str:
        """With the account's key where that is known, else with a user-delegation key."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        blob = self.client.get_blob_client(to_name(key))
        # Times of a signature are cut to whole seconds, which would take up to one from the URL's life.
        expiry = datetime.now(UTC) + timedelta(seconds=expires_s + 1)
        how = (
            {"account_key": self._clients.storage_key}
            if self._clients.storage_key
            else {"user_delegation_key": self._delegation_key(expiry)}
        )
        signature = generate_blob_sas(
            self.client.account_name,  # a blob's client takes it wrong from an address with the account in its path
            blob.container_name,
            blob.blob_name,
            permission=BlobSasPermissions(read=read, create=not read, write=not read),
            expiry=expiry,
            **how,
        )
        return f"{blob.url}?{signature}"

    def _delegation_key(self, until: datetime) -> Any:
        with self._lock:
            if self._delegation is None or self._delegation[1] < until:
                now = datetime.now(UTC)
                end = now + _KEY_LIFE
                with translating(self._what):
                    account = self._clients.blob_account(self._url)
                    # Clocks differ: a key that begins now may not have begun there.
                    key = account.get_user_delegation_key(now - timedelta(minutes=5), end)
                self._delegation = key, end
            return self._delegation[0]

    def _for(self, key: str, name: str | None = None) -> _Blob:
        return _Blob(self, key, self.client.get_blob_client(to_name(key if name is None else name)))


class _Blob:
    """A blob's client, with the faults that name its object."""

    def __init__(self, blobs: Blobs, key: str, client: Any) -> None:
        self._what = blobs._what
        self._key = key
        self._client = client

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, Exception):
            return
        if status_of(error) == 404 and code_of(error) != "ContainerNotFound":
            raise NotFound(f"{self._what} has no object {self._key!r}") from error
        with translating(self._what):
            raise error


def _info(found: Any) -> BlobInfo:
    return BlobInfo(
        to_key(found.name),
        size=found.size,
        etag=(found.etag or "").strip('"'),
        content_type=found.content_settings.content_type or "",
        metadata=from_metadata(found.metadata or {}),
        modified=found.last_modified,
    )
