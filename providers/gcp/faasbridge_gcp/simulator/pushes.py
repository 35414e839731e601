"""A push subscription: its messages are taken from the emulator and pushed as Pub/Sub pushes them.

The emulator keeps the messages; the attempts, their pauses, the dead letters and the filter are kept here, because the
emulator ignores filters and identities and nobody could tell what it has in flight.
Sources: https://cloud.google.com/pubsub/docs/push, .../docs/handling-failures, .../docs/subscription-retry-policy.
"""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import grpc.aio  # type: ignore[import-untyped, unused-ignore]
from google.pubsub_v1 import types as api

from .filters import Filter
from .http_client import Answer, Headers

log = logging.getLogger(__name__)

ACKNOWLEDGED = (102, 200, 201, 202, 204)
AT_ONCE = 8  # pushes of one subscription
BACKLOG = 100
LEASE_S = 600
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 60.0  # of a subscription without a retry policy
DEAD_LETTER = "CloudPubSubDeadLetterSource"

Post = Callable[[str, Headers, bytes, float], Awaitable[Answer]]


class Backlog(Protocol):
    """The emulator's side of a subscription."""

    async def pull(self, subscription: str, most: int) -> list[api.ReceivedMessage]: ...
    async def acknowledge(self, subscription: str, ack_id: str) -> None: ...
    async def publish(self, topic: str, messages: list[api.PubsubMessage]) -> list[str]: ...
    def may_forward(self, subscription: api.Subscription) -> str:
        """Why dead letters cannot be forwarded; empty where they can."""
        ...


