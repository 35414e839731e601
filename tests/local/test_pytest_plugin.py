"""The pytest plugin, in sessions of its own: what `cloud` gives, what fails a test, what a failure shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

APP = """
from __future__ import annotations

from faasbridge import App, BlobEvent, Message, Reply, Request

app = App("sample")
uploads = app.bucket("uploads")
rows = app.table("rows", key="id")
jobs = app.queue("jobs")
news = app.topic("news")
token = app.secret("token")


@app.post("/echo/{rest:path}", uses=[token.get])
def echo(request: Request, rest: str) -> Reply:
    return {
        "rest": rest,
        "query": [list(pair) for pair in request.query.pairs],
        "many": request.headers.getlist("x-many"),
        "cookies": dict(request.cookies),
        "body": request.body.decode(),
        "claims": dict(request.claims),
    }


@jobs.on_message(max_attempts=2, uses=[rows.put])
def work(message: Message) -> str:
    print("the handler saw", message.text())
    if message.text() == "poison":
        raise RuntimeError("it was poison")
    if message.text() == "once" and message.attempt == 1:
        raise RuntimeError("the first attempt fails")
    rows.put({"id": message.text()})
    return "did " + message.text()


@uploads.on_create(max_attempts=1)
def seen(event: BlobEvent) -> None:
    raise ValueError("no upload is good enough")
"""
SETTINGS = '[tool.faasbridge]\napp = "{module}:app"\n'


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with one app, in whose folder pytest can be run."""
    monkeypatch.delenv("FAASBRIDGE_PROVIDER", raising=False)
    pytester.makefile(".toml", pyproject=SETTINGS.format(module="sample"))
    pytester.makepyfile(sample=APP)
    return pytester


def run(project: pytest.Pytester, test: str, *args: str) -> pytest.RunResult:
    project.makepyfile(test_sample=f"from __future__ import annotations\n\nimport pytest\n\nimport sample\n\n{test}")
    return project.runpytest_subprocess("-p", "no:cacheprovider", *args)


def test_the_fixture_drives_the_app_and_starts_each_test_empty(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
from faasbridge import NotFound

def test_one(cloud):
    assert (cloud.app, cloud.provider) == (sample.app, "local")
    assert cloud.table("rows") is sample.rows
    assert cloud.bucket("uploads") is sample.uploads
    assert cloud.topic("news") is sample.news
    sample.jobs.send("a")
    cloud.queue("jobs").send("once")
    cloud.settle()
    assert sorted(row["id"] for row in sample.rows.scan()) == ["a", "once"]
    cloud.set_secret("token", "s3cret")
    assert cloud.secret("token").get() == "s3cret"
    assert any("the handler saw a" in line.text for line in cloud.logs("work"))
    assert cloud.logs("http") == []

def test_two(cloud):
    assert list(cloud.table("rows").scan()) == []
    assert cloud.logs() == []
    with pytest.raises(NotFound):
        cloud.secret("token").get()
    assert cloud.invoke("work", sample.Message("by hand")) == "did by hand"
""",
    )
    result.assert_outcomes(passed=2)


def test_the_client_sends_what_it_is_given(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
def test_client(cloud):
    answer = cloud.client().post(
        "/echo/a%20b+c/ü d;e", query={"a": ["1", "2"], "b": "x y&z"}, headers=[("x-many", "1"), ("X-Many", "2")],
        cookies={"c": "v"}, body="text",
    )
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "rest": "a b+c/ü d;e", "query": [["a", "1"], ["a", "2"], ["b", "x y&z"]], "many": ["1", "2"],
        "cookies": {"c": "v"}, "body": "text", "claims": {},
    }
    assert cloud.client(claims={"sub": "ada"}).post("/echo/x", json=[1]).json()["claims"] == {"sub": "ada"}
    assert cloud.client().get("/none").status == 404
    with pytest.raises(ValueError, match="starts with '/'"):
        cloud.client().get("none")
    with pytest.raises(TypeError, match="not both"):
        cloud.client().post("/echo/x", json=1, body=b"")
""",
    )
    result.assert_outcomes(passed=1)


def test_names_that_the_app_does_not_have_are_refused_with_a_suggestion(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
from faasbridge import ConfigError

@pytest.mark.parametrize(("call", "text"), [
    (lambda c: c.table("row"), "no table 'row'; did you mean 'rows'"),
    (lambda c: c.queue("rows"), "no queue 'rows'"),
    (lambda c: c.client("htp"), "did you mean 'http'"),
    (lambda c: c.dead_letters("wrk"), "did you mean 'work'"),
    (lambda c: c.invoke("wrk"), "did you mean 'work'"),
    (lambda c: c.logs("wrk"), "did you mean 'work'"),
    (lambda c: c.set_secret("tokn", "x"), "did you mean 'token'"),
])
def test_names(cloud, call, text):
    with pytest.raises(ConfigError, match=text):
        call(cloud)
""",
    )
    result.assert_outcomes(passed=7)


def test_an_event_that_the_function_is_never_given_is_refused(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
from faasbridge import InvalidEvent, Message, Request

@pytest.mark.parametrize(("name", "event", "text"), [
    ("work", Request(), "work takes a Message, not a Request"),
    ("http", Message(), "http takes a Request, not a Message"),
    ("seen", Message(), "seen takes a BlobEvent, not a Message"),
])
def test_mismatch(cloud, name, event, text):
    with pytest.raises(InvalidEvent, match=text):
        cloud.invoke(name, event)
""",
    )
    result.assert_outcomes(passed=3)


