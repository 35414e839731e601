"""One API Gateway HTTP API event (payload 2.0) with JSON in and out: ours beside a hand-written handler and its peers.

Everything runs in this process, one after the other in each round, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import timeit
from collections.abc import Callable
from typing import Any

from faasbridge import App, Request

from .report import Figure, middle

Handler = Callable[[dict[str, Any], Any], Any]

EVENT: dict[str, Any] = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/items/7",
    "rawQueryString": "verbose=1",
    "cookies": ["session=4f2c"],
    "headers": {
        "accept": "application/json",
        "accept-encoding": "gzip, deflate, br",
        "accept-language": "en-GB,en;q=0.9,de;q=0.8",
        "content-length": "56",
        "content-type": "application/json",
        "host": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
        "origin": "https://app.example.com",
        "sec-fetch-mode": "cors",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "x-amzn-trace-id": "Root=1-67a1b2c3-0123456789abcdef01234567",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    },
    "queryStringParameters": {"verbose": "1"},
    "pathParameters": {"proxy": "items/7"},
    "requestContext": {
        "accountId": "123456789012",
        "apiId": "a1b2c3d4e5",
        "domainName": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
        "domainPrefix": "a1b2c3d4e5",
        "http": {
            "method": "POST",
            "path": "/items/7",
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        },
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": "$default",
        "stage": "$default",
        "time": "23/Nov/2026:20:03:58 +0000",
        "timeEpoch": 1795464238000,
    },
    "body": '{"name":"a thing","tags":["a","b"],"price":12.5,"count":3}',
    "isBase64Encoded": False,
}


class Context:
    """What the runtime client hands over, as far as any of the handlers looks at it."""

    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    function_name = "bench"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:bench"
    memory_limit_in_mb = 256
    log_group_name = "/aws/lambda/bench"
    log_stream_name = "2026/11/23/[$LATEST]0"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def reply(number: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"number": number, "name": item["name"], "tags": item["tags"], "total": item["price"] * item["count"]}


def by_hand() -> Handler:
    """What somebody writes who has one route and checks only what the answer depends on."""

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        method, path = event["requestContext"]["http"]["method"], event["rawPath"]
        if method != "POST" or not path.startswith("/items/"):
            return {"statusCode": 404, "headers": {"content-type": "application/json"}, "body": "{}"}
        body = reply(int(path[7:]), json.loads(event["body"]))
        return {
            "statusCode": 200,
            "headers": {"content-type": "application/json"},
            "body": json.dumps(body),
            "isBase64Encoded": False,
        }

    return handler


def ours() -> Handler:
    from faasbridge_aws.entry import handler_for

    app = App("bench")

    @app.post("/items/{number:int}")
    def item(request: Request, number: int) -> dict[str, Any]:
        return reply(number, request.json())

    return handler_for(app, "http")


def powertools() -> Handler:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

    app = APIGatewayHttpResolver()

    @app.post("/items/<number>")
    def item(number: str) -> dict[str, Any]:
        return reply(int(number), app.current_event.json_body)

    return app.resolve


def mangum() -> Handler:
    from mangum import Mangum
    from starlette.applications import Starlette
    from starlette.requests import Request as StarletteRequest
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def item(request: StarletteRequest) -> JSONResponse:
        return JSONResponse(reply(request.path_params["number"], await request.json()))

    asyncio.set_event_loop(asyncio.new_event_loop())  # Mangum runs on the thread's current loop
    return Mangum(Starlette(routes=[Route("/items/{number:int}", item, methods=["POST"])]), lifespan="off")


def chalice() -> Handler:
    """Chalice knows payload 1.0 only: its event says the same in that form."""
    from chalice import Chalice

    app = Chalice(app_name="bench")

    @app.route("/items/{number}", methods=["POST"])
    def item(number: str) -> dict[str, Any]:
        return reply(int(number), app.current_request.json_body)

    event = {
        "resource": "/items/{number}",
        "path": "/items/7",
        "httpMethod": "POST",
        "headers": EVENT["headers"],
        "multiValueHeaders": {name: [value] for name, value in EVENT["headers"].items()},
        "queryStringParameters": {"verbose": "1"},
        "multiValueQueryStringParameters": {"verbose": ["1"]},
        "pathParameters": {"number": "7"},
        "stageVariables": None,
        "requestContext": {
            "httpMethod": "POST",
            "resourcePath": "/items/{number}",
            "identity": {"sourceIp": "192.0.2.1"},
            "path": "/items/7",
        },
        "body": EVENT["body"],
        "isBase64Encoded": False,
    }
    return lambda _, context: app(event, context)


PEERS: dict[str, tuple[str, Callable[[], Handler]]] = {
    "Chalice": ("chalice", chalice),
    "Powertools": ("aws_lambda_powertools", powertools),
    "Mangum + Starlette": ("mangum", mangum),
}


def figures(rounds: int = 9) -> list[Figure]:
    """Microseconds a call, the median of `rounds`; ours with its budgets of twice by hand and 0.4 of the best peer."""
    handlers = {"by hand": by_hand(), "ours": ours()}
    handlers.update((name, make()) for name, (module, make) in PEERS.items() if importlib.util.find_spec(module))
    context = Context()
    counts: dict[str, int] = {}
    for name, handler in handlers.items():
        answer = handler(EVENT, context)
        if answer["statusCode"] != 200 or json.loads(answer["body"])["total"] != 37.5:
            raise RuntimeError(f"{name} answers {answer}")
        counts[name] = max(1, int(0.05 / timeit.timeit(lambda h=handler: h(EVENT, context), number=20) * 20))  # type: ignore[misc]
    samples: dict[str, list[float]] = {name: [] for name in handlers}
    for _ in range(rounds):
        for name, handler in handlers.items():
            seconds = timeit.timeit(lambda h=handler: h(EVENT, context), number=counts[name])  # type: ignore[misc]
            samples[name].append(seconds / counts[name] * 1e6)
    took = {name: middle(values) for name, values in samples.items()}
    peers = [took[name] for name in PEERS if name in took]
    budget = min([2 * took["by hand"], *(0.4 * peer for peer in peers)])
    how = f"JSON in and out, median of {rounds}; at most twice by hand ({took['by hand']:.2f} us)"
    how += f" and 0.4 of the best peer ({min(peers):.1f} us)" if peers else ""
    return [
        Figure("AWS HTTP API event, adapter and dispatch", took["ours"], "us", budget, note=how),
        *(Figure(f"  peer: {name}", took[name], "us") for name in took if name != "ours"),
    ]
