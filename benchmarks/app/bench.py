"""What the benchmarks run: one route, and one queue whose handler does nothing."""

from __future__ import annotations

from faasbridge import App, Message, Request

app = App("bench")
jobs = app.queue("jobs")


@app.get("/items/{number:int}")
def item(request: Request, number: int) -> dict[str, object]:
    return {"number": number, "name": "a thing", "tags": ["a", "b"]}


@app.get("/version")
def version(request: Request) -> str:
    return "1"


@jobs.on_message
def work(message: Message) -> None: ...
