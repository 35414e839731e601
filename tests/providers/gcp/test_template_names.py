"""Physical names stay within Google's limits, and different things keep different names."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge import App
from faasbridge.errors import ConfigError
from faasbridge_gcp.template import names

sys.path.insert(0, str(Path(__file__).parent))
from template_apps import of_type, stage, template

# The last part of a name, as each service takes it; see `names` for the pages.
FORMS = {
    "iam.serviceAccount": (r"[a-z][-a-z0-9]{4,28}[a-z0-9]@\$\{project\}\.iam\.gserviceaccount\.com", 100),
    "firestore.database": (r"[a-z][a-z0-9-]{2,61}[a-z0-9]", 63),
    "pubsub.topic": (r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}", 255),
    "storage.bucket": (r"[a-z0-9][a-z0-9_-]+-\$\{number\}", 63 - 12 + len("${number}")),
    "secretmanager.secret": (r"[A-Za-z0-9_-]{1,255}", 255),
    "functions.function": (r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", 63),
    "run.service": (r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", 63),
    "pubsub.subscription": (r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}", 255),
    "scheduler.job": (r"[A-Za-z0-9_-]{1,500}", 500),
}


def app_with_long_names() -> App:
    def long(text: str) -> str:
        return (text + "-" + "x" * 40)[:40]

    app = App(long("app"))
    files, rows = app.bucket(long("files")), app.table(long("rows"), key="id")
    news = app.topic(long("news"), ordered=True)
    jobs, line = app.queue(long("jobs")), app.queue(long("line"), ordered=True)
    app.secret(long("token"))

    @app.get("/")
    def home(request: Any) -> None: ...

    def handler(event: Any) -> None: ...

    jobs.on_message(name=long("on-jobs"))(handler)
    line.on_message(name=long("on-line"))(handler)
    news.on_message(name=long("on-news"))(handler)
    files.on_create(name=long("on-files"))(handler)
    rows.on_change(name=long("on-rows"))(handler)
    app.schedule("0 0 * * *", name=long("nightly"))(handler)
    return app


@pytest.mark.parametrize(("app", "name"), [("shop", "dev"), ("a" * 40, "s" * 40), ("a-b" * 13, "t")])
def test_names_are_cut_to_what_each_service_takes_and_stay_different(app: str, name: str) -> None:
    made = template(app_with_long_names(), stage(app, name))
    for type, (form, most) in FORMS.items():
        found = [each["name"].rpartition("/")[2] for each in of_type(made, type).values()]
        assert found, type
        assert len(set(found)) == len(found), type
        for each in found:
            assert len(each) <= most, each
            assert re.fullmatch(form, each), (type, each)


def test_what_accounts_are_shown_as_is_cut_to_what_google_takes() -> None:
    found = of_type(template(app_with_long_names(), stage("a" * 40, "s" * 40)), "iam.serviceAccount")
    assert max(len(each["body"]["displayName"].encode()) for each in found.values()) == 100
    assert max(len(each["body"]["description"].encode()) for each in found.values()) <= 256


def test_labels_are_cut_to_what_google_takes() -> None:
    for each in template(app_with_long_names(), stage("a" * 90, "Dev.Stage"))["resources"].values():
        for key, value in each["body"].get("labels", {}).items():
            assert re.fullmatch(r"[a-z0-9_-]{1,63}", key)
            assert re.fullmatch(r"[a-z0-9_-]{0,63}", value)


FUNCTIONS = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(FUNCTIONS, FUNCTIONS)
def test_functions_that_look_alike_are_kept_apart(one: str, other: str) -> None:
    """Services have neither capitals nor underscores."""
    for name in (names.function_name, names.account):
        assert (name(one, stage()) == name(other, stage())) == (one == other)


def test_accounts_of_other_stages_are_other_accounts() -> None:
    found = {names.account("work", stage(*each)) for each in (("shop", "dev"), ("shop", "prod"), ("shop-dev", "x"))}
    assert len(found) == 3


@pytest.mark.parametrize(
    ("app", "bucket", "said"),
    [
        ("goods", "files", None),
        ("goog-tools", "files", r"goog-tools-dev-artifacts.*start with goog are Google's own: rename the app"),
        (
            "shop",
            "google-photos",
            r"'google-photos' would be .*called google are Google's own: rename the bucket",
        ),
        ("shop", "g00gle", r"bucket 'g00gle' would be .*rename the bucket"),
        ("shop", "goggles", None),
    ],
)
def test_names_that_google_keeps_for_itself_are_refused_before_anything_is_made(
    app: str, bucket: str, said: str | None
) -> None:
    shop = App(app)
    files = shop.bucket(bucket)
    shop.get("/", uses=[files.get])(lambda request: None)
    if said is None:
        template(shop)
        return
    with pytest.raises(ConfigError, match=said):
        template(shop)
