"""The deployer stopped at every call that it makes to Google: the same command again ends as if nothing had been.

Each distinct operation is hit where it occurs first and where it occurs last, at a deployment's beginning and its end.
With FAASBRIDGE_EVERY_CALL set it is every call, one after the other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions

from faasbridge import App, Message
from faasbridge.errors import DeployError
from faasbridge.simulation.servers import Server
from faasbridge_gcp.deploying import artifacts
from faasbridge_gcp.deploying.connection import Cloud
from faasbridge_gcp.deploying.reading import Reader

sys.path.insert(0, str(Path(__file__).parent))
from deploying import COLD, PARENT, PROJECT, Around, Deployment, simulated

# What is killed in a thread of a client's own ends that thread.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Killed(BaseException):
    """No code may catch it: what a process does that is killed, as far as a process can do that to itself."""


Act = Callable[[Callable[[], Any]], Any]


class Faults:
    """Notes requests, and disturbs the one of that operation that is the `number`th. After it nothing gets through."""

    def __init__(self, operation: str = "", number: int = 0, act: Act | None = None) -> None:
        self.operations: list[str] = []
        self.happened = False
        self._lock = threading.Lock()
        self._where = operation, number
        self._act = act

    def __call__(self, operation: str, send: Callable[[], Any]) -> Any:
        with self._lock:
            self.operations.append(operation)
            number = self.operations.count(operation)
        if self.happened:
            raise LOST
        if self._act is not None and (operation, number) == self._where:
            self.happened = True
            return self._act(send)
        return send()


LOST = exceptions.Cancelled("the connection was reset")  # which no client tries again by itself


def killed_before(send: Callable[[], Any]) -> Any:
    raise Killed


def killed_after(send: Callable[[], Any]) -> Any:
    answered(send)
    raise Killed


def reset(send: Callable[[], Any]) -> Any:
    """Google did it, and nobody learned so."""
    answered(send)
    raise LOST


def answered(send: Callable[[], Any]) -> Any:
    found = send()
    return found.result() if hasattr(found, "result") else found


def app_at(version: int) -> App:
    app = App("cut")
    rows = app.table("rows", key="id", sort_key="part")
    jobs, files, token = app.queue("jobs"), app.bucket("files"), app.secret("token")

    @app.get("/rows/{id}", uses=[rows.query, token.get])
    def show(request: Any, id: str) -> Any: ...

    @jobs.on_message(uses=[rows.put])
    def work(message: Message) -> None: ...

    if version == 1:

        @app.schedule("0 3 * * *")
        def nightly(tick: Any) -> None: ...

    @files.on_create(prefix="in/" if version > 1 else "out/")
    def arrived(event: Any) -> None: ...

    if version > 1:
        more = app.table("more", key="id")

        @more.on_change(uses=[files.get])
        def changed(change: Any) -> None: ...

    return app


class Cut(Deployment):
    """The app at version 1 or 2, which differ in everything; 3 is 2 with other code."""

    def at(self, version: int) -> None:
        self.app, self.code = app_at(version), f"# {version}\n"

    def deploy_at(self, version: int, faults: Around | None = None) -> None:
        self.at(version)
        self.deploy(faults)

    def everything(self) -> dict[str, Any]:
        """What is in the project, without what Google makes up."""
        get, project = self.calm.get, f"projects/{PROJECT}"
        functions = list(get("functions").list_functions(parent=PARENT))
        current = Reader(Cloud(self.stage, self.calm), self.stage).read()
        buckets = list(get("storage").list_buckets())
        secrets = list(get("secretmanager").list_secrets(parent=project))
        versions = get("secretmanager").list_secret_versions
        text = {
            "accounts": [each.email for each in get("accounts").list_service_accounts(name=project)],
            "topics": [each.name for each in get("publisher").list_topics(project=project)],
            "subscriptions": [each.name for each in get("subscriber").list_subscriptions(project=project)],
            "buckets": {each.name: [one.name for one in get("storage").list_blobs(each)] for each in buckets},
            "notifications": sorted(str(one.event_types) for each in buckets for one in each.list_notifications()),
            "secrets": {each.name: len(list(versions(parent=each.name))) for each in secrets},
            "databases": [each.name for each in get("databases").list_databases(parent=project).databases],
            "functions": {each.name: dict(each.labels) for each in functions},
            "jobs": [each.name for each in get("scheduler").list_jobs(parent=PARENT)],
            "bodies": {place: _told(each.body) for place, each in current.resources.items()},
            "policies": {place: sorted(map(str, each)) for place, each in current.policies.items()},
        }
        for each in functions:  # a front listens where a port is free
            text = _replaced(text, each.service_config.uri, each.name)
        return text


MADE_UP = {"etag", "uid", "uniqueId", "oauth2ClientId", "name", "generation", "observedGeneration", "state"}
MADE_UP |= {"createTime", "updateTime", "userUpdateTime"}


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _told(each) for key, each in value.items() if key not in MADE_UP and "revision" not in key.lower()}
    return [_told(each) for each in value] if isinstance(value, list) else value


def _replaced(value: Any, before: str, after: str) -> Any:
    if isinstance(value, str):
        return value.replace(before, after)
    if isinstance(value, dict):
        return {key: _replaced(each, before, after) for key, each in value.items()}
    return [_replaced(each, before, after) for each in value] if isinstance(value, list) else value


def unlike(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """What differs, and how: as it is and as it should be."""
    unlike_: dict[str, Any] = {}
    for key in found.keys() | expected.keys():
        here, there = found.get(key), expected.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            unlike_.update({f"{key} {each}": pair for each, pair in unlike(here, there).items()})
        elif here != there:
            unlike_[str(key)] = (here, there)
    return unlike_


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with simulated(tmp_path_factory.mktemp("cloud") / "s", COLD) as server:
        yield server


@pytest.fixture
def cut(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cut:
    monkeypatch.setattr(artifacts, "_RECENT", timedelta(0))  # so that each deployment of other code uploads it
    cut = Cut(server, "cut", tmp_path)
    cut.destroy()
    return cut


READS = ("Get", "List", "RunQuery", "storage.GET")
EVERY_CALL = bool(os.environ.get("FAASBRIDGE_EVERY_CALL"))
Fault = tuple[str, int, Act]


def faults_of(operations: list[str], *acts: Act) -> list[Fault]:
    """Of each operation that writes, the first and the last one, and the last of each that reads between them."""
    if EVERY_CALL:
        counts = Counter(operations)
        return [
            (name, number, killed_before if name.startswith(READS) else act)
            for name, count in counts.items()
            for number in range(1, count + 1)
            for act in (acts[:1] if name.startswith(READS) else acts)
        ]
    begin = next(at for at, name in enumerate(operations) if not name.startswith(READS))
    found: list[Fault] = []
    for name, count in Counter(operations).items():
        if not name.startswith(READS):
            found += [(name, number, act) for number, act in {1: acts[0], count: acts[-1]}.items()]
        elif acts[1:] and name in operations[begin:]:  # GetOperation is asked as often as it takes
            found.append((name, 1 if name == "GetOperation" else count, killed_before))
    return found


def disturbed(do: Callable[[Faults], Any], fault: Fault) -> str:
    """Does it until the fault, which must happen; says what was hit."""
    faults = Faults(*fault)
    with suppress(Killed, DeployError):
        do(faults)
    name, number, act = fault
    assert faults.happened or (EVERY_CALL and name == "GetOperation"), (name, number)
    return f"{act.__name__} at {name}, the {number}."


def test_a_first_deployment(cut: Cut) -> None:
    faults = Faults()
    cut.deploy_at(1, faults)
    expected = cut.everything()
    for fault in faults_of(faults.operations, killed_after, reset):
        cut.destroy()
        what = disturbed(lambda faults: cut.deploy_at(1, faults), fault)
        cut.deploy_at(1)
        assert unlike(cut.everything(), expected) == {}, what
        assert cut.plan().changes == (), what


def test_an_update(cut: Cut) -> None:
    cut.deploy_at(1)
    faults = Faults()
    cut.deploy_at(2, faults)
    expected = cut.everything()
    for fault in faults_of(faults.operations, reset):
        cut.deploy_at(1)
        what = disturbed(lambda faults: cut.deploy_at(2, faults), fault)
        cut.deploy_at(2)
        assert unlike(cut.everything(), expected) == {}, what


def test_a_change_of_code(cut: Cut) -> None:
    cut.deploy_at(2)
    faults = Faults()
    cut.deploy_at(3, faults)
    expected = cut.everything()
    for fault in faults_of(faults.operations, reset):
        cut.deploy_at(2)
        what = disturbed(lambda faults: cut.deploy_at(3, faults), fault)
        cut.deploy_at(3)
        assert unlike(cut.everything(), expected) == {}, what


def test_a_destroy(cut: Cut) -> None:
    empty = cut.everything()
    cut.deploy_at(2)
    faults = Faults()
    cut.destroy(faults)
    for fault in faults_of(faults.operations, reset):
        cut.deploy_at(2)
        what = disturbed(cut.destroy, fault)
        cut.destroy()
        assert unlike(cut.everything(), empty) == {}, what
        assert cut.destroy(delete_data=False) == [], what


def test_every_operation_that_is_refused_once_is_only_slower(cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    refused: set[str] = set()
    lock = threading.Lock()
    busy = [
        exceptions.ServiceUnavailable("the service is unavailable"),
        exceptions.TooManyRequests("Quota exceeded for quota metric 'Write requests' and limit 'per minute'"),
    ]

    def around(operation: str, send: Callable[[], Any]) -> Any:
        with lock:
            first = operation not in refused
            refused.add(operation)
            refusal = busy[len(refused) % 2]
        if first:
            raise refusal
        return send()

    for version in (1, 2, 3):
        cut.deploy_at(version, around)
        assert cut.plan().changes == ()
    cut.destroy(around)
    assert {"CreateFunction", "UpdateFunction", "SetIamPolicy", "storage.POST b", "DeleteTopic"} <= refused


SCRIPT = """
import os, signal, sys
from pathlib import Path

