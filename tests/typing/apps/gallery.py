"""Buckets, a typed table, a topic, and options of one vendor."""

from __future__ import annotations

from typing import Any, TypedDict

from faasbridge import App, BlobEvent, Change, Message, Reply, Request, Response, Tick


class Picture(TypedDict):
    picture_id: str
    size: int


app = App("gallery")
originals = app.bucket("originals")
previews = app.bucket("previews")
pictures = app.table("pictures", key="picture_id", item=Picture)
ready = app.topic("ready")
chores = app.queue("chores", max_attempts=3)


@app.get("/pictures/{picture_id}", uses=[pictures.get])
def picture(request: Request, picture_id: str) -> Reply:
    return pictures.get(picture_id) or Response(status=404)


@app.post("/uploads", uses=[originals.sign_put])
def upload(request: Request) -> Response:
    name: str = request.json()["name"]
    return Response({"url": originals.sign_put(name, max_bytes=5_000_000)}, status=201)


@originals.on_create(
    suffix=".png",
    memory_mb=512,
    timeout_s=90,
    aws={"snap_start": True},
    gcp={"min_instances": 1},
    azure={"always_ready": 1},
    uses=[originals.get, previews.put, pictures.put, ready.publish],
)
def preview(event: BlobEvent) -> None:
    data = originals.get(event.key)
    info = previews.put(event.key, data[:10], content_type="image/png", if_absent=True)
    pictures.put({"picture_id": info.key, "size": event.size})
    ready.publish({"key": event.key}, attributes={"kind": "picture"})


@originals.on_delete(uses=[pictures.delete])
def forget(event: BlobEvent) -> None:
    pictures.delete(event.key)


@chores.on_message(batch_size=10)
def chore(message: Message) -> None: ...


@ready.on_message
async def announce(message: Message) -> None: ...


@pictures.on_change
def index(change: Change) -> None:
    if change.new is not None:
        row: dict[str, Any] = change.new
        print(row["picture_id"])


@app.schedule("30 2 * * *", timezone="Europe/Vienna")
def sweep(tick: Tick) -> None:
    print(tick.scheduled_for.isoformat(), tick.late_s)
