"""The page and its API. All of it is one function, `http`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from faasbridge import HTTPError, Reply, Request, Response

from .app import ALBUM, MAX_BYTES, Photo, activity, app, photos, thumbnails, totals, uploads
from .keys import thumbnail_key, upload_key
from .page import html, security_headers

IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif")
PAGE_SIZE = 60
LINK_S = 3600


@app.get("/", uses=[uploads.sign_put, uploads.sign_get, thumbnails.sign_get])
def page(request: Request) -> Response:
    storage = (uploads.sign_put("x"), uploads.sign_get("x"), thumbnails.sign_get("x"))
    return Response(html(), headers={"content-type": "text/html; charset=utf-8", **security_headers(storage)})


@app.post("/uploads", uses=[uploads.sign_put])
def start_upload(request: Request) -> Response:
    """Where to PUT one file, and with which headers. The file goes straight to storage, never through a function."""
    name, content_type = _wanted(request.json())
    photo_id = uuid4().hex
    url = uploads.sign_put(upload_key(photo_id, name), content_type=content_type, max_bytes=MAX_BYTES)
    return Response({"photo_id": photo_id, "url": url, "headers": url.headers}, status=201)


@app.get("/photos", uses=[photos.query, totals.get, thumbnails.sign_get])
def list_photos(request: Request) -> Reply:
    """Newest first, 60 at a time; `?cursor=` of the answer's `next` has the following ones."""
    newest = photos.query(ALBUM, index="newest", reverse=True).page(PAGE_SIZE, request.query.get("cursor"))
    known = totals.get(ALBUM)
    return {
        "photos": [_shown(row) for row in newest.items],
        "next": newest.cursor,
        "totals": {name: known[name] if known else 0 for name in ("photos", "failed", "size")},
    }


@app.get("/photos/{photo_id}", uses=[photos.get, uploads.sign_get, thumbnails.sign_get])
def show_photo(request: Request, photo_id: str) -> Reply:
    row = _row(photo_id)
    return {**_shown(row), "original_url": uploads.sign_get(row["key"], expires_s=LINK_S)}


@app.delete("/photos/{photo_id}", uses=[photos.get, photos.delete, uploads.delete])
def delete_photo(request: Request, photo_id: str) -> None:
    """The upload's delete event takes the thumbnail with it; the row goes at once, for the page's next look."""
    uploads.delete(_row(photo_id)["key"])
    photos.delete(photo_id)


@app.get("/activity", uses=[activity.query])
def show_activity(request: Request) -> Reply:
    """What became ready on a day, today if none is given: `?day=2026-03-29`, in UTC."""
    day = request.query.get("day") or datetime.now(UTC).date().isoformat()
    return {"day": day, "entries": sorted(entry["text"] for entry in activity.query(day))}


def _row(photo_id: str) -> Photo:
    row = photos.get(photo_id)
    if row is None:
        raise HTTPError(404, "There is no such photo.")
    return row


def _shown(row: Photo) -> dict[str, Any]:
    ready = row["status"] == "ready"
    hidden = ("album", "key")
    return {
        **{name: value for name, value in row.items() if name not in hidden},
        "thumbnail_url": thumbnails.sign_get(thumbnail_key(row["photo_id"]), expires_s=LINK_S) if ready else None,
    }


def _wanted(body: Any) -> tuple[str, str]:
    match body:
        case {"name": str(name), "size": int(size), "type": str(content_type)} if name.strip() and size >= 0:
            return _allowed(name, size, content_type)
        case _:
            raise HTTPError(400, 'An upload is {"name": text, "size": bytes, "type": "image/jpeg"}.')


def _allowed(name: str, size: int, content_type: str) -> tuple[str, str]:
    if content_type not in IMAGE_TYPES:
        raise HTTPError(415, "Only JPEG, PNG, WebP and GIF photos can be uploaded.")
    if size == 0:
        raise HTTPError(422, "The file is empty.")
    if size > MAX_BYTES:
        raise HTTPError(413, f"The file has {size / 1e6:.0f} MB; up to {MAX_BYTES // 1_000_000} MB can be uploaded.")
    return name, content_type
