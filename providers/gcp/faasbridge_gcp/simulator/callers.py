"""Where functions reach Google's APIs: each service account at addresses of its own, so that what comes there is the
account's and its roles count. Emulators' clients send no credentials, and Google's emulators look at none.

Whoever comes by the simulator's other addresses owns the project, as the deployer does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc  # type: ignore[import-untyped, unused-ignore]
import grpc.aio  # type: ignore[import-untyped, unused-ignore]

from faasbridge.local.web import HttpServer

from .listening import listen
from .rights import Rights
from .rpc import MAX_MESSAGE_BYTES, Refusal, Servicer, abort, handlers, with_first
from .storage import Storage

_FIRESTORE = "/google.firestore.v1.Firestore/"
_FORWARDED = ("authorization", "google-cloud-", "x-goog-")


@dataclass(frozen=True)
class Addresses:
    """`google` is host and port of every gRPC service, Firestore included; `storage` a URL."""

    google: str
    storage: str

    @property
    def env(self) -> dict[str, str]:
        """How Google's SDKs find what is here."""
        return {
            "PUBSUB_EMULATOR_HOST": self.google,
            "FIRESTORE_EMULATOR_HOST": self.google,
            "STORAGE_EMULATOR_HOST": self.storage,
        }


class Callers:
    """`firestore` is the emulator's address, `check` says why an API may not be called now."""

    def __init__(
        self,
        rights: Rights,
        services: Iterable[Servicer],
        storage: Storage,
        firestore: str,
        check: Callable[[str], Refusal | None],
    ) -> None:
        self._rights = rights
        self._services = tuple(services)
        self._storage = storage
        self._check = check
        self._channel = grpc.aio.insecure_channel(
            firestore, options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
        )
        self._of: dict[str, tuple[Addresses, grpc.aio.Server, HttpServer]] = {}

    async def addresses(self, email: str) -> Addresses:
        """Those of the account, which begin to listen when it first has a function."""
        if email not in self._of:
            server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)])
            google = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            objects = HttpServer(self._storage.asgi(email), listen())
            self._of[email] = Addresses(google, objects.url), server, objects
            every = [handlers(each, self._check, self._may(email, each)) for each in self._services]
            server.add_generic_rpc_handlers([*every, _Firestore(self._channel, self._rights, email)])
            await asyncio.gather(server.start(), objects.start())
        return self._of[email][0]

    async def stop(self) -> None:
        await asyncio.gather(
            *(each for _, server, objects in self._of.values() for each in (server.stop(0), objects.stop()))
        )
        await self._channel.close()

    def _may(self, email: str, servicer: Servicer) -> Callable[[str, Any], Refusal | None]:
        return lambda method, request: self._rights.refusal(email, servicer, method, request)


class _Firestore(grpc.GenericRpcHandler):  # type: ignore[misc, unused-ignore]
    """Every method of Firestore, its messages as they are, once the first has shown what is asked for."""

    def __init__(self, channel: grpc.aio.Channel, rights: Rights, email: str) -> None:
        self._channel = channel
        self._rights = rights
        self._email = email

    def service(self, details: Any) -> Any:
        method: str = details.method
        if not method.startswith(_FIRESTORE):
            return None

        async def call(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            first = await anext(aiter(requests), None)
            refusal = self._rights.firestore_refusal(self._email, method.removeprefix(_FIRESTORE), first or b"")
            if refusal is not None:
                await abort(context, refusal)
            kept = [each for each in context.invocation_metadata() if each[0].startswith(_FORWARDED)]
            answer = self._channel.stream_stream(method)(with_first(first, requests), metadata=kept)
            try:
                async for message in answer:
                    yield message
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "")
            finally:
                answer.cancel()

        return grpc.stream_stream_rpc_method_handler(call)
