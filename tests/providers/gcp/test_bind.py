"""Resources find their drivers on Google Cloud, and a function imports no more than it needs."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import faasbridge
from faasbridge import App
from faasbridge.errors import ConfigError
from faasbridge_gcp import bind
from faasbridge_gcp.drivers.clients import Clients
from faasbridge_gcp.drivers.queue import QueueDriver

app = App("shop")
jobs = app.queue("big-jobs")
TOPIC = "projects/acme/topics/shop-dev-big-jobs"
PACKAGES = [str(Path(module.__file__ or "").parents[1]) for module in (faasbridge, bind)]
NOWHERE = "127.0.0.1:1"
ENVIRONMENT = {
    "PYTHONPATH": ":".join(PACKAGES),
    "GOOGLE_CLOUD_PROJECT": "acme",
    "PUBSUB_EMULATOR_HOST": NOWHERE,
    "FIRESTORE_EMULATOR_HOST": NOWHERE,
    "STORAGE_EMULATOR_HOST": f"http://{NOWHERE}",
    "FAASBRIDGE_BUCKET_FILES": "acme-files",
    "FAASBRIDGE_QUEUE_JOBS": TOPIC,
    "FAASBRIDGE_TABLE_ROWS": "projects/acme/databases/shop/documents/rows",
}
SDKS = {"storage": "google.cloud.storage", "table": "google.cloud.firestore", "messages": "google.pubsub_v1"}


@pytest.fixture
def clients() -> Clients:
    return Clients("acme", {"google": NOWHERE})


def test_a_function_s_environment_has_the_address(monkeypatch: pytest.MonkeyPatch, clients: Clients) -> None:
    monkeypatch.setattr("faasbridge_gcp.drivers.clients._default", clients)
    monkeypatch.setenv("FAASBRIDGE_QUEUE_BIG_JOBS", TOPIC)
    driver = bind.driver_of(jobs)
    assert type(driver) is QueueDriver
    assert (driver._topic, driver.client) == (TOPIC, clients.get("publisher"))


def test_a_resource_without_an_address_is_not_in_uses() -> None:
    with pytest.raises(ConfigError, match="queue 'big-jobs' has no address: FAASBRIDGE_QUEUE_BIG_JOBS is not set"):
        bind.driver_of(jobs)


def test_tools_bring_addresses_and_clients(clients: Clients) -> None:
    find = bind.drivers_for("shop", "prod", {("queue", "big-jobs"): TOPIC}, clients)
    assert find(jobs) is find(jobs)
    assert find(jobs).client is clients.get("publisher")
    with pytest.raises(ConfigError, match="topic 'news' is not deployed to stage 'prod'"):
        find(app.topic("news"))


@cache
def loaded(code: str) -> frozenset[str]:
    script = f"import json, logging, sys; {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    return frozenset(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [f"drivers.{name}" for name in ("bucket", "table", "queue", "topic", "secret", "clients", "errors", "messages")]
    + ["bind", "entry", "forwarder", "dead_letters", "delivery", "events", "invoking"],
)
def test_importing_a_module_brings_no_sdk(module: str) -> None:
    brought = {name.split(".")[0] for name in loaded(f"import faasbridge_gcp.{module}") - loaded("pass")}
    assert not {"google", "grpc", "proto", "requests", "urllib3", "flask", "asyncio", "pluggy", "typer"} & brought


@pytest.mark.parametrize(
    ("declared", "uses", "sdk"),
    [
        ("bucket('files')", "get", "storage"),
        ("table('rows', key='id')", "get", "table"),
        ("queue('jobs')", "send", "messages"),
        ("queue('jobs')", "", None),
    ],
)
def test_a_function_loads_the_sdk_of_what_it_uses_and_no_other(declared: str, uses: str, sdk: str | None) -> None:
    """While the instance starts, before the first request."""
    used = f"[it.{uses}]" if uses else "[]"
    code = (
        f"from faasbridge import App; from faasbridge_gcp import entry; app = App('a'); it = app.{declared}; "
        f"app.get('/', uses={used})(lambda request: {{}}); entry.handler_for(app, 'http')"
    )
    assert {name for name, module in SDKS.items() if module in loaded(code)} == ({sdk} if sdk else set())
