"""What people get wrong: each gets one clear sentence, the right exit code and no traceback."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def said(ended: Any, code: int, *words: str) -> None:
    """That exit code, one `error:` with all of the words, and nothing that looks like a traceback."""
    assert ended.code == code, ended
    assert ended.err.startswith("error: "), ended.err
    assert ended.err.count("error: ") == 1
    assert "Traceback" not in ended.err
    assert "\033[" not in ended.err
    for word in words:
        assert word in ended.err, ended.err


def test_no_project_there(cli: Cli, tmp_path: Path) -> None:
    said(cli("check"), 1, "no pyproject.toml with [tool.faasbridge]", str(tmp_path), "faasbridge init NAME")


def test_a_folder_that_is_not_there(cli: Cli) -> None:
    said(cli("check", "nowhere"), 1, "there is no nowhere")
    said(cli("-C", "nowhere", "check"), 1, "there is no nowhere")


def test_no_such_module(cli: Cli, project: Path) -> None:
    said(cli("check", "--app", "shap.app:app", cwd=project), 1, "no module 'shap'", str(project))


def test_no_such_app_in_the_module(cli: Cli, project: Path) -> None:
    said(cli("check", "--app", "shop.app:ap", cwd=project), 1, "has no 'ap'", "did you mean 'app'?")


def test_an_app_reference_that_is_none(cli: Cli, project: Path) -> None:
    said(cli("check", "--app", "shop/app.py", cwd=project), 1, "--app", "'photos.app:app'")


def test_an_app_that_raises_while_importing(cli: Cli, project: Path) -> None:
    source = project / "shop" / "app.py"
    source.write_text(source.read_text() + "\n\nraise RuntimeError('no database')\n")
    line = len(source.read_text().splitlines())
    said(cli("check", cwd=project), 1, f"shop/app.py:{line}", "RuntimeError: no database")
    said(cli("dev", "--port", "0", cwd=project), 1, f"shop/app.py:{line}", "RuntimeError: no database")


def test_two_handlers_of_one_name(cli: Cli, project: Path) -> None:
    source = project / "shop" / "app.py"
    again = "\n\n@orders.on_message(name='packed')\ndef again(message: Message) -> None: ...\n"
    source.write_text(source.read_text() + again)
    said(cli("check", cwd=project), 1, "shop/app.py:", "'packed' is declared already at", "name=")


def test_a_port_in_use(cli: Cli, project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said(cli("dev", "--port", str(port), cwd=project), 1, f"{port}", "--port")


def test_a_port_that_is_none(cli: Cli, project: Path) -> None:
    said(cli("dev", "--port", "70000", cwd=project), 2, "--port", "65535")


def test_a_state_folder_that_cannot_be_written(cli: Cli, project: Path) -> None:
    (project / "file").write_text("")
    for command in (("dev", "--port", "0"), ("deploy", "--yes"), ("build",)):
        said(cli(*command, cwd=project, env={"FAASBRIDGE_STATE": str(project / "file" / "below")}), 1, "file/below")


def test_a_broken_pyproject_shows_the_line(cli: Cli, project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.faasbridge]\napp = "shop.app:app\n')
    said(cli("check", cwd=project), 1, "pyproject.toml:2", 'app = "shop.app:app')


def test_a_setting_that_does_not_exist(cli: Cli, project: Path) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text().replace("app =", 'target = ["aws"]\napp ='))
    said(cli("check", cwd=project), 1, "pyproject.toml:7", "'target'", "did you mean 'targets'?")


def test_an_unknown_provider(cli: Cli, project: Path) -> None:
    said(cli("deploy", "--provider", "locl", cwd=project), 1, "no provider 'locl'", "did you mean 'local'?")
    said(cli("plan", cwd=project, env={"FAASBRIDGE_PROVIDER": "locl"}), 1, "did you mean 'local'?")


def test_a_provider_that_is_not_installed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The test environment has them all, so this one runs in the test's own process with fewer.
    from faasbridge import cli as command_line
    from faasbridge import plugins

    monkeypatch.setattr(plugins, "providers", lambda: {"local": "faasbridge.local.provider:LocalProvider"})
    monkeypatch.setattr("sys.argv", ["faasbridge", "dev", str(project), "--provider", "aws"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 1
    assert "the provider 'aws' is not installed: pip install 'faasbridge[aws]'" in capsys.readouterr().err


def test_a_stage_name_that_no_vendor_takes(cli: Cli, project: Path) -> None:
    said(cli("deploy", "--stage", "Prod_1", "--yes", cwd=project), 1, "'Prod_1'", "a-z")


def test_a_payload_over_the_floor(cli: Cli, project: Path) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text() + 'targets = ["azure"]\n')
    script = "import shop.app; shop.app.orders.send(b'x' * 100_000)"
    ended = cli("run", "--", "python", "-c", script, cwd=project)
    assert ended.code == 1
    assert "PayloadTooLarge" in ended.err


def test_a_state_folder_of_a_newer_version(cli: Cli, project: Path) -> None:
    assert cli("run", "--", "python", "-c", "import shop.app; shop.app.orders.send(b'x')", cwd=project).code == 0
    (database,) = project.glob(".faasbridge/dev/state.db")
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 1000")
    connection.close()
    said(cli("dead-letters", "pack", cwd=project), 1, "newer")
    said(cli("dev", "--port", "0", cwd=project), 1, "newer")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk(cli: Cli, project: Path) -> None:
    ended = cli("run", "--", "sh", "-c", "exec python -m faasbridge manifest > /dev/full", cwd=project)
    said(ended, 1, "the disk is full", "make room")


def test_a_command_that_does_not_exist(cli: Cli) -> None:
    said(cli("depoly"), 2, "depoly", "deploy")


def test_an_option_that_does_not_exist(cli: Cli) -> None:
    said(cli("deploy", "--stge", "prod"), 2, "--stge", "faasbridge deploy --help")


def test_an_option_without_its_value(cli: Cli) -> None:
    said(cli("deploy", "--stage"), 2, "--stage")


def test_a_folder_given_twice(cli: Cli, project: Path) -> None:
    said(cli("check", str(project), "-C", str(project)), 2, "given twice")


@pytest.mark.parametrize("command", [("deploy",), ("destroy",), ("dead-letters", "pack", "--purge")])
def test_nobody_to_ask(cli: Cli, project: Path, command: tuple[str, ...]) -> None:
    assert cli("run", "--", "python", "-c", "import shop.app; shop.app.orders.send(b'x')", cwd=project).code == 0
    said(cli(*command, cwd=project), 2, "no terminal", "--yes")


def test_an_error_is_json_where_json_is_wanted(cli: Cli, project: Path) -> None:
    for command, code in (
        (("invoke", "pak", "--sample", "--json"), 1),
        (("--json", "deploy"), 2),
        (("--json", "depoly"), 2),
    ):
        ended = cli(*command, cwd=project)
        assert ended.code == code
        error = json.loads(ended.err)
        assert set(error) == {"error", "type", "exit"}
        assert error["exit"] == code


def test_debug_shows_the_traceback_and_the_sentence(cli: Cli) -> None:
    ended = cli("check", "--debug")
    assert ended.code == 1
    assert "Traceback" in ended.err
    assert ended.err.splitlines()[-1].startswith("error: no pyproject.toml")


def test_an_unknown_function(cli: Cli, project: Path) -> None:
    for command in (("invoke", "pak", "--sample"), ("logs", "pak"), ("dead-letters", "pak")):
        said(cli(*command, cwd=project), 1, "no function 'pak'", "did you mean 'pack'?")


def test_events_that_are_none(cli: Cli, project: Path) -> None:
    said(cli("invoke", "pack", cwd=project), 2, "--event FILE", "--sample")
    said(cli("invoke", "pack", "--event", "missing.json", cwd=project), 1, "no file missing.json", "--sample")
    said(cli("invoke", "pack", "--event", "-", cwd=project, stdin="{"), 1, "standard input is no JSON")
    said(cli("invoke", "pack", "--event", "-", cwd=project, stdin='{"kind": "letter"}'), 1, "kind", "message")
    said(cli("invoke", "http", "--event", "-", cwd=project, stdin='{"kind": "http", "body": 5}'), 1, "body is a string")
    surrogate = '{"kind": "message", "subject": "\\ud800"}'
    said(cli("invoke", "pack", "--event", "-", cwd=project, stdin=surrogate), 1, "standard input", "lone surrogate")
    (project / "latin.json").write_bytes('{"kind": "message", "body": "é"}'.encode("latin-1"))
    said(cli("invoke", "pack", "--event", "latin.json", cwd=project), 1, "latin.json is not UTF-8 text")
    (project / "deep.json").write_text("[" * 100_000)
    said(cli("invoke", "pack", "--event", "deep.json", cwd=project), 1, "deep.json is nested too deeply")


def test_an_event_that_the_function_is_never_given(cli: Cli, project: Path) -> None:
    for name, kind, words in (
        ("pack", "http", "pack takes a Message, not a Request"),
        ("http", "message", "http takes a Request, not a Message"),
        ("packed", "message", "packed takes a BlobEvent, not a Message"),
    ):
        event = json.dumps({"kind": kind})
        ended = cli("invoke", name, "--event", "-", cwd=project, stdin=event)
        said(ended, 1, words, f"`faasbridge invoke {name} --sample --show` prints one")


def test_nothing_runs_yet(cli: Cli, project: Path) -> None:
    said(cli("url", cwd=project), 1, "no address", "faasbridge dev")
    said(cli("invoke", "pack", "--sample", cwd=project), 1, "not running", "faasbridge dev")


def test_dead_letters_of_an_api(cli: Cli, project: Path) -> None:
    said(cli("dead-letters", "http", cwd=project), 1, "HTTP")
    said(cli("dead-letters", "pack", "--replay", "--purge", cwd=project), 2, "exclude each other")


def test_time_spans_and_expressions_that_are_none(cli: Cli, project: Path) -> None:
    said(cli("logs", "--since", "yesterday", cwd=project), 2, "'yesterday'", "10m")
    said(cli("logs", "--grep", "(", cwd=project), 2, "--grep")


def test_secrets(cli: Cli, project: Path) -> None:
    said(cli("secrets", "set", "tokn", cwd=project, stdin="x"), 1, "no secret 'tokn'", "did you mean 'token'?")
    said(cli("secrets", "set", "token", cwd=project, stdin=""), 1, "empty", "unset")
    said(cli("secrets", "set", "token", "hunter2", cwd=project), 2, "hunter2")
    latin = "printf '\\351' | python -m faasbridge secrets set token"
    said(cli("run", "--", "sh", "-c", latin, cwd=project), 1, "standard input is not UTF-8 text", "base64")


def test_a_command_to_run_that_does_not_exist(cli: Cli, project: Path) -> None:
    said(cli("run", "--", "pythn", cwd=project), 1, "no command 'pythn'")
    said(cli("run", cwd=project), 2)


def test_a_simulated_deployment_where_there_is_no_simulator(cli: Cli, project: Path) -> None:
    said(cli("deploy", "--simulate", "--yes", cwd=project), 1, "no simulator", "--simulate")
