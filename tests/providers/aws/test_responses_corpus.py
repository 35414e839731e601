"""The answers that AWS's documentation shows: ours to the same requests and batches are these."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from faasbridge import App, Message, Response
from faasbridge_aws import http
from faasbridge_aws.entry import handler_for

CASES = "*_response *_response_two *_response_cookies"
LEFT_OUT = {
    "apigw_authorizer_policy_response": "of an authorizer",
    "firehose_transform_response": "of Firehose",
    "s3_batch_response": "of S3 Batch Operations",
}
# The answer -> the request it is given to.
REQUESTS = {
    "alb_response": "alb_multi_value_headers",
    "apigw_rest_v1_response": "apigw_rest_v1_openapi",
    "function_url_response_cookies": "function_url_headers",
}
# The answer -> the batch, of which what is no JSON fails.
BATCHES = {
    "sqs_partial_batch_response": "sqs_mixed_bodies_powertools_example",
    "kinesis_partial_batch_response": "kinesis_batch_powertools_example",
}


def test_answer(case_name: str, case: dict[str, Any], corpus: Path) -> None:
    if case_name in REQUESTS:
        request = json.loads((corpus / f"{REQUESTS[case_name]}.json").read_text())
        native = http.encode(answer_of(case), request)
        assert headers_of(native) == {"content-type": ["text/plain; charset=utf-8"]} | headers_of(case)
        for name in ("statusCode", "body", "cookies"):  # statusDescription may be left out
            assert native.get(name) == case.get(name)
        assert native["isBase64Encoded"] is False
    elif case_name in BATCHES:
        batch = json.loads((corpus / f"{BATCHES[case_name]}.json").read_text())
        assert json_handler()(batch, Context()) == case
    else:
        messages = [sqs_record(f"id{i}", body) for i, body in enumerate(["{}", "no JSON", "{}", "no JSON"], 1)]
        assert json_handler()({"Records": messages}, Context()) == case


def answer_of(native: dict[str, Any]) -> Response:
    headers = headers_of(native) | ({"set-cookie": native["cookies"]} if "cookies" in native else {})
    return Response(native["body"], status=native["statusCode"], headers=headers)


def headers_of(native: dict[str, Any]) -> dict[str, list[str]]:
    """By lower-case names; the form with many values wins over the one with single ones, as at AWS."""
    single = {name.lower(): [value] for name, value in native.get("headers", {}).items()}
    return single | {name.lower(): values for name, values in native.get("multiValueHeaders", {}).items()}


def json_handler() -> Any:
    app = App("shop")

    @app.queue("jobs").on_message
    def work(message: Message) -> None:
        message.json()

    return handler_for(app, "work")


def sqs_record(id: str, body: str) -> dict[str, Any]:
    return {
        "messageId": id,
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795464238123"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:jobs",
    }


class Context:
    """Lambda's context object, as far as the entry looks at it."""

    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000
