"""The app and its resources. The handlers are in the included modules, so that the web function never loads Pillow."""

from __future__ import annotations

from typing import Literal, TypedDict

from faasbridge import App

ALBUM = "all"
MAX_BYTES = 40_000_000


class Photo(TypedDict):
    """A row of `photos`. Where `status` is `failed`, `reason` says why and the facts are None."""

    photo_id: str
    album: str
    key: str
    name: str
    status: Literal["ready", "failed"]
    reason: str | None
    etag: str
    size: int
    uploaded_at: str
    width: int | None
    height: int | None
    camera: str | None
    taken_at: str | None


class Totals(TypedDict):
    """The one row of `totals`; `version` guards it against two writers at once."""

    album: str
    version: int
    photos: int
    failed: int
    size: int


class Activity(TypedDict):
    """A row of `activity`: one photo that became ready on a day (UTC)."""

    day: str
    photo_id: str
    name: str
    text: str


app = App("photos")

uploads = app.bucket("uploads")
thumbnails = app.bucket("thumbnails")
photos = app.table("photos", key="photo_id", indexes={"newest": ("album", "uploaded_at")}, item=Photo)
totals = app.table("totals", key="album", item=Totals)
activity = app.table("activity", key="day", sort_key="photo_id", item=Activity)
resized = app.topic("resized")

app.include("photos.web", "photos.pipeline", "photos.bookkeeping", "photos.sweep")
