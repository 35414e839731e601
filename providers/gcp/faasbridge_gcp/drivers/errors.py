"""Google's faults as ours. Knows them by the names of their classes, so it needs no SDK.

Source: google-api-core's reference, `google.api_core.exceptions`; Cloud APIs, "Errors".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import (
    ConfigError,
    Conflict,
    FaaSBridgeError,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    Throttled,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_DENIED = frozenset(("Forbidden", "PermissionDenied"))
_CREDENTIALS = frozenset(("Unauthorized", "Unauthenticated", "DefaultCredentialsError", "RefreshError"))
_THROTTLED = frozenset(("TooManyRequests", "ResourceExhausted"))
_CONFLICT = frozenset(("AlreadyExists", "Conflict", "PreconditionFailed", "FailedPrecondition"))
_INVALID = frozenset(("BadRequest", "InvalidArgument", "OutOfRange"))
# Of a secret's newest version; the older ones do not count.
_NO_VALUE = ("is in DESTROYED state", "is in DISABLED state")
_TOO_LARGE = ("too large", "too big", "size exceeds", "exceeds the maximum", "longer than", "larger than")


def call(what: str, method: Callable[..., Any], /, *arguments: Any, **parameters: Any) -> Any:
    """One operation of a client; `what` names the resource in errors: "queue 'jobs'"."""
    try:
        return method(*arguments, **parameters)
    except Exception as error:
        fault = translated(error, what)
        if fault is error:
            raise
        raise fault from error


def name_of(error: Exception) -> str:
    """Of the class, for a fault of Google's; empty for anything else."""
    return type(error).__name__ if _is_googles(error) else ""


def translated(error: Exception, what: str) -> Exception:
    """Our fault for Google's; anything that is no fault of a service or its client comes back as it is."""
    if not _is_googles(error):
        return error
    name, message = type(error).__name__, str(getattr(error, "message", None) or error)
    if name in _CREDENTIALS:
        return PermissionDenied(f"{what}: Google Cloud does not accept the credentials: log in again. {message}")
    if name in _DENIED:
        return PermissionDenied(
            f"{what}: Google Cloud does not allow this: {message}. "
            "Name the operation in the function's uses= and deploy"
        )
    if name == "NotFound" or (name == "FailedPrecondition" and any(part in message for part in _NO_VALUE)):
        return NotFound(f"{what} does not exist in Google Cloud: {message}")
    if name in _THROTTLED:
        return Throttled(f"{what}: Google Cloud throttles, also after several tries: {message}")
    if name == "Aborted":  # no condition of the caller's failed: Firestore gave up waiting for other writers
        return Throttled(f"{what}: others write the same at the same time: {message}")
    if name == "FailedPrecondition" and "requires an index" in message:
        return ConfigError(
            f"{what}: its index is missing or still being made: run `faasbridge deploy`, which waits for it, "
            f"or make it where the table is declared with existing=True. {message}"
        )
    if name == "RequestEntityTooLarge" or (name in _INVALID and any(part in message.lower() for part in _TOO_LARGE)):
        return PayloadTooLarge(f"{what}: {message}. Put the data into a bucket and send or keep its key")
    if name in _CONFLICT:
        return Conflict(f"{what}: {message}")
    if name in _INVALID:
        return ValueError(f"{what}: Google Cloud does not take this: {message}")
    return FaaSBridgeError(f"{what}: Google Cloud answered {name}: {message}")


def _is_googles(error: Exception) -> bool:
    return type(error).__module__.startswith(("google.", "grpc", "requests", "urllib3"))
