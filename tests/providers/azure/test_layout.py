"""What an Azure artifact holds, and the machine that its wheels fit."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faasbridge import App
from faasbridge.plugins import provider
from faasbridge_azure import entry

sys.path.insert(0, str(Path(__file__).parent))
from arm_templates import stage


def requirements(app: App) -> set[str]:
    found = provider("azure").layout(app.spec(), stage()).requirements
    return {each.partition(">=")[0] for each in found}


def app_of(*uses: str) -> App:
    app = App("shop")
    made: dict[str, Any] = {
        "bucket": app.bucket("files"),
        "table": app.table("rows", key="id"),
        "queue": app.queue("jobs"),
        "topic": app.topic("news"),
        "secret": app.secret("token"),
    }

    @app.get("/", uses=[made[each] for each in uses])
    def home(request: Any) -> None: ...

    return app


def test_wheels_fit_the_images_of_flex_consumption() -> None:
    azure = provider("azure")
    found = azure.layout(app_of().spec(), stage(python="3.12"))
    assert (found.python_version, found.python_platform) == ("3.12", "x86_64-manylinux_2_28")
    chosen = azure.layout(app_of().spec(), stage(settings={"platform": "x86_64-manylinux_2_34"}))
    assert chosen.python_platform == "x86_64-manylinux_2_34"


def test_a_simulated_stage_packs_wheels_for_this_machine() -> None:
    azure: Any = provider("azure")
    here = azure.simulated_stage(stage(settings={"location": "westeurope"}))
    assert azure.layout(app_of().spec(), here).python_platform == ""
    assert here.settings["location"] == "westeurope"


def test_the_worker_finds_the_app_and_the_host_its_settings() -> None:
    found = provider("azure").layout(app_of().spec(), stage())
    assert found.files["function_app.py"] == entry.SOURCE.encode()
    host = json.loads(found.files["host.json"])
    assert host["version"] == "2.0"
    assert host["extensions"]["http"]["routePrefix"] == ""
    assert host["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert found.packages == ("faasbridge", "faasbridge_azure")


def test_dependencies_are_where_the_worker_looks_before_its_own() -> None:
    assert provider("azure").layout(app_of().spec(), stage()).dependencies == ".python_packages/lib/site-packages"


def test_only_the_sdks_of_what_is_used_are_packed() -> None:
    assert requirements(app_of()) == set()
    assert requirements(app_of("bucket")) == {"azure-storage-blob", "obstore"}
    assert requirements(app_of("table")) == {"azure-cosmos"}
    assert requirements(app_of("queue")) == {"azure-storage-queue", "obstore"}
    assert requirements(app_of("topic")) == {"azure-eventgrid", "obstore"}
    assert requirements(app_of("secret")) == {"azure-keyvault-secrets"}


def test_handlers_of_events_can_bury_a_message_and_open_a_claim() -> None:
    app = App("shop")

    @app.schedule("0 0 * * *")
    def nightly(tick: Any) -> None: ...

    assert requirements(app) == {"azure-storage-queue", "obstore"}


def test_doctor_says_what_is_missing_and_prints_no_credential(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("azure.identity", reason="install faasbridge-azure")
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    for variable in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_SUBSCRIPTION_ID"):
        monkeypatch.delenv(variable, raising=False)
    codes = ("azure.credentials", "azure.subscription", "azure.location")
    nothing = replace(stage(), settings={})
    found = {each.code: each for each in provider("azure").doctor(nothing)}
    assert {code: found[code].severity for code in codes} == dict.fromkeys(codes, "warning")
    assert "az login" in found["azure.credentials"].message
    assert "[tool.faasbridge.stages.dev.azure]" in found["azure.location"].message
    monkeypatch.setenv("AZURE_TENANT_ID", "t-1")
    monkeypatch.setenv("AZURE_CLIENT_ID", "c-1")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "8Q~secret")
    there = replace(stage(), settings={"subscription": "s-1", "location": "westeurope"})
    found = {each.code: each for each in provider("azure").doctor(there)}
    assert {code: found[code].severity for code in codes} == dict.fromkeys(codes, "ok")
    assert not any("8Q~" in each.message or "c-1" in each.message for each in found.values())
