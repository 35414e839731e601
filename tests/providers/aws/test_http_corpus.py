"""Real requests of API Gateway, function URLs, load balancers and Lattice, and real answers to them."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl

from faasbridge.http import Response
from faasbridge_aws import http

CASES = "mangum_*"
LEFT_OUT = {"mangum_apigw_rest_v1_base_path_02": "strips a base path that Mangum is configured with"}


def content(part: dict[str, Any]) -> bytes:
    return b64decode(part["body_b64"]) if "body_b64" in part else part["body_utf8"].encode()


def joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Repeats joined: whether a header stands there twice or once with a comma is the same to HTTP."""
    result: dict[str, str] = {}
    for name, value in pairs:
        result[name] = f"{result[name]},{value}" if name in result else value
    return {name: value.replace(", ", ",") for name, value in result.items()}


def seen_by_client(native: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers without the cookies joined, and body, as a gateway would send them."""
    pairs = [(name.lower(), value) for name, value in (native.get("headers") or {}).items()]
    pairs += [(n.lower(), value) for n, values in (native.get("multiValueHeaders") or {}).items() for value in values]
    pairs += [("set-cookie", cookie) for cookie in native.get("cookies", ())]
    body = b64decode(native["body"]) if native["isBase64Encoded"] else native["body"].encode()
    return native["statusCode"], sorted(pairs), body


def test_exchange_is_as_recorded(case_name: str, case: dict[str, Any]) -> None:
    wanted = case["expect"]["neutral_request"]
    scope = wanted["scope"]
    request = http.decode(case["event"])
    assert (request.method, request.path) == (scope["method"], scope["path"])
    assert request.query.pairs == parse_qsl(scope["query_string"], keep_blank_values=True)
    # Mangum leaves out headers that stand in the single-value form only.
    assert joined([tuple(pair) for pair in scope["headers"]]).items() <= joined(request.headers.pairs).items()
    assert request.body == content(wanted)
    if scope["client"][0] is not None:
        assert request.client_ip == scope["client"][0]
    assert request.provider == "aws"
    if "native_response" in case["expect"]:
        check_response(case)


def check_response(case: dict[str, Any]) -> None:
    given, recorded = case["expect"]["neutral_response"], case["expect"]["native_response"]
    excluded = case["config"]["exclude_headers"]
    headers = [(name, value) for name, value in given["headers"] if name not in excluded]
    native = http.encode((given["status"], headers, content(given)), case["event"])
    if not given["headers"] and "content-type" in recorded["headers"]:
        native["headers"]["content-type"] = recorded["headers"]["content-type"]  # what API Gateway itself fills in
    assert seen_by_client(native) == seen_by_client(recorded)
    types = case["config"]["text_mime_types"][6:]
    if given["headers"] and not any(value in types for _, value in headers):
        assert native["isBase64Encoded"] == recorded["isBase64Encoded"]
    assert "multiValueHeaders" in native or "multiValueHeaders" not in recorded
    assert json.loads(json.dumps(native)) == native
    assert http.encode(Response(status=204), case["event"])["statusCode"] == 204
