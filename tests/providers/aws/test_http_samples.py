"""The samples of AWS's own documentation and libraries, one a form, and what is no request at all."""

from __future__ import annotations

from typing import Any

import pytest

from faasbridge.errors import InvalidEvent
from faasbridge_aws import http

CASES = (
    "apigw_http_v2_* apigw_rest_v1_* apigw_websocket_* apigw_authorizer_[rv]* "
    "function_url_[hi]* alb_[mhs]* vpc_lattice_*"
)
LEFT_OUT = {"apigw_rest_v1_response": "a response"}

FORMS: dict[str, dict[str, Any]] = {
    "apigw_http_v2_proxy": {
        "method": "POST",
        "path": "/my/path",
        "query": [("parameter1", "value1"), ("parameter1", "value2"), ("parameter2", "value")],
        "headers": {"header1": "value1", "header2": "value1,value2", "cookie": "cookie1; cookie2"},
        "body": b'{"message": "hello world", "username": "tom"}',
        "client_ip": "192.168.0.1/32",
        "claims": {"claim1": "value1", "claim2": "value2"},
    },
    "apigw_http_v2_trailing_slash": {"method": "POST", "path": "/my/path/"},
    "apigw_http_v2_jwt_authorizer": {"claims": {"claim1": "value1", "claim2": "value2"}, "body": b'{\r\n\t"a": 1\r\n}'},
    "apigw_http_v2_iam": {"claims": {}, "path": "/my/path"},
    "function_url_headers": {"path": "/", "method": "GET", "client_ip": "123.123.123.123", "query": [], "body": b""},
    "function_url_iam": {"method": "POST", "body": b"Hello from client!", "claims": {}},
    "apigw_rest_v1_full_identity": {
        "method": "POST",
        "path": "/hello/world",
        "query": [("name", "me")],
        "client_ip": "192.168.196.186",
        "claims": {"principalId": "admin", "clientId": 1, "clientName": "Exata"},
    },
    "apigw_rest_v1_openapi": {"method": "POST", "path": "/hello/world", "body": b'{\r\n\t"a": 1\r\n}'},
    "apigw_rest_v1_no_origin_header": {
        "query": [("parameter1", "value1"), ("parameter1", "value2"), ("parameter2", "value")],
        "claims": {},
        "body": b"Hello from Lambda!",
    },
    # Says base64 of a body that is none; it is a sample, and taken as it is.
    "apigw_rest_v1_trailing_slash": {"path": "/my/path/", "body": b"Hello from Lambda!"},
    "alb_headers_only": {"method": "GET", "path": "/", "query": [("key", "hello")], "client_ip": "25.12.198.67"},
    "alb_single_headers": {"path": "/lambda", "query": [("query", "1234ABCD")], "body": b"Test"},
    "alb_multi_value_headers": {"path": "/todos", "query": [], "client_ip": "123.123.123.123"},
    "vpc_lattice_v1": {
        "method": "GET",
        "path": "/testpath",
        "query": [("order-id", "1")],
        "body": b'{"test": "event"}',
        "client_ip": "10.213.229.10",
    },
}

NO_REQUESTS = {
    "apigw_websocket_message": "no HTTP event",
    "apigw_authorizer_request": "asks an authorizer",
    "apigw_authorizer_v2": "asks an authorizer",
}


def test_sample(case_name: str, case: dict[str, Any]) -> None:
    if case_name in NO_REQUESTS:
        with pytest.raises(InvalidEvent, match=NO_REQUESTS[case_name]):
            http.decode(case)
        return
    wanted = dict(FORMS[case_name])
    request = http.decode(case)
    assert {name: request.headers[name] for name in wanted.get("headers", ())} == wanted.pop("headers", {})
    assert request.query.pairs == wanted.pop("query", request.query.pairs)
    assert {name: getattr(request, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("native", "says"),
    [
        ({"version": "2.0", "rawPath": "/"}, "incomplete.*rawPath, version"),
        ({"httpMethod": "GET", "path": "/"}, "incomplete.*requestContext"),
        ({"Records": [{"eventSource": "aws:sqs"}]}, "found eventSource 'aws:sqs'"),
        ({}, "nothing in it"),
    ],
)
def test_says_what_was_found_instead_of_a_request(native: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidEvent, match=says):
        http.decode(native)
