"""Who may ask Cloud Storage for an object past the JSON API: who has a token, or a signed URL that still holds.

Source: https://cloud.google.com/storage/docs/authentication/canonical-requests, .../access-control/signed-urls.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from .buckets import StorageError
from .objects import Request

ALGORITHM = "GOOG4-RSA-SHA256"
LONGEST_S = 604_800
_JSON_PATHS = ("/storage/", "/upload/", "/download/", "/batch/", "/resumable/", "/_internal/")


def is_json_api(request: Request) -> bool:
    return request.path.startswith(_JSON_PATHS)


def signer(
    request: Request, is_signature: Callable[[bytes, bytes], bool], is_account: Callable[[str], bool]
) -> str | None:
    """The account that signed the URL, None where none did. Raises StorageError. `is_signature(text, signature)` knows
    what this simulator signed."""
    query = request.query
    if "X-Goog-Signature" in query:
        return _signed(request, query, is_signature, is_account)
    if not is_json_api(request) and "authorization" not in request.headers:
        raise StorageError(
            403, "Anonymous caller does not have access to the Google Cloud Storage object.", "forbidden"
        )
    return None


def _signed(
    request: Request,
    query: dict[str, str],
    is_signature: Callable[[bytes, bytes], bool],
    is_account: Callable[[str], bool],
) -> str:
    try:
        began = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lasts = int(query["X-Goog-Expires"])
        account, _, scope = query["X-Goog-Credential"].partition("/")
        signed = query["X-Goog-SignedHeaders"].split(";")
        signature = bytes.fromhex(query["X-Goog-Signature"])
    except (KeyError, ValueError):
        raise StorageError(400, "Invalid argument: the query of a signed URL is not complete") from None
    if query.get("X-Goog-Algorithm") != ALGORITHM or not 0 < lasts <= LONGEST_S:
        raise StorageError(400, "Invalid argument: algorithm or expiry of a signed URL")
    if datetime.now(UTC) >= began + timedelta(seconds=lasts):
        raise StorageError(400, "The provided token has expired. Request signature expired.", "ExpiredToken")
    canonical = _canonical(request, signed)
    text = "\n".join((ALGORITHM, query["X-Goog-Date"], scope, sha256(canonical.encode()).hexdigest()))
    right_scope = scope.startswith(query["X-Goog-Date"][:8]) and scope.endswith("/storage/goog4_request")
    if not right_scope or not is_account(account) or not is_signature(text.encode(), signature):
        text = "The request signature we calculated does not match the signature you provided."
        raise StorageError(403, text, "SignatureDoesNotMatch")
    _check_length(request, signed)
    return account


def _canonical(request: Request, signed: list[str]) -> str:
    address = urlsplit(request.target)
    pairs = [pair for pair in address.query.split("&") if not pair.startswith("X-Goog-Signature=")]
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed)
    payload = request.headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    return "\n".join((request.method, address.path, "&".join(sorted(pairs)), headers, ";".join(signed), payload))


def _check_length(request: Request, signed: list[str]) -> None:
    name = "x-goog-content-length-range"
    if name in signed:
        least, _, most = unquote(request.headers.get(name, "")).partition(",")
        if not (least.isdigit() and most.isdigit() and int(least) <= len(request.body) <= int(most)):
            raise StorageError(400, "Your proposed upload is outside of the range that was signed.", "EntityTooLarge")