class Pusher:
    """`resource()` is the subscription as it is now; `post` raises OSError or TimeoutError; `token(account, audience)`;
    `immediate`: retries wait for nothing."""

    def __init__(
        self,
        resource: Callable[[], api.Subscription],
        filter: Filter,
        backlog: Backlog,
        post: Post,
        token: Callable[[str, str], str],
        *,
        immediate: bool,
    ) -> None:
        self._resource = resource
        self._filter = filter
        self._backlog = backlog
        self._post = post
        self._token = token
        self._immediate = immediate
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._expected: set[str] = set()  # published, not yet taken
        self._early: set[str] = set()  # taken before the publisher knew the id
        self._tasks: dict[str, asyncio.Task[None]] = {}  # being pushed, by message id
        self._said: dict[str, str] = {}  # the last failure of each
        self._probe = True
        self._loop = asyncio.create_task(self._run())
        self._wake.set()

    def expect(self, ids: Iterable[str]) -> None:
        """Messages of these ids are in the emulator now."""
        new = set(ids)
        known = self._early & new
        self._early -= known
        self._expected |= new - known
        self._wake.set()

    @property
    def left(self) -> str:
        """What is in flight, in words; empty for nothing."""
        number = len(self._expected | set(self._tasks))
        if not number:
            return ""
        last = next(iter(self._said.values()), "")
        plural = "s" if number != 1 else ""
        name = self._resource().name.rpartition("/")[2]
        return f"{name} has {number} message{plural} undelivered" + (f", last failure: {last}" if last else "")

    async def stop(self) -> None:
        tasks = [self._loop, *self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._expected or self._probe:
                await self._room.acquire()
                self._room.release()
                try:
                    received = await self._backlog.pull(self._resource().name, BACKLOG)
                except grpc.aio.AioRpcError as error:
                    log.warning("%s cannot be pulled: %s", self._resource().name, error.details())
                    await asyncio.sleep(0.1)
                    continue
                for each in received:
                    self._take(each)
                if not received:
                    self._probe = False
                    if self._expected:
                        await asyncio.sleep(0.005)

    def _take(self, received: api.ReceivedMessage) -> None:
        id = received.message.message_id
        if id in self._tasks:  # its lease in the emulator ran out
            return
        if id in self._expected:
            self._expected.discard(id)
        else:
            self._early.add(id)
        task = asyncio.create_task(self._deliver(received))
        self._tasks[id] = task
        task.add_done_callback(lambda _: self._done(id))

    def _done(self, id: str) -> None:
        self._tasks.pop(id, None)
        self._said.pop(id, None)

    async def _deliver(self, received: api.ReceivedMessage) -> None:
        subscription, message = self._resource(), received.message
        try:
            if not self._filter(lambda field: message.attributes.get(field.removeprefix("attributes."))):
                pass
            elif message.ordering_key and subscription.enable_message_ordering:
                async with self._turns[message.ordering_key]:
                    await self._attempts(message)
            else:
                await self._attempts(message)
            await self._backlog.acknowledge(subscription.name, received.ack_id)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("a push of %s failed", subscription.name)

    async def _attempts(self, message: api.PubsubMessage) -> None:
        """Until it is acknowledged or among the dead letters."""
        attempt = 0
        while True:
            attempt += 1
            async with self._room:
                why = await self._push(message, attempt)
            if not why:
                return
            subscription = self._resource()
            policy = subscription.dead_letter_policy
            if policy.dead_letter_topic and attempt >= (policy.max_delivery_attempts or 5):
                refused = self._backlog.may_forward(subscription)
                if not refused:
                    await self._backlog.publish(policy.dead_letter_topic, [_dead(subscription, message, attempt)])
                    return
                why = refused
            self._said[message.message_id] = why
            await asyncio.sleep(self._pause_s(subscription, attempt))

    async def _push(self, message: api.PubsubMessage, attempt: int) -> str:
        """Why it was not acknowledged; empty where it was."""
        subscription = self._resource()
        config = subscription.push_config
        headers: Headers = [
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("from", "noreply@google.com"),
            ("user-agent", "CloudPubSub-Google"),
        ]
        account = config.oidc_token.service_account_email
        if account:
            token = self._token(account, config.oidc_token.audience or config.push_endpoint)
            headers.append(("authorization", f"Bearer {token}"))
        body = json.dumps(envelope(subscription, message, attempt)).encode()
        try:
            answer = await self._post(config.push_endpoint, headers, body, float(subscription.ack_deadline_seconds))
        except TimeoutError:
            return f"no answer within the acknowledgement deadline of {subscription.ack_deadline_seconds} s"
        except OSError as error:
            return f"{config.push_endpoint} cannot be reached: {error}"
        if answer.status in ACKNOWLEDGED:
            return ""
        return f"{answer.status} {answer.body[:200].decode('utf-8', 'replace')}".strip()

    def _pause_s(self, subscription: api.Subscription, attempt: int) -> float:
        if self._immediate:
            return 0.0 if attempt < 20 else 0.2
        first, longest = FIRST_PAUSE_S, LONGEST_PAUSE_S
        if "retry_policy" in subscription:
            first = subscription.retry_policy.minimum_backoff.total_seconds()
            longest = subscription.retry_policy.maximum_backoff.total_seconds()
        return float(min(max(first, 0.1) * 2 ** min(attempt - 1, 16), longest))


def envelope(subscription: api.Subscription, message: api.PubsubMessage, attempt: int) -> dict[str, Any]:
    """The JSON of a push; `deliveryAttempt` is there where the subscription has a dead-letter topic."""
    published = message.publish_time.isoformat().replace("+00:00", "Z")
    content: dict[str, Any] = {
        "messageId": message.message_id,
        "message_id": message.message_id,
        "publishTime": published,
        "publish_time": published,
    }
    if message.data:
        content["data"] = b64encode(message.data).decode()
    if message.attributes:
        content["attributes"] = dict(message.attributes)
    if message.ordering_key:
        content["orderingKey"] = message.ordering_key
    found: dict[str, Any] = {"message": content, "subscription": subscription.name}
    if subscription.dead_letter_policy.dead_letter_topic:
        found["deliveryAttempt"] = attempt
    return found


def _dead(subscription: api.Subscription, message: api.PubsubMessage, attempts: int) -> api.PubsubMessage:
    """With what Pub/Sub adds to a message that it forwards to a dead-letter topic."""
    pieces = subscription.name.split("/")
    return api.PubsubMessage(
        data=message.data,
        ordering_key=message.ordering_key,
        attributes={
            **message.attributes,
            f"{DEAD_LETTER}DeliveryCount": str(attempts),
            f"{DEAD_LETTER}Subscription": pieces[3],
            f"{DEAD_LETTER}SubscriptionProject": pieces[1],
            f"{DEAD_LETTER}TopicPublishTime": message.publish_time.isoformat().replace("+00:00", "Z"),
        },
    )
