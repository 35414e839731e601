"""Bucket: objects by key."""

from __future__ import annotations

from .._typing import TYPE_CHECKING, overload
from .base import Resource, check_key, operations
from .listing import BlobInfo, Pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, BinaryIO, Unpack

    from .._typing import BlobHandler, TriggerOptions, Use


class SignedUrl(str):
    """A URL to PUT to; `headers` is what has to be sent along, by lower-case name."""

    __slots__ = ("headers",)
    headers: Mapping[str, str]

    def __new__(cls, url: str, headers: Mapping[str, str]) -> SignedUrl:
        self = super().__new__(cls, url)
        self.headers = headers
        return self


class Bucket(Resource):
    """Objects by key: any Unicode text without control characters, up to 1,024 bytes in UTF-8. Read after write."""

    kind = "bucket"
    operations = operations("get put delete head list copy sign_get sign_put", open="get")

    def get(self, key: str) -> bytes:
        """The whole object. Raises NotFound."""
        return self._driver("get").get(_key(key))  # type: ignore[no-any-return]

    async def aget(self, key: str) -> bytes:
        return await self._call("get", "get", _key(key))  # type: ignore[no-any-return]

    def open(self, key: str) -> BinaryIO:
        """The object as a readable binary stream, for what may be larger than memory. Raises NotFound."""
        return self._driver("get").open(_key(key))  # type: ignore[no-any-return]

    async def aopen(self, key: str) -> BinaryIO:
        return await self._call("get", "open", _key(key))  # type: ignore[no-any-return]

    def put(
        self,
        key: str,
        data: bytes | str | BinaryIO | Iterable[bytes],
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> BlobInfo:
        """Writes the object, all or nothing; a stream or an iterable may be larger than memory.

        `if_absent`: only where there is none; `if_match`: only over the version of that etag, which needs the right to
        `get` as well. Raises Conflict.
        """
        if if_match is not None:
            self._driver("get")
        return self._driver("put").put(*_put(key, data, content_type, metadata, if_absent, if_match))  # type: ignore[no-any-return]

    async def aput(
        self,
        key: str,
        data: bytes | str | BinaryIO | Iterable[bytes],
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> BlobInfo:
        if if_match is not None:
            self._driver("get")
        return await self._call("put", "put", *_put(key, data, content_type, metadata, if_absent, if_match))  # type: ignore[no-any-return]

    def delete(self, key: str) -> None:
        """Idempotent."""
        self._driver("delete").delete(_key(key))

    async def adelete(self, key: str) -> None:
        await self._call("delete", "delete", _key(key))

    def head(self, key: str) -> BlobInfo:
        """What is known of the object. Raises NotFound."""
        return self._driver("head").head(_key(key))  # type: ignore[no-any-return]

    async def ahead(self, key: str) -> BlobInfo:
        return await self._call("head", "head", _key(key))  # type: ignore[no-any-return]

    def list(self, prefix: str = "") -> Pages[BlobInfo]:
        """Objects whose keys start with `prefix`, in the order of their code points."""
        return Pages(
            lambda size, cursor: self._driver("list").list(prefix, size, cursor),
            lambda size, cursor: self._call("list", "list", prefix, size, cursor),
        )

    alist = list

    def copy(self, key: str, to: str) -> BlobInfo:
        """A copy within the bucket, with content type and metadata. Raises NotFound."""
        return self._driver("copy").copy(_key(key), _key(to))  # type: ignore[no-any-return]

    async def acopy(self, key: str, to: str) -> BlobInfo:
        return await self._call("copy", "copy", _key(key), _key(to))  # type: ignore[no-any-return]

    def sign_get(self, key: str, *, expires_s: int = 900) -> str:
        """A URL that lets anybody read this object for `expires_s` seconds (1 to 43,200)."""
        return self._driver("sign_get").sign_get(_key(key), _expiry(expires_s))  # type: ignore[no-any-return]

    async def asign_get(self, key: str, *, expires_s: int = 900) -> str:
        return await self._call("sign_get", "sign_get", _key(key), _expiry(expires_s))  # type: ignore[no-any-return]

    def sign_put(
        self, key: str, *, expires_s: int = 900, content_type: str | None = None, max_bytes: int | None = None
    ) -> SignedUrl:
        """A URL that lets anybody write this object with one PUT for `expires_s` seconds (1 to 43,200).

        The PUT must bring the URL's `headers`: `content_type` where one is given, and what the vendor asks for.
        `max_bytes` is kept where the vendor can; `limits` says where not.
        """
        url = self._driver("sign_put").sign_put(_key(key), _expiry(expires_s), content_type, max_bytes)
        return _signed_put(url, content_type)

    async def asign_put(
        self, key: str, *, expires_s: int = 900, content_type: str | None = None, max_bytes: int | None = None
    ) -> SignedUrl:
        url = await self._call("sign_put", "sign_put", _key(key), _expiry(expires_s), content_type, max_bytes)
        return _signed_put(url, content_type)

    @overload
    def on_create(self, handler: BlobHandler, /) -> BlobHandler: ...
    @overload
    def on_create(
        self, /, *, prefix: str = ..., suffix: str = ..., uses: Sequence[Use] = ..., **options: Unpack[TriggerOptions]
    ) -> Callable[[BlobHandler], BlobHandler]: ...
    def on_create(self, handler: Any = None, /, **options: Any) -> Any:
        """Calls the handler with a BlobEvent for every object written, new or over an old one."""
        return self._declare("create", handler, options)

    @overload
    def on_delete(self, handler: BlobHandler, /) -> BlobHandler: ...
    @overload
    def on_delete(
        self, /, *, prefix: str = ..., suffix: str = ..., uses: Sequence[Use] = ..., **options: Unpack[TriggerOptions]
    ) -> Callable[[BlobHandler], BlobHandler]: ...
    def on_delete(self, handler: Any = None, /, **options: Any) -> Any:
        """Calls the handler with a BlobEvent for every object deleted."""
        return self._declare("delete", handler, options)


def _key(key: str) -> str:
    check_key("an object's key", key)
    if not key.isprintable() and any(c < " " or c == "\x7f" for c in key):
        raise ValueError(f"the key {key!r} holds a control character, which not every vendor takes")
    if key in (".", "..") or (len(key) > 256 and len(key.encode()) > 1024):
        raise ValueError("an object's key has at most 1,024 bytes and is not '.' or '..'")
    return key


def _signed_put(url: str, content_type: str | None) -> SignedUrl:
    """With the headers that are the same for all vendors; `url` may bring the vendor's own."""
    own = {"content-type": content_type} if content_type else {}
    return SignedUrl(url, {**own, **getattr(url, "headers", {})})


def _expiry(expires_s: int) -> int:
    if not 1 <= expires_s <= 43_200:
        raise ValueError(f"a signed URL is good for 1 to 43,200 seconds (12 hours), not {expires_s}")
    return expires_s


def _put(
    key: str,
    data: Any,
    content_type: str | None,
    metadata: Mapping[str, str] | None,
    if_absent: bool,
    if_match: str | None,
) -> tuple[Any, ...]:
    if if_absent and if_match is not None:
        raise ValueError("if_absent and if_match exclude each other")
    if isinstance(data, str):
        data = data.encode()
    elif isinstance(data, (bytearray, memoryview)):
        data = bytes(data)
    for name, value in (metadata or {}).items():
        if not all(isinstance(text, str) and text.isascii() and text.isprintable() for text in (name, value)):  # type: ignore[redundant-expr]
            raise ValueError(
                f"metadata {name!r}: names and values are printable ASCII text, since they travel as headers"
            )
        if not name or not all(c.isalnum() or c == "_" for c in name) or name != name.lower():
            raise ValueError(f"metadata {name!r}: a name consists of lower-case letters, digits and underscores")
    return _key(key), data, content_type, dict(metadata or {}), if_absent, if_match
