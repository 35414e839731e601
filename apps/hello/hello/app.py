"""Greets at once, and remembers the guest in the background."""

from __future__ import annotations

from faasbridge import App, Message, Reject, Reply, Request

app = App("hello")

arrivals = app.queue("arrivals")
guests = app.table("guests", key="name")


@app.get("/hello/{name}", uses=[arrivals.send])
def hello(request: Request, name: str) -> Reply:
    arrivals.send({"name": name})
    return {"greeting": f"Hello, {name}!"}


@arrivals.on_message(uses=[guests.put])
def remember(message: Message) -> None:
    name = message.json().get("name")
    if not name:
        raise Reject("an arrival needs a name")
    # Delivery is at least once: putting the same row again changes nothing, where adding to a counter would.
    guests.put({"name": name, "arrival": message.id})
