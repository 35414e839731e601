"""`faasbridge dev`: what it shows, what it reloads, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Starter = Callable[..., Any]
Cli = Callable[..., Any]


def url_in(text: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", text)
    assert found is not None, text
    return found[0]


def post(url: str, body: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, body.encode(), method="POST")) as response:
        return bytes(response.read())


def children(pid: int) -> list[int]:
    """All processes below that one."""
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [each for child in found for each in (child, *children(child))]


def test_the_start_shows_addresses_functions_triggers_and_rights(dev: Starter) -> None:
    text = dev().wait_for("Ctrl-C stops.")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "shop, stage dev on local"
    assert lines[1].startswith("http http://127.0.0.1:")
    assert "http 2 routes orders.send, token.get" in lines
    assert "pack message orders files.put" in lines
    assert "packed create files packed/*.txt -" in lines
    assert "changed change rows -" in lines
    assert "nightly 0 3 * * * Europe/Berlin -" in lines


def test_each_invocation_is_shown_with_its_log_below(dev: Starter) -> None:
    running = dev()
    url = url_in(running.wait_for("Ctrl-C stops."))
    post(f"{url}/orders", "tea")
    text = running.wait_for("\n    packing tea", "\n    packed packed/")
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  http  POST /orders  [\d.]+ m?s  200$", text, re.MULTILINE), text
    assert re.search(r"^\S+  pack  message orders  [\d.]+ m?s  ok\n    packing tea$", text, re.MULTILINE), text
    assert re.search(r"^\S+  packed  create files\S*  [\d.]+ m?s  ok\n    packed packed/", text, re.MULTILINE), text
    assert "\033[" not in text


def test_an_answer_of_the_servers_own_is_shown_as_any_other(dev: Starter) -> None:
    running = dev()
    url = url_in(running.wait_for("Ctrl-C stops."))
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as connection:
        connection.sendall(b"POST /orders?x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 413"
    running.wait_for("413")
    post(f"{url}/orders", "tea")
    text = running.wait_for("\n    packed packed/")
    answers = re.findall(r"^\S+  http  POST /orders  [\d.]+ m?s  (.*)$", text, re.MULTILINE)
    assert answers == ["413", "200"]


def test_letters_that_the_terminal_has_not_are_shown_as_escapes(dev: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    running = dev()
    url = url_in(running.wait_for("Ctrl-C stops."))
    post(f"{url}/orders", "grün")
    running.wait_for("\n    packing gr\\xfcn", "\n    packed packed/")


def test_a_failure_says_why_and_what_becomes_of_the_event(dev: Starter) -> None:
    running = dev()
    url = url_in(running.wait_for("Ctrl-C stops."))
    post(f"{url}/orders", "bad")
    text = running.wait_for("now a dead letter")
    assert re.search(r"pack  message orders  .*rejected \(attempt 1\), now a dead letter: .*bad goods", text), text


def test_what_is_saved_answers_at_once(dev: Starter, project: Path) -> None:
    running = dev()
    url = url_in(running.wait_for("Ctrl-C stops."))
    source = project / "shop" / "app.py"
    source.write_text(source.read_text().replace('"ordered": True', '"ordered": "new"'))
    running.wait_for("reloaded in")
    assert json.loads(post(f"{url}/orders", "x")) == {"ordered": "new"}


def test_a_broken_save_is_explained_and_the_old_code_goes_on(dev: Starter, project: Path) -> None:
    running = dev()
    url = url_in(running.wait_for("Ctrl-C stops."))
    source = project / "shop" / "app.py"
    good = source.read_text()
    source.write_text(good + "\nbroken = (\n")
    text = running.wait_for("cannot reload", "was never closed")
    assert "shop/app.py" in text
    assert json.loads(post(f"{url}/orders", "x")) == {"ordered": True}
    source.write_text(good.replace('"ordered": True', '"ordered": "mended"'))
    running.wait_for("reloaded in")
    assert json.loads(post(f"{url}/orders", "x")) == {"ordered": "mended"}


def test_new_settings_count_at_once(dev: Starter, project: Path) -> None:
    source = project / "shop" / "app.py"
    source.write_text(
        source.read_text()
        .replace('{"ordered": True}', '{"ordered": os.environ.get("COLOUR")}')
        .replace("import log", "import os\nimport log")
    )
    running = dev()
    url = url_in(running.wait_for("Ctrl-C stops."))
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text() + '[tool.faasbridge.stages.dev.env]\nCOLOUR = "green"\n')
    running.wait_for("reloaded in")
    assert json.loads(post(f"{url}/orders", "x")) == {"ordered": "green"}


def test_no_reload(dev: Starter) -> None:
    assert "Saving a file" not in dev("--no-reload").wait_for("Ctrl-C stops.")


def test_json_is_one_object_a_line(dev: Starter, project: Path) -> None:
    running = dev("--json")
    started = json.loads(running.wait_for('"event": "functions"').splitlines()[0])
    assert started["event"] == "started"
    post(f"{started['urls']['http']}/orders", "tea")
    running.wait_for("packing tea", '"packed packed/')
    (project / "shop" / "more.py").write_text("")
    running.wait_for('"event": "reloaded"')
    assert running.interrupt() == 0
    events = [json.loads(line) for line in running.text().splitlines()]
    assert [event["event"] for event in events[:2]] == ["started", "functions"]
    assert [event["event"] for event in events[-2:]] == ["stopping", "stopped"]
    (packing,) = [event for event in events if event.get("function") == "pack"]
    assert packing["outcome"] == "ok"
    assert packing["lines"] == [{"level": "info", "text": "packing tea"}]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_no_process(dev: Starter, number: signal.Signals) -> None:
    running = dev()
    url = url_in(running.wait_for("Ctrl-C stops."))
    post(f"{url}/orders", "tea")
    running.wait_for("packing tea")
    below = children(running.process.pid)
    assert below
    running.process.send_signal(number)
    assert running.process.wait(60) == 0
    assert running.text().rstrip().endswith("Stopped.")
    assert "Traceback" not in running.text()
    assert not [pid for pid in below if os.path.exists(f"/proc/{pid}/exe")]


def test_a_signal_that_comes_twice_at_once_is_one(dev: Starter) -> None:
    running = dev()
    running.wait_for("Ctrl-C stops.")
    running.process.send_signal(signal.SIGTERM)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0
    assert running.text().rstrip().endswith("Stopped.")


SLOW = """
import time
from concurrent.futures import ThreadPoolExecutor
from faasbridge import pipeline
from faasbridge.cli import main


