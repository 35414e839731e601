"""From an upload to its thumbnail and its row, and back when the upload is deleted.

Events come at least once and in any order, so each handler looks at what is there now, and the row is written last:
where it stands, all else has been done.
"""

from __future__ import annotations

from datetime import UTC, datetime

from faasbridge import BlobEvent, BlobInfo, NotFound, Reject

from .app import ALBUM, MAX_BYTES, Photo, photos, resized, thumbnails, uploads
from .images import BadImage, Facts, read_photo
from .keys import PREFIX, split_upload_key, thumbnail_key


@uploads.on_create(
    prefix=PREFIX,
    memory_mb=1024,
    timeout_s=60,
    uses=[
        *(uploads.head, uploads.get),
        *(thumbnails.put, thumbnails.delete),
        *(photos.get, photos.put, photos.delete),
        resized.publish,
    ],
)
def make_thumbnail(event: BlobEvent) -> None:
    parts = split_upload_key(event.key)
    if parts is None:
        raise Reject(f"{event.key!r} was not uploaded through the page: its key has no photo id")
    photo_id, name = parts
    try:
        upload = uploads.head(event.key)
        # Not every vendor keeps a signed URL's size limit, so what would not fit into the memory is not even read.
        data = uploads.get(event.key) if upload.size <= MAX_BYTES else None
    except NotFound:
        return  # deleted before its turn came
    row = photos.get(photo_id)
    if row is not None and row["status"] == "ready" and row["etag"] == upload.etag:
        return
    try:
        if data is None:
            raise BadImage(f"The file has {upload.size / 1e6:.0f} MB; up to {MAX_BYTES // 1_000_000} can be handled.")
        facts, small = read_photo(data)
    except BadImage as error:
        thumbnails.delete(thumbnail_key(photo_id))
        photos.put(_row(photo_id, name, upload, event, None, str(error)))
        _undo_if_deleted(event.key, photo_id)
        raise Reject(f"{name}: {error}") from error
    thumbnails.put(thumbnail_key(photo_id), small, content_type="image/jpeg")
    row = _row(photo_id, name, upload, event, facts, None)
    resized.publish({"photo_id": photo_id, "name": name, "camera": row["camera"], "uploaded_at": row["uploaded_at"]})
    photos.put(row)
    _undo_if_deleted(event.key, photo_id)


@uploads.on_delete(prefix=PREFIX, uses=[uploads.head, thumbnails.delete, photos.delete])
def forget(event: BlobEvent) -> None:
    parts = split_upload_key(event.key)
    if parts is not None:
        _undo_if_deleted(event.key, parts[0])


def _undo_if_deleted(key: str, photo_id: str) -> None:
    """The upload may be deleted while its thumbnail is made; whoever of the two handlers comes last cleans up."""
    try:
        uploads.head(key)
    except NotFound:
        thumbnails.delete(thumbnail_key(photo_id))
        photos.delete(photo_id)


def _row(
    photo_id: str, name: str, upload: BlobInfo, event: BlobEvent, facts: Facts | None, reason: str | None
) -> Photo:
    uploaded_at = (event.time or datetime.now(UTC)).astimezone(UTC)
    return {
        "photo_id": photo_id,
        "album": ALBUM,
        "key": upload.key,
        "name": name,
        "status": "ready" if facts else "failed",
        "reason": reason,
        "etag": upload.etag,
        "size": upload.size,
        "uploaded_at": uploaded_at.isoformat(timespec="microseconds"),
        "width": facts.width if facts else None,
        "height": facts.height if facts else None,
        "camera": facts.camera if facts else None,
        "taken_at": facts.taken_at if facts else None,
    }
