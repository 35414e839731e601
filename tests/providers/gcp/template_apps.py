"""An app with one of everything, and its template."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faasbridge import App
from faasbridge.provider import Stage
from faasbridge.spec import AppSpec
from faasbridge_gcp.kits import KITS
from faasbridge_gcp.template import Template, synthesize

KIT_OF = {kit.kind: kit for kit in KITS}


def stage(app: str = "shop", name: str = "dev", **more: Any) -> Stage:
    given: dict[str, Any] = {"python": "3.13", "version": "1.2.3", **more}
    return Stage(app, name, "gcp", Path("/nowhere"), **given)


def template(app: App | AppSpec, at: Stage | None = None, kits: Mapping[str, Any] = KIT_OF) -> Template:
    spec = app.spec() if isinstance(app, App) else app
    return synthesize(spec, at or stage(spec.name), kits)


def whole_app() -> App:
    """Every kind of resource, trigger, option and right."""
    app = App("shop", gcp={"max_instances": 20})
    files, drops = app.bucket("files"), app.bucket("drops")
    rows = app.table("rows", key="id", sort_key="part", indexes={"by-day": ("day", "id")})
    jobs, idle, line = app.queue("jobs"), app.queue("idle"), app.queue("line", ordered=True)
    news, feed = app.topic("news"), app.topic("feed", ordered=True)
    token = app.secret("token")

    @app.get("/", uses=[files.sign_put, files.sign_get, rows.query, token.get, jobs.send])
    def home(request: Any) -> None: ...

    admin = app.api("admin", uses=[rows, files], gcp={"ingress": "internal", "concurrency": 8})

    @admin.get("/admin")
    def panel(request: Any) -> None: ...

    @jobs.on_message(uses=[files.get, files.put, rows.put], max_attempts=3, timeout_s=20)
    def work(message: Any) -> None: ...

    @jobs.dead_letters.on_message(uses=[rows.update], max_attempts=100)
    def mourn(message: Any) -> None: ...

    @line.on_message(gcp={"min_instances": 1, "max_instances": 3})
    def in_line(message: Any) -> None: ...

    @news.on_message(uses=[drops.list, drops.delete])
    def read(message: Any) -> None: ...

    @feed.on_message(uses=[idle.send])
    def followFeed(message: Any) -> None: ...

    @files.on_create(prefix="in/", suffix=".jpg", memory_mb=64, uses=[files.copy, files.head])
    def arrived(event: Any) -> None: ...

    @files.on_delete
    def gone(event: Any) -> None: ...

    @rows.on_change(uses=[rows.get, rows.scan])
    def changed(change: Any) -> None: ...

    @app.schedule("30 3 * * 1-5", timezone="Europe/Berlin", timeout_s=540, uses=[news.publish])
    def nightly(tick: Any) -> None: ...

    return app


def of_type(made: Template, type: str) -> dict[str, Any]:
    return {id: each for id, each in made["resources"].items() if each["type"] == type}
