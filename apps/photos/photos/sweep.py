"""Once a night: what no event will clean up any more."""

from __future__ import annotations

import logging
from datetime import timedelta

from faasbridge import Tick

from .app import app, photos, thumbnails, uploads
from .keys import PREFIX, photo_id_of_thumbnail, split_upload_key, thumbnail_key

GRACE = timedelta(days=1)
log = logging.getLogger(__name__)


@app.schedule(
    "0 3 * * *",
    timezone="Europe/Berlin",
    timeout_s=300,
    uses=[
        *(photos.scan, photos.delete),
        *(uploads.list, uploads.delete),
        *(thumbnails.list, thumbnails.delete),
    ],
)
def sweep(tick: Tick) -> None:
    """Removes uploads and thumbnails without a row that are older than a day, and rows without an upload.

    Rows are read first: what is uploaded from then on is younger than a day, so it is left alone.
    """
    cutoff = tick.scheduled_for - GRACE
    rows = {row["photo_id"]: row["key"] for row in photos.scan()}
    present: set[str] = set()
    removed = 0
    for upload in uploads.list(PREFIX):
        present.add(upload.key)
        parts = split_upload_key(upload.key)
        if upload.modified < cutoff and (parts is None or parts[0] not in rows):
            uploads.delete(upload.key)
            removed += 1
    for thumbnail in thumbnails.list():
        if thumbnail.modified < cutoff and photo_id_of_thumbnail(thumbnail.key) not in rows:
            thumbnails.delete(thumbnail.key)
            removed += 1
    for photo_id, key in rows.items():
        if key not in present:
            thumbnails.delete(thumbnail_key(photo_id))
            photos.delete(photo_id)
            removed += 1
    log.info("swept %d orphans", removed)
