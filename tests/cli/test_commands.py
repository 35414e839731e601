"""The command line as a whole, and the commands that only read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from faasbridge.cli import human
from faasbridge.cli.commands import SECTIONS
from faasbridge.cli.faults import UsageError

Cli = Callable[..., Any]
COMMANDS = (
    "init dev check build plan deploy destroy status url invoke logs dead-letters secrets shell run manifest "
    "providers simulator doctor"
).split()


def test_help_lists_every_command_with_a_line(cli: Cli) -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)
    text = cli("--help").out
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\S.*\.$", text, re.MULTILINE), name
    assert cli("-h").out == text


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(cli: Cli, name: str) -> None:
    ended = cli(name, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: faasbridge {name}")


def test_help_imports_no_server_and_no_vendor() -> None:
    program = """
import sys
sys.argv = ["faasbridge", "--help"]
from faasbridge.cli import main
try:
    main()
finally:
    heavy = {"starlette", "uvicorn", "watchfiles", "rich", "sqlite3", "asyncio"}
    heavy |= {"boto3", "botocore", "google.api_core", "google.protobuf", "azure.functions"}
    print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_version(cli: Cli) -> None:
    assert re.fullmatch(r"faasbridge \d+\.\d+\.\d+\S* \(Python 3\.\d+\.\S+\)\n", cli("--version").out)


def test_options_count_before_and_after_the_command(cli: Cli, project: Path) -> None:
    for arguments in (
        ("check", str(project), "--json"),
        ("-C", str(project), "check", "--json"),
        ("--json", "check", "-C", str(project)),
        ("-C", str(project), "--app", "shop.app", "--json", "check"),
    ):
        ended = cli(*arguments)
        assert (ended.code, json.loads(ended.out)) == (0, []), ended


def test_a_command_works_from_below_the_project(cli: Cli, project: Path) -> None:
    assert "shop: 5 functions, 4 resources" in cli("check", cwd=project / "shop").out


def test_check_shows_findings_and_fails_on_errors(cli: Cli, project: Path) -> None:
    source = project / "shop" / "app.py"
    source.write_text(source.read_text().replace("@rows.on_change\n", "@rows.on_change(timeout_s=3000)\n"))
    assert cli("check", cwd=project).code == 0
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text() + 'targets = ["aws"]\n')
    ended = cli("check", cwd=project)
    assert ended.code == 1
    assert re.search(
        r"^error: shop/app\.py:\d+: .*timeout_s=3000.*aws.* \[limit\.timeout_s\]$", ended.out, re.MULTILINE
    )
    assert "1 error, " in ended.out
    (finding,) = json.loads(cli("check", "--json", cwd=project).out)
    assert finding["code"] == "limit.timeout_s"
    refused = cli("deploy", "--yes", cwd=project)
    assert refused.code == 1
    assert "timeout_s=3000" in refused.err


def test_manifest_follows_its_schema(cli: Cli, project: Path) -> None:
    manifest = json.loads(cli("manifest", cwd=project).out)
    assert manifest["name"] == "shop"
    jsonschema.validate(manifest, json.loads(cli("manifest", "--schema").out))
    assert json.loads(cli("manifest", "--json", cwd=project).out) == manifest


def test_build_writes_where_it_is_told(cli: Cli, project: Path) -> None:
    made = json.loads(cli("build", "-o", "out/shop.zip", "--json", cwd=project).out)
    path = project / "out" / "shop.zip"
    assert made["size"] == path.stat().st_size
    with zipfile.ZipFile(path) as zipped:
        assert "shop/app.py" in zipped.namelist()
    again = json.loads(cli("build", "-o", "out/shop.zip", "--json", cwd=project).out)
    assert again["sha256"] == made["sha256"]


def test_providers_says_what_each_can(cli: Cli) -> None:
    found = json.loads(cli("providers", "--json").out)
    assert {"local", "aws", "gcp", "azure"} <= set(found)
    assert {"bucket", "table", "queue", "topic", "secret"} <= set(found["local"]["kinds"])
    assert "local  resources: " in cli("providers").out


def test_doctor_looks_at_the_machine(cli: Cli, project: Path) -> None:
    ended = cli("doctor", "--json", cwd=project)
    findings = {each["code"]: each["severity"] for each in json.loads(ended.out)}
    assert {"python", "sqlite", "uv", "state", "disk", "project", "provider"} <= set(findings)
    assert ended.code == 0, ended
    (project / "file").write_text("")
    sick = cli("doctor", cwd=project, env={"FAASBRIDGE_STATE": str(project / "file" / "below")})
    assert sick.code == 1
    assert re.search(r"^error +the state folder .*FAASBRIDGE_STATE", sick.out, re.MULTILINE)


def test_another_python_than_the_apps_is_said_where_functions_run_on_the_running_one(
    cli: Cli, project: Path, dev: Callable[..., Any]
) -> None:
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    other = "3.12" if running != "3.12" else "3.13"
    settings = project / "pyproject.toml"
    assert "the app's python" not in cli("doctor", cwd=project).out
    settings.write_text(f'{settings.read_text()}python = "{other}"\n')
    said = f"the app's python is {other}, and local functions run on the one that runs this command, {running}: use"
    ended = cli("doctor", cwd=project)
    assert ended.code == 0
    assert re.search(rf"^warning +{re.escape(said)}", ended.out, re.MULTILINE)
    assert "the app's python" not in cli("doctor", "--provider", "aws", cwd=project).out
    assert f"warning: {said}" in dev().wait_for("Ctrl-C stops.")


def test_doctor_without_a_project(cli: Cli) -> None:
    ended = cli("doctor")
    assert ended.code == 0
    assert re.search(r"^warning +no pyproject\.toml", ended.out, re.MULTILINE)


def test_a_reader_that_has_enough_is_no_error(project: Path) -> None:
    command = f"{sys.executable} -m faasbridge manifest | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=project, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0012, "1.2 ms"),
        (0.34, "340 ms"),
        (2.5, "2.5 s"),
        (59.99, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (360000, "4 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert human.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(512, "512 B"), (1500, "1.5 kB"), (999_999, "1.0 MB"), (5e12, "5000.0 GB")]
)
def test_sizes(count: float, text: str) -> None:
    assert human.size(count) == text


def test_time_spans() -> None:
    assert [human.seconds(text) for text in ("45s", "10m", "2h", "1d", "7", "0.5m")] == [45, 600, 7200, 86400, 7, 30]
    with pytest.raises(UsageError):
        human.seconds("10 minutes")
