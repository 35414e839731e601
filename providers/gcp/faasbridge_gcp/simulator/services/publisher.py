"""Pub/Sub's topics. Source: https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1."""

from __future__ import annotations

import re

from google.protobuf import empty_pb2  # type: ignore[import-untyped, unused-ignore]
from google.pubsub_v1 import types as api

from ..broker import Broker
from ..masks import copy, page, updated
from ..names import check_labels, check_project
from ..rpc import Servicer, already_exists, invalid, not_found, rpc

NAME = re.compile(r"projects/[^/]+/(topics|subscriptions)/(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
MAX_BYTES = 10_000_000  # https://cloud.google.com/pubsub/quotas


class Publisher(Servicer):
    service = "google.pubsub.v1.Publisher"
    api_name = "pubsub.googleapis.com"

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def _topic(self, name: str) -> api.Topic:
        if name not in self._broker.topics:
            raise not_found(name)
        return self._broker.topics[name]

    @rpc(api.Topic)
    async def create_topic(self, request: api.Topic) -> api.Topic:
        check_project(request.name)
        if not NAME.fullmatch(request.name):
            raise invalid(f"Invalid [topics] name: (name={request.name})")
        if request.name in self._broker.topics:
            raise already_exists(request.name)
        check_labels(request.labels)
        topic = copy(request)
        topic.state = api.Topic.State(api.Topic.State.ACTIVE)
        await self._broker.create_topic(topic)
        return topic

    @rpc(api.UpdateTopicRequest)
    async def update_topic(self, request: api.UpdateTopicRequest) -> api.Topic:
        topic = self._topic(request.topic.name)
        mask = api.UpdateTopicRequest.pb(request).update_mask
        if not mask.paths:
            raise invalid(
                "The update_mask in the UpdateTopicRequest must be set, and must contain a non-empty paths list."
            )
        check_labels(request.topic.labels)
        self._broker.topics[topic.name] = updated(topic, request.topic, mask, fixed=("name", "state"))
        return self._broker.topics[topic.name]

    @rpc(api.GetTopicRequest)
    async def get_topic(self, request: api.GetTopicRequest) -> api.Topic:
        return self._topic(request.topic)

    @rpc(api.ListTopicsRequest)
    async def list_topics(self, request: api.ListTopicsRequest) -> api.ListTopicsResponse:
        found = [each for name, each in sorted(self._broker.topics.items()) if name.startswith(f"{request.project}/")]
        items, token = page(found, request.page_size, request.page_token)
        return api.ListTopicsResponse(topics=items, next_page_token=token)

    @rpc(api.ListTopicSubscriptionsRequest)
    async def list_topic_subscriptions(
        self, request: api.ListTopicSubscriptionsRequest
    ) -> api.ListTopicSubscriptionsResponse:
        self._topic(request.topic)
        subscriptions = self._broker.subscriptions
        found = [name for name, each in sorted(subscriptions.items()) if each.resource.topic == request.topic]
        items, token = page(found, request.page_size, request.page_token)
        return api.ListTopicSubscriptionsResponse(subscriptions=items, next_page_token=token)

    @rpc(api.DeleteTopicRequest)
    async def delete_topic(self, request: api.DeleteTopicRequest) -> empty_pb2.Empty:
        self._topic(request.topic)
        await self._broker.delete_topic(request.topic)
        return empty_pb2.Empty()

    @rpc(api.PublishRequest)
    async def publish(self, request: api.PublishRequest) -> api.PublishResponse:
        if not request.messages or len(request.messages) > 1000:
            raise invalid("The value for message_count is out of range: 1 to 1000 messages can be published at a time.")
        for message in request.messages:
            if not message.data and not message.attributes:
                raise invalid("Some messages in the batch are empty: a message needs data or attributes.")
            for key, value in message.attributes.items():
                if len(key.encode()) > 256 or len(value.encode()) > 1024 or key.startswith("goog"):
                    raise invalid(f"The attribute {key!r} is too long, or its name begins with goog.")
        if api.PublishRequest.pb(request).ByteSize() > MAX_BYTES:
            raise invalid("Request payload size exceeds the limit: 10485760 bytes.")
        ids = await self._broker.publish(request.topic, list(request.messages))
        return api.PublishResponse(message_ids=ids)
