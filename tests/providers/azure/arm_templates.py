"""An app with one of everything, and what its template says once Resource Manager has evaluated it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faasbridge import App
from faasbridge.provider import Stage
from faasbridge.spec import AppSpec
from faasbridge_azure.kits import KITS
from faasbridge_azure.simulator.arm.templates import Scope, Template
from faasbridge_azure.template import names, synthesize

KIT_OF = {kit.kind: kit for kit in KITS}
SUBSCRIPTION, TENANT = "11112222-3333-4444-8555-666677778888", "99990000-aaaa-4bbb-8ccc-ddddeeeeffff"
STORAGE, COSMOS, SITES = names.STORAGE, names.COSMOS, names.SITES
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"


def stage(app: str = "shop", name: str = "dev", **more: Any) -> Stage:
    given: dict[str, Any] = {"python": "3.13", "version": "1.2.3", **more}
    return Stage(app, name, "azure", Path("/nowhere"), **given)


def template(app: App | AppSpec, at: Stage | None = None, kits: Mapping[str, Any] = KIT_OF) -> dict[str, Any]:
    spec = app.spec() if isinstance(app, App) else app
    return synthesize(spec, at or stage(spec.name), kits)


def whole_app() -> App:
    """Every kind of resource, trigger, option and right."""
    app = App("shop", cors=["https://shop.example"], azure={"http_concurrency": 20, "always_ready": 1})
    files, drops = app.bucket("files"), app.bucket("drops")
    rows, plain = (
        app.table("rows", key="id", sort_key="part", indexes={"by-day": ("day", "id")}),
        app.table("plain", key="id"),
    )
    jobs, bulk, idle = app.queue("jobs"), app.queue("bulk"), app.queue("idle")
    news, feed = app.topic("news"), app.topic("feed")
    token = app.secret("token")

    @app.get("/", uses=[files.sign_put, files.sign_get, rows.query, token.get, jobs.send])
    def home(request: Any) -> None: ...

    admin = app.api("admin", uses=[rows, files])

    @admin.get("/staff")
    def panel(request: Any) -> None: ...

    @jobs.on_message(uses=[files.get, files.put, rows.put], max_attempts=3, timeout_s=20)
    def work(message: Any) -> None: ...

    @jobs.dead_letters.on_message(uses=[plain.update, plain.put])
    def mourn(message: Any) -> None: ...

    @bulk.on_batch(batch_size=500, wait_s=2.5, uses=[news.publish], azure={"concurrency": 8})
    def load(batch: Any) -> None: ...

    @news.on_message(uses=[drops.list, drops.delete], memory_mb=1024)
    def read(message: Any) -> None: ...

    @feed.on_message(uses=[idle.send], azure={"app": "small"}, timeout_s=10, max_attempts=2)
    def follow(message: Any) -> None: ...

    @files.on_create(prefix="in/", suffix=".jpg", uses=[files.copy, files.head])
    def arrived(event: Any) -> None: ...

    @files.on_delete(azure={"app": "small"}, timeout_s=5)
    def gone(event: Any) -> None: ...

    @rows.on_change(uses=[rows.get, rows.delete, rows.scan], timeout_s=90)
    def changed(change: Any) -> None: ...

    @app.schedule("30 3 * * 1-5", timezone="Europe/Berlin", azure={"max_instances": 40, "instance_memory_mb": 4096})
    def nightly(tick: Any) -> None: ...

    return app


class Evaluated:
    """The resources by `type/name`, with references and ids as Azure would have them."""

    def __init__(self, made: Mapping[str, Any], at: Stage | None = None) -> None:
        self.stage = at or stage()
        self.unique = names.unique(self.stage, SUBSCRIPTION)
        scope = Scope(SUBSCRIPTION, names.resource_group(self.stage), "westeurope", TENANT)
        self._template = Template(made, {"unique": {"value": self.unique}}, scope)
        self.order = [[f"{each.kind}/{each.name}" for each in wave] for wave in self._template.in_order()]
        self.resources: dict[str, dict[str, Any]] = {
            f"{each.kind}/{each.name}": self._template.body(each, _reference)
            for each in self._template.resources.values()
        }
        self.outputs: dict[str, Any] = {
            name: each["value"] for name, each in self._template.outputs(_reference).items()
        }

    def of_type(self, type_: str) -> dict[str, dict[str, Any]]:
        """By name."""
        return {each["name"]: each for each in self.resources.values() if each["type"] == type_}

    def one(self, type_: str) -> dict[str, Any]:
        (found,) = self.of_type(type_).values()
        return found

    def site(self, function: str) -> dict[str, Any]:
        return self.of_type(SITES)[self.outputs["functions"][function]]

    def settings(self, function: str) -> dict[str, str]:
        listed = self.site(function)["properties"]["siteConfig"]["appSettings"]
        return {each["name"]: each["value"] for each in listed}

    def principal(self, function: str) -> str:
        (identity,) = self.site(function)["identity"]["userAssignedIdentities"]
        return f"principal of {identity.rpartition('/')[2]}"

    def subscription(self, function: str) -> dict[str, Any]:
        """Event Grid's, of the function's inbox."""
        (found,) = (
            each
            for each in self.resources.values()
            if each["type"].endswith("/eventSubscriptions") and each["name"].endswith(f"-{function}")
        )
        return found

    @property
    def account(self) -> str:
        return str(self.one(STORAGE)["name"])


def _reference(id: str, *more: Any) -> Any:
    name = id.rpartition("/")[2]
    if not id.startswith(f"/subscriptions/{SUBSCRIPTION}/"):
        raise AssertionError(f"a reference to what is no resource id: {id}")
    made: dict[str, Any] = {
        "ConnectionString": "InstrumentationKey=0",
        "clientId": f"client of {name}",
        "customerId": f"customer of {name}",
        "principalId": f"principal of {name}",
        "defaultHostName": f"{name}.azurewebsites.net",
        "documentEndpoint": f"https://{name}.documents.azure.com:443/",
        "endpoint": f"https://{name}.westeurope-1.eventgrid.azure.net/api/events",
        "primaryEndpoints": {service: f"https://{name}.{service}.core.windows.net/" for service in ("blob", "queue")},
        "vaultUri": f"https://{name}.vault.azure.net/",
    }
    return {"identity": {"principalId": f"principal of {name}"}} if "Full" in more else made


def without_unique(text: str, unique: str) -> str:
    return re.sub(rf"-?{unique}", "", text)
