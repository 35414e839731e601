"""Resources find their drivers on Azure, and a function imports no more than it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import faasbridge
from faasbridge import App
from faasbridge.errors import ConfigError
from faasbridge_azure import bind
from faasbridge_azure.drivers.clients import Clients
from faasbridge_azure.drivers.queue import QueueDriver

app = App("shop")
jobs = app.queue("big-jobs")
URL = "https://shopdev.queue.core.windows.net/shop-dev-big-jobs"
PACKAGES = [str(Path(module.__file__ or "").parents[1]) for module in (faasbridge, bind)]
SDKS = {"azure", "obstore", "msal", "requests", "urllib3", "cryptography"}


def test_a_function_s_environment_has_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients(storage_key="a2V5")
    monkeypatch.setattr("faasbridge_azure.drivers.clients._default", clients)
    monkeypatch.setenv("FAASBRIDGE_QUEUE_BIG_JOBS", URL)
    driver = bind.driver_of(jobs)
    assert type(driver) is QueueDriver
    assert driver.client is clients.queue(URL)
    assert (driver.client.account_name, driver.client.queue_name) == ("shopdev", "shop-dev-big-jobs")


def test_tools_bring_addresses_and_clients() -> None:
    clients = Clients(storage_key="a2V5")
    find = bind.drivers_for("shop", "prod", {("queue", "big-jobs"): URL}, clients)
    assert find(jobs) is find(jobs)
    assert find(jobs).client is clients.queue(URL)
    with pytest.raises(ConfigError, match="topic 'news' is not deployed to stage 'prod'"):
        find(app.topic("news"))


def test_a_table_s_address_says_whether_changes_are_written() -> None:
    endpoint = "https://shop.documents.azure.com:443/"
    assert bind.table_address(endpoint, "shop-dev", "photos", changes=False) == (
        "https://shop.documents.azure.com:443/dbs/shop-dev/colls/photos"
    )
    assert bind.table_address(endpoint, "shop-dev", "photos", changes=True).endswith("/colls/photos?changes")


def loaded(code: str) -> set[str]:
    script = f"import json, logging, sys; {code}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(PACKAGES)},
    )
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "module",
    [f"drivers.{name}" for name in ("bucket", "table", "queue", "topic", "secret", "clients", "errors", "messages")]
    + ["bind", "forwarders", "dead_letters", "arrivals", "invoking", "rows"],
)
def test_importing_a_module_brings_no_sdk(module: str) -> None:
    brought = loaded(f"import faasbridge_azure.{module}") - loaded("pass")
    assert not (SDKS | {"asyncio", "urllib", "dataclasses", "inspect", "typing", "datetime", "uuid"}) & brought


def test_whole_objects_need_obstore_only() -> None:
    code = (
        "import os; os.environ.update(IDENTITY_ENDPOINT='http://127.0.0.1:1', IDENTITY_HEADER='h', "
        "FAASBRIDGE_BUCKET_FILES='https://shopdev.blob.core.windows.net/files'); from faasbridge import App; "
        "from faasbridge_azure.bind import driver_of; driver_of(App('a').bucket('files'))"
    )
    brought = loaded(code)
    assert "obstore" in brought
    assert not (SDKS - {"obstore"}) & brought
