"""The deployer stopped at every call that it makes to Azure: the same command again ends as if nothing had been.

Each distinct operation is hit where it occurs first and where it occurs last, at a deployment's beginning and at its
end; those that are asked until something has ended, twice at the beginning, since how often is a matter of time. With
FAASBRIDGE_EVERY_CALL set it is every call, one after the other.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport

from faasbridge.errors import DeployError
from faasbridge.simulation.servers import Server

sys.path.insert(0, str(Path(__file__).parent))
from deploying import CODE, Deployment, Quick, artifact_of, function, queue, template, until, vault


class Killed(BaseException):
    """No code may catch it: what a process does that is killed, as far as a process can do that to itself."""


Act = Callable[[Callable[[], Any]], Any]


class Faults:
    """Notes requests, and disturbs the one of that operation that is the `number`th."""

    def __init__(self, operation: str = "", number: int = 0, act: Act | None = None) -> None:
        self.operations: list[str] = []
        self.happened = False
        self._lock = threading.Lock()
        self._where = operation, number
        self._act = act

    def sent(self, request: Any, send: Callable[[], Any]) -> Any:
        operation = operation_of(request)
        with self._lock:
            self.operations.append(operation)
            number = self.operations.count(operation)
        if self._act is not None and (operation, number) == self._where:
            self.happened = True
            return self._act(send)
        return send()


class Disturbed(RequestsTransport):
    def __init__(self, faults: Faults, ca: str) -> None:
        super().__init__(connection_verify=ca)
        self._faults = faults

    def send(self, request: Any, **options: Any) -> Any:
        return self._faults.sent(request, lambda: super(Disturbed, self).send(request, **options))


def operation_of(request: Any) -> str:
    """`PUT deploymentStacks`: the method, and what it is sent to, without names and ids."""
    path = request.url.partition("?")[0].partition("://")[2].partition("/")[2]
    kinds = "subscriptions|[rR]esource[gG]roups|locations|deploymentStacks|deployments|sites|deletedVaults|operations"
    words = re.sub(rf"({kinds})/[^/]+", r"\1", path).strip("/").split("/")
    return f"{request.method} {words[-1]}"


def killed_before(send: Callable[[], Any]) -> Any:
    if threading.current_thread().name.startswith("LROPoller"):
        raise ServiceResponseError("killed")  # the SDK's own thread, which tells the caller of errors only
    raise Killed


def killed_after(send: Callable[[], Any]) -> Any:
    send()
    raise Killed


def reset(send: Callable[[], Any]) -> Any:
    """Azure did it, and nobody learned so."""
    send()
    raise ServiceResponseError("Connection aborted.")


class Cut(Deployment):
    """The app at version 1, 2 or 3; 3 is 2 with other code."""

    def of(self, version: int) -> None:
        more = [] if version == 1 else [queue("more")]
        self.template = template(self.group, function(), queue("jobs"), vault(), *more)
        self.code = CODE.replace('"one"', f'"{version}"')

    def do(self, version: int, faults: Faults | None = None) -> None:
        """Version 0 is none: a destroy."""
        deployer = self.deployer(self.clients if faults is None else self.disturbed(faults))
        if not version:
            list(deployer.destroy(delete_data=True))
            return
        self.of(version)
        path = self.root / f"{version}.zip"
        list(deployer.apply(deployer.plan(self.spec, artifact_of(path, self.code))))

    def disturbed(self, faults: Faults) -> Quick:
        return Quick(self.server, transport=Disturbed(faults, self.server.details["ca"]), retry_total=0)

    def planned(self, version: int) -> Any:
        self.of(version)
        return self.deployer().plan(self.spec, artifact_of(self.root / f"{version}.zip", self.code)).changes

    def everything(self) -> dict[str, Any]:
        """What is in the subscription, without what Azure makes up."""
        group = self.send("GET", f"/resourceGroups/{self.group}")
        found = self.send("GET", f"/resourceGroups/{self.group}/resources").json().get("value", [])
        deleted = self.send("GET", "/providers/Microsoft.KeyVault/deletedVaults").json()["value"]
        stack = self.stack()
        properties = stack.get("properties", {})
        return {
            "group": group.status_code,
            "resources": sorted((each["id"], str(sorted((each.get("tags") or {}).items()))) for each in found),
            "managed": sorted(each["id"] for each in properties.get("resources", ())),
            "state": properties.get("provisioningState"),
            "tags": stack.get("tags"),
            "deleted": [each["name"] for each in deleted],
        }

    def quiet(self) -> None:
        """What a killed command began goes on at Azure; comparing has to wait for it."""
        ended = (None, "succeeded", "failed", "canceled")
        until(lambda: self.stack().get("properties", {}).get("provisioningState") in ended)


@pytest.fixture
def cut(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cut]:
    monkeypatch.setattr("faasbridge_azure.deploying.rollout._lint", lambda planned: None)
    cut = Cut(server, "cut", tmp_path, monkeypatch)
    cut.do(0)
    yield cut
    cut.do(0)


WRITES = ("PUT", "PATCH", "POST", "DELETE")
READS = ("POST whatIf", "POST exportTemplate")
SURE = {"GET deploymentStacks": 2, "GET operations": 1, "GET deployments": 1}
EVERY_CALL = bool(os.environ.get("FAASBRIDGE_EVERY_CALL"))
Fault = tuple[str, int, Act]


def faults_of(operations: list[str], *, writes_only: bool = False) -> list[Fault]:
    """A read is killed before it is sent; a write after Azure did it, and its answer is lost besides."""
    found: list[Fault] = []
    for name, count in Counter(operations).items():
        chosen = {1, min(count, SURE.get(name, count))}
        for number in range(1, count + 1) if EVERY_CALL else sorted(chosen):
            if name.startswith(WRITES) and name not in READS:
                found += [(name, number, killed_after), (name, number, reset)]
            elif not writes_only:
                found.append((name, number, killed_before))
    return found


def disturbed(cut: Cut, before: int, version: int, fault: Fault) -> str:
    """From `before` on does it until the fault, which must happen; says what was hit. How often Azure is asked whether
    it is done is a matter of time, so that it may take another try."""
    name, number, act = fault
    for _ in range(3):
        cut.do(before)
        faults = Faults(*fault)
        with suppress(Killed, DeployError):
            cut.do(version, faults)
        if faults.happened or name not in SURE:
            break
    assert faults.happened or (EVERY_CALL and name in SURE), (name, number)
    return f"{act.__name__} at {name}, the {number}."


def undisturbed(cut: Cut, version: int, before: int = 0) -> tuple[dict[str, Any], list[str]]:
    """What is in the subscription in the end, and the calls that it took."""
    if before:
        cut.do(before)
    faults = Faults()
    cut.do(version, faults)
    return cut.everything(), faults.operations


def test_a_first_deployment(cut: Cut) -> None:
    expected, operations = undisturbed(cut, 1)
    for fault in faults_of(operations):
        what = disturbed(cut, 0, 1, fault)
        cut.do(1)
        assert cut.everything() == expected, what
        assert cut.planned(1) == (), what
    assert cut.answer() == "1"


def test_an_update(cut: Cut) -> None:
    expected, operations = undisturbed(cut, 2, before=1)
    for fault in faults_of(operations):
        what = disturbed(cut, 1, 2, fault)
        cut.do(2)
        assert cut.everything() == expected, what
        assert cut.planned(2) == (), what
    assert cut.answer() == "2"


def test_a_change_of_code(cut: Cut) -> None:
    expected, operations = undisturbed(cut, 3, before=2)
    for fault in faults_of(operations, writes_only=True):
        what = disturbed(cut, 2, 3, fault)
        assert cut.planned(2) or fault[0] == "PATCH sites", f"{what}: nobody knows what runs"
        cut.do(3)
        assert cut.everything() == expected, what
    assert cut.answer() == "3"


def test_a_destroy(cut: Cut) -> None:
    empty = cut.everything()
    cut.do(1)
    faults = Faults()
    cut.do(0, faults)
    for fault in faults_of(faults.operations):
        what = disturbed(cut, 1, 0, fault)
        cut.do(0)
        assert cut.everything() == empty, what
        assert list(cut.deployer().destroy()) == [], what


def test_every_operation_throttled_once_is_only_slower(cut: Cut) -> None:
    throttled: set[str] = set()
    harmless = f"{cut.server.details['address']}/subscriptions?api-version=2022-12-01"

    class Throttle(RequestsTransport):
        def send(self, request: Any, **options: Any) -> Any:
            operation = operation_of(request)
            if operation in throttled:
                return super().send(request, **options)
            throttled.add(operation)
            # What is throttled is not done.
            instead = type(request)("GET", harmless, headers={"Authorization": "Bearer owner"})
            answer = super().send(instead, **options)
            answer.status_code = 429
            answer.internal_response.status_code = 429
            answer.headers["Retry-After"] = "0.01"
            return answer

    transport = Throttle(connection_verify=cut.server.details["ca"])
    cut.clients = Quick(cut.server, transport=transport, retry_backoff_factor=0.01)
    for version in (1, 2, 3):
        cut.do(version)
        assert cut.planned(version) == ()
    assert cut.answer() == "3"
    cut.do(0)
    reads = {"GET deploymentStacks", "GET operations", "GET deployments"}
    writes = {"PUT resourcegroups", "PUT deploymentStacks", "POST publish", "PATCH sites", "DELETE deploymentStacks"}
    assert reads | writes | {"POST whatIf", "POST purge", "DELETE resourcegroups"} <= throttled


SCRIPT = """
import os, signal, sys
from pathlib import Path

