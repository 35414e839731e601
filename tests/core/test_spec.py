"""From an app to its neutral model, and every mistake that shows on the way."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge import App, Batch, BlobEvent, Bucket, Change, ConfigError, Message, Reply, Request, Resource, Tick
from faasbridge.spec import AppSpec, FunctionSpec, ResourceSpec, Right, RouteSpec, Trigger, schema


class Cache(Resource):
    kind = "acme.cache"
    operations: ClassVar[Mapping[str, str]] = {"get": "get"}

    def get(self, key: str) -> bytes:
        return bytes(self._driver("get").get(key))


def whole_app() -> App:
    app = App("whole", cors=["https://a.example"], timeout_s=10, aws={"snap_start": True})
    files, rows = app.bucket("files"), app.table("rows", key="k", sort_key="s", indexes={"by": ("a", "b")})
    jobs, news, key = app.queue("jobs", max_attempts=9), app.topic("news"), app.secret("key")
    cache = app.add(Cache("sessions", size=3))
    admin = app.api("admin", prefix="/admin", memory_mb=512)

    @app.get("/files/{name:path}", uses=[files.get, files.open, cache.get], public=True)
    def show(request: Request, name: str) -> Reply:
        return None

    @app.post("/rows", uses=[rows.put, jobs.send_many])
    async def add(request: Request) -> Reply:
        return None

    @admin.delete("/all", uses=[rows])
    def clear(request: Request) -> Reply:
        return None

    @files.on_create(prefix="in/", suffix=".jpg", timeout_s=90, memory_mb=1024, uses=[key.get])
    def make(event: BlobEvent) -> None: ...

    @files.on_delete
    def forget(event: BlobEvent) -> None: ...

    @jobs.on_batch(batch_size=50, wait_s=2)
    async def load(batch: Batch) -> None: ...

    @jobs.dead_letters.on_message(max_attempts=2)
    def bury(message: Message) -> None: ...

    @news.on_message(name="tell-all", gcp={"min_instances": 1})
    def tell(message: Message) -> None: ...

    @rows.on_change
    def index(change: Change[Any]) -> None: ...

    @app.schedule("0 3 * * MON-FRI", timezone="Europe/Berlin")
    def sweep(tick: Tick) -> None: ...

    return app


def test_an_app_becomes_its_model() -> None:
    spec = whole_app().spec()
    assert [f.name for f in spec.functions] == [
        "admin", "bury", "forget", "http", "index", "load", "make", "sweep", "tell-all",
    ]  # fmt: skip
    http, make, load = spec.function("http"), spec.function("make"), spec.function("load")
    assert [(r.method, r.path, r.public) for r in http.routes] == [
        ("GET", "/files/{name:path}", True),
        ("POST", "/rows", False),
    ]
    assert http.rights == (
        Right("acme.cache", "sessions", "get"),
        Right("bucket", "files", "get"),
        Right("queue", "jobs", "send"),
        Right("table", "rows", "put"),
    )
    assert (http.timeout_s, http.memory_mb, http.options) == (10, 256, {"aws": {"snap_start": True}})
    assert http.inbox is None
    assert make.trigger == Trigger("create", "bucket", "files", {"prefix": "in/", "suffix": ".jpg"})
    assert (make.timeout_s, make.memory_mb, make.max_attempts, make.inbox) == (90, 1024, 5, "function:make")
    assert (load.max_attempts, load.is_async, load.inbox, load.trigger.settings) == (
        9,
        True,
        "queue:jobs",
        {"batch_size": 50, "wait_s": 2},
    )
    assert spec.function("bury").inbox == "queue:jobs-dead"
    assert spec.function("bury").max_attempts == 2
    assert spec.function("sweep").trigger.settings == {"cron": "0 3 * * MON-FRI", "timezone": "Europe/Berlin"}
    assert spec.function("tell-all").options == {"gcp": {"min_instances": 1}}
    assert spec.resource("acme.cache", "sessions").options == {"size": 3}
    assert spec.resource("table", "rows").options == {"key": "k", "sort_key": "s", "indexes": {"by": ["a", "b"]}}
    assert make.location.startswith("tests/core/test_spec.py:")


def test_the_same_app_gives_the_same_manifest() -> None:
    assert whole_app().spec().to_json(indent=2) == whole_app().spec().to_json(indent=2)


def test_a_manifest_becomes_the_same_model_again() -> None:
    spec = whole_app().spec()
    assert AppSpec.from_json(spec.to_json()) == spec
    assert AppSpec.from_json(json.dumps(spec.to_dict())) == spec


def test_the_schema_describes_a_manifest() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(whole_app().spec().to_dict(), schema())


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children: list[Any] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [path, *(deeper for key, child in children for deeper in _paths(child, (*path, key)))]


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    return functools.reduce(lambda inner, key: inner[key], path, value)


MANIFEST = whole_app().spec().to_dict()
VALIDATOR = jsonschema.Draft202012Validator(schema())
FREE = {"options", "indexes", "aws", "gcp"}  # what is a third party's or a vendor's
FIXED = [path for path in _paths(MANIFEST) if not FREE & set(path)]


@pytest.mark.parametrize("path", [p for p in FIXED if isinstance(_at(MANIFEST, p), dict)], ids=str)
def test_the_schema_takes_no_member_more_and_none_less(path: tuple[Any, ...]) -> None:
    more = copy.deepcopy(MANIFEST)
    _at(more, path)["unknown"] = 1
    assert not VALIDATOR.is_valid(more)
    for member in _at(MANIFEST, path):
        less = copy.deepcopy(MANIFEST)
        del _at(less, path)[member]
        assert not VALIDATOR.is_valid(less)


@pytest.mark.parametrize("path", [p for p in FIXED if p], ids=str)
def test_the_schema_takes_no_other_type(path: tuple[Any, ...]) -> None:
    other = copy.deepcopy(MANIFEST)
    _at(other, path[:-1])[path[-1]] = None
    assert not VALIDATOR.is_valid(other)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)
FUNCTIONS = st.builds(
    FunctionSpec,
    name=TEXT,
    trigger=st.builds(Trigger, TEXT, TEXT, TEXT, OBJECTS),
    rights=st.lists(st.builds(Right, TEXT, TEXT, TEXT), max_size=3).map(tuple),
    timeout_s=st.floats(0, 900),
    modules=st.lists(TEXT, max_size=2).map(tuple),
    routes=st.lists(st.builds(RouteSpec, TEXT, TEXT, TEXT, TEXT, st.booleans(), TEXT), max_size=2).map(tuple),
    options=st.dictionaries(TEXT, OBJECTS, max_size=2),
    is_async=st.booleans(),
)
SPECS = st.builds(
    AppSpec,
    name=TEXT,
    module=TEXT,
    resources=st.lists(st.builds(ResourceSpec, TEXT, TEXT, OBJECTS, st.booleans(), TEXT), max_size=3).map(tuple),
    functions=st.lists(FUNCTIONS, max_size=3).map(tuple),
)


@given(SPECS)
def test_any_model_survives_as_json(spec: AppSpec) -> None:
    assert AppSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version":1}', '{"version":1,"name":"a","module":"m","resources":[1]}']
)
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a FaaSBridge manifest"):
        AppSpec.from_json(text)


def test_a_manifest_of_another_version_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"has version 99, .* write it again"):
        AppSpec.from_json(json.dumps({**MANIFEST, "version": 99}))


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    spec = whole_app().spec()
    with pytest.raises(ConfigError, match="no function 'lode'; did you mean 'load'"):
        spec.function("lode")
    with pytest.raises(ConfigError, match="no bucket 'file'; did you mean 'files'"):
        spec.resource("bucket", "file")


def mistakes(app: App) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        app.spec()
    return str(raised.value).splitlines()


def test_every_mistake_is_a_line_with_its_place() -> None:
    app = App("wrong")
    jobs = app.queue("jobs")

    @jobs.on_message(memory_mb=1)
    def first(message: Message) -> None: ...

    @jobs.on_message
    def second(message: Message) -> None: ...

    @app.schedule("0 25 * * *", timezone="Europe/Berln")
    def tick(tick: Tick) -> None: ...

    lines = mistakes(app)
    place = r"^tests/core/test_spec\.py:\d+: "
    for line, says in zip(
        lines,
        [
            "memory_mb= lies between 64 and 32,768, not 1",
            r"queue 'jobs' has the handler first \(tests/core/test_spec\.py:\d+\) already",
            "the schedule '0 25 \\* \\* \\*' has '25' as its hour",
            "there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'",
        ],
        strict=True,
    ):
        assert re.match(place + says, line), line


TWINS = (("t", "a_b"), ("u", "A-b"))
NOTHING = functools.partial(lambda *args: None)


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda app: app.bucket("Photos"), "bucket 'Photos' is no name"),
        (lambda app: app.bucket("a--b"), "is no name"),
        (lambda app: app.bucket("a-"), "is no name"),
        (lambda app: app.table("x" * 41, key="k"), "is no name"),
        (lambda app: app.api("Admin"), "api 'Admin' is no name"),
        (lambda app: app.topic("t").on_message(name="x" * 41)(NOTHING), "is no name"),
        (lambda app: app.topic("t").on_message(name="ä")(NOTHING), "is no name"),
        (lambda app: [app.topic(t).on_message(name=n)(NOTHING) for t, n in TWINS], "have one name"),
        (lambda app: app.topic("t").on_message(name="x_dead")(NOTHING), "are those of dead letters"),
        (lambda app: app.queue("x-dead"), "are those of dead letters"),
        (lambda app: app.queue("x").dead_letters.on_message(name="f")(NOTHING), "queue 'x' has no handler"),
        (lambda app: app.table("t", key=""), "key= is the name of a field"),
        (lambda app: app.table("t", key="a", sort_key="a"), "must be two fields"),
        (lambda app: app.table("t", key="a", indexes={"i": ("a",)}), "is a pair of two fields"),
        (lambda app: app.table("t", key="a", indexes={"i": ("a", "a")}), "is a pair of two fields"),
        (lambda app: app.table("t", key="a", indexes={"i i": ("a", "b")}), "index 'i i' is no name"),
        (lambda app: app.queue("q", max_attempts=0), "max_attempts= lies between 1 and 100"),
        (lambda app: app.topic("t").on_message(name="f", timeout_s=4000)(NOTHING), "timeout_s= lies between"),
        (lambda app: app.topic("t").on_message(name="f", max_attempts=0)(NOTHING), "max_attempts= lies"),
        (lambda app: app.queue("q").on_batch(name="f", batch_size=0)(NOTHING), "batch_size= lies"),
        (lambda app: app.queue("q").on_batch(name="f", wait_s=301)(NOTHING), "wait_s= lies"),
        (lambda app: app.get("/x", uses=[App("other").bucket("b").get])(lambda r: None), "belongs to the app 'other'"),
        (lambda app: app.get("/x", uses=[Bucket("lost").get])(lambda r: None), "belongs to no app"),
        (lambda app: app.get("/a%20b")(lambda r: None), "can never be reached"),
        (lambda app: app.get("/_faasbridge/x")(lambda r: None), "are FaaSBridge's own"),
        (lambda app: app.topic("t").on_message(name="f")(lambda: None), "takes the event as its first parameter"),
        (lambda app: app.topic("t").on_message(name="f")(lambda a, b: None), "give the parameter b a default"),
        (lambda app: app.topic("t").on_message(name="f", aws={"x": {1}})(NOTHING), "cannot be written as JSON"),
        (lambda app: app.schedule("* * * *", timezone="UTC", name="tick")(_named_tick), "has five fields"),
        (lambda app: app.schedule("* * * * * *", name="tick")(_named_tick), "has five fields"),
        (lambda app: app.schedule("61 * * * *", name="tick")(_named_tick), "'61' as its minute"),
        (lambda app: app.schedule("* * 32 * *", name="tick")(_named_tick), "'32' as its day of the month"),
        (lambda app: app.schedule("* * * 13 *", name="tick")(_named_tick), "'13' as its month"),
        (lambda app: app.schedule("* * * * 8", name="tick")(_named_tick), "'8' as its day of the week"),
        (lambda app: app.schedule("0 0 L * *", name="tick")(_named_tick), "'L' as its day of the month"),
        (lambda app: app.schedule("0 0 31 2 *", name="tick")(_named_tick), "a day that never comes"),
        (lambda app: app.schedule("* * * * *", timezone="", name="tick")(_named_tick), "no time zone ''"),
    ],
)  # fmt: skip
def test_a_mistake_is_found(declare: Any, says: str) -> None:
    app = App("wrong")
    declare(app)
    assert any(says in line for line in mistakes(app)), mistakes(app)


def _named_tick(tick: Tick) -> None: ...


@pytest.mark.parametrize(
    "cron", ["* * * * *", "0 3 * * MON-FRI", "*/5 0-6,22 1 JAN,JUL WED", "0 0 29 2 *", "0 0 30 2 1"]
)
def test_a_cron_expression_that_every_vendor_takes(cron: str) -> None:
    app = App("right")
    app.schedule(cron, name="tick")(_named_tick)
    assert app.spec().function("tick").trigger.settings["cron"] == cron


def test_an_app_of_a_wrong_name_is_refused() -> None:
    assert mistakes(App("Wrong App"))[0].endswith(
        "is no name that every vendor takes: use a-z, 0-9 and single hyphens, a letter first, at most 40 characters"
    )


@pytest.mark.parametrize("handler", [lambda message: None, functools.partial(print)])
def test_a_handler_without_a_name_needs_one(handler: Any) -> None:
    app = App("wrong")
    with pytest.raises(ConfigError, match=r"test_spec\.py:\d+: .* give it a name="):
        app.queue("jobs").on_message(handler)


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda app: app.bucket("a") and app.bucket("a"), "bucket 'a' is declared already at .*test_spec"),
        (
            lambda app: [app.topic("t").on_message(_message), app.queue("q").on_message(_message)],
            "is declared already at",
        ),
        (lambda app: app.queue("q").on_message(name="http")(_message), "is the api of that name already"),
        (lambda app: app.api("http"), "is the api of that name already"),
        (lambda app: app.queue("q").on_message(memory=3), "no option memory= here; did you mean 'memory_mb'"),
        (lambda app: app.queue("q").on_message(memory_mb="3"), "memory_mb= takes int"),
        (lambda app: app.queue("q").on_message(5), "takes options by name only, not 5"),
        (lambda app: app.get("/x", uses=app), "uses= takes a list"),
        (lambda app: app.get("/x", uses=[len]), "uses= takes a resource or one of its methods"),
        (lambda app: app.get("/x", uses=["t.get"]), "uses= takes a resource"),
        (lambda app: app.get(_message), "a route needs its path"),
        (lambda app: app.route("/x", methods=["FETCH"]), "methods= is a list of GET"),
        (lambda app: app.schedule(_message), "needs its cron expression"),
        (lambda app: app.table("t", key="k", indexes={"i": "ab"}), "index 'i' is a pair of fields"),
        (lambda app: app.table("t", key="k", indexes=["album"]), r"indexes= maps a name .*, not \['album'\]"),
        (lambda app: app.api("x", prefix="admin"), "prefix= starts with"),
        (lambda app: app.api("x", cors="*"), "cors= takes a list"),
        (lambda app: app.include(".jobs"), "modules by their full names"),
        (lambda app: app.middleware(5), "middleware is a function"),
        (lambda app: app.middleware(_message), r"_message is called with \(event, call_next\); give it both"),
        (lambda app: app.middleware(lambda a, b, c: None), "give it both parameters"),
        (lambda app: app.api("x", auth=5), "auth= is a function from request to claims, or None, not 5"),
        (lambda app: app.api("x", auth=lambda: None), "auth= is a function from request to claims"),
    ],
)
def test_a_mistake_is_refused_at_its_line(declare: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"test_spec\.py:\d+: .*{says}"):
        declare(App("wrong"))


def _message(message: Message) -> None: ...


def test_middleware_and_auth_may_be_whatever_can_be_called_so() -> None:
    class Guard:
        def auth(self, request: Request) -> dict[str, Any]:
            return {}

        def __call__(self, event: Any, call_next: Any, *, log: bool = False) -> Any:
            return call_next(event)

    app = App("right")
    guard = Guard()
    app.api("a", auth=guard.auth)
    app.api("b", auth=functools.partial(guard.auth))
    app.middleware(guard)
    app.middleware(guard.__call__)
    app.middleware(lambda *both: None)
    app.middleware(lambda event, call_next, log=False: None)
    assert len(app.chain) == 4
