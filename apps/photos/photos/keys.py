"""Where a photo's objects are. A key says all there is to know before the row exists: id and file name."""

from __future__ import annotations

PREFIX = "incoming/"
MAX_NAME = 120


def upload_key(photo_id: str, name: str) -> str:
    return f"{PREFIX}{photo_id}/{clean_name(name)}"


def thumbnail_key(photo_id: str) -> str:
    return f"{photo_id}.jpg"


def split_upload_key(key: str) -> tuple[str, str] | None:
    """Photo id and file name, or None where the key is none that `upload_key` makes."""
    parts = key.removeprefix(PREFIX).split("/")
    if not key.startswith(PREFIX) or len(parts) != 2 or not all(parts):
        return None
    return parts[0], parts[1]


def photo_id_of_thumbnail(key: str) -> str:
    return key.removesuffix(".jpg")


def clean_name(name: str) -> str:
    """A file name that every vendor takes in a key: no separators, all printable, no dots or blanks at its ends."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(c if c.isprintable() else "_" for c in last).strip(". ")
    if len(printable) > MAX_NAME:
        stem, dot, suffix = printable.rpartition(".")
        keep = MAX_NAME - len(suffix) - 1
        printable = f"{stem[:keep]}.{suffix}" if dot and keep > 0 else printable[:MAX_NAME]
    return printable.strip(". ") or "photo"
