"""gRPC services written with the vendor packages' own message classes, all of them on one port.

A servicer is a class with the service's full name and one coroutine a method, named after it (`CreateFunction` ->
`create_function`) and marked with its request's class. What it returns is the vendor's message, what it refuses is a
`Refusal`, which the client's library turns into its own exception (`AlreadyExists`, `NotFound`, ...).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, ClassVar, TypeVar

import grpc  # type: ignore[import-untyped, unused-ignore]
import grpc.aio  # type: ignore[import-untyped, unused-ignore]
import proto  # type: ignore[import-untyped, unused-ignore]
from google.protobuf import any_pb2  # type: ignore[import-untyped, unused-ignore]
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped, unused-ignore]

log = logging.getLogger(__name__)

Method = TypeVar("Method", bound=Callable[..., Any])
Message = TypeVar("Message")

MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class Refusal(Exception):
    """What the API answers instead: a status code, a sentence, and details as google.rpc has them."""

    def __init__(self, code: grpc.StatusCode, message: str, *details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def status(self) -> status_pb2.Status:
        """For an operation's error, and for a client that reads details."""
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in self.details:
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        return status


def not_found(what: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, f"Resource '{what}' was not found")


def already_exists(what: str) -> Refusal:
    return Refusal(grpc.StatusCode.ALREADY_EXISTS, f"Resource '{what}' already exists")


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def rpc(request: Any, *, stream: bool = False) -> Callable[[Method], Method]:
    """Marks a method with the class of its request; `stream`: it takes and gives streams of messages."""

    def mark(method: Method) -> Method:
        method.rpc_request = request  # type: ignore[attr-defined]
        method.rpc_stream = stream  # type: ignore[attr-defined]
        return method

    return mark


class Servicer:
    """`service` is the full name, "google.cloud.functions.v2.FunctionService"; `api_name` the name under which a
    project enables it, "cloudfunctions.googleapis.com", empty where it is always on."""

    service: ClassVar[str]
    api_name: ClassVar[str] = ""

    def methods(self) -> dict[str, Callable[..., Any]]:
        """By the name on the wire."""
        found = {}
        for name in dir(self):
            method = getattr(self, name)
            if hasattr(method, "rpc_request"):
                found["".join(part.capitalize() for part in name.split("_"))] = method
        return found


def serialize(message: Any) -> bytes:
    found: bytes = (
        type(message).serialize(message) if isinstance(message, proto.Message) else message.SerializeToString()
    )
    return found


def parser(request: Any) -> Callable[[bytes], Any]:
    found: Callable[[bytes], Any] = request.deserialize if issubclass(request, proto.Message) else request.FromString
    return found


def is_disabled(api: str, disabled: Iterable[str], project: str) -> Refusal | None:
    if api not in disabled:
        return None
    detail = error_details_pb2.ErrorInfo(
        reason="SERVICE_DISABLED",
        domain="googleapis.com",
        metadata={"service": api, "consumer": f"projects/{project}"},
    )
    text = (
        f"{api} has not been used in project {project} before or it is disabled. Enable it by visiting "
        f"https://console.developers.google.com/apis/api/{api}/overview?project={project} then retry."
    )
    return Refusal(grpc.StatusCode.PERMISSION_DENIED, text, detail)


def handlers(
    servicer: Servicer,
    check: Callable[[str], Refusal | None],
    may: Callable[[str, Any], Refusal | None] = lambda method, request: None,
) -> grpc.GenericRpcHandler:
    """`check(api)` says why an API may not be called now, `may(method, request)` why not by who is here."""
    table: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for name, method in servicer.methods().items():
        deserialize = parser(method.rpc_request)  # type: ignore[attr-defined]
        if method.rpc_stream:  # type: ignore[attr-defined]
            table[name] = grpc.stream_stream_rpc_method_handler(
                _streaming(method, partial(may, name)), request_deserializer=deserialize, response_serializer=serialize
            )
        else:
            table[name] = grpc.unary_unary_rpc_method_handler(
                _unary(method, servicer.api_name, check, partial(may, name)),
                request_deserializer=deserialize,
                response_serializer=serialize,
            )
    return grpc.method_handlers_generic_handler(servicer.service, table)


def _unary(
    method: Callable[[Any], Awaitable[Any]],
    api: str,
    check: Callable[[str], Refusal | None],
    may: Callable[[Any], Refusal | None],
) -> Callable[[Any, Any], Awaitable[Any]]:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        refusal = check(api) or may(request)
        if refusal is None:
            try:
                return await method(request)
            except Refusal as error:
                refusal = error
            except grpc.aio.AioRpcError as error:  # what an emulator behind this said
                return await context.abort(error.code(), error.details() or "")
            except Exception as error:
                log.exception("%s failed", method.__qualname__)
                refusal = Refusal(grpc.StatusCode.INTERNAL, f"the simulator failed: {error!r}")
        return await abort(context, refusal)

    return call


def _streaming(
    method: Callable[[AsyncIterator[Any]], AsyncIterator[Any]], may: Callable[[Any], Refusal | None]
) -> Callable[[Any, Any], AsyncIterator[Any]]:
    async def call(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        try:
            first = await anext(aiter(requests), None)
            refusal = may(first) if first is not None else None
            if refusal is not None:
                raise refusal
            async for response in method(with_first(first, requests)):
                yield response
        except Refusal as refusal:
            await abort(context, refusal)
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "")

    return call


async def with_first(first: Message | None, rest: AsyncIterator[Message]) -> AsyncIterator[Message]:
    """A stream of which the first message, None for none, was taken already."""
    if first is not None:
        yield first
        async for each in rest:
            yield each


async def abort(context: grpc.aio.ServicerContext[Any, Any], refusal: Refusal) -> Any:
    metadata = ()
    if refusal.details:
        metadata = (("grpc-status-details-bin", refusal.status().SerializeToString()),)  # type: ignore[assignment]
    await context.abort(refusal.code, refusal.message, metadata)


def code_name(status: status_pb2.Status) -> str:
    return code_pb2.Code.Name(status.code)  # type: ignore[arg-type,no-any-return,unused-ignore]
