"""What stands before Azurite: tokens checked by role, keys refused where forbidden, events of blobs, woken queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any
from xml.etree import ElementTree

from . import access
from .storage import VERSION, Account, delegation_key

_HOP = {"host", "connection", "transfer-encoding", "content-length", "keep-alive", "authorization", "x-ms-date", "date"}
_COMMITS = ("", "blocklist")
_OF_OTHERS = ("PutBlockList", "CopyBlob")  # the blob is not the request's body


class StorageFront:
    """An aiohttp handler for one service, `blob` or `queue`; paths begin with the account's name.

    `may(account, service, principal, method, path)` says whether an identity's token lets it; `happened(account,
    service, method, path, headers, answer, length)` hears of what succeeded.
    """

    def __init__(
        self,
        service: str,
        session: Any,
        account: Callable[[str], Account | None],
        may: Callable[..., bool],
        happened: Callable[..., None],
    ) -> None:
        self._service, self._session, self._account, self._may, self._happened = (
            service,
            session,
            account,
            may,
            happened,
        )

    async def handle(self, request: Any) -> Any:
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]
        from yarl import URL  # type: ignore[import-not-found, import-untyped, unused-ignore]

        name, _, path = request.rel_url.raw_path.lstrip("/").partition("/")
        account = self._account(name)
        if account is None:
            return _refusal(404, "ResourceNotFound", f"there is no storage account {name}")
        body = await request.read()
        authorization = request.headers.get("Authorization", "")
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP}
        if authorization.startswith("Bearer "):
            claims = access.claims(authorization)
            if not self._may(account, self._service, str(claims.get("oid", "")), request.method, path):
                return _refusal(
                    403,
                    "AuthorizationPermissionMismatch",
                    "This request is not authorized to perform this operation using this permission.",
                )
            if request.query.get("comp") == "userdelegationkey":
                return _delegation(body, claims)
            headers.update({"x-ms-date": formatdate(usegmt=True)})
            headers.setdefault("x-ms-version", VERSION)
            low = {key.lower(): value for key, value in headers.items()}
            low["content-length"] = str(len(body)) if body or request.method in ("PUT", "POST") else ""
            low.setdefault("content-type", "application/octet-stream" if body else "")
            if low["content-type"]:
                headers["Content-Type"] = low["content-type"]
            headers["Authorization"] = account.sign(request.method, request.raw_path, low)
        elif authorization and not account.shared_key:
            return _refusal(
                403,
                "KeyBasedAuthenticationNotPermitted",
                "Key based authentication is not permitted on this storage account.",
            )
        else:
            headers.update(
                {key: request.headers[key] for key in ("Authorization", "x-ms-date", "Date") if key in request.headers}
            )
        url = URL(f"http://127.0.0.1:{account.ports[self._service]}{request.raw_path}", encoded=True)
        skip = None if headers.get("Content-Type") else ("Content-Type",)
        async with self._session.request(
            request.method, url, data=body, headers=headers, allow_redirects=False, skip_auto_headers=skip
        ) as answer:
            content = await answer.read()
            kept = {
                key: value
                for key, value in answer.headers.items()
                if key.lower() not in ("transfer-encoding", "connection", "keep-alive")
            }
            if answer.status < 300:
                length = len(body)
                if self._service == "blob" and is_blob_write(request, path) and api_of(request) in _OF_OTHERS:
                    length = await account.size_of(path)
                self._happened(account, self._service, request.method, path, request, answer.headers, length)
        if request.method != "HEAD":
            kept.pop("Content-Length", None)
        return web.Response(status=answer.status, headers=kept, body=content)


def is_blob_write(request: Any, path: str) -> bool:
    """A write that makes a blob whole, or its deletion: not a block, metadata, a lease or a container."""
    if "/" not in path or "restype" in request.query:
        return False
    return (
        request.method in ("PUT", "DELETE")
        and request.query.get("comp", "") in _COMMITS
        and "snapshot" not in request.query
    )


def api_of(request: Any) -> str:
    """What Event Grid calls a write of a whole blob, or its deletion."""
    if request.method == "DELETE":
        return "DeleteBlob"
    if request.query.get("comp", "") == "blocklist":
        return "PutBlockList"
    return "CopyBlob" if "x-ms-copy-source" in request.headers else "PutBlob"


def _refusal(status: int, code: str, message: str) -> Any:
    from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml", headers={"x-ms-error-code": code})


def _delegation(body: bytes, claims: Mapping[str, Any]) -> Any:
    from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

    asked = ElementTree.fromstring(body)  # noqa: S314
    start, expiry = asked.findtext("Start") or "", asked.findtext("Expiry") or ""
    who = {"oid": claims.get("oid", "owner"), "tid": claims.get("tid", "tenant")}
    parts = {"SignedOid": who["oid"], "SignedTid": who["tid"], "SignedStart": start, "SignedExpiry": expiry}
    parts |= {"SignedService": "b", "SignedVersion": VERSION, "Value": delegation_key(who, start, expiry, VERSION)}
    root = ElementTree.Element("UserDelegationKey")
    for name, value in parts.items():
        ElementTree.SubElement(root, name).text = value
    return web.Response(body=ElementTree.tostring(root), content_type="application/xml")