sys.path.insert(0, {folder!r})
from faasbridge.simulation.servers import Server
from test_interrupted import Cut, answered

def deadly(operation, send):
    if operation == {operation!r}:
        answered(send)
        os.kill(os.getpid(), signal.SIGKILL)
    return send()

{command}
"""


@pytest.mark.parametrize(
    ("operation", "command"),
    [
        ("CreateFunction", "cut.deploy_at(1, deadly)"),
        ("UpdateFunction", "cut.deploy_at(3, deadly)"),
        ("DeleteFunction", "cut.destroy(deadly)"),
    ],
)
def test_a_process_that_is_killed(cut: Cut, operation: str, command: str) -> None:
    empty = cut.everything()
    if operation != "CreateFunction":
        cut.deploy_at(2)
    made = f"cut = Cut({cut.server!r}, 'cut', Path({str(cut.root)!r}))\n"
    script = SCRIPT.format(folder=str(Path(__file__).parent), operation=operation, command=made + command)
    ended = subprocess.run(
        [sys.executable, "-c", script], env=os.environ, capture_output=True, timeout=100, check=False
    )
    assert ended.returncode == -9, ended.stderr.decode()
    if operation == "DeleteFunction":
        cut.destroy()
        assert cut.everything() == empty
    else:
        cut.deploy_at(1 if operation == "CreateFunction" else 3)
        assert cut.plan().changes == ()
