"""Logical ids are different for different things, and physical names stay within AWS's limits."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge import App, ConfigError
from faasbridge_aws.template import names

sys.path.insert(0, str(Path(__file__).parent))
from template_apps import Resolved, app_with_long_names, stage, template

KINDS = st.one_of(
    st.sampled_from(["api", "bucket", "function", "queue", "secret", "table", "topic"]),
    st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z][a-z0-9-]{0,8}){0,2}", fullmatch=True),
)
NAMES = st.one_of(
    st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,12}", fullmatch=True),
    st.text("aAzZdup0-_", min_size=1, max_size=4).map(lambda text: f"a{text}"),
)
PARTS = st.sampled_from(["", "Alias", "Dead", "Inbox", "InboxDead", "InboxDeadPolicy", "InboxPolicy", "Policy", "Role"])
THINGS = st.tuples(KINDS, NAMES, PARTS)


@given(THINGS, THINGS)
def test_different_things_have_different_logical_ids(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (names.logical_id(*one) == names.logical_id(*other)) == (one == other)


@given(THINGS)
def test_logical_ids_are_alphanumeric_and_short_enough(thing: tuple[str, str, str]) -> None:
    assert re.fullmatch("[A-Za-z0-9]{1,255}", names.logical_id(*thing))


def test_names_that_look_alike_are_kept_apart() -> None:
    ids = {names.logical_id("function", name) for name in ("a-b", "a_b", "ab", "Ab", "aZdb", "a-B")}
    assert len(ids) == 6


LIMITS = {
    "AWS::Lambda::Function": ("FunctionName", 64, r"[A-Za-z0-9_-]+"),
    "AWS::SQS::Queue": ("QueueName", 80, r"[A-Za-z0-9_-]+(\.fifo)?"),
    "AWS::S3::Bucket": ("BucketName", 63, r"[a-z0-9][a-z0-9-]+[a-z0-9]"),
    "AWS::DynamoDB::Table": ("TableName", 255, r"[A-Za-z0-9_.-]+"),
    "AWS::SNS::Topic": ("TopicName", 256, r"[A-Za-z0-9_-]+(\.fifo)?"),
    "AWS::SecretsManager::Secret": ("Name", 512, r"[A-Za-z0-9/_+=.@-]+"),
    "AWS::Events::Rule": ("Name", 64, r"[.A-Za-z0-9_-]+"),
    "AWS::Scheduler::Schedule": ("Name", 64, r"[.A-Za-z0-9_-]+"),
    "AWS::Logs::LogGroup": ("LogGroupName", 512, r"[./#A-Za-z0-9_-]+"),
    "AWS::ApiGatewayV2::Api": ("Name", 128, r".+"),
}


def test_long_names_are_cut_to_what_each_service_takes_and_stay_different() -> None:
    made = Resolved(template(app_with_long_names(), stage("a" * 40, "s" * 40)))
    for type_, (key, most, form) in LIMITS.items():
        found = [each["Properties"][key] for each in made.of_type(type_).values()]
        assert found, type_
        assert len(set(found)) == len(found), type_
        for name in found:
            assert len(name) <= most, name
            assert re.fullmatch(form, name), name


def test_dead_letters_are_found_by_the_end_of_their_names() -> None:
    app = App("a" * 40)
    jobs = app.queue("j" * 40)
    levels = (jobs, jobs.dead_letters, jobs.dead_letters.dead_letters)
    inbox, dead, deeper = (names.queue_name(each.name, stage("a" * 40, "s" * 40)) for each in levels)
    assert (dead, deeper) == (f"{inbox}-dead", f"{inbox}-dead-dead")
    assert len(deeper) <= 80
    assert names.queue_name("jobs-dead", stage(), fifo=True) == "shop-dev-jobs-dead.fifo"
    assert len(names.queue_name("j" * 40 + "-dead" * 6, stage("a" * 40), fifo=True)) <= 80


def test_two_things_of_one_name_are_refused() -> None:
    app = App("shop")
    app.queue("work-inbox")
    app.schedule("0 0 * * *", name="work")(lambda tick: None)
    with pytest.raises(ConfigError, match="queue 'work-inbox' and function 'work' would both be shop-dev-work-inbox"):
        template(app)


def test_the_name_of_a_bucket_ends_in_digits_of_the_stack() -> None:
    app = App("shop")
    app.bucket("files")
    name = Resolved(template(app)).properties("Bucket0files")["BucketName"]
    assert name == "shop-dev-files-0a1b2c3d4e5f"


def test_a_table_with_other_keys_is_another_table() -> None:
    """CloudFormation makes the new one before it removes the old one."""

    def name(**keys: str) -> str:
        app = App("shop")
        app.table("rows", **keys)  # type: ignore[arg-type]
        found: str = Resolved(template(app)).properties("Table0rows")["TableName"]
        return found

    assert name(key="id") == name(key="id")
    assert len({name(key="id"), name(key="other"), name(key="id", sort_key="part")}) == 3
    assert name(key="id").startswith("shop-dev-rows-")
