"""The simulator's Runtime API, asked as AWS's runtime client asks it."""

from __future__ import annotations

import http.client
import json
import queue
from collections.abc import Iterator
from typing import Any

import pytest

from faasbridge_aws.simulator.local_aws.runtime_api import MOST_RESPONSE_BYTES, RuntimeApi

BASE = "/2018-06-01/runtime"


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    made = RuntimeApi("arn:aws:lambda:us-east-1:1:function:f")
    yield made
    made.close()


def ask(api: RuntimeApi, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], Any]:
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    try:
        connection.request(method, f"{BASE}/{path}", body)
        answer = connection.getresponse()
        content = answer.read()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, json.loads(content) if content else None
    finally:
        connection.close()


def test_an_event_is_handed_over_and_its_result_taken(api: RuntimeApi) -> None:
    assert not api.asked.is_set()
    api.give("r1", {"a": 1}, 3.0)
    status, headers, event = ask(api, "GET", "invocation/next")
    assert (status, headers["lambda-runtime-aws-request-id"], event) == (200, "r1", {"a": 1})
    assert api.asked.is_set()
    assert ask(api, "POST", "invocation/r1/response", b'{"b": 2}')[0] == 202
    assert api.result(5) == ("response", "r1", {"b": 2})
    with pytest.raises(queue.Empty):
        api.result(0.01)


@pytest.mark.parametrize(
    ("path", "result"),
    [("invocation/r1/error", ("error", "r1", {"errorType": "E"})), ("init/error", ("init", "", {"errorType": "E"}))],
)
def test_errors_are_taken_for_what_they_are(api: RuntimeApi, path: str, result: Any) -> None:
    ask(api, "POST", path, b'{"errorType": "E"}')
    assert api.result(5) == result


@pytest.mark.parametrize(("more", "kind"), [(0, "response"), (1, "error")])
def test_a_response_larger_than_lambda_takes_is_an_error(api: RuntimeApi, more: int, kind: str) -> None:
    body = b'"' + b"x" * (MOST_RESPONSE_BYTES - 2 + more) + b'"'
    ask(api, "POST", "invocation/r1/response", body)
    found, _, payload = api.result(5)
    assert found == kind
    if kind == "error":
        assert payload["errorType"] == "Function.ResponseSizeTooLarge"
