"""Payloads that our own templates, tools and forwarders put on the wire, told by their member `faasbridge`.

- `tick`: a schedule was due. `{"faasbridge": "tick", "schedule": NAME, "scheduled_for": TIME, "timezone": ZONE}`; the
  id is name and time, which every attempt repeats. Where the vendor's scheduler did not fill the time in, the minute in
  which the message was sent stands for it: cron knows no smaller unit.
- `event`: any event, `{"faasbridge": "event", "event": codec.dumps(event_json.to_dict(event))}`. A Request among them
  is for an api's function, from who may invoke that past its api; its claims count as if `auth` had found them. Whoever
  may only send HTTP requests cannot send one: vendors wrap those.
- `response`: the answer, `{"faasbridge": "response", "status": 200, "headers": [[NAME, VALUE]], "body": BASE64}`.
"""

from __future__ import annotations

from .._typing import TYPE_CHECKING
from ..errors import InvalidEvent
from ..events import Tick
from .times import in_zone, iso_time

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from ..dispatch import Answer
    from ..events import Event
    from ..http import Response


def is_own(native: Any) -> bool:
    return isinstance(native, dict) and native.get("faasbridge") in ("tick", "event")


def is_request(native: Any) -> bool:
    """Whether it is a Request of ours, and nothing besides."""
    return isinstance(native, dict) and native.keys() == {"faasbridge", "event"} and native["faasbridge"] == "event"


def encode_event(event: Event) -> dict[str, Any]:
    """What `OwnEvents.decode` takes."""
    from .. import codec, event_json

    return {"faasbridge": "event", "event": codec.dumps(event_json.to_dict(event))}


def encode_response(answer: Answer) -> dict[str, Any]:
    from binascii import b2a_base64

    status, headers, body = answer
    text = b2a_base64(body, newline=False).decode()
    return {"faasbridge": "response", "status": status, "headers": [list(pair) for pair in headers], "body": text}


def decode_response(payload: Any) -> Response:
    """The inverse. Raises InvalidEvent."""
    from binascii import a2b_base64

    from ..http import Response

    try:
        if payload["faasbridge"] == "response":
            headers: dict[str, Any] = {}
            for name, value in payload["headers"]:
                headers[name] = value if name not in headers else [*_as_list(headers[name]), value]
            return Response(a2b_base64(payload["body"]), status=payload["status"], headers=headers)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidEvent(f"the response was not written by FaaSBridge: {error!r}") from error
    raise InvalidEvent(f"this is no response of FaaSBridge's: {payload!r}")


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class OwnEvents:
    """Those of one provider; `tick_type` is the type that its ticks have."""

    __slots__ = ("provider", "tick_type")

    def __init__(self, provider: str, tick_type: str) -> None:
        self.provider = provider
        self.tick_type = tick_type

    def decode(self, native: dict[str, Any], sent: datetime | None = None) -> Event:
        """The event of a payload that `is_own`. `sent`: when it was, where that is known. Raises InvalidEvent."""
        kind = native["faasbridge"]
        try:
            if kind == "tick":
                return self._scheduled(native, sent)
            from .. import codec, event_json

            event = event_json.from_dict(codec.loads(native["event"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidEvent(f"the {kind} was not written by FaaSBridge: {error!r}") from error
        event.provider = self.provider
        event.native = native
        return event

    def tick(self, name: str, moment: datetime, native: Any, zone: str = "UTC") -> Tick:
        """The schedule `name` was due at `moment`."""
        from datetime import UTC

        moment = moment.astimezone(UTC)
        return Tick(
            in_zone(moment, zone),
            id=f"{name}@{moment.isoformat()}",
            source=name,
            type=self.tick_type,
            time=moment,
            provider=self.provider,
            native=native,
        )

    def _scheduled(self, native: dict[str, Any], sent: datetime | None) -> Tick:
        name = native["schedule"]
        moment = iso_time(native.get("scheduled_for"))
        if moment is None:
            if sent is None:
                given = native.get("scheduled_for")
                raise InvalidEvent(
                    f"schedule {name!r} does not say when it was due ({given!r}), nor is known when it was sent"
                )
            moment = sent.replace(second=0, microsecond=0)
        return self.tick(name, moment, native, native.get("timezone", "UTC"))
