"""The app that the suites drive: every resource and handler they need, portable, so that it runs on any provider.

What a handler does is in what it is given: a message `{"do": "fail"}`, a key that starts with `fail/`. Each writes what
it saw into the table `journal` before it does so, one row an attempt.
"""

from __future__ import annotations

import os
import time
from hashlib import sha256
from typing import Any, cast

from faasbridge import (
    App,
    Batch,
    BlobEvent,
    CallNext,
    Change,
    HTTPError,
    Message,
    PermissionDenied,
    Reject,
    Reply,
    Request,
    Response,
    Tick,
    invocation,
)

SECRET_TEXT = "a text that only the log may hold"

app = App("conformance", cors=["https://page.example"], timeout_s=20)

files = app.bucket("files")
drops = app.bucket("drops")
records = app.table("records", key="id")
entries = app.table(
    "entries",
    key="owner",
    sort_key="name",
    indexes={"by-colour": ("colour", "name"), "by-shelf": ("shelf", "place")},
)
watched = app.table("watched", key="id", sort_key="part")
journal = app.table("journal", key="function", sort_key="entry")
jobs = app.queue("jobs")
slow = app.queue("slow")
batches = app.queue("batches")
promises = app.queue("promises")
doomed = app.queue("doomed")
parked = app.queue("parked")
mourned = doomed.dead_letters
news = app.topic("news")
api_key = app.secret("api-key")
never_set = app.secret("never-set")

note = [journal.put]


def write(message: Message | BlobEvent | Change[Any] | Tick, **facts: Any) -> None:
    """One row of the journal: this attempt."""
    now = invocation()
    row = {
        "function": now.function,
        "entry": f"{message.id}/{now.attempt:04d}/{os.urandom(6).hex()}",
        "event_id": message.id,
        "attempt": now.attempt,
        "provider": now.provider,
        **facts,
    }
    journal.put(row)


def write_message(message: Message, **facts: Any) -> None:
    body = message.body
    write(
        message,
        body=body if len(body) <= 4096 else b"",
        size=len(body),
        sha256=sha256(body).hexdigest(),
        attributes=dict(message.attributes),
        message_attempt=message.attempt,
        enqueued_at=message.enqueued_at,
        **facts,
    )


def behave(order: Any, attempt: int) -> None:
    """Ends as an order says: `{"do": "fail", "until": 3}` fails in all attempts before the third."""
    if not isinstance(order, dict) or attempt >= order.get("until", 1_000_000):
        return
    do = order.get("do", "")
    if do == "fail":
        raise RuntimeError(f"told to fail: {order.get('why', 'no reason')}")
    if do == "reject":
        raise Reject(str(order.get("why", "told to reject")))
    if do == "exit":
        raise SystemExit(3)
    if do == "crash":
        os._exit(1)
    if do == "abort":
        os.abort()
    if do == "hang":
        while True:
            time.sleep(0.05)


def order_of(message: Message) -> Any:
    try:
        return message.json()
    except ValueError:
        return None


@app.middleware(uses=note)
def trace(event: Any, call_next: CallNext) -> Reply:
    """Stamps answers, and notes what passed through it for messages that ask for it."""
    event.state["traced"] = True
    reply = call_next(event)
    if isinstance(reply, Response):
        reply.headers["x-traced"] = invocation().function
    elif isinstance(event, Message) and event.attributes.get("trace"):
        write(event, passed="middleware", handled=bool(event.state.get("handled")))
    return cast("Reply", reply)


# Messages


@jobs.on_message(max_attempts=3, uses=[*note, drops.put])
def work(message: Message) -> None:
    message.state["handled"] = True
    write_message(message)
    order = order_of(message)
    if isinstance(order, dict) and order.get("do") == "pipeline":
        drops.put(f"in/{order['n']}.txt", f"step one of {order['n']}")
    behave(order, message.attempt)


@slow.on_message(max_attempts=2, timeout_s=1, uses=note)
def sleepy(message: Message) -> None:
    write_message(message)
    behave(order_of(message), message.attempt)


@batches.on_batch(batch_size=10, wait_s=0.2, max_attempts=3, uses=note)
def bulk(batch: Batch) -> None:
    orders = [(message, order_of(message)) for message in batch]
    for message, order in orders:
        write_message(message, batch=len(batch))
        if isinstance(order, dict) and order.get("do") == "sink" and message.attempt == 1:
            raise RuntimeError("the whole batch sinks once")
    for message, order in orders:
        try:
            behave(order, message.attempt)
        except (RuntimeError, Reject) as error:
            batch.fail(message, error)


@promises.on_message(max_attempts=3, uses=[*note, files.put, files.get])
async def keep(message: Message) -> None:
    order = order_of(message)
    if isinstance(order, dict) and "key" in order:
        await files.aput(order["key"], b"kept")
        assert await files.aget(order["key"]) == b"kept"
    write_message(message)
    behave(order, message.attempt)


@doomed.on_message(max_attempts=2, uses=note)
def give_up(message: Message) -> None:
    write_message(message)
    raise RuntimeError("every message is too much")


@mourned.on_message(max_attempts=2, uses=note)
def mourn(message: Message) -> None:
    write_message(message)
    behave(order_of(message), message.attempt)


@news.on_message(max_attempts=3, uses=note)
def read_news(message: Message) -> None:
    write_message(message)


@news.on_message(max_attempts=3, uses=note)
def doubt_news(message: Message) -> None:
    write_message(message)
    behave(order_of(message), message.attempt)


