"""Deploy, look after, destroy: on the local provider, for real."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def good(ended: Any) -> str:
    assert ended.code == 0, ended
    return str(ended.out)


@pytest.fixture
def deployed(cli: Cli, project: Path) -> Iterator[Path]:
    """The shop, deployed on a free port; destroyed when the test is over."""
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text() + "[tool.faasbridge.stages.dev.local]\nport = 0\n")
    good(cli("deploy", "--yes", cwd=project))
    good(cli("secrets", "set", "token", cwd=project, stdin="hunter2\n"))
    yield project
    good(cli("destroy", "--yes", "--delete-data", cwd=project))


def test_from_plan_to_destroy(cli: Cli, project: Path) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text() + "[tool.faasbridge.stages.dev.local]\nport = 0\n")
    plan = json.loads(good(cli("plan", "--json", cwd=project)))
    assert {(step["action"], step["kind"], step["name"]) for step in plan["steps"]} >= {
        ("create", "bucket", "files"),
        ("create", "function", "http"),
    }
    assert "nothing to change" not in good(cli("plan", cwd=project))
    try:
        text = good(cli("deploy", str(project), "--yes"))
        assert re.search(r"^created function pack", text, re.MULTILINE), text
        assert re.search(r"^http: http://127\.0\.0\.1:\d+$", text, re.MULTILINE), text
        assert "nothing to change" in good(cli("deploy", cwd=project))
        assert "local     dev" in good(cli("simulator", "list", cwd=project))
        status = json.loads(good(cli("status", "--json", cwd=project)))
        assert status["running"] is True
    finally:
        good(cli("destroy", "--yes", "--delete-data", cwd=project))
    assert "nothing to destroy" in good(cli("destroy", "--yes", cwd=project))
    assert good(cli("simulator", "list", cwd=project)) == "Nothing is running.\n"


def test_a_changed_app_is_updated(cli: Cli, deployed: Path) -> None:
    source = deployed / "shop" / "app.py"
    source.write_text(source.read_text().replace('"number": number', '"number": number + 1'))
    assert "~ update  function  http" in good(cli("deploy", "--yes", cwd=deployed))
    answer = json.loads(
        good(cli("invoke", "http", "--event", "-", cwd=deployed, stdin='{"kind": "http", "path": "/orders/1"}'))
    )
    assert answer["status"] == 200
    assert json.loads(answer["body"])["number"] == 2


def test_url_is_alone_on_its_line(cli: Cli, deployed: Path) -> None:
    url = good(cli("url", cwd=deployed))
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+\n", url)
    assert json.loads(good(cli("url", "http", "--json", cwd=deployed))) == {"http": url.strip()}
    missing = cli("url", "htp", cwd=deployed)
    assert missing.code == 1
    assert "did you mean 'http'?" in missing.err


def test_every_function_takes_its_sample(cli: Cli, deployed: Path) -> None:
    for name in ("http", "pack", "packed", "changed", "nightly"):
        ended = cli("invoke", name, "--sample", "--json", cwd=deployed)
        assert ended.code == 0, ended
        json.loads(ended.out)


def test_a_sample_can_be_shown_changed_and_sent(cli: Cli, deployed: Path, tmp_path: Path) -> None:
    sample = json.loads(good(cli("invoke", "packed", "--sample", "--show", cwd=deployed)))
    assert (sample["kind"], sample["bucket"], sample["key"]) == ("blob", "files", "packed/sample.txt")
    (tmp_path / "event.json").write_text(json.dumps({**sample, "key": "packed/mine.txt"}))
    good(cli("invoke", "packed", "--event", str(tmp_path / "event.json"), cwd=deployed))
    assert "packed packed/mine.txt" in good(cli("logs", "packed", cwd=deployed))


def test_a_handler_that_fails_is_the_users_fault(cli: Cli, deployed: Path) -> None:
    event = json.dumps({"kind": "message", "body": "bad"})
    ended = cli("invoke", "pack", "--event", "-", cwd=deployed, stdin=event)
    assert ended.code == 1
    assert "bad goods" in ended.err


def test_an_invocation_can_show_what_it_wrote(cli: Cli, deployed: Path) -> None:
    ended = cli("invoke", "packed", "--sample", "--log", cwd=deployed)
    assert ended.code == 0
    assert "packed packed/sample.txt" in ended.err
    assert "packed packed/sample.txt" not in cli("invoke", "packed", "--sample", cwd=deployed).err


def test_an_invocation_need_not_be_waited_for(cli: Cli, deployed: Path) -> None:
    assert good(cli("invoke", "packed", "--sample", "--async", cwd=deployed)).startswith("packed was started")
    deadline = time.monotonic() + 30
    while "packed packed/sample.txt" not in good(cli("logs", "packed", cwd=deployed)):
        assert time.monotonic() < deadline
    assert cli("invoke", "packed", "--sample", "--async", "--log", cwd=deployed).code == 2


def test_logs_are_chosen_by_function_and_expression(cli: Cli, deployed: Path) -> None:
    good(cli("invoke", "packed", "--sample", cwd=deployed))
    lines = [
        json.loads(line) for line in good(cli("logs", "--json", "--grep", r"sample\.txt$", cwd=deployed)).splitlines()
    ]
    assert [(line["function"], line["text"]) for line in lines] == [("packed", "packed packed/sample.txt")]
    ended = cli("logs", "--function", "pack", "--grep", "packed", "--since", "10m", cwd=deployed)
    assert (ended.code, ended.out, ended.err) == (0, "", "pack wrote no such line in the last 10m.\n")


def test_dead_letters_are_listed_replayed_and_purged(cli: Cli, deployed: Path) -> None:
    assert "no dead letters" in good(cli("dead-letters", "pack", cwd=deployed))
    script = """
