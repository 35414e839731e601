"""Pub/Sub's subscriptions. Source: https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped, unused-ignore]
from google.protobuf import empty_pb2  # type: ignore[import-untyped, unused-ignore]
from google.pubsub_v1 import types as api

from ..broker import Broker, Subscribed
from ..masks import copy, page, updated
from ..names import check_labels, check_project
from ..rpc import Refusal, Servicer, already_exists, invalid, not_found, parser, rpc, serialize
from .publisher import NAME

PATIENCE_S = 0.2  # Pub/Sub waits some seconds for a message
_REQUEST_BYTES, _ACK_ID_BYTES = 524_288, 180  # https://cloud.google.com/pubsub/quotas; the emulator's ids are shorter
_FIXED = ("name", "topic", "filter", "enable_message_ordering", "detached", "state")


class Subscriber(Servicer):
    """`is_account` knows service accounts."""

    service = "google.pubsub.v1.Subscriber"
    api_name = "pubsub.googleapis.com"

    def __init__(self, broker: Broker, is_account: Callable[[str], bool]) -> None:
        self._broker = broker
        self._is_account = is_account

    def _subscribed(self, name: str) -> Subscribed:
        if name not in self._broker.subscriptions:
            raise not_found(name)
        return self._broker.subscriptions[name]

    @rpc(api.Subscription)
    async def create_subscription(self, request: api.Subscription) -> api.Subscription:
        check_project(request.name)
        if not NAME.fullmatch(request.name):
            raise invalid(f"Invalid [subscriptions] name: (name={request.name})")
        if request.name in self._broker.subscriptions:
            raise already_exists(request.name)
        if request.topic not in self._broker.topics:
            raise not_found(request.topic)
        subscription = copy(request)
        self._check(subscription)
        subscription.state = api.Subscription.State(api.Subscription.State.ACTIVE)
        await self._broker.subscribe(subscription)
        return subscription

    @rpc(api.UpdateSubscriptionRequest)
    async def update_subscription(self, request: api.UpdateSubscriptionRequest) -> api.Subscription:
        subscribed = self._subscribed(request.subscription.name)
        mask = api.UpdateSubscriptionRequest.pb(request).update_mask
        if not mask.paths:
            raise invalid("The update_mask in the UpdateSubscriptionRequest must be set, and must not be empty.")
        fixed = [path for path in mask.paths if path.partition(".")[0] in _FIXED]
        if fixed:
            raise invalid(f"Invalid update_mask: {', '.join(fixed)} of a subscription cannot be changed")
        new = updated(subscribed.resource, request.subscription, mask)
        self._check(new)
        await self._change(subscribed, new)
        return new

    @rpc(api.ModifyPushConfigRequest)
    async def modify_push_config(self, request: api.ModifyPushConfigRequest) -> empty_pb2.Empty:
        subscribed = self._subscribed(request.subscription)
        new = copy(subscribed.resource)
        new.push_config = copy(request.push_config)
        self._check(new)
        await self._change(subscribed, new)
        return empty_pb2.Empty()

    async def _change(self, subscribed: Subscribed, new: api.Subscription) -> None:
        pushed = bool(subscribed.resource.push_config.push_endpoint)
        subscribed.resource = new
        if pushed != bool(new.push_config.push_endpoint):
            await self._broker.start_pushing(subscribed)

    @rpc(api.GetSubscriptionRequest)
    async def get_subscription(self, request: api.GetSubscriptionRequest) -> api.Subscription:
        return self._subscribed(request.subscription).resource

    @rpc(api.ListSubscriptionsRequest)
    async def list_subscriptions(self, request: api.ListSubscriptionsRequest) -> api.ListSubscriptionsResponse:
        found = [
            each.resource
            for name, each in sorted(self._broker.subscriptions.items())
            if name.startswith(f"{request.project}/")
        ]
        items, token = page(found, request.page_size, request.page_token)
        return api.ListSubscriptionsResponse(subscriptions=items, next_page_token=token)

    @rpc(api.DeleteSubscriptionRequest)
    async def delete_subscription(self, request: api.DeleteSubscriptionRequest) -> empty_pb2.Empty:
        self._subscribed(request.subscription)
        await self._broker.unsubscribe(request.subscription)
        return empty_pb2.Empty()

    @rpc(api.PullRequest)
    async def pull(self, request: api.PullRequest) -> api.PullResponse:
        subscribed = self._subscribed(request.subscription)
        if subscribed.pusher is not None:
            raise Refusal(
                grpc.StatusCode.FAILED_PRECONDITION,
                "This method is not supported for this subscription type.",
            )
        deadline = time.monotonic() + (0.0 if request.return_immediately else PATIENCE_S)
        while True:
            kept = []
            for each in await self._broker.pull(request.subscription, request.max_messages):
                attributes = each.message.attributes
                if subscribed.filter(lambda field, a=attributes: a.get(field.removeprefix("attributes."))):  # type: ignore[misc]
                    kept.append(each)
                else:
                    await self._broker.acknowledge(request.subscription, each.ack_id)
            if kept or time.monotonic() > deadline:
                return api.PullResponse(received_messages=kept)
            await asyncio.sleep(0.02)

    @rpc(api.AcknowledgeRequest)
    async def acknowledge(self, request: api.AcknowledgeRequest) -> empty_pb2.Empty:
        self._subscribed(request.subscription)
        _check_size(request.ack_ids)
        await self._broker.call("Subscriber/Acknowledge", request, empty_pb2.Empty)
        return empty_pb2.Empty()

    @rpc(api.ModifyAckDeadlineRequest)
    async def modify_ack_deadline(self, request: api.ModifyAckDeadlineRequest) -> empty_pb2.Empty:
        self._subscribed(request.subscription)
        _check_size(request.ack_ids)
        await self._broker.call("Subscriber/ModifyAckDeadline", request, empty_pb2.Empty)
        return empty_pb2.Empty()

    @rpc(api.SeekRequest)
    async def seek(self, request: api.SeekRequest) -> api.SeekResponse:
        """To a time that is now or later: the usual way to purge a subscription."""
        self._subscribed(request.subscription)
        if "time" not in request or request.time < datetime.now(UTC) - timedelta(minutes=1):
            text = "the simulator can only seek to now, which drops what a subscription holds"
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, text)
        await self._broker.empty(request.subscription)
        return api.SeekResponse()

    @rpc(api.StreamingPullRequest, stream=True)
    async def streaming_pull(
        self, requests: AsyncIterator[api.StreamingPullRequest]
    ) -> AsyncIterator[api.StreamingPullResponse]:
        call = self._broker.channel.stream_stream(
            "/google.pubsub.v1.Subscriber/StreamingPull",
            request_serializer=serialize,
            response_deserializer=parser(api.StreamingPullResponse),
        )(requests)
        async for response in call:
            yield response

    def _check(self, subscription: api.Subscription) -> None:
        """Sources: the fields' documentation in the reference above."""
        check_labels(subscription.labels)
        subscription.ack_deadline_seconds = subscription.ack_deadline_seconds or 10
        if not 10 <= subscription.ack_deadline_seconds <= 600:
            raise invalid(f"Invalid ack deadline given: {subscription.ack_deadline_seconds}: 10 to 600 seconds")
        retention = subscription.message_retention_duration or timedelta(days=7)
        subscription.message_retention_duration = retention
        if not timedelta(minutes=10) <= retention <= timedelta(days=31):
            raise invalid("Invalid message retention duration: 10 minutes to 31 days")
        policy = subscription.dead_letter_policy
        if "dead_letter_policy" in subscription:
            policy.max_delivery_attempts = policy.max_delivery_attempts or 5
            if not 5 <= policy.max_delivery_attempts <= 100:
                raise invalid(f"Invalid max delivery attempts {policy.max_delivery_attempts}: 5 to 100")
            if policy.dead_letter_topic not in self._broker.topics:
                raise not_found(policy.dead_letter_topic)
        if "retry_policy" in subscription:
            retry = subscription.retry_policy
            retry.minimum_backoff = retry.minimum_backoff or timedelta(seconds=10)
            retry.maximum_backoff = retry.maximum_backoff or timedelta(seconds=600)
            if not timedelta(0) <= retry.minimum_backoff <= retry.maximum_backoff <= timedelta(seconds=600):
                raise invalid(
                    "Invalid retry policy: the back-off is 0 to 600 seconds, the minimum not above the maximum"
                )
        push = subscription.push_config
        if push.push_endpoint:
            address = urlsplit(push.push_endpoint)
            if address.scheme not in ("http", "https") or not address.hostname:
                raise invalid(f"Invalid push endpoint given (endpoint={push.push_endpoint}).")
            if "no_wrapper" in push:
                raise invalid("the simulator knows wrapped pushes only")
            account = push.oidc_token.service_account_email
            if account and not self._is_account(account):
                text = (
                    f"Permission 'iam.serviceAccounts.actAs' denied on service account {account} (or it may not exist)."
                )
                raise Refusal(grpc.StatusCode.PERMISSION_DENIED, text)


def _check_size(ack_ids: Sequence[str]) -> None:
    if sum(max(len(each), _ACK_ID_BYTES) for each in ack_ids) > _REQUEST_BYTES:
        raise invalid(f"Request payload size exceeds the limit: {_REQUEST_BYTES} bytes.")
