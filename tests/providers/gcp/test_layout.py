"""What an artifact for Google Cloud holds besides the app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faasbridge import App
from faasbridge.provider import Stage
from faasbridge_gcp.layout import layout


def required(app: App) -> set[str]:
    stage = Stage("shop", "dev", "gcp", Path(), python="3.12")
    return {each.partition(">=")[0] for each in layout(app.spec(), stage).requirements}


def handler(event: Any) -> None: ...


def test_the_sdks_are_those_of_what_functions_use_and_no_others() -> None:
    app = App("shop")
    files, rows, unused = app.bucket("files"), app.table("rows", key="id"), app.topic("unused")
    assert unused.name == "unused"
    app.queue("jobs").on_message(name="work", uses=[files.get, rows.put])(handler)
    assert required(app) == {"google-cloud-storage", "google-cloud-firestore", "google-cloud-pubsub"}


def test_an_api_reads_the_key_of_invocations_and_who_signs_asks_iam() -> None:
    app = App("shop")
    files = app.bucket("files")
    app.get("/", uses=[files.sign_get])(lambda request: None)
    assert required(app) == {"google-cloud-storage", "google-cloud-iam", "google-cloud-secret-manager"}


def test_wheels_fit_googles_images_unless_the_stage_says_another_platform() -> None:
    spec = App("shop").spec()
    made = layout(spec, Stage("shop", "dev", "gcp", Path(), python="3.12"))
    assert (made.python_version, made.python_platform) == ("3.12", "x86_64-manylinux_2_35")
    assert made.files == {"main.py": b"from faasbridge_gcp.entry import handler\n"}
    other = layout(spec, Stage("shop", "dev", "gcp", Path(), settings={"platform": "x86_64-manylinux_2_28"}))
    assert other.python_platform == "x86_64-manylinux_2_28"
