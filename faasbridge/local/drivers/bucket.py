"""Buckets: a row that points to an immutable file, and the events, in one transaction."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from ...drivers import Binding
from ...errors import Conflict, FaaSBridgeError, NotFound
from ...events import BlobEvent
from ...media_types import media_type
from ...resources import BlobInfo, Page
from .. import blobs, cursors
from ..inbox import new_id, utc
from ..store import shared

_COLUMNS = "SELECT key, version, size, content_type, metadata, modified FROM objects WHERE bucket = ?"


class BucketDriver:
    def __init__(self, binding: Binding) -> None:
        self._store = shared(binding.address)
        self._name = binding.name

    @property
    def client(self) -> sqlite3.Connection:
        """The database's connection of this thread."""
        return self._store.read()

    def get(self, key: str) -> bytes:
        with self.open(key) as file:
            return file.read()

    def open(self, key: str) -> BinaryIO:
        missing = None
        while True:
            version = self.head(key).etag
            try:
                return open(blobs.path(self._store, version), "rb")
            except FileNotFoundError as error:  # written over or deleted in between: look again
                if version == missing:
                    raise FaaSBridgeError(
                        f"the file of object {key!r} is missing below {self._store.folder}: put the object again"
                    ) from error
                missing = version

    def put(
        self,
        key: str,
        data: bytes | BinaryIO | Iterable[bytes],
        content_type: str | None,
        metadata: Mapping[str, str],
        if_absent: bool,
        if_match: str | None,
    ) -> BlobInfo:
        version = new_id()
        size = blobs.write(self._store, version, data)
        info = BlobInfo(
            key,
            size=size,
            etag=version,
            content_type=content_type or media_type(key),
            metadata=metadata,
            modified=utc(time.time()),
        )
        self._commit(info, if_absent=if_absent, if_match=if_match)
        return info

    def delete(self, key: str) -> None:
        with self._store.transaction() as db:
            old = self._version(db, key)
            if old is None:
                return
            db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (self._name, key))
            self._emit(db, "delete", key, old)
        blobs.remove(self._store, old)

    def head(self, key: str) -> BlobInfo:
        row = self._store.read().execute(f"{_COLUMNS} AND key = ?", (self._name, key)).fetchone()
        if row is None:
            raise NotFound(f"bucket {self._name!r} has no object {key!r}")
        return _info(row)

    def list(self, prefix: str, size: int, cursor: str | None) -> Page[BlobInfo]:
        listing = [self._name, prefix]
        query, values = f"{_COLUMNS} AND key >= ?", [self._name, prefix]
        end = cursors.after_prefix(prefix)
        if end is not None:
            query, values = f"{query} AND key < ?", [*values, end]
        if cursor is not None:
            query, values = f"{query} AND key > ?", [*values, *cursors.decode(listing, cursor, 1)]
        rows = self._store.read().execute(f"{query} ORDER BY key LIMIT ?", (*values, size + 1)).fetchall()
        items = [_info(row) for row in rows[:size]]
        return Page(items, cursors.encode(listing, [items[-1].key]) if len(rows) > size else None)

    def copy(self, key: str, to: str) -> BlobInfo:
        while True:
            source, version = self.head(key), new_id()
            try:
                blobs.link(self._store, source.etag, version)
                break
            except FileNotFoundError:
                if self.head(key).etag == source.etag:
                    raise FaaSBridgeError(
                        f"the file of object {key!r} is missing below {self._store.folder}: put the object again"
                    ) from None
        info = BlobInfo(
            to,
            size=source.size,
            etag=version,
            content_type=source.content_type,
            metadata=source.metadata,
            modified=utc(time.time()),
        )
        self._commit(info)
        return info

    def sign_get(self, key: str, expires_s: int) -> str:
        from ..signing import signed_url

        return signed_url(self._store, "GET", self._name, key, expires_s, None, None)

    def sign_put(self, key: str, expires_s: int, content_type: str | None, max_bytes: int | None) -> str:
        from ..signing import signed_url

        return signed_url(self._store, "PUT", self._name, key, expires_s, content_type, max_bytes)

    def _commit(self, info: BlobInfo, *, if_absent: bool = False, if_match: str | None = None) -> None:
        """Makes a file that is written the object's content, or removes it again."""
        try:
            with self._store.transaction() as db:
                old = self._version(db, info.key)
                if if_absent and old is not None:
                    raise Conflict(f"bucket {self._name!r} has an object {info.key!r} already")
                if if_match is not None and old != if_match:
                    raise Conflict(
                        f"object {info.key!r} of bucket {self._name!r} is not version {if_match!r} (any more)"
                    )
                db.execute(
                    "INSERT OR REPLACE INTO objects (bucket, key, version, size, content_type, metadata, modified)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        self._name,
                        info.key,
                        info.etag,
                        info.size,
                        info.content_type,
                        json.dumps(dict(info.metadata)),
                        info.modified.timestamp(),
                    ),
                )
                self._emit(db, "create", info.key, info.etag, info.size)
        except BaseException:
            blobs.remove(self._store, info.etag)
            raise
        if old is not None:
            blobs.remove(self._store, old)

    def _version(self, db: sqlite3.Connection, key: str) -> str | None:
        row = db.execute("SELECT version FROM objects WHERE bucket = ? AND key = ?", (self._name, key)).fetchone()
        return None if row is None else row[0]

    def _emit(self, db: sqlite3.Connection, kind: Any, key: str, version: str, size: int = 0) -> None:
        def event() -> BlobEvent:
            return BlobEvent(
                self._name,
                key,
                size=size,
                etag=version if kind == "create" else "",
                kind=kind,
                id=f"{version}-{kind}",
                source=f"/bucket/{self._name}",
                type=f"faasbridge.blob.{kind}",
                subject=key,
                time=utc(time.time()),
            )

        self._store.emit(db, "bucket", self._name, kind, event, key)


def _info(row: tuple[Any, ...]) -> BlobInfo:
    key, version, size, content_type, metadata, modified = row
    return BlobInfo(
        key, size=size, etag=version, content_type=content_type, metadata=json.loads(metadata), modified=utc(modified)
    )
