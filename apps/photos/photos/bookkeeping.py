"""What follows from a finished photo: the day's activity, and the album's totals."""

from __future__ import annotations

from datetime import datetime, timedelta

from faasbridge import Change, Conflict, Message

from .app import ALBUM, Photo, Totals, activity, photos, resized, totals

KEEP_ACTIVITY = timedelta(days=30)


@resized.on_message(uses=[activity.put])
async def announce(message: Message) -> None:
    photo = message.json()
    uploaded_at = datetime.fromisoformat(photo["uploaded_at"])
    camera = f", taken with {photo['camera']}" if photo["camera"] else ""
    # The key comes from the photo, so a message that is delivered twice leaves one entry.
    await activity.aput(
        {
            "day": uploaded_at.date().isoformat(),
            "photo_id": photo["photo_id"],
            "name": photo["name"],
            "text": f"{uploaded_at:%H:%M} {photo['name']}{camera}",
        },
        expires_at=uploaded_at + KEEP_ACTIVITY,
    )


@photos.on_change(uses=[photos.scan, totals.get, totals.put])
def count(change: Change[Photo]) -> None:
    """Counts again instead of adding one: an event that comes twice, or late, must not count twice."""
    while True:
        before = totals.get(ALBUM)
        ready = failed = size = 0
        for row in photos.scan():
            ready += row["status"] == "ready"
            failed += row["status"] == "failed"
            size += row["size"]
        version = before["version"] + 1 if before else 1
        row_now: Totals = {"album": ALBUM, "version": version, "photos": ready, "failed": failed, "size": size}
        try:
            if before is None:
                totals.put(row_now, if_absent=True)
            else:
                totals.put(row_now, if_match={"version": before["version"]})
        except Conflict:
            continue  # somebody else has counted meanwhile, perhaps without the newest row
        return
