"""Azure's faults as ours. The one place that knows their status codes and names; needs no SDK.

Sources: Azure Storage REST API, "Common REST API error codes"; Cosmos DB REST API, "HTTP Status Codes for Azure Cosmos
DB"; Key Vault, "REST API error codes"; azure-core, exceptions.py.
"""

from __future__ import annotations

from contextlib import contextmanager

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import Conflict, FaaSBridgeError, NotFound, PayloadTooLarge, PermissionDenied, Throttled

if TYPE_CHECKING:
    from collections.abc import Iterator

_THROTTLED = (408, 429, 449, 503)  # Cosmos DB's 408 and 449 (RETRY_WITH): it was too busy, or with others on the row
_TOO_LARGE = ("RequestBodyTooLarge", "MessageTooLarge", "RequestEntityTooLarge")


@contextmanager
def translating(what: str) -> Iterator[None]:
    """Around calls of an SDK; `what` names the resource in errors: "queue 'jobs'"."""
    try:
        yield
    except Exception as error:
        fault = translated(error, what)
        if fault is error:
            raise
        raise fault from error


def status_of(error: BaseException) -> int:
    """The HTTP status that Azure answered; 0 where none did."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else 0


def code_of(error: BaseException) -> str:
    """Azure's own name of the fault, where it gave one."""
    code = getattr(error, "error_code", None) or getattr(getattr(error, "error", None), "code", None) or ""
    return str(getattr(code, "value", code))


def translated(error: Exception, what: str) -> Exception:
    """Our fault for Azure's; anything that is no fault of a service or its client comes back as it is."""
    if isinstance(error, FaaSBridgeError) or not type(error).__module__.startswith(("azure.", "msal", "requests")):
        return error
    status, code = status_of(error), code_of(error)
    said = _first_line(error)
    if status in (401, 403):
        return PermissionDenied(
            f"{what}: Azure does not allow this ({code or status}). Name the operation in the function's uses= and "
            f"deploy; where it is there, look at the role assignments and the network's rules: {said}"
        )
    if status == 404:
        return NotFound(f"{what} does not exist in Azure: {said}")
    if status == 413 or code in _TOO_LARGE:
        return PayloadTooLarge(f"{what}: {said}. Put the data into a bucket and send or keep its key")
    if status in (409, 412):
        return Conflict(f"{what}: {said}")
    if status in _THROTTLED:
        return Throttled(f"{what}: Azure throttles ({code or status}), also after several tries: {said}")
    if status == 400:
        return ValueError(f"{what}: Azure does not take this: {said}")
    if type(error).__name__ in ("ClientAuthenticationError", "CredentialUnavailableError"):
        return PermissionDenied(f"{what}: nobody is logged in to Azure; run `az login`: {said}")
    if status:
        return FaaSBridgeError(f"{what}: Azure answered {status} {code}: {said}")
    return FaaSBridgeError(f"{what}: Azure was not reached, or did not answer in time: {said}")


def _first_line(error: Exception) -> str:
    lines = (str(error) or type(error).__name__).strip().splitlines()
    return lines[0].strip()
