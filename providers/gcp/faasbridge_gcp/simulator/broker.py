"""Topics and subscriptions: described here, their messages kept by Google's Pub/Sub emulator.

Every publisher comes through here, so that it is known at any moment what is still to be delivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc.aio  # type: ignore[import-untyped, unused-ignore]
from google.protobuf import empty_pb2  # type: ignore[import-untyped, unused-ignore]
from google.pubsub_v1 import types as api

from .filters import Filter, FilterError, compiled
from .masks import copy
from .names import PROJECT_NUMBER
from .policies import Policies
from .pushes import LEASE_S, Post, Pusher
from .rpc import MAX_MESSAGE_BYTES, invalid, not_found, parser, serialize

AGENT = f"serviceAccount:service-{PROJECT_NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
DELETED_TOPIC = "_deleted-topic_"


@dataclass
class Subscribed:
    resource: api.Subscription
    filter: Filter
    pusher: Pusher | None = None


@dataclass
class Broker:
    """`address` is the emulator's, `post` delivers a push, `token(account, audience)` makes an identity token."""

    address: str
    policies: Policies
    post: Post
    token: Callable[[str, str], str]
    immediate: bool = False
    topics: dict[str, api.Topic] = field(default_factory=dict)
    subscriptions: dict[str, Subscribed] = field(default_factory=dict)
    published: int = 0
    _hushed: bool = False
    _touched: set[str] = field(default_factory=set)  # topics with messages since all was emptied
    _publishing: int = 0

    def __post_init__(self) -> None:
        options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
        self.channel = grpc.aio.insecure_channel(self.address, options=options)
        self._calls: dict[str, Any] = {}

    def exists(self, resource: str) -> bool:
        return resource in self.topics or resource in self.subscriptions

    async def call(self, method: str, request: Any, response: Any) -> Any:
        """A method of the emulator's, `Publisher/Publish`."""
        if method not in self._calls:
            self._calls[method] = self.channel.unary_unary(
                f"/google.pubsub.v1.{method}", request_serializer=serialize, response_deserializer=parser(response)
            )
        return await self._calls[method](request)

    async def create_topic(self, topic: api.Topic) -> None:
        await self.call("Publisher/CreateTopic", api.Topic(name=topic.name), api.Topic)
        self.topics[topic.name] = topic

    async def delete_topic(self, name: str) -> None:
        await self.call("Publisher/DeleteTopic", api.DeleteTopicRequest(topic=name), empty_pb2.Empty)
        del self.topics[name]
        self.policies.drop(name)
        for each in self.subscriptions.values():
            if each.resource.topic == name:
                each.resource.topic = DELETED_TOPIC

    async def publish(self, topic: str, messages: list[api.PubsubMessage]) -> list[str]:
        """Raises NotFound."""
        if topic not in self.topics:
            raise not_found(topic)
        if self._hushed:
            return [f"dropped-{uuid4().hex}" for _ in messages]
        self._publishing += 1
        self.published += 1
        self._touched.add(topic)
        # Those that are there now: a later one may get the messages as well, but nobody may wait for that.
        pushers = [each.pusher for each in self.subscriptions.values() if each.resource.topic == topic]
        try:
            request = api.PublishRequest(topic=topic, messages=messages)
            answer = await self.call("Publisher/Publish", request, api.PublishResponse)
            ids = list(answer.message_ids)
            for pusher in pushers:
                if pusher is not None:
                    pusher.expect(ids)
            return ids
        finally:
            self._publishing -= 1

    async def pull(self, subscription: str, most: int) -> list[api.ReceivedMessage]:
        request = api.PullRequest(subscription=subscription, max_messages=most, return_immediately=True)
        answer = await self.call("Subscriber/Pull", request, api.PullResponse)
        return list(answer.received_messages)

    async def acknowledge(self, subscription: str, ack_id: str) -> None:
        request = api.AcknowledgeRequest(subscription=subscription, ack_ids=[ack_id])
        await self.call("Subscriber/Acknowledge", request, empty_pb2.Empty)

    def may_forward(self, subscription: api.Subscription) -> str:
        topic = subscription.dead_letter_policy.dead_letter_topic
        if topic not in self.topics:
            return f"its dead-letter topic {topic} does not exist"
        project = "/".join(subscription.name.split("/")[:2])
        for resource, role in ((topic, "roles/pubsub.publisher"), (subscription.name, "roles/pubsub.subscriber")):
            granted = self.policies.members(resource, role) | self.policies.members(project, role)
            if AGENT not in granted:
                return f"Pub/Sub's service agent lacks {role} on {resource}, so it forwards no dead letters"
        return ""

    async def subscribe(self, resource: api.Subscription) -> None:
        """Raises what is wrong with the filter."""
        subscribed = Subscribed(resource, parsed(resource.filter))
        await self.call("Subscriber/CreateSubscription", self._plain(resource), api.Subscription)
        self.subscriptions[resource.name] = subscribed
        await self.start_pushing(subscribed)

    async def start_pushing(self, subscribed: Subscribed) -> None:
        """Pushes, or waits to be pulled, as the resource says now."""
        if subscribed.pusher is not None:
            await subscribed.pusher.stop()
            subscribed.pusher = None
        if subscribed.resource.push_config.push_endpoint:
            subscribed.pusher = Pusher(
                lambda: subscribed.resource,
                subscribed.filter,
                self,
                self.post,
                self.token,
                immediate=self.immediate,
            )

    async def unsubscribe(self, name: str) -> None:
        subscribed = self.subscriptions.pop(name)
        self.policies.drop(name)
        if subscribed.pusher is not None:
            await subscribed.pusher.stop()
        await self.call("Subscriber/DeleteSubscription", _delete(name), empty_pb2.Empty)

    async def empty(self, name: str) -> None:
        """Drops what the subscription has."""
        subscribed = self.subscriptions[name]
        if subscribed.pusher is not None:
            await subscribed.pusher.stop()
            subscribed.pusher = None
        await self.call("Subscriber/DeleteSubscription", _delete(name), empty_pb2.Empty)
        if subscribed.resource.topic != DELETED_TOPIC:
            await self.call("Subscriber/CreateSubscription", self._plain(subscribed.resource), api.Subscription)
            await self.start_pushing(subscribed)

    async def hush(self) -> None:
        """Pushes nothing any more, and takes nothing of what still runs, until it is reset."""
        self._hushed = True
        await self._stop_pushing(self.holding())

    async def _stop_pushing(self, names: Iterable[str]) -> None:
        pushers = [self.subscriptions[name].pusher for name in names]
        await asyncio.gather(*(pusher.stop() for pusher in pushers if pusher is not None))

    async def reset(self) -> None:
        """What nobody published to has nothing to lose."""
        await asyncio.gather(*(self.empty(name) for name in self.holding()))
        self._touched.clear()
        self._hushed = False

    def holding(self) -> list[str]:
        """Subscriptions that may have messages."""
        touched = set(self._touched)
        for each in self.subscriptions.values():
            # The emulator forwards what is pulled too often by itself.
            if each.resource.topic in touched and each.pusher is None:
                touched.add(each.resource.dead_letter_policy.dead_letter_topic)
        return [name for name, each in self.subscriptions.items() if each.resource.topic in touched]

    async def stop(self) -> None:
        await self._stop_pushing(self.subscriptions)
        await self.channel.close()

    def left(self) -> dict[str, str]:
        found = {"publishing": "a message is being published"} if self._publishing else {}
        for name, each in self.subscriptions.items():
            if each.pusher is not None and each.pusher.left:
                found[name.rpartition("/")[2]] = each.pusher.left
        return found

    def _plain(self, resource: api.Subscription) -> api.Subscription:
        """As the emulator has it: what it would do with the rest is done here."""
        pushed = bool(resource.push_config.push_endpoint)
        plain = api.Subscription(
            name=resource.name,
            topic=resource.topic,
            ack_deadline_seconds=LEASE_S if pushed else resource.ack_deadline_seconds,
            enable_message_ordering=resource.enable_message_ordering and not pushed,
            message_retention_duration=timedelta(days=7),
        )
        if not pushed and "dead_letter_policy" in resource:
            plain.dead_letter_policy = copy(resource.dead_letter_policy)
        return plain


def parsed(filter: str) -> Filter:
    try:
        return compiled(filter)
    except FilterError as error:
        raise invalid(f"Invalid filter: {error}") from error


def _delete(name: str) -> api.DeleteSubscriptionRequest:
    return api.DeleteSubscriptionRequest(subscription=name)
