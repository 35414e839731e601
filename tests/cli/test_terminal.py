"""On a terminal: colours, questions, prompts without echo."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# What a shell runs in the background ignores Ctrl-C, and all its children with it; on a terminal nothing does.
PROGRAM = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("faasbridge", run_name="__main__")
"""


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, arguments: list[str], cwd: Path, env: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=cwd,
            env=env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.text = ""

    def wait_for(self, word: str) -> None:
        while word not in self.text:
            assert self._read(), f"{word!r} is not in {self.text!r}"

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def interrupt(self) -> int:
        """Ctrl-C until it ends: one that comes just before `input()` begins to wait is seen only with the next."""
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.5)
        return self.end()

    def end(self) -> int:
        while self._read():
            pass
        return self.process.wait(60)

    def _read(self) -> bool:
        if not select.select([self.master], [], [], 60)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other end is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)


@pytest.fixture
def terminal(project: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []
    names = ("PYTHONDONTWRITEBYTECODE", "NO_COLOR")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FAASBRIDGE_") and k not in names}

    def start(*arguments: str, **env: str) -> Terminal:
        opened.append(Terminal(list(arguments), project, {**inherited, "TERM": "xterm", "COLUMNS": "200", **env}))
        return opened[-1]

    yield start
    for each in opened:
        if each.process.poll() is None:
            os.killpg(each.process.pid, signal.SIGKILL)
            each.process.wait()
        os.close(each.master)


def test_errors_are_red_and_plain_where_colours_are_not_wanted(terminal: Callable[..., Terminal]) -> None:
    red = terminal("url", "-C", "/nowhere")
    assert red.end() == 1
    assert "\033[1;31merror:\033[0m there is no /nowhere" in red.text
    plain = terminal("url", "-C", "/nowhere", NO_COLOR="1")
    assert plain.end() == 1
    assert "\033[" not in plain.text


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("\n", 1), ("\x04", 1), ("maybe\nno\n", 1)])
def test_no_means_that_nothing_is_changed(
    terminal: Callable[..., Terminal], project: Path, answer: str, code: int
) -> None:
    asked = terminal("deploy")
    asked.wait_for("Deploy? [y/N]")
    asked.type(answer)
    assert asked.end() == code
    assert "Nothing was changed." in asked.text
    assert not list(project.glob(".faasbridge/*-deployed/deployed.json"))


def test_ctrl_c_at_the_question_says_what_to_do(terminal: Callable[..., Terminal]) -> None:
    asked = terminal("deploy")
    asked.wait_for("Deploy? [y/N]")
    assert asked.interrupt() == 130
    assert "interrupted" in asked.text
    assert "Traceback" not in asked.text


def test_a_secret_is_asked_for_and_not_echoed(
    terminal: Callable[..., Terminal], cli: Callable[..., Any], project: Path
) -> None:
    asked = terminal("secrets", "set", "token")
    asked.wait_for("Value of token:")
    asked.type("hunter2\n")
    assert asked.end() == 0
    assert "hunter2" not in asked.text
    script = "import shop.app; print(shop.app.token.get())"
    assert cli("run", "--", "python", "-c", script, cwd=project).out == "hunter2\n"
    assert json.loads(cli("check", "--json", cwd=project).out) == []


def test_dev_has_colours_and_ends_on_ctrl_c(terminal: Callable[..., Terminal]) -> None:
    running = terminal("dev", "--port", "0")
    running.wait_for("Ctrl-C stops.")
    assert "\033[36mhttp://127.0.0.1:" in running.text
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0
    assert "Stopped." in running.text