# Objects, rows, times


@drops.on_create(prefix="in/", suffix=".txt", max_attempts=3, uses=[*note, drops.get, watched.put])
def take_text(event: BlobEvent) -> None:
    write_blob(event)
    watched.put({"id": event.key, "part": "text", "text": drops.get(event.key).decode()})


@drops.on_create(max_attempts=3, uses=note)
def see_all(event: BlobEvent) -> None:
    write_blob(event)
    if event.key.startswith("fail/"):
        behave({"do": "fail", "until": 2 if event.key.startswith("fail/once") else 99}, invocation().attempt)


@drops.on_delete(prefix="in/", max_attempts=3, uses=note)
def see_gone(event: BlobEvent) -> None:
    write_blob(event)


def write_blob(event: BlobEvent) -> None:
    write(event, bucket=event.bucket, key=event.key, size=event.size, etag=event.etag, kind=event.kind)


@watched.on_change(max_attempts=3, uses=[*note, news.publish])
def watch(change: Change) -> None:
    write(change, table=change.table, key=change.key, kind=change.kind, old=change.old, new=change.new)
    if change.new is not None:
        behave(change.new.get("order"), invocation().attempt)
        if change.new.get("part") == "text":
            news.publish({"pipeline": change.key, "text": change.new["text"]})


@app.schedule("30 3 * * *", timezone="Europe/Berlin", max_attempts=2, uses=note)
def nightly(tick: Tick) -> None:
    write(tick, scheduled_for=tick.scheduled_for, late_s=tick.late_s)


# Requests


@app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def echo_root(request: Request) -> Reply:
    return echo(request, "")


@app.route("/echo/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def echo(request: Request, rest: str) -> Reply:
    return {
        "method": request.method,
        "path": request.path,
        "rest": rest,
        "query": [list(pair) for pair in request.query.pairs],
        "headers": [list(pair) for pair in request.headers.pairs],
        "cookies": [list(pair) for pair in request.cookies.pairs],
        "body": request.body.hex(),
        "client_ip": request.client_ip,
        "claims": dict(request.claims),
    }


@app.post("/mirror")
def mirror(request: Request) -> Reply:
    return Response(
        request.body, headers={"content-type": request.headers.get("content-type", "application/octet-stream")}
    )


@app.post("/digest")
def digest(request: Request) -> Reply:
    return {"size": len(request.body), "sha256": sha256(request.body).hexdigest()}


@app.get("/bytes/{count:int}")
def count_bytes(request: Request, count: int) -> Reply:
    return bytes(range(256)) * (count // 256) + bytes(count % 256)


@app.get("/nothing")
def nothing(request: Request) -> Reply:
    return None


@app.get("/text")
def text(request: Request) -> Reply:
    return "Grüße, 世界 🎉"


@app.get("/list")
def a_list(request: Request) -> Reply:
    return [1, "zwei", None, {"drei": 3.0}]


@app.get("/status/{code:int}")
def status(request: Request, code: int) -> Reply:
    return Response({"status": code}, status=code)


@app.get("/things/special")
def special(request: Request) -> Reply:
    return {"route": "special"}


@app.get("/things/{thing}")
def thing(request: Request, thing: str) -> Reply:
    return {"route": "thing", "thing": thing}


@app.get("/things/{number:int}/parts")
def parts(request: Request, number: int) -> Reply:
    return {"route": "parts", "number": number}


@app.get("/headers")
def headers(request: Request) -> Reply:
    return Response("", headers={"X-Mixed-Case": "kept", "x-many": ["one", "two"]})


@app.get("/cookies")
def cookies(request: Request) -> Reply:
    return Response("", cookies={"plain": "1", "lasting": "2; Path=/things; Max-Age=60"})


@app.post("/json")
def json(request: Request) -> Reply:
    return {"got": request.json()}


@app.get("/teapot")
def teapot(request: Request) -> Reply:
    raise HTTPError(418, "short and stout")


@app.get("/broken")
def broken(request: Request) -> Reply:
    raise ValueError(SECRET_TEXT)


@app.get("/crash")
def crash(request: Request) -> Reply:
    os._exit(1)


@app.get("/invocation")
async def about(request: Request) -> Reply:
    now = invocation()
    return {
        "function": now.function,
        "stage": now.stage,
        "provider": now.provider,
        "id": now.id,
        "attempt": now.attempt,
        "remaining_ms": now.remaining_ms,
        "cold": now.cold,
    }


@app.get("/secret", uses=[api_key.get, never_set.get])
async def show_secret(request: Request) -> Reply:
    return {"api-key": await api_key.aget()}


@app.get("/undeclared", uses=[records.get])
def undeclared(request: Request) -> Reply:
    try:
        records.put({"id": "1"})
    except PermissionDenied as error:
        return {"denied": str(error)}
    return {"denied": None}


@app.post("/log")
def log(request: Request) -> Reply:
    print(request.text())
    return None


def known(request: Request) -> dict[str, Any] | None:
    user = request.headers.get("authorization", "").removeprefix("Bearer ")
    return {"sub": user} if user in ("ada", "bob") else None


admin = app.api("admin", prefix="/staff", auth=known)


@admin.get("/me")
def me(request: Request) -> Reply:
    return {"claims": dict(request.claims), "function": invocation().function}


@admin.get("/open", public=True)
def open_to_all(request: Request) -> Reply:
    return {"claims": dict(request.claims)}
