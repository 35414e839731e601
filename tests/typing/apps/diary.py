"""An api with auth and CORS, conditions, paging, middleware, async operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faasbridge import App, CallNext, Conflict, Event, HTTPError, Reply, Request, Response, invocation


def who(request: Request) -> Mapping[str, Any] | None:
    token = request.headers.get("authorization")
    return {"sub": token} if token else None


app = App("diary", cors=["https://diary.example"], auth=who)
entries = app.table("entries", key="owner", sort_key="day", indexes={"by-mood": ("mood", "day")})


@app.get("/entries", uses=[entries.query])
def listing(request: Request) -> dict[str, Any]:
    page = entries.query(request.claims["sub"], begins_with="2026", reverse=True).page(20, request.query.get("cursor"))
    return {"entries": page.items, "next": page.cursor}


@app.get("/moods/{mood}", uses=[entries.query])
async def by_mood(request: Request, mood: str) -> list[Any]:
    return [row["day"] async for row in entries.query(mood, index="by-mood")]


@app.put("/entries/{day}", uses=[entries.update])
def change(request: Request, day: str) -> dict[str, Any]:
    body = request.json()
    try:
        return entries.update(
            request.claims["sub"],
            day,
            set={"text": body["text"]},
            increment={"version": 1},
            if_match={"version": body["version"]},
        )
    except Conflict:
        raise HTTPError(409, "changed meanwhile") from None


@app.get("/days/{number:int}", public=True)
async def day(request: Request, number: int) -> str:
    row = await entries.aget("me", str(number))
    return str(row)


@app.middleware
def timed(event: Event, call_next: CallNext) -> Reply:
    event.state["left"] = invocation().remaining_ms
    response: Reply = call_next(event)
    if isinstance(response, Response):
        response.headers["x-left"] = str(event.state["left"])
    return response