import pytest

sys.path.insert(0, {folder!r})
from faasbridge.simulation.servers import Server
from test_interrupted import Cut, Faults

class Deadly(Faults):
    def sent(self, request, send):
        answer = send()
        from test_interrupted import operation_of
        if operation_of(request) == {operation!r}:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

with pytest.MonkeyPatch.context() as patch:
    patch.setattr("faasbridge_azure.deploying.rollout._lint", lambda planned: None)
    server = Server(0, "", "", "", {details!r})
    Cut(server, "cut", Path({root!r}), patch).do({version}, Deadly())
"""


@pytest.mark.parametrize(
    ("operation", "version"),
    [("PUT deploymentStacks", 1), ("POST publish", 3), ("DELETE deploymentStacks", 0)],
)
def test_a_process_that_is_killed(cut: Cut, tmp_path: Path, operation: str, version: int) -> None:
    empty = cut.everything()
    if version != 1:
        cut.do(2)
    script = SCRIPT.format(
        folder=str(Path(__file__).parent),
        operation=operation,
        details=dict(cut.server.details),
        root=str(tmp_path),
        version=version,
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], env=os.environ, capture_output=True, timeout=100, check=False
    )
    assert ended.returncode == -9, ended.stderr.decode()
    cut.do(version)
    if version:
        assert cut.planned(version) == ()
    else:
        assert cut.everything() == empty
