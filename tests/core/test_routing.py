"""Which handler a request reaches."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from faasbridge import App, ConfigError, Reply, Request
from faasbridge.routing import Route, Router

APP = App("routes")


def _named(name: str, app: App = APP) -> Any:
    def handler(request: Request, **params: object) -> Reply:
        return {"route": name, **{key: str(value) for key, value in params.items()}}

    return handler


for method, path in (
    ("GET", "/"),
    ("GET", "/photos"),
    ("POST", "/photos"),
    ("GET", "/photos/new"),
    ("GET", "/photos/{photo_id}"),
    ("DELETE", "/photos/{photo_id}"),
    ("GET", "/pages/{number:int}"),
    ("GET", "/pages/{title}"),
    ("GET", "/things/{key:uuid}"),
    ("GET", "/files/{name:path}"),
    ("GET", "/files/{name}/info"),
    ("GET", "/größe/{maß}"),
    ("PUT", "/a/{b}/c"),
    ("PUT", "/a/b/{c}"),
):
    APP.route(path, methods=[method])(_named(f"{method} {path}"))


def answer(run: Any, method: str, path: str, raw_path: str | None = None) -> tuple[int, Any, dict[str, str]]:
    status, headers, body = run(APP).http(Request(method, path, raw_path=raw_path))
    return status, json.loads(body) if body else None, dict(headers)


@pytest.mark.parametrize(
    ("method", "path", "route", "params"),
    [
        ("GET", "/", "GET /", {}),
        ("GET", "/photos", "GET /photos", {}),
        ("POST", "/photos", "POST /photos", {}),
        ("GET", "/photos/new", "GET /photos/new", {}),
        ("GET", "/photos/7", "GET /photos/{photo_id}", {"photo_id": "7"}),
        ("GET", "/photos/ü b", "GET /photos/{photo_id}", {"photo_id": "ü b"}),
        ("DELETE", "/photos/new", "DELETE /photos/{photo_id}", {"photo_id": "new"}),
        ("GET", "/pages/-12", "GET /pages/{number:int}", {"number": "-12"}),
        ("GET", "/pages/twelve", "GET /pages/{title}", {"title": "twelve"}),
        ("GET", "/pages/²", "GET /pages/{title}", {"title": "²"}),
        ("GET", "/files/a/b/c", "GET /files/{name:path}", {"name": "a/b/c"}),
        ("GET", "/files/a/info", "GET /files/{name}/info", {"name": "a"}),
        ("GET", "/files/a/b/info", "GET /files/{name:path}", {"name": "a/b/info"}),
        ("GET", "/größe/1", "GET /größe/{maß}", {"maß": "1"}),
        ("PUT", "/a/b/c", "PUT /a/b/{c}", {"c": "c"}),
        ("PUT", "/a/x/c", "PUT /a/{b}/c", {"b": "x"}),
    ],
)
def test_the_most_specific_route_of_the_method_wins(
    run: Any, method: str, path: str, route: str, params: dict[str, str]
) -> None:
    assert answer(run, method, path)[:2] == (200, {"route": route, **params})


@pytest.mark.parametrize("path", ["/nothing", "/photos/", "/photos//", "/photos/1/2", "/things/1", "//", "/pages/"])
def test_no_route_is_a_404_with_json(run: Any, path: str) -> None:
    status, body, headers = answer(run, "GET", path)
    assert (status, body, headers["content-type"]) == (404, {"error": "Not Found"}, "application/json")


def test_a_wrong_method_is_a_405_that_allows_what_any_route_of_the_path_takes(run: Any) -> None:
    status, _, headers = answer(run, "PATCH", "/photos/new")
    assert (status, headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS")
    assert answer(run, "PUT", "/photos")[2]["allow"] == "GET, HEAD, OPTIONS, POST"


def test_options_tells_what_is_allowed_without_a_route_of_its_own(run: Any) -> None:
    status, headers, body = run(APP).http(Request("OPTIONS", "/photos"))
    assert (status, dict(headers)["allow"], body) == (204, "GET, HEAD, OPTIONS, POST", b"")


def test_head_is_get_without_its_body(run: Any) -> None:
    status, headers, body = run(APP).http(Request("HEAD", "/photos/7"))
    full = run(APP).http(Request("GET", "/photos/7"))
    assert (status, body) == (200, b"")
    assert dict(headers)["content-length"] == str(len(full[2]))


def test_head_of_a_path_without_get_is_a_405(run: Any) -> None:
    assert answer(run, "HEAD", "/a/b/c")[0] == 405


def test_an_encoded_slash_stays_within_its_segment(run: Any) -> None:
    assert answer(run, "GET", "/photos/a/b", "/photos/a%2Fb")[1]["photo_id"] == "a/b"
    assert answer(run, "GET", "/photos/new", "/photos%2Fnew")[0] == 404


def test_parameters_have_the_type_of_their_converter(run: Any) -> None:
    app, seen = App("typed"), []

    @app.get("/{number:int}/{key:uuid}")
    def show(request: Request, number: int, key: UUID) -> None:
        seen.append((number, key))

    key = "12345678-1234-5678-1234-567812345678"
    assert run(app).http(Request("GET", f"/7/{key}"))[0] == 204
    assert seen == [(7, UUID(key))]


def test_the_order_of_declaration_does_not_matter(run: Any) -> None:
    router = Router()
    for path in ("/x/{a:path}", "/x/{a}", "/x/{a:int}", "/x/y"):
        router.add(Route("GET", path, _named(path)))
    assert [router.match("GET", f"/x/{rest}")[0].path for rest in ("y", "1", "z", "z/z")] == [
        "/x/y",
        "/x/{a:int}",
        "/x/{a}",
        "/x/{a:path}",
    ]


def test_an_api_has_its_own_routes_below_its_prefix(run: Any) -> None:
    app = App("shop")
    admin = app.api("admin", prefix="/admin")
    app.get("/orders")(_named("public"))
    admin.get("/orders")(_named("admin"))
    assert json.loads(run(app, "admin").http(Request("GET", "/admin/orders"))[2])["route"] == "admin"
    assert run(app).http(Request("GET", "/admin/orders"))[0] == 404


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("photos", "starts with '/'"),
        ("/x{y}", "is no parameter"),
        ("/{x", "is no parameter"),
        ("/{x y}", "is no parameter"),
        ("/{x:float}", "there are str, int, uuid, path"),
        ("/{x:path}/y", "comes last"),
        ("/{x}/{x}", "parameter twice"),
    ],
)
def test_a_path_that_is_none_is_refused_where_it_stands(path: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"test_routing\.py:\d+: .*{says}"):
        App("wrong").get(path)(_named("x"))


def test_names_of_a_path_are_checked_against_the_handler() -> None:
    app = App("wrong")

    def takes_nothing() -> None: ...

    def takes_no_id(request: Request) -> None: ...

    def takes_more(request: Request, photo_id: str, size: str) -> None: ...

    wrong: list[tuple[Any, str]] = [
        (takes_nothing, "first parameter"),
        (takes_no_id, "add a parameter photo_id"),
        (takes_more, "parameter size"),
    ]
    for handler, says in wrong:
        with pytest.raises(ConfigError, match=says):
            app.get("/photos/{photo_id}")(handler)


@pytest.mark.parametrize(("first", "second"), [("/x", "/x"), ("/x/{a}", "/x/{b}"), ("/{a:path}", "/{b:path}")])
def test_a_route_that_can_never_be_reached_names_the_other(first: str, second: str) -> None:
    app = App("wrong")
    app.get(first)(_named("first"))
    with pytest.raises(ConfigError, match=r"never be reached: GET .* of .*test_routing\.py:\d+"):
        app.get(second)(_named("second"))
