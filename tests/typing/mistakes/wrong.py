# mypy: ignore-errors
"""Eleven mistakes.

A line marked `checker` is an error in mypy and pyright; one marked `decorator` is refused as it runs."""

from __future__ import annotations

from faasbridge import App, BlobEvent, CallNext, Event, Message, Reply, Request

app = App("wrong")
queue = app.queue("queue")
files = app.bucket("files")
rows = app.table("rows", key="k")


@queue.on_message  # checker: another kind of event
def one(event: BlobEvent) -> None: ...


@queue.on_message(batch_size="10")  # checker: text for a number
def two(message: Message) -> None: ...


@queue.on_message(memory=10)  # checker: no such option
def three(message: Message) -> None: ...


@files.on_create(aws={"snapstart": True})  # checker: a misspelt option of a vendor
def four(event: BlobEvent) -> None: ...


@app.get  # checker: no path
def five(request: Request) -> Reply: ...


@app.get("/six", uses=["rows.get"])  # checker: the operation's name
def six(request: Request) -> Reply: ...


@app.get("/seven", uses=[rows.get("k")])  # checker: the operation is called
def seven(request: Request) -> Reply: ...


@app.get("/eight")  # checker: no request
def eight(photo_id: str) -> Reply: ...


@app.get("/nine")  # checker: no reply
def nine(request: Request) -> object: ...


@app.get("/ten/{k}", uses=[len])  # decorator: no operation of a resource
def ten(request: Request, k: str) -> Reply: ...


@app.middleware  # checker: asynchronous middleware
async def eleven(event: Event, call_next: CallNext) -> Reply: ...
