"""Names are different for different things, within Azure's limits, and known before anything is deployed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge import App, ConfigError
from faasbridge_azure.simulator.arm.kinds import check_name
from faasbridge_azure.template import names

sys.path.insert(0, str(Path(__file__).parent))
from arm_templates import SITES, STORAGE, SUBSCRIPTION, Evaluated, stage, template, whole_app

FUNCTIONS = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,39}", fullmatch=True)
APPS = st.from_regex(r"[a-z]([a-z0-9]|-(?=[a-z0-9])){0,39}", fullmatch=True)


@given(APPS, APPS, FUNCTIONS)
def test_every_name_is_one_that_azure_takes(app: str, name: str, function: str) -> None:
    at = stage(app, name)
    unique = names.unique(at, SUBSCRIPTION)
    made = {
        STORAGE: names.storage_account(at),
        names.COSMOS: names.cosmos_account(at),
        names.VAULTS: names.vault(at),
        SITES: names.site(function, at),
        "Microsoft.Web/serverfarms": names.plan(function, at),
        names.IDENTITIES: names.identity(function, at),
        names.CONTAINERS: names.container(name, at),
        names.QUEUES: names.queue(name, at) + names.POISON,
        names.TOPICS: names.topic(name, at),
        names.SYSTEM_TOPICS: names.system_topic("", at),
        f"{names.TOPICS}/eventSubscriptions": names.subscription(function, at),
    }
    for type_, made_name in made.items():
        check_name(type_, made_name.replace(names.UNIQUE, unique))
    check_name(names.CONTAINERS, names.code(function, at))
    check_name(names.IDENTITIES, names.grid_identity(at))
    # Source: Azure Functions documentation, "Host ID considerations".
    assert re.fullmatch(r"(?!.*--)[a-z0-9][a-z0-9-]{0,30}[a-z0-9]", names.host_id(function, at))


def deployed(function: str) -> str:
    return function.lower().replace("_", "-")


@given(FUNCTIONS, FUNCTIONS)
def test_different_functions_have_different_apps(one: str, other: str) -> None:
    at = stage("a" * 40, "s" * 40)
    for name in (names.site, names.plan, names.identity, names.code, names.host_id, names.subscription):
        same = name(one, at).lower() == name(other, at).lower()
        assert not same if deployed(one) != deployed(other) else True


def app_with_long_names() -> App:
    def long(text: str) -> str:
        return (text + "-" + "x" * 40)[:40]

    app = App(long("app"))
    files, rows, news, jobs = (
        app.bucket(long("files")),
        app.table(long("rows"), key="id"),
        app.topic(long("news")),
        app.queue(long("jobs")),
    )
    app.secret(long("token"))

    @app.get("/")
    def home(request: Any) -> None: ...

    def handler(event: Any) -> None: ...

    jobs.on_message(name=long("on-jobs"))(handler)
    jobs.dead_letters.on_message(name=long("on-dead"))(handler)
    news.on_message(name=long("on-news"))(handler)
    files.on_create(name=long("on-files"))(handler)
    rows.on_change(name=long("on-rows"))(handler)
    app.schedule("0 0 * * *", name=long("nightly"))(handler)
    return app


def test_long_names_are_cut_and_stay_different() -> None:
    at = stage(app_with_long_names().app_name, "s" * 40)
    made = Evaluated(template(app_with_long_names(), at), at)
    assert len({(each["type"], each["name"]) for each in made.resources.values()}) == len(made.resources)
    for each in made.resources.values():
        check_name(each["type"], each["name"])


def test_names_that_are_unique_in_the_world_differ_by_subscription_group_app_and_stage() -> None:
    at = stage("shop", "dev")
    others = [
        names.unique(at, "another"),
        names.unique(stage("shop", "prod"), SUBSCRIPTION),
        names.unique(stage("shopd", "ev"), SUBSCRIPTION),
        names.unique(stage("shop", "dev", settings={"resource_group": "other"}), SUBSCRIPTION),
    ]
    assert len({names.unique(at, SUBSCRIPTION), *others}) == 5
    assert names.unique(at, SUBSCRIPTION.upper()) == names.unique(at, SUBSCRIPTION)


def test_what_a_name_becomes_is_known_before_it_is_deployed() -> None:
    made = template(whole_app())
    there = Evaluated(made)
    owners = made["metadata"]["faasbridge"]["owners"]
    assert {names.resolved(each, there.unique) for each in owners} == set(there.resources)


@given(st.text("a'[],() {}-", max_size=12))
def test_any_text_is_quoted(text: str) -> None:
    assert names.resolved(names.text(f"{text}{names.UNIQUE}{text}"), "u") == f"{text}u{text}"


def test_dead_letters_that_are_too_far_down_are_refused() -> None:
    app = App("shop")
    jobs = app.queue("j" * 40)
    top = jobs.dead_letters
    for _ in range(5):
        top = top.dead_letters
    with pytest.raises(ConfigError, match="Azure takes 63 characters"):
        template(app, stage("shop", "s" * 20))


@pytest.mark.parametrize("name", ["ends-in.", "a/b", "g" * 91])
def test_a_resource_group_that_azure_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a resource group"):
        names.resource_group(stage(settings={"resource_group": name}))


def test_two_things_of_one_name_are_refused() -> None:
    app = App("shop")
    app.queue("work-inbox")

    @app.schedule("0 0 * * *")
    def work(tick: Any) -> None: ...

    with pytest.raises(ConfigError, match="would both be shop-dev-work-inbox"):
        template(app)
