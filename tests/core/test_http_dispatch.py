"""From a request to a finished answer: replies, errors, auth, CORS, middleware."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from faasbridge import App, CallNext, Event, HTTPError, Reply, Request, Response, invocation


def fetch(
    run: Any, app: App, method: str = "GET", path: str = "/", **request: Any
) -> tuple[int, dict[str, str], bytes]:
    status, headers, body = run(app).http(Request(method, path, **request))
    return status, dict(headers), body


@pytest.mark.parametrize(
    ("reply", "status", "body"),
    [
        ({"a": 1}, 200, b'{"a":1}'),
        ([1], 200, b"[1]"),
        ("text", 200, b"text"),
        (b"\x00", 200, b"\x00"),
        (None, 204, b""),
        (Response({"a": 1}, status=201), 201, b'{"a":1}'),
        (Response("gone", status=204), 204, b""),
    ],
)
def test_what_a_handler_returns_is_the_answer(run: Any, reply: Any, status: int, body: bytes) -> None:
    app = App("replies")

    @app.get("/")
    def plain(request: Request) -> Reply:
        return reply  # type: ignore[no-any-return]

    @app.get("/async")
    async def asynchronous(request: Request) -> Reply:
        return reply  # type: ignore[no-any-return]

    assert fetch(run, app)[::2] == fetch(run, app, path="/async")[::2] == (status, body)


def test_an_http_error_is_its_status_with_its_detail(run: Any) -> None:
    app = App("errors")

    @app.get("/")
    def handler(request: Request) -> Reply:
        raise HTTPError(409, "somebody was faster")

    status, headers, body = fetch(run, app)
    assert (status, headers["content-type"], json.loads(body)) == (
        409,
        "application/json",
        {"error": "somebody was faster"},
    )


@pytest.mark.parametrize("fault", ["raise", "unserialisable", "no reply", "bad header"])
def test_a_failure_is_a_500_whose_id_is_in_the_log_and_says_nothing_more(
    run: Any, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    app = App("faults")

    @app.get("/")
    def handler(request: Request) -> Reply:
        if fault == "raise":
            raise RuntimeError("the password is 1234")
        replies: dict[str, Any] = {
            "unserialisable": {"x": object()},
            "no reply": 7,
            "bad header": Response(headers={"x": "a\nb"}),
        }
        return replies[fault]  # type: ignore[no-any-return]

    with caplog.at_level(logging.ERROR, "faasbridge"):
        status, _, body = fetch(run, app)
    answer = json.loads(body)
    assert (status, answer.pop("error")) == (500, "Internal Server Error")
    assert list(answer) == ["id"]
    assert answer["id"] in caplog.text
    assert "1234" not in body.decode()
    if fault == "raise":
        assert "the password is 1234" in caplog.text


def test_bad_json_is_a_400(run: Any) -> None:
    app = App("json")

    @app.post("/")
    def handler(request: Request) -> Reply:
        return {"got": request.json()}

    assert fetch(run, app, "POST", body="{")[0] == 400
    assert json.loads(fetch(run, app, "POST", body="[1]")[2]) == {"got": [1]}


def _guard(request: Request) -> Mapping[str, Any] | None:
    return {"sub": "me"} if request.headers.get("authorization") == "Bearer right" else None


def test_auth_keeps_requests_without_claims_out_but_for_public_routes(run: Any) -> None:
    app = App("guarded", auth=_guard)

    @app.get("/")
    def inside(request: Request) -> Reply:
        return dict(request.claims)

    @app.get("/open", public=True)
    def outside(request: Request) -> Reply:
        return "open"

    status, headers, _ = fetch(run, app)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert fetch(run, app, headers={"Authorization": "Bearer right"})[2] == b'{"sub":"me"}'
    assert fetch(run, app, claims={"sub": "tester"})[2] == b'{"sub":"tester"}'
    assert fetch(run, app, path="/open")[0] == 200
    assert fetch(run, app, path="/nothing")[0] == 404


def test_an_auth_that_returns_no_claims_lets_nobody_in(run: Any) -> None:
    async def wait_and_refuse(request: Request) -> None:
        return None

    answers = []
    for auth in (lambda request: False, lambda request: True, wait_and_refuse):
        app = App("guarded", auth=auth)  # type: ignore[arg-type]
        app.get("/")(lambda request: "secret")
        answers.append(fetch(run, app)[0])
    assert answers == [500, 500, 401]


class TestCors:
    def app(self, *origins: str) -> App:
        app = App("pages", cors=origins)

        @app.get("/")
        def handler(request: Request) -> Reply:
            return Response("x", headers={"Vary": "Accept"})

        @app.get("/fault")
        def fault(request: Request) -> Reply:
            raise RuntimeError

        return app

    def test_a_named_origin_may_read_the_answer(self, run: Any) -> None:
        headers = fetch(run, self.app("https://a.example"), headers={"Origin": "https://a.example"})[1]
        assert headers["access-control-allow-origin"] == "https://a.example"
        assert headers["access-control-allow-credentials"] == "true"
        assert headers["vary"] == "Accept, Origin"

    @pytest.mark.parametrize("path", ["/nothing", "/fault"])
    def test_errors_may_be_read_as_well(self, run: Any, path: str) -> None:
        headers = fetch(run, self.app("https://a.example"), path=path, headers={"Origin": "https://a.example"})[1]
        assert headers["access-control-allow-origin"] == "https://a.example"

    def test_another_origin_may_not(self, run: Any) -> None:
        headers = fetch(run, self.app("https://a.example"), headers={"Origin": "https://b.example"})[1]
        assert "access-control-allow-origin" not in headers
        assert headers["vary"] == "Accept, Origin"

    def test_everybody_may_without_credentials(self, run: Any) -> None:
        headers = fetch(run, self.app("*"), headers={"Origin": "https://b.example"})[1]
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers

    def test_a_preflight_is_answered_before_the_route(self, run: Any) -> None:
        preflight = {
            "Origin": "https://a.example",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "x-a, x-b",
        }
        status, headers, body = fetch(run, self.app("https://a.example"), "OPTIONS", headers=preflight)
        assert (status, body) == (204, b"")
        assert headers["access-control-allow-headers"] == "x-a, x-b"
        assert "PUT" in headers["access-control-allow-methods"]
        stranger = fetch(run, self.app("https://b.example"), "OPTIONS", headers=preflight)[1]
        assert not [name for name in stranger if name.startswith("access-control")]

    def test_an_api_without_cors_says_nothing(self, run: Any) -> None:
        app = App("silent")
        app.get("/")(lambda request: "x")
        assert "access-control-allow-origin" not in fetch(run, app, headers={"Origin": "https://a.example"})[1]


class TestMiddleware:
    def app(self) -> tuple[App, list[Any]]:
        app, seen = App("chained"), list[Any]()

        @app.middleware
        def outer(event: Event, call_next: CallNext) -> Reply:
            response = call_next(event)
            seen.append(("outer", response.status))
            response.headers["x-seen"] = str(response.status)
            return response  # type: ignore[no-any-return]

        @app.middleware
        def inner(event: Event, call_next: CallNext) -> Reply:
            assert isinstance(event, Request)
            if event.path == "/stopped":
                raise HTTPError(418, "no coffee")
            event.state["user"] = "me"
            seen.append(("inner", event.path))
            reply: Reply = call_next(event)
            return reply

        @app.get("/")
        def plain(request: Request) -> Reply:
            return {"user": request.state["user"]}

        @app.get("/async")
        async def asynchronous(request: Request) -> Reply:
            return {"user": request.state["user"]}

        @app.get("/stopped")
        def stopped(request: Request) -> Reply:
            raise AssertionError("the middleware stops before")

        @app.get("/missing")
        def missing(request: Request) -> Reply:
            raise HTTPError(404, "no such photo")

        return app, seen

    @pytest.mark.parametrize(
        ("path", "status", "chain"),
        [
            ("/", 200, [("inner", "/"), ("outer", 200)]),
            ("/async", 200, [("inner", "/async"), ("outer", 200)]),
            ("/missing", 404, [("inner", "/missing"), ("outer", 404)]),
            ("/nothing", 404, [("inner", "/nothing"), ("outer", 404)]),
            ("/stopped", 418, [("outer", 418)]),
        ],
    )
    def test_each_sees_a_response_from_the_next(
        self, run: Any, path: str, status: int, chain: list[tuple[str, Any]]
    ) -> None:
        app, seen = self.app()
        answered, headers, _ = fetch(run, app, path=path)
        assert (answered, headers["x-seen"], seen) == (status, str(status), chain)

    def test_options_and_405_go_through_as_well(self, run: Any) -> None:
        app, _ = self.app()
        status, headers, _ = fetch(run, app, "OPTIONS")
        assert (status, headers["allow"], headers["x-seen"]) == (204, "GET, HEAD, OPTIONS", "204")
        status, headers, _ = fetch(run, app, "PUT")
        assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_handler_knows_its_invocation(run: Any) -> None:
    app = App("aware")

    @app.get("/")
    def handler(request: Request) -> Reply:
        now = invocation()
        return [
            now.function,
            now.stage,
            now.provider,
            now.attempt,
            now.cold,
            now.id,
            29_000 < now.remaining_ms <= 30_000,
        ]

    runner = run(app)
    first = json.loads(runner.http(Request(), id="inv-1")[2])
    assert first == ["http", "dev", "test", 1, True, "inv-1", True]
    assert json.loads(runner.http(Request(), id="inv-2")[2])[4:6] == [False, "inv-2"]
