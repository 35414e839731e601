"""The files of objects: each version of an object is one file that never changes, named by the version.

A file is written before the row that points to it is committed, and removed after the row is gone. What a crash leaves
behind is therefore a file without a row, never a row without a file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from .store import Store

_CHUNK = 1 << 18


def path(store: Store, version: str) -> Path:
    return store.folder / "blobs" / version


def write(store: Store, version: str, data: bytes | BinaryIO | Iterable[bytes]) -> int:
    """Writes a file and returns its size; after an error there is none. Raises FaaSBridgeError if the disk is full."""
    target = path(store, version)
    try:
        with open(target, "xb", buffering=0 if isinstance(data, bytes) else _CHUNK) as file:
            if isinstance(data, bytes):
                _write_whole(file, data)
            elif hasattr(data, "read"):
                while chunk := data.read(_CHUNK):
                    file.write(_checked(chunk))
            else:
                for chunk in data:
                    file.write(_checked(chunk))
            file.flush()
            return file.tell()
    except BaseException as error:
        remove(store, version)
        if fault := store.fault(error):
            raise fault from error
        raise


def link(store: Store, version: str, copy: str) -> None:
    """Gives a file a second name, or copies it where the file system has no links. Raises FileNotFoundError."""
    source, target = path(store, version), path(store, copy)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        import shutil  # slow to import, seldom needed

        try:
            shutil.copyfile(source, target)
        except BaseException as error:
            remove(store, copy)
            if fault := store.fault(error):
                raise fault from error
            raise
    else:
        os.utime(target)  # new, to the sweep


def remove(store: Store, version: str) -> None:
    with suppress(FileNotFoundError):
        path(store, version).unlink()


def sweep(store: Store, min_age_s: float) -> int:
    """Removes files of that age that no object points to."""
    oldest, db, swept = time.time() - min_age_s, store.read(), 0
    with os.scandir(store.folder / "blobs") as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.stat().st_mtime > oldest:
                    continue
                if db.execute("SELECT 1 FROM objects WHERE version = ?", (entry.name,)).fetchone() is None:
                    os.unlink(entry.path)
                    swept += 1
    return swept


def _write_whole(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _checked(chunk: object) -> bytes:
    if not isinstance(chunk, (bytes, bytearray, memoryview)):
        raise TypeError(f"an object's data comes in bytes, not {type(chunk).__name__}; open files in binary mode")
    return chunk  # type: ignore[return-value]