import time
from shop.app import orders
for body in ("bad", "bad", "bad"):
    orders.send(body)
"""
    good(cli("run", "--", "python", "-c", script, cwd=deployed))
    letters = waited_for(cli, deployed, 3)
    assert "bad goods" in letters[0]["reason"]
    table = good(cli("dead-letters", "pack", cwd=deployed))
    assert "3 dead letters of pack" in table
    first = letters[0]["id"]
    assert "1 dead letter of pack thrown away" in good(
        cli("dead-letters", "pack", "--purge", "--id", first, "--yes", cwd=deployed)
    )
    assert cli("dead-letters", "pack", "--replay", "--id", "nonsense", cwd=deployed).code == 1
    assert json.loads(good(cli("dead-letters", "pack", "--replay", "--json", cwd=deployed))) == {
        "function": "pack",
        "replayed": 2,
    }
    waited_for(cli, deployed, 2)
    good(cli("dead-letters", "pack", "--purge", "--yes", cwd=deployed))
    assert json.loads(good(cli("dead-letters", "pack", "--json", cwd=deployed))) == []


def waited_for(cli: Cli, project: Path, number: int) -> list[dict[str, Any]]:
    for _ in range(50):
        letters: list[dict[str, Any]] = json.loads(good(cli("dead-letters", "pack", "--json", cwd=project)))
        if len(letters) == number:
            return letters
    raise AssertionError(letters)


def test_secrets_are_set_listed_and_unset_without_being_shown(cli: Cli, deployed: Path) -> None:
    assert json.loads(good(cli("secrets", "list", "--json", cwd=deployed))) == {"token": True}
    answer = cli("invoke", "http", "--event", "-", cwd=deployed, stdin='{"kind": "http", "path": "/orders/1"}')
    assert json.loads(json.loads(good(answer))["body"])["token"] == "hunter2"
    good(cli("secrets", "unset", "token", cwd=deployed))
    text = good(cli("secrets", "list", cwd=deployed))
    assert "missing" in text
    assert "hunter2" not in text


def test_a_deployment_is_looked_after_while_its_source_is_broken(cli: Cli, deployed: Path) -> None:
    source = deployed / "shop" / "app.py"
    source.write_text(source.read_text() + "\ndef (\n")
    assert cli("check", cwd=deployed).code == 1
    bad = json.dumps({"kind": "message", "body": "bad"})
    assert "bad goods" in cli("invoke", "pack", "--event", "-", cwd=deployed, stdin=bad).err
    assert "packing bad" in good(cli("logs", "pack", cwd=deployed))
    assert "no dead letters" in good(cli("dead-letters", "pack", cwd=deployed))
    good(cli("secrets", "set", "token", cwd=deployed, stdin="hunter3\n"))
    for command in (("dead-letters", "pak"), ("invoke", "pak", "--event", "-")):
        assert "no function 'pak'; did you mean 'pack'?" in cli(*command, cwd=deployed, stdin=bad).err
    assert "shop/app.py" in cli("secrets", "set", "tokn", cwd=deployed, stdin="x").err
    assert "shop/app.py" in cli("invoke", "pack", "--sample", cwd=deployed).err


def test_run_binds_the_resources_and_gives_back_the_exit_code(cli: Cli, deployed: Path, tmp_path: Path) -> None:
    script = tmp_path / "fill.py"
    script.write_text(
        "import sys\nfrom shop.app import files, rows\n"
        "rows.put({'id': 'a', 'at': '1'})\nprint(rows.get('a', '1'), list(files.list()))\nsys.exit(7)\n"
    )
    ended = cli("run", "--", "python", str(script), "--json", cwd=deployed)
    assert ended.code == 7
    assert ended.out == "{'id': 'a', 'at': '1'} []\n"


def test_shell_has_the_resources_in_scope(cli: Cli, deployed: Path) -> None:
    ended = cli(
        "shell",
        cwd=deployed,
        stdin="rows.put({'id': 'b', 'at': '2'})\nprint('row', rows.get('b', '2'))\napp.app_name\n",
    )
    assert ended.code == 0
    assert "row {'id': 'b', 'at': '2'}" in ended.out
    assert "'shop'" in ended.out
    assert "shop, stage dev on local: app, files, orders, rows, token" in ended.err


def test_simulator_stop_ends_a_server(cli: Cli, deployed: Path) -> None:
    other = good(cli("simulator", "stop", "--provider", "aws", cwd=deployed))
    assert other == "Nothing of that provider and stage is running.\n"
    assert re.fullmatch(r"Stopped stage dev on local, pid \d+\.\n", good(cli("simulator", "stop", cwd=deployed)))
    assert good(cli("simulator", "list", cwd=deployed)) == "Nothing is running.\n"
    assert "update  server" in good(cli("deploy", "--yes", cwd=deployed))


def test_a_veto_a_policy_and_the_news_of_a_deployment(cli: Cli, project: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "site" / "policy.py"
    plugin.parent.mkdir()
    plugin.write_text(
        "from dataclasses import replace\nfrom pathlib import Path\nfrom faasbridge.hookspecs import hookimpl\n\n"
        "@hookimpl\ndef faasbridge_prepare_spec(spec, stage):\n"
        "    return replace(spec, functions=tuple(replace(f, memory_mb=333) for f in spec.functions))\n\n"
        "@hookimpl\ndef faasbridge_before_deploy(plan, stage):\n"
        "    return 'prod is frozen until Monday' if stage.name == 'prod' else None\n\n"
        "@hookimpl\ndef faasbridge_after_deploy(outcome, stage):\n"
        f"    Path({str(tmp_path / 'told')!r}).write_text(' '.join(outcome.endpoints))\n\n"
        "@hookimpl\ndef faasbridge_commands(cli):\n"
        "    @cli.command('audit')\n    def audit() -> None:\n        'Audit it.'\n        print('audited')\n"
    )
    info = plugin.parent / "policy-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: policy\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[faasbridge]\npolicy = policy\n")
    env = {"PYTHONPATH": str(plugin.parent)}
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text() + "[tool.faasbridge.stages.dev.local]\nport = 0\n")

    vetoed = cli("deploy", "--stage", "prod", "--yes", cwd=project, env=env)
    assert vetoed.code == 1
    assert "prod is frozen until Monday" in vetoed.err
    assert not (tmp_path / "told").exists()
    try:
        good(cli("deploy", "--yes", cwd=project, env=env))
        assert (tmp_path / "told").read_text() == "http"
        deployed = json.loads((project / ".faasbridge" / "dev-deployed" / "deployed.json").read_text())
        assert {f["memory_mb"] for f in json.loads(deployed["manifest"])["functions"]} == {333}
    finally:
        good(cli("destroy", "--yes", "--delete-data", cwd=project, env=env))
    assert good(cli("audit", env=env)) == "audited\n"
    assert re.search(r"Plugins:\n  audit +Audit it", good(cli("--help", env=env)))