def test_unread_dead_letters_fail_the_test_with_reason_and_event(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
def test_unread(cloud):
    sample.jobs.send("poison", attributes={"a": "b"})

def test_read(cloud):
    sample.jobs.send("poison")
    sample.uploads.put("x.jpg", b"1")
    cloud.settle()
    (letter,) = cloud.dead_letters("work")
    assert letter.text() == "poison"
    assert letter.native.attempts == 2
    (event,) = cloud.dead_letters("seen")
    assert (event.bucket, event.key) == ("uploads", "x.jpg")
""",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*test_unread*",
            "1 dead letter(s) that the test did not read*",
            "*work, event *, 2 attempts: *it was poison*",
            '*"body":"poison"*"a":"b"*',
        ]
    )


def test_a_failed_test_shows_the_functions_logs(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
def test_fails(cloud):
    sample.jobs.send("a message")
    cloud.settle()
    assert False

def test_passes(cloud):
    sample.jobs.send("another")
    cloud.settle()
""",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*The functions' logs (local)*", "*work*the handler saw a message*"])
    result.stdout.no_fnmatch_line("*the handler saw another*")


def test_an_uncaught_error_of_a_handler_that_succeeds_later_fails_nothing(project: pytest.Pytester) -> None:
    test = 'def test_x(cloud):\n    sample.jobs.send("once")\n    cloud.settle()\n    assert sample.rows.get("once")\n'
    result = run(project, test)
    result.assert_outcomes(passed=1)


def test_the_apps_resources_are_bound_for_the_test_only(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
def test_bound(cloud):
    assert sample.rows.get("1") is None

def test_unbound():
    from faasbridge import ConfigError
    with pytest.raises(ConfigError, match="outside of an invocation"):
        sample.rows.get("1")
""",
    )
    result.assert_outcomes(passed=2)


def test_several_providers_run_each_test_on_all_of_them(project: pytest.Pytester) -> None:
    result = run(project, "def test_x(cloud):\n    pass\n", "--provider", "local,nowhere", "-v")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*test_x?local? PASSED*", "*test_x?nowhere? ERROR*"])
    result.stdout.fnmatch_lines(["*there is no provider 'nowhere'*"])


def test_the_provider_can_come_from_the_environment(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAASBRIDGE_PROVIDER", "nowhere")
    result = run(project, "def test_x(cloud):\n    pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*there is no provider 'nowhere'*"])


@pytest.mark.parametrize(
    ("options", "environment", "app", "says"),
    [
        (["--provider", "locl"], {}, APP, "there is no provider 'locl'; did you mean 'local'?"),
        (["--stage", "Prod_1"], {}, APP, "'Prod_1' is no name for a stage: *"),
        ([], {"FAASBRIDGE_PYTHON": "2.7"}, APP, "FAASBRIDGE_PYTHON is one of 3.11, *, not '2.7'"),
        ([], {}, f"{APP}\ndef (\n", "sample.py:*: the app cannot be imported: SyntaxError: *"),
        ([], {}, f"{APP}\n\napp.queue('jobs')\n", "sample.py:*: queue 'jobs' is declared already at *"),
    ],
)
def test_what_keeps_the_app_from_running_is_one_sentence(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    environment: dict[str, str],
    app: str,
    says: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    pytester.makefile(".toml", pyproject=SETTINGS.format(module="sample"))
    pytester.makepyfile(sample=app, test_sample="def test_x(cloud):\n    pass\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_x*", says, "*short test summary*"], consecutive=True)


def test_an_empty_choice_of_providers_is_a_usage_error(project: pytest.Pytester) -> None:
    result = run(project, "def test_x(cloud):\n    pass\n", "--provider", ",")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--provider names no provider*"])


def test_a_test_outside_of_a_project_is_told_what_is_missing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(cloud):\n    pass\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the cloud fixture needs an app*tool.faasbridge*"])


def test_the_nearest_project_is_the_tests(project: pytest.Pytester) -> None:
    inner = project.mkdir("inner")
    (inner / "pyproject.toml").write_text(SETTINGS.format(module="inner_app"))
    (inner / "inner_app.py").write_text('from faasbridge import App\n\napp = App("inner")\n')
    tests = inner / "tests"
    tests.mkdir()
    (tests / "pyproject.toml").write_text('[project]\nname = "unrelated"\n')
    (tests / "test_inner.py").write_text('def test_inner(cloud):\n    assert cloud.app.app_name == "inner"\n')
    outer = 'def test_outer(cloud):\n    assert cloud.app.app_name == "sample"\n'
    result = run(project, outer, "test_sample.py", "inner")
    result.assert_outcomes(passed=2)


def test_nothing_is_left_running_and_nothing_of_the_server_is_imported(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
import os, sys, pathlib

def test_x(cloud):
    cloud.client().get("/none")
    sample.jobs.send("1")
    cloud.settle()
    assert not {"starlette", "uvicorn", "uvloop", "watchfiles"} & set(sys.modules)
    children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children")
    pids = set(children.read_text().split()) if children.exists() else set()
    for pid in list(pids):
        pids |= set(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    pathlib.Path("pids").write_text(" ".join(pids))
""",
    )
    result.assert_outcomes(passed=1)
    pids = (project.path / "pids").read_text().split()
    assert [pid for pid in pids if alive(int(pid))] == []


def test_an_interrupted_session_leaves_nothing_running(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
import pathlib

def test_x(cloud):
    pathlib.Path("endpoint").write_text(cloud.simulator.endpoint("http"))
    raise KeyboardInterrupt
""",
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    from faasbridge.testing.client import over_socket

    with pytest.raises(OSError, match="refused"):
        over_socket((project.path / "endpoint").read_text()).get("/none")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" not in status.read_text()
