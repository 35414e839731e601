"""Queue and Batch: work for one handler."""

from __future__ import annotations

from .._typing import TYPE_CHECKING, overload
from ..codec import encode_body
from ..errors import PayloadTooLarge
from ..event import Event
from .base import Resource, operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Unpack

    from .._typing import BatchHandler, Body, MessageHandler, TriggerOptions, Use
    from ..events import Message


class Batch(Event):
    """Up to `batch_size` messages. What `fail` names comes again, alone; an exception fails them all.

    Middleware is called once, around the batch; its `id` is the first message's.
    """

    __slots__ = ("failures", "messages")

    def __init__(self, messages: Sequence[Message]) -> None:
        first = messages[0] if messages else None
        super().__init__(id=first.id if first else "", type="batch", provider=first.provider if first else "local")
        self.messages = messages
        self.failures: dict[int, BaseException | str] = {}

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    def __len__(self) -> int:
        return len(self.messages)

    def fail(self, message: Message, reason: BaseException | str = "") -> None:
        """That message was not handled. With a `Reject` as the reason it goes to the dead letters at once."""
        for i, mine in enumerate(self.messages):
            if mine is message:
                self.failures[i] = reason
                return
        raise ValueError("this message is none of the batch")


class Subscribable(Resource):
    @overload
    def on_message(self, handler: MessageHandler, /) -> MessageHandler: ...
    @overload
    def on_message(
        self, /, *, batch_size: int = ..., uses: Sequence[Use] = ..., **options: Unpack[TriggerOptions]
    ) -> Callable[[MessageHandler], MessageHandler]: ...
    def on_message(self, handler: Any = None, /, **options: Any) -> Any:
        """Calls the handler with one Message. `batch_size`: up to how many the vendor may deliver at a time; each
        succeeds or fails by itself."""
        return self._declare("message", handler, options)


class Queue(Subscribable):
    """Messages for one handler, at least once, in no promised order unless `ordered=True`."""

    kind = "queue"
    operations = operations("send", send_many="send")

    def send(self, body: Body, *, attributes: Mapping[str, str] | None = None, delay_s: int = 0) -> str:
        """Accepts a message for good and returns its event id. dict and list are sent as JSON that comes back exactly.

        Raises PayloadTooLarge over the floor of the app's targets.
        """
        return self._driver("send").send(*self._message(body, attributes), _delay(delay_s))  # type: ignore[no-any-return]

    async def asend(self, body: Body, *, attributes: Mapping[str, str] | None = None, delay_s: int = 0) -> str:
        return await self._call("send", "send", *self._message(body, attributes), _delay(delay_s))  # type: ignore[no-any-return]

    def send_many(self, bodies: Iterable[Body]) -> None:
        """Sends all, in as few calls as the vendor allows. After an error some may have been sent."""
        self._driver("send").send_many([encoded(self, body) for body in bodies])

    async def asend_many(self, bodies: Iterable[Body]) -> None:
        await self._call("send", "send_many", [encoded(self, body) for body in bodies])

    @overload
    def on_batch(self, handler: BatchHandler, /) -> BatchHandler: ...
    @overload
    def on_batch(
        self,
        /,
        *,
        batch_size: int = ...,
        wait_s: float = ...,
        uses: Sequence[Use] = ...,
        **options: Unpack[TriggerOptions],
    ) -> Callable[[BatchHandler], BatchHandler]: ...
    def on_batch(self, handler: Any = None, /, **options: Any) -> Any:
        """Calls the handler with a Batch of up to `batch_size` messages (1 on vendors that push), waiting `wait_s`
        for more."""
        return self._declare("batch", handler, options)

    @property
    def dead_letters(self) -> Queue:
        """What this queue's handler could not handle: a queue that can have a handler of its own."""
        name = f"{self.name}-dead"
        assert self.app is not None
        known = self.app.resources.get(("queue", name))
        if known is None:
            known = Queue(name, dead_letters_of=self.name)
            known.location = self.location
            self.app.add(known)
        return known  # type: ignore[return-value]

    def _message(self, body: Body, attributes: Mapping[str, str] | None) -> tuple[bytes, Mapping[str, str]]:
        return encoded(self, body, attributes), attributes or {}


class Topic(Subscribable):
    """Messages for every handler of the topic, each with attempts and dead letters of its own."""

    kind = "topic"
    operations = operations("publish", publish_many="publish")

    def publish(self, body: Body, *, attributes: Mapping[str, str] | None = None) -> str:
        """Accepts a message for good and returns its event id. Raises PayloadTooLarge."""
        return self._driver("publish").publish(encoded(self, body, attributes), attributes or {})  # type: ignore[no-any-return]

    async def apublish(self, body: Body, *, attributes: Mapping[str, str] | None = None) -> str:
        return await self._call("publish", "publish", encoded(self, body, attributes), attributes or {})  # type: ignore[no-any-return]

    def publish_many(self, bodies: Iterable[Body]) -> None:
        """Publishes all, in as few calls as the vendor allows. After an error some may have been published."""
        self._driver("publish").publish_many([encoded(self, body) for body in bodies])

    async def apublish_many(self, bodies: Iterable[Body]) -> None:
        await self._call("publish", "publish_many", [encoded(self, body) for body in bodies])


def encoded(resource: Resource, body: Body, attributes: Mapping[str, str] | None = None) -> bytes:
    """The body as bytes, checked against the floor of the app's targets, attributes counted in."""
    data = encode_body(body)
    size = len(data)
    for name, value in (attributes or {}).items():
        if not all(isinstance(text, str) and text for text in (name, value)):  # type: ignore[redundant-expr]
            raise TypeError(f"attribute {name!r}: names and values are non-empty strings")
        size += len(name.encode()) + len(value.encode())
    limit = resource.app.message_bytes if resource.app is not None else None
    if limit is not None and size > limit:
        raise PayloadTooLarge(
            f"{resource.kind} {resource.name!r}: a message of {size:,} bytes; the app's targets take {limit:,}. "
            "Put the data into a bucket and send its key"
        )
    return data


def _delay(delay_s: int) -> int:
    if not 0 <= delay_s <= 900:
        raise ValueError(f"delay_s is 0 to 900 seconds (what every vendor takes), not {delay_s}")
    return delay_s
