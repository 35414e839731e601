"""One delivery to an event function: which answer makes Pub/Sub send it again, and which ends it.

2xx acknowledges a push, anything else is a nack, and the message comes again until the subscription's attempts are used
up; then Pub/Sub moves it to the dead-letter topic. Pub/Sub cannot be told to make fewer than five attempts and counts
only roughly, so the attempts of `max_attempts` are kept here.
Source: Pub/Sub documentation, "Push subscriptions" and "Handle message failures".
"""

from __future__ import annotations

import logging

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.delivery import BaseDelivery
from faasbridge.errors import ConfigError, InvalidEvent, Reject

from . import events
from .events_pubsub import attempt_of

if TYPE_CHECKING:
    from typing import Any


log = logging.getLogger("faasbridge")


class Delivery(BaseDelivery):
    """The deliveries of one function.

    `dead_letter(native, reason)` puts a delivery (Google's own: the push's JSON, or a CloudEvent as a dict) into the
    dead letters and returns when it is there. Where there is no such callable, or it raises, the delivery counts as
    failed and gets there after Pub/Sub's last attempt.
    """

    __slots__ = ()

    def push(self, request: Any, id: str | None) -> tuple[int, str]:
        """The status to answer a request with, and what was wrong: 204 for handled, skipped or dead-lettered, 400 for
        what is no event of this function's, 500 for another attempt."""
        attempt = None
        try:
            envelope = events.envelope_of(request)
            if envelope is None:
                found = events.decode(request, as_messages=self.messages)
            else:
                attempt = attempt_of(envelope)
                found = events.decode_json(envelope, self.messages, topic=events.topic_of(request.path))
            fitting = self.fitting(found)
        except InvalidEvent as error:
            log.error("%s cannot take this delivery: %s", self.runner.name, error)
            return 400, str(error)
        except ConfigError as error:
            log.error("%s cannot take this delivery: %s", self.runner.name, error)
            return 500, str(error)
        for event in fitting:
            tries: int = attempt if attempt is not None else getattr(event, "attempt", 1)
            for failure in self.runner.deliver([event], attempts=[tries], id=id):
                ends = failure.rejected or tries >= self.max_attempts
                if not (ends and self.buried(event.native if envelope is None else envelope, failure.error)):
                    return 500, f"{type(failure.error).__name__}: the log has more"
        return 204, ""

    def direct(self, native: Any, id: str | None = None) -> None:
        """A CloudEvent object or `(data, context)`: raises what the handler raises, which is how its trigger learns."""
        for event in self.fitting(events.decode(native, as_messages=self.messages)):
            try:
                if self.function.trigger == "batch":
                    for failure in self.runner.deliver([event], id=id):
                        raise failure.error
                else:
                    self.runner.invoke(event, attempt=getattr(event, "attempt", 1), id=id)
            except Reject as error:
                if not self.buried(event.native, error):
                    raise
