"""VPC Lattice, both versions of its event. Version 1 joins repeated values by commas, version 2 has lists.

Source: VPC Lattice User Guide, "Lambda functions as targets in VPC Lattice".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.http import Headers, MultiDict, parse_query, unquote

from .http_common import COMMON, LazyRequest, content
from .http_v1 import client_ip, cookies, grouped, one_value_each

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar

    from faasbridge.http import Request


def _pairs(values: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    listed = [(name, value if isinstance(value, list) else [value]) for name, value in (values or {}).items()]
    return [(name, each) for name, each_of in listed for each in each_of]


def _query(request: Request) -> MultiDict:
    native = request.native
    raw = (native.get("raw_path") or native["path"]).partition("?")[2]
    if raw:
        return parse_query(raw)
    return MultiDict(_pairs(native.get("query_string_parameters") or native.get("queryStringParameters")))


class LatticeRequest(LazyRequest):
    __slots__ = ()
    parts: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        **COMMON,
        "headers": lambda request: Headers(_pairs(request.native.get("headers"))),
        "cookies": cookies,
        "query": _query,
        "client_ip": client_ip,
    }


def decode(native: dict[str, Any]) -> LatticeRequest:
    whole = native["raw_path"] if "raw_path" in native else native["path"]
    raw_path = whole.partition("?")[0] or "/"
    return LatticeRequest(native, native["method"], unquote(raw_path), raw_path)


def encode(status: int, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    single = one_value_each(grouped(headers))
    text, is_base64 = content(single, body)
    return {"statusCode": status, "headers": single, "body": text, "isBase64Encoded": is_base64}
