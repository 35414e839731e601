"""A worker: one function's modules only, its output in order and by invocation, its faults said once and clearly."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faasbridge.local.frames import Decoder, pack


def test_frames_survive_any_cutting() -> None:
    frames: list[tuple[dict[str, Any], bytes]] = [
        ({"t": "a", "ü": [1, None]}, b""),
        ({}, bytes(range(256)) * 40),
        ({"x": "y" * 5000}, b"z"),
    ]
    stream = b"".join(pack(header, body) for header, body in frames)
    for size in (1, 2, 7, 1000, len(stream)):
        decoder = Decoder()
        cut = [stream[i : i + size] for i in range(0, len(stream), size)]
        assert [frame for part in cut for frame in decoder.feed(part)] == frames


def test_text_that_is_no_valid_unicode_arrives_as_its_escape() -> None:
    ((header, _),) = Decoder().feed(pack({"ü\udc80": ["\\\ud83d", "🍵"]}))
    assert header == {"ü\\udc80": ["\\\\ud83d", "🍵"]}


def test_a_worker_starts_with_the_standard_library_and_without_what_is_slow() -> None:
    code = "import sys, faasbridge.local.worker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    slow = {
        "asyncio",
        "socket",
        "typing",
        "dataclasses",
        "inspect",
        "starlette",
        "uvicorn",
        "watchfiles",
        "rich",
        "typer",
        "subprocess",
    }
    assert slow.isdisjoint(loaded)


def test_only_the_modules_of_the_function_are_imported(local: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "app0"
    folder.mkdir()
    (folder / "one.py").write_text(
        "import sys\nfrom main import app\nfrom faasbridge import Reply, Request\n"
        "@app.get('/')\ndef home(request: Request) -> Reply:\n    return sorted(m for m in sys.modules if m in "
        "('one', 'two'))\n"
    )
    (folder / "two.py").write_text(
        "import sys\nfrom main import jobs, seen\nfrom faasbridge import Message\n"
        "@jobs.on_message(uses=[seen.put])\ndef work(message: Message) -> None:\n"
        "    seen.put({'id': 'modules', 'names': sorted(m for m in sys.modules if m in ('one', 'two'))})\n"
    )
    app = local('jobs = app.queue("jobs")\napp.include("one", "two")\n')
    assert app.json("GET", "/") == ["one"]
    app.queue("jobs").send("x")
    app.settle()
    assert app.rows()["modules"]["names"] == ["two"]


def test_output_comes_in_order_with_its_invocation(local: Callable[..., Any]) -> None:
    app = local(
        """
        import logging
        log = logging.getLogger("mine")
        jobs = app.queue("jobs")
        @jobs.on_message
        def work(message: Message) -> None:
            print("one", message.text())
            log.warning("two %s", message.text())
            print("three", message.text(), file=sys.stderr)
            print("four", end="")
            try:
                1 / 0
            except ZeroDivisionError:
                log.exception("five")
        """
    )
    app.queue("jobs").send_many(["a", "b"])
    app.settle()
    by_invocation: dict[str, list[tuple[str, str]]] = {}
    for line in app.simulator.logs():
        by_invocation.setdefault(line.invocation, []).append((line.level, line.text.split("\n")[0]))
    assert sorted(by_invocation.values()) == [
        [("out", f"one {x}"), ("warning", f"two {x}"), ("err", f"three {x}"), ("error", "five"), ("out", "four")]
        for x in "ab"
    ]
    assert "ZeroDivisionError" in app.log_text("work")


def test_what_c_code_and_children_write_is_in_the_log(local: Callable[..., Any], until: Callable[..., None]) -> None:
    app = local(
        """
        @app.get("/")
        def home(request: Request) -> Reply:
            os.write(2, b"raw text\\n")
            os.system("echo from a child")
            sys.stdout.buffer.write(b"bytes\\n")
            return "ok"
        """
    )
    assert app.http("GET", "/")[0] == 200
    until(lambda: all(text in app.log_text("http") for text in ("raw text", "from a child", "bytes")), "the raw output")


def test_a_crash_leaves_its_traceback_in_the_log(local: Callable[..., Any]) -> None:
    app = local(
        """
        jobs = app.queue("jobs")
        @jobs.on_message(max_attempts=1)
        def work(message: Message) -> None:
            import ctypes
            ctypes.string_at(0)
        """
    )
    app.queue("jobs").send("x")
    app.settle()
    assert "Segmentation fault" in app.log_text("work")
    assert "in work" in app.log_text("work")


def test_a_function_may_use_the_memory_it_asked_for_and_not_much_more(local: Callable[..., Any]) -> None:
    app = local(
        """
        small = app.queue("small")
        large = app.queue("large")
        @small.on_message(max_attempts=1, memory_mb=128)
        def little(message: Message) -> None:
            bytearray(600 * 1024 * 1024)
        @large.on_message(max_attempts=1, memory_mb=1024, uses=[seen.put])
        def much(message: Message) -> None:
            bytearray(600 * 1024 * 1024)
            seen.put({"id": "done"})
        """
    )
    app.queue("small").send("x")
    app.queue("large").send("x")
    app.settle()
    assert "MemoryError" in app.simulator.dead_letters("little")[0].reason
    assert app.simulator.dead_letters("much") == []


def test_an_api_out_of_memory_answers_and_goes_on_in_a_new_process(local: Callable[..., Any]) -> None:
    app = local(
        """
        @app.get("/pid")
        def pid(request: Request) -> Reply:
            return str(os.getpid())
        @app.get("/fail")
        def fail(request: Request) -> Reply:
            raise ValueError
        @app.get("/eat")
        def eat(request: Request) -> Reply:
            return str(len(bytearray(1 << 40)))
        """
    )
    before = app.http("GET", "/pid")[2]
    assert app.http("GET", "/fail")[0] == 500
    assert app.http("GET", "/pid")[2] == before
    assert app.http("GET", "/eat")[0] == 500
    assert app.http("GET", "/pid")[2] != before


def test_a_cancellation_is_a_failure_like_any_other(local: Callable[..., Any]) -> None:
    app = local(
        """
        import asyncio
        jobs = app.queue("jobs")
        @app.get("/")
        def home(request: Request) -> Reply:
            raise asyncio.CancelledError("by a library")
        @app.get("/async")
        async def ahome(request: Request) -> Reply:
            raise asyncio.CancelledError
        @app.get("/pid")
        def pid(request: Request) -> Reply:
            return str(os.getpid())
        @jobs.on_message(max_attempts=2)
        def work(message: Message) -> None:
            raise asyncio.CancelledError("by a library")
        """
    )
    before = app.http("GET", "/pid")[2]
    for path in ("/", "/async"):
        status, _, content = app.http("GET", path)
        assert (status, json.loads(content)["error"]) == (500, "Internal Server Error")
    assert app.http("GET", "/pid")[2] == before
    assert "CancelledError: by a library" in app.log_text("http")
    app.queue("jobs").send("x")
    app.settle()
    (letter,) = app.simulator.dead_letters("work")
    assert (letter.attempts, letter.reason) == (2, "CancelledError: by a library")


def test_a_function_that_cannot_be_imported_keeps_its_events_and_is_said_once(
    local: Callable[..., Any], tmp_path: Path
) -> None:
    app = local(
        """
        jobs = app.queue("jobs")
        if app_is_broken():
            raise RuntimeError("not on this machine")
        @jobs.on_message(max_attempts=1, uses=[seen.put])
        def work(message: Message) -> None:
            seen.put({"id": message.text()})
        """.replace("app_is_broken()", 'os.path.exists("broken")')
    )
    (app.root / "broken").write_text("")
    app.queue("jobs").send("x")
    with pytest.raises(TimeoutError, match=r"work cannot be loaded: .*main.py:\d+.*RuntimeError: not on this machine"):
        app.settle(10)
    (app.root / "broken").unlink()
    app.simulator.client.call("POST", "reload")
    app.settle()
    assert list(app.rows()) == ["x"]
    assert app.simulator.dead_letters("work") == []
    assert app.log_text("work").count("RuntimeError: not on this machine") == 1


def test_an_app_in_src_is_found_and_runs_in_the_project_folder(local: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "app0"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "inner.py").write_text("VALUE = 42\n")
    app = local(
        """
        import inner
        @app.get("/")
        def home(request: Request) -> Reply:
            return {"value": inner.VALUE, "cwd": os.getcwd(), "env": os.environ["SIZE"]}
        """,
        env={"SIZE": "7"},
    )
    assert app.json("GET", "/") == {"value": 42, "cwd": str(app.root), "env": "7"}


def test_children_of_a_handler_end_with_its_time_out(local: Callable[..., Any], until: Callable[..., None]) -> None:
    app = local(
        """
        jobs = app.queue("jobs")
        @jobs.on_message(max_attempts=1, timeout_s=1, uses=[seen.put])
        def work(message: Message) -> None:
            import subprocess
            child = subprocess.Popen(["sleep", "600"])
            seen.put({"id": "child", "pid": child.pid})
            child.wait()
        """
    )
    app.queue("jobs").send("x")
    app.settle()
    pid = app.rows()["child"]["pid"]
    until(
        lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), "the child's end"
    )
