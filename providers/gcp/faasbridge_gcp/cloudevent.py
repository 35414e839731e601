"""A CloudEvent in any form -> one dict: its attributes by name, and `data` in terms of JSON, or as text or bytes.

Forms: an HTTP request in binary mode (attributes in `ce-` headers), structured mode or batch; that structured JSON as
a dict; an object of the `cloudevents` package. Firestore's protobuf becomes the JSON that stands for the same.
Source: CloudEvents 1.0, "HTTP Protocol Binding" and "JSON Event Format".
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent
from faasbridge.http import unquote

from .events_common import found_in, from_base64

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

REQUIRED = ("specversion", "id", "source", "type")
_STRUCTURED, _BATCH = "application/cloudevents", "application/cloudevents-batch"


def from_request(headers: Mapping[str, str], body: bytes) -> list[dict[str, Any]] | None:
    """The CloudEvents of a request; None where it holds none. Raises InvalidEvent for a broken one."""
    content_type = headers.get("content-type") or ""
    media = content_type.partition(";")[0].strip().lower()
    if media.startswith(_BATCH):
        many = parsed(body)
        if not isinstance(many, list):
            raise InvalidEvent(f"a batch of CloudEvents is a list; {found_in(many)}")
        return [from_dict(one) for one in many]
    if media.startswith(_STRUCTURED):
        return [from_dict(parsed(body))]
    attributes: dict[str, Any] = {
        name[3:].lower(): unquote(value) for name, value in headers.items() if name[:3].lower() == "ce-"
    }
    if attributes.keys().isdisjoint(REQUIRED):
        return None
    if content_type:
        attributes["datacontenttype"] = content_type
    return [_checked({**attributes, "data": _data(body, media)})]


def from_dict(structured: Any) -> dict[str, Any]:
    """The same for the structured form, read already."""
    if not isinstance(structured, dict):
        raise InvalidEvent(f"a CloudEvent is an object; {found_in(structured)}")
    if "data_base64" in structured:
        event = {name: value for name, value in structured.items() if name != "data_base64"}
        media = str(event.get("datacontenttype", "")).partition(";")[0].strip().lower()
        event["data"] = _data(from_base64(structured["data_base64"], "data_base64"), media)
    else:
        event = structured
    return _checked(event)


def from_object(event: Any) -> dict[str, Any]:
    """The same for what functions-framework hands a function of the cloudevent signature."""
    attributes: dict[str, Any] = dict(event.get_attributes())
    data = event.get_data() if hasattr(event, "get_data") else event.data
    media = str(attributes.get("datacontenttype") or "").partition(";")[0].strip().lower()
    if isinstance(data, (bytes, bytearray)):
        data = _data(bytes(data), media)
    return _checked({**attributes, "data": data})


def parsed(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise InvalidEvent(f"the event's body is no JSON: {error}") from None


def _checked(event: dict[str, Any]) -> dict[str, Any]:
    missing = [name for name in REQUIRED if not event.get(name)]
    if missing:
        raise InvalidEvent(f"a CloudEvent needs {', '.join(missing)}; {found_in(event)}")
    if event["specversion"] not in ("1.0", "0.3"):
        raise InvalidEvent(f"a CloudEvent's specversion is 1.0, not {event['specversion']!r}")
    return event


def _data(body: bytes, media: str) -> Any:
    """JSON and Firestore's protobuf are read; the rest stays as it is. `media` is in lower case, without parameters."""
    if media == "application/protobuf":
        return body
    if not media or media == "application/json" or media.endswith("+json"):
        if not body:
            return None
        if media:
            return parsed(body)
        try:
            return json.loads(body)
        except ValueError:
            return body
    return body
