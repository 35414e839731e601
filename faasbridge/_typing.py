"""What a type checker needs of `typing`, for nothing at run time: its import costs 2.5 ms of every cold start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Any, Concatenate, TypeAlias, TypedDict
    from typing import Generic as Generic
    from typing import Protocol as Protocol
    from typing import overload as overload

    from typing_extensions import TypeVar  # for default=; never imported at run time

    # Each is Any where that provider is not installed.
    from faasbridge_aws.options import FunctionOptions as AwsFunction
    from faasbridge_azure.options import FunctionOptions as AzureFunction
    from faasbridge_gcp.options import FunctionOptions as GcpFunction

    from .events import BlobEvent, Change, Event, Message, Tick
    from .http import Request, Response
    from .resources import Batch, Resource

    Item = TypeVar("Item", bound=Mapping[str, Any], default=dict[str, Any])
    Entry = TypeVar("Entry")
    R = TypeVar("R", bound=Resource)
    Reply: TypeAlias = Response | Mapping[str, object] | Sequence[object] | str | bytes | None
    Use: TypeAlias = Callable[..., object] | Resource
    Body: TypeAlias = Mapping[str, object] | Sequence[object] | str | bytes
    RouteHandler = TypeVar("RouteHandler", bound=Callable[Concatenate[Request, ...], Reply | Awaitable[Reply]])
    BlobHandler = TypeVar("BlobHandler", bound=Callable[[BlobEvent], Awaitable[None] | None])
    MessageHandler = TypeVar("MessageHandler", bound=Callable[[Message], Awaitable[None] | None])
    BatchHandler = TypeVar("BatchHandler", bound=Callable[[Batch], Awaitable[None] | None])
    ChangeHandler = TypeVar("ChangeHandler", bound=Callable[[Change[Any]], Awaitable[None] | None])
    TickHandler = TypeVar("TickHandler", bound=Callable[[Tick], Awaitable[None] | None])
    CallNext: TypeAlias = Callable[[Event], Any]
    MiddlewareFn = TypeVar("MiddlewareFn", bound=Callable[[Event, CallNext], Reply])
    Authenticate: TypeAlias = Callable[[Request], Mapping[str, Any] | None]

    class FunctionOptions(TypedDict, total=False):
        memory_mb: int
        timeout_s: float
        aws: AwsFunction
        gcp: GcpFunction
        azure: AzureFunction

    class TriggerOptions(FunctionOptions, total=False):
        name: str
        max_attempts: int
else:
    Item = Entry = R = None

    class Generic:
        __slots__ = ()

        def __class_getitem__(cls, _: object) -> type:
            return cls

    Protocol = Generic

    def overload(f):
        return f
