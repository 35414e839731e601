"""Resources find their drivers: by a function's environment, and by addresses that tools bring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import faasbridge
from faasbridge import App
from faasbridge.errors import ConfigError
from faasbridge.resources import Resource
from faasbridge_aws import bind
from faasbridge_aws.drivers.clients import Clients
from faasbridge_aws.drivers.queue import QueueDriver

app = App("shop")
jobs = app.queue("big-jobs")
PACKAGES = [str(Path(module.__file__ or "").parents[1]) for module in (faasbridge, bind)]


class Lamp(Resource):
    kind = "lamp"


class LampDriver:
    def __init__(self, binding: Any) -> None:
        self.binding = binding


@pytest.fixture
def clients() -> Clients:
    return Clients(region="eu-west-1", endpoint="http://127.0.0.1:1", credentials=("a", "b", None))


def test_a_function_s_environment_has_the_address(monkeypatch: pytest.MonkeyPatch, clients: Clients) -> None:
    monkeypatch.setattr("faasbridge_aws.drivers.clients._default", clients)
    monkeypatch.setenv("FAASBRIDGE_QUEUE_BIG_JOBS", "https://sqs/1/jobs")
    driver = bind.driver_of(jobs)
    assert type(driver) is QueueDriver
    assert (driver._url, driver.client) == ("https://sqs/1/jobs", clients.get("sqs"))


def test_a_resource_without_an_address_is_not_in_uses() -> None:
    with pytest.raises(ConfigError, match="queue 'big-jobs' has no address: FAASBRIDGE_QUEUE_BIG_JOBS is not set"):
        bind.driver_of(jobs)


def test_a_kind_of_a_third_party_has_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    lamp = Lamp("desk", watts=5)
    monkeypatch.setenv("FAASBRIDGE_LAMP_DESK", "lamp-1")
    with pytest.raises(ConfigError, match="no driver for resources of kind 'lamp' on aws"):
        bind.driver_of(lamp)
    monkeypatch.setenv("FAASBRIDGE_DRIVERS", f'{{"lamp": "{__name__}:LampDriver"}}')
    binding = bind.driver_of(lamp).binding
    assert (binding.provider, binding.kind, binding.name, binding.address) == ("aws", "lamp", "desk", "lamp-1")
    assert binding.options == {"watts": 5}
    monkeypatch.setenv("FAASBRIDGE_DRIVERS", "lamp")
    with pytest.raises(ConfigError, match="FAASBRIDGE_DRIVERS is a JSON object"):
        bind.driver_of(lamp)


def test_tools_bring_addresses_and_clients(clients: Clients) -> None:
    find = bind.drivers_for("shop", "prod", {("queue", "big-jobs"): "https://sqs/1/jobs"}, clients)
    driver = find(jobs)
    assert driver is find(jobs)
    assert (driver._url, driver.client) == ("https://sqs/1/jobs", clients.get("sqs"))
    with pytest.raises(ConfigError, match="topic 'news' is not deployed to stage 'prod'"):
        find(app.topic("news"))


def loaded(code: str) -> set[str]:
    return {name.split(".")[0] for name in modules(code)}


def modules(code: str) -> set[str]:
    script = f"import json, logging, sys; {code}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(PACKAGES)},
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["bucket", "table", "queue", "topic", "secret", "clients", "errors"])
def test_importing_a_driver_brings_no_sdk(module: str) -> None:
    assert not {"botocore", "boto3", "obstore", "urllib3"} & loaded(f"import faasbridge_aws.drivers.{module}")


def test_a_function_without_resources_brings_no_sdk() -> None:
    code = (
        "import os; os.environ['FAASBRIDGE_DEAD_LETTERS'] = 'https://sqs/1/dead'; "
        "from faasbridge import App; import faasbridge_aws.entry as entry, faasbridge_aws.bind, "
        "faasbridge_aws.dead_letters; app = App('a'); "
        "app.get('/x')(lambda request: {}); entry.handler_for(app, 'http')"
    )
    brought = loaded(code)
    assert not {"botocore", "boto3", "obstore", "urllib3", "typing_extensions", "asyncio", "urllib"} & brought


def test_a_function_reads_what_its_own_events_take() -> None:
    def brought(declared: str) -> set[str]:
        code = f"from faasbridge import App; import faasbridge_aws.entry as entry; app = App('a'); {declared}"
        return {name.rpartition(".")[2] for name in modules(code) if name.startswith("faasbridge_aws.")}

    of_queue = brought("app.queue('q').on_message(name='f')(print); entry.handler_for(app, 'f')")
    of_api = brought("app.get('/x')(lambda request: {}); entry.handler_for(app, 'http')")
    assert not {"http", "http_v2"} & of_queue
    assert not {"batches", "events", "events_sqs", "http_v1"} & of_api


def test_whole_objects_need_no_botocore() -> None:
    code = (
        "import os; os.environ.update(AWS_ACCESS_KEY_ID='a', AWS_SECRET_ACCESS_KEY='b', AWS_REGION='eu-west-1', "
        "FAASBRIDGE_BUCKET_FILES='files'); from faasbridge import App; from faasbridge_aws.bind import driver_of; "
        "driver_of(App('a').bucket('files'))"
    )
    brought = loaded(code)
    assert "obstore" in brought
    assert not {"botocore", "boto3", "urllib3"} & brought
