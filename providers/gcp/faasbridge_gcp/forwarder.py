"""What brings a table's changes into inboxes: a function that Eventarc calls with each of them. It publishes the change
to the topic `FAASBRIDGE_FORWARD_TO`, from where every handler's inbox gets it.

It fails where Pub/Sub does not take the change, and Eventarc, told to, calls it again for a day. The event's id is
Firestore's, so that each time is the same event.
Source: Cloud Functions documentation, "Retry event-driven functions".
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.own_events import encode_event

from . import events
from .drivers.clients import default

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VARIABLE = "FAASBRIDGE_FORWARD_TO"


def forwarder(topic: str) -> Callable[[Any], None]:
    """The function of the cloudevent signature."""
    publisher = default().get("publisher")

    def forward(native: Any) -> None:
        messages = [
            {"data": json.dumps(encode_event(event), ensure_ascii=False, separators=(",", ":")).encode()}
            for event in events.decode(native)
        ]
        if messages:
            publisher.publish(topic=topic, messages=messages)

    return forward
