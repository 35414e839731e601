"""Deliveries of several records: each succeeds or fails by itself, and AWS is told exactly which failed.

SQS is told the message ids. Of a FIFO queue the first failure of a group holds back the rest of that group, whose
order would be lost otherwise; other groups go on. A stream is told the sequence number of the first failure and sends
everything from there again, so the delivery stops at it.
Sources: Lambda Developer Guide, "Handling errors for an SQS event source in Lambda", "Configuring partial batch
response with DynamoDB and Lambda".
"""

from __future__ import annotations

import logging

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.delivery import BaseDelivery
from faasbridge.adapter.own_events import is_own
from faasbridge.errors import ConfigError, InvalidEvent, Reject
from faasbridge.events import Message

from . import events
from .events_sqs import attempt_of, message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from faasbridge.adapter.delivery import DeadLetter
    from faasbridge.dispatch import Runner
    from faasbridge.events import Event

log = logging.getLogger("faasbridge")
_LEAST_S = 1.0


class Delivery(BaseDelivery):
    """One invocation's records, for one function. `dead_letter` is given a record, AWS's own dict, or a direct event
    whole; SQS and the event source count attempts."""

    __slots__ = ("id", "remaining_s")

    def __init__(
        self, runner: Runner, id: str | None, remaining_s: Callable[[], float], dead_letter: DeadLetter | None
    ) -> None:
        super().__init__(runner, dead_letter)
        self.id = id
        self.remaining_s = remaining_s

    def sqs(self, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """`{"batchItemFailures": [{"itemIdentifier": messageId}]}`, in the order delivered."""
        faults = self._batch(records) if self.function.trigger == "batch" else None
        held: set[str] = set()
        failed = []
        for i, record in enumerate(records):
            group = _group(record)
            if group is not None and group in held:
                done = False
            elif faults is not None:
                done = self._settled(record, faults[i])
            else:
                done = self._has_time(i, len(records)) and self._one(record)
            if not done:
                failed.append({"itemIdentifier": record["messageId"]})
                if group is not None:
                    held.add(group)
        return {"batchItemFailures": failed}

    def stream(self, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The same for DynamoDB and Kinesis: at most one, the first that failed, by sequence number."""
        faults = self._batch(records) if self.function.trigger == "batch" else None
        for i, record in enumerate(records):
            if faults is not None:
                done = self._settled(record, faults[i])
            else:
                done = self._has_time(i, len(records)) and self._one(record)
            if not done:
                return {"batchItemFailures": [{"itemIdentifier": _sequence_number(record)}]}
        return {"batchItemFailures": []}

    def direct(self, native: Any) -> Any:
        """An event without partial answers: the handler's value if it is one event; raises what the handler raises."""
        found = events.decode(native)
        if not (is_own(native) and native["faasbridge"] == "event"):  # which is in the function's own terms already
            found = self.fitting(found)
        if self.function.trigger == "batch":
            failures = self.runner.deliver(found, id=self.id, timeout_s=self._timeout_s()) if found else []
            for failure in failures:
                if not (failure.rejected and self.buried(native, failure.error)):
                    raise failure.error
            return None
        values = []
        for event in found:
            try:
                attempt = getattr(event, "attempt", 1)
                values.append(self.runner.invoke(event, attempt=attempt, id=self.id, timeout_s=self._timeout_s()))
            except Reject as error:
                if is_own(native) or not self.buried(native, error):  # whoever invokes by hand is told
                    raise
        return values[0] if len(values) == 1 else None

    def _one(self, record: dict[str, Any]) -> bool:
        """Whether every event of the record was handled."""
        attempt, found = attempt_of(record), self._decoded(record)
        if isinstance(found, Exception):
            return self._over(record, found)
        for event in found:
            failures = self.runner.deliver([event], attempts=[attempt], id=self.id, timeout_s=self._timeout_s())
            if failures:  # what of the record comes after it would be handled with it once more
                return self._over(record, failures[0].error)
        return True

    def _batch(self, records: Sequence[dict[str, Any]]) -> list[BaseException | None]:
        """For each record what failed, all of them in one call of the handler."""
        decoded = [self._decoded(record) for record in records]
        faults: dict[int, BaseException] = {i: found for i, found in enumerate(decoded) if isinstance(found, Exception)}
        lists = [() if isinstance(found, Exception) else found for found in decoded]
        owners = [i for i, found in enumerate(lists) for _ in found]
        every = [event for found in lists for event in found]
        if every:
            attempts = [attempt_of(records[i]) for i in owners]
            place = {id(event): i for event, i in zip(every, owners, strict=True)}
            for failure in self.runner.deliver(every, attempts=attempts, id=self.id, timeout_s=self._timeout_s()):
                faults.setdefault(place[id(failure.event)], failure.error)
        return [faults.get(i) for i in range(len(records))]

    def _settled(self, record: dict[str, Any], fault: BaseException | None) -> bool:
        """Whether a record of a batch need not come again. Not to be asked of one that is held back: it does."""
        return fault is None or self._over(record, fault)

    def _decoded(self, record: dict[str, Any]) -> list[Event] | Exception:
        """The record's events as the handler takes them; what is wrong, also in the log, where it is none such."""
        try:
            if self.messages and events.source_of(record) == "sqs":
                return [_as_message(record)]
            return self.fitting(events.decode_record(record))
        except (InvalidEvent, ConfigError) as error:
            which = record.get("messageId") or record.get("eventID")
            log.error("%s cannot take record %s: %s", self.runner.name, which, error)
            return error

    def _over(self, record: dict[str, Any], error: BaseException) -> bool:
        """Whether a record that failed need not come again. A stream counts no attempts: its mapping does."""
        attempt = attempt_of(record) if events.source_of(record) == "sqs" else 1
        return self.settled(record, error, attempt)

    def _timeout_s(self) -> float:
        return min(self.runner.timeout_s, self.remaining_s())

    def _has_time(self, i: int, count: int) -> bool:
        """A record that is started too late would take all before it into the time-out."""
        if i == 0 or self.remaining_s() >= _LEAST_S:
            return True
        log.warning("%s has no time left for %d of %d records; they come again", self.runner.name, count - i, count)
        return False


def _as_message(record: dict[str, Any]) -> Event:
    """For a handler of messages: a notification is unwrapped, whatever else is in the queue is the message itself."""
    try:
        found = events.decode_record(record)
    except InvalidEvent:
        found = []  # it looked like another source's event and is none, or it is broken, which `message` says again
    return found[0] if len(found) == 1 and isinstance(found[0], Message) else message(record)


def _group(record: dict[str, Any]) -> str | None:
    """A FIFO queue's message group; a standard queue's group ids are about fairness and promise no order."""
    if not record.get("eventSourceARN", "").endswith(".fifo"):
        return None
    return (record.get("attributes") or {}).get("MessageGroupId", "")  # type: ignore[no-any-return]


def _sequence_number(record: dict[str, Any]) -> str:
    data = record.get("dynamodb") or record.get("kinesis") or {}
    number = data.get("SequenceNumber") or data.get("sequenceNumber")
    if not number:
        raise InvalidEvent(f"record {record.get('eventID')} failed, and has no sequence number to say so by")
    return str(number)