class Slow:
    def start(self): ...
    def stop(self): ...
    def endpoint(self, api): return "http://127.0.0.1:1"
    def logs(self): return []

    def update(self):
        print("deploying", flush=True)
        ThreadPoolExecutor().submit(time.sleep, 600).result()


pipeline.Target.simulator = lambda target: Slow()
main()
"""


def test_a_deployment_to_a_simulator_that_hears_of_no_end_is_left(dev: Starter, project: Path) -> None:
    running = dev("--provider", "aws", program=["-c", SLOW, "dev"])
    running.wait_for("Ctrl-C stops.")
    (project / "shop" / "more.py").write_text("")
    running.wait_for("deploying")
    assert running.interrupt() == 0
    text = running.text().rstrip()
    assert text.endswith("Stopping; the simulator keeps nothing for the next start.\nStopped."), text


def test_the_port_of_the_settings_counts_where_none_is_given(dev: Starter, cli: Cli, project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = project / "pyproject.toml"
        settings.write_text(settings.read_text() + f"[tool.faasbridge.stages.dev.local]\nport = {port}\n")
        ended = cli("dev", cwd=project)
        assert (ended.code, ended.out) == (1, "")
        assert f"port {port} is in use" in ended.err
        assert f":{port}" not in url_in(dev().wait_for("Ctrl-C stops."))  # which is started with --port


@pytest.mark.parametrize("setting", ['workers = "x"', "workers = 0", "port = 99999"])
def test_a_wrong_setting_is_one_sentence(cli: Cli, project: Path, setting: str) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text() + f"[tool.faasbridge.stages.dev.local]\n{setting}\n")
    for command in ("dev", "check", "deploy"):
        ended = cli(command, cwd=project)
        name, _, value = setting.partition(" = ")
        assert ended.code == 1, command
        said = ended.out if command == "check" else ended.err
        assert f"[tool.faasbridge.stages.dev.local]: {name} is a whole number" in said
        assert f"not {value}".replace('"', "'") in said
    assert not list((project / ".faasbridge").glob("*/deployed.json"))


def test_a_stage_runs_once(dev: Starter, project: Path) -> None:
    dev().wait_for("Ctrl-C stops.")
    second = dev()
    assert second.process.wait(60) == 1
    assert "already running" in second.text()
    assert "--stage" in second.text()


def test_it_stops_where_nobody_reads_it_any_more(project: Path) -> None:
    command = [sys.executable, "-m", "faasbridge", "dev", "--port", "0"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            assert any("Ctrl-C stops." in line for line in process.stdout)
            process.stdout.close()  # `| head`
            process.send_signal(signal.SIGINT)
            assert process.wait(30) in (0, 1)
        finally:
            process.kill()
