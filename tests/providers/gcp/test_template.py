"""What is deployed to Google Cloud: the inbox of every handler, what fills it, what runs, and how it is reached."""

from __future__ import annotations

import json
import re
import sys
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faasbridge import App, ConfigError
from faasbridge.spec import FunctionSpec
from faasbridge_gcp.events import decode_json
from faasbridge_gcp.template import Template, names
from faasbridge_gcp.template.document import DESCRIBED, LABELLED, TYPES

sys.path.insert(0, str(Path(__file__).parent))
from template_apps import KIT_OF, of_type, stage, template, whole_app

SPEC = whole_app().spec()
MADE = template(whole_app())
RESOURCES = MADE["resources"]
EVENT_FUNCTIONS = [each for each in SPEC.functions if each.inbox is not None]
PUSHER = names.account(names.PUSHER_NAME, stage())


def body(id: str) -> dict[str, Any]:
    return RESOURCES[id]["body"]


def function_body(name: str) -> dict[str, Any]:
    (function,) = [each for each in SPEC.functions if each.name == name]
    return body(names.function_id(function))


def handler(event: Any) -> None: ...


def test_the_same_app_gives_the_same_text() -> None:
    shuffled = replace(SPEC, resources=SPEC.resources[::-1], functions=SPEC.functions[::-1])
    assert json.dumps(template(SPEC)) == json.dumps(MADE) == json.dumps(template(shuffled))


def test_every_resource_names_the_declared_thing_that_it_belongs_to() -> None:
    declared = {(each.kind, each.name) for each in SPEC.resources}
    declared |= {("function" if each.inbox else "api", each.name) for each in SPEC.functions}
    owners = {id: each["owner"] for id, each in RESOURCES.items()}
    found = {(each["kind"], each["name"]) for each in owners.values()}
    assert found == {*declared, ("app", "shop"), ("database", "shop-dev-tables")}
    assert owners["function:work:account"] == {"kind": "function", "name": "work"}
    assert owners["queue:idle-dead"] == {"kind": "queue", "name": "idle", "part": "dead-letters"}
    assert owners["queue:jobs-dead"] == {"kind": "queue", "name": "jobs-dead"}


def test_app_stage_and_owner_are_labels_or_stand_in_a_description() -> None:
    for id, each in RESOURCES.items():
        owner = each["owner"]
        expected = {
            "faasbridge-app": "shop",
            "faasbridge-stage": "dev",
            "faasbridge-kind": owner["kind"],
            "faasbridge-name": owner["name"].lower().replace(".", "-"),
        }
        if each["type"] in LABELLED:
            assert expected.items() <= each["body"]["labels"].items(), id
        elif each["type"] in DESCRIBED:
            assert all(f"{key}={value}" in each["body"]["description"] for key, value in expected.items()), id
        else:
            assert "labels" not in each["body"], id


def test_bodies_are_in_the_form_of_googles_own_messages() -> None:
    """The clients' classes refuse what they do not know."""
    from google.cloud.firestore_admin_v1.types import Database, Field, Index
    from google.cloud.functions_v2.types import Function
    from google.cloud.iam_admin_v1.types import ServiceAccount
    from google.cloud.run_v2.types import Service
    from google.cloud.scheduler_v1.types import Job
    from google.cloud.secretmanager_v1.types import Secret
    from google.pubsub_v1.types import Subscription, Topic

    messages: dict[str, Any] = {
        "iam.serviceAccount": ServiceAccount,
        "firestore.database": Database,
        "pubsub.topic": Topic,
        "secretmanager.secret": Secret,
        "firestore.index": Index,
        "firestore.field": Field,
        "functions.function": Function,
        "run.service": Service,
        "pubsub.subscription": Subscription,
        "scheduler.job": Job,
    }
    assert {each["type"] for each in RESOURCES.values()} == set(TYPES) == {*messages, *STORAGE}
    for each in RESOURCES.values():
        if each["type"] in messages:
            messages[each["type"]].from_json(json.dumps(each["body"]), ignore_unknown_fields=False)


STORAGE = {"storage.bucket", "storage.notification"}


@pytest.mark.parametrize("function", EVENT_FUNCTIONS, ids=lambda function: function.name)
class TestInboxes:
    def test_it_is_pushed_to_the_function_alone(self, function: FunctionSpec) -> None:
        inbox, id = body(names.inbox_id(function)), names.function_id(function)
        assert inbox["pushConfig"]["pushEndpoint"].startswith(f"${{url:{id}}}/projects/")
        assert inbox["pushConfig"]["oidcToken"] == {"serviceAccountEmail": PUSHER, "audience": f"${{url:{id}}}"}
        assert RESOURCES[f"{id}:service"]["body"] == {}
        assert [each["member"] for each in MADE["bindings"] if each["on"] == f"{id}:service"] == [
            f"serviceAccount:{PUSHER}"
        ]

    def test_what_fails_too_often_goes_to_dead_letters_that_are_kept(self, function: FunctionSpec) -> None:
        policy = body(names.inbox_id(function))["deadLetterPolicy"]
        dead = RESOURCES[names.dead_letters_id(function)]
        assert policy["deadLetterTopic"] == dead["name"]
        assert policy["maxDeliveryAttempts"] == min(max(function.max_attempts, 5), 100)
        readers = [each["body"] for each in of_type(MADE, "pubsub.subscription").values()]
        (kept,) = [each for each in readers if each["topic"] == dead["name"]]
        assert (kept["messageRetentionDuration"], kept["expirationPolicy"]) == ("2678400s", {})

    def test_pubsubs_agent_may_move_it_there(self, function: FunctionSpec) -> None:
        agent = {(each["on"], each["role"]) for each in MADE["bindings"] if each["member"] == names.PUBSUB_AGENT}
        assert (names.dead_letters_id(function), "roles/pubsub.publisher") in agent
        assert (names.inbox_id(function), "roles/pubsub.subscriber") in agent

    def test_the_deadline_leaves_the_handler_its_time(self, function: FunctionSpec) -> None:
        deadline_s = body(names.inbox_id(function))["ackDeadlineSeconds"]
        assert function.timeout_s < deadline_s <= 600
        assert function_body(function.name)["serviceConfig"]["timeoutSeconds"] == function.timeout_s

    def test_the_function_knows_its_dead_letters(self, function: FunctionSpec) -> None:
        variables = function_body(function.name)["serviceConfig"]["environmentVariables"]
        assert variables["FAASBRIDGE_DEAD_LETTERS"] == RESOURCES[names.dead_letters_id(function)]["name"]


@pytest.mark.parametrize(
    ("function", "topic", "condition"),
    [
        ("work", "shop-dev-jobs", None),
        ("mourn", "shop-dev-jobs-dead", None),
        ("in_line", "shop-dev-line", None),
        ("read", "shop-dev-news", ""),
        ("followFeed", "shop-dev-feed", ""),
        (
            "arrived",
            "shop-dev-files-bucket-events",
            'attributes.eventType = "OBJECT_FINALIZE" AND hasPrefix(attributes.objectId, "in/") AND ',
        ),
        ("gone", "shop-dev-files-bucket-events", 'attributes.eventType = "OBJECT_DELETE" AND '),
        ("changed", "shop-dev-rows-table-changes", ""),
        ("nightly", "shop-dev-nightly-schedule", None),
    ],
)
def test_each_source_writes_to_the_topic_of_an_inbox(function: str, topic: str, condition: str | None) -> None:
    """An inbox at a topic that others may subscribe to leaves replayed messages of others alone."""
    (spec,) = [each for each in EVENT_FUNCTIONS if each.name == function]
    inbox = body(names.inbox_id(spec))
    assert inbox["topic"] == f"projects/${{project}}/topics/{topic}"
    replayed = f'(NOT attributes:faasbridge-for OR attributes.faasbridge-for = "{function}")'
    assert inbox.get("filter") == (None if condition is None else condition + replayed)
    assert len(inbox.get("filter", "")) <= 256


def test_every_topic_that_nobody_reads_keeps_its_messages() -> None:
    waiting = body("queue:idle:subscription")
    assert waiting["topic"] == RESOURCES["queue:idle"]["name"]
    assert "pushConfig" not in waiting


def test_ordered_sources_have_ordered_inboxes_and_dead_letters_without_order() -> None:
    """Of a key Pub/Sub hands out one batch and no other until it is acknowledged, so none could be picked out."""
    ordered = {
        id for id, each in of_type(MADE, "pubsub.subscription").items() if "enableMessageOrdering" in each["body"]
    }
    assert ordered == {"queue:line:subscription", "function:followFeed:inbox"}


def test_dead_letters_that_get_a_handler_wait_in_what_becomes_its_inbox() -> None:
    def subscription(app: App) -> str:
        return str(template(app)["resources"]["queue:line-dead:subscription"]["name"])

    unread, read = App("shop"), App("shop")
    for app in (unread, read):
        app.queue("line", ordered=True).on_message(name="work")(handler)
    read.resources["queue", "line"].dead_letters.on_message(name="mourn")(handler)  # type: ignore[attr-defined]
    assert subscription(unread) == subscription(read)


def test_an_inbox_that_has_another_filter_or_order_is_another_subscription() -> None:
    def name(prefix: str) -> str:
        app = App("shop")
        app.bucket("files").on_create(name="work", prefix=prefix)(handler)
        return template(app)["resources"]["function:work:inbox"]["name"]

    assert name("a/") == name("a/")
    assert name("a/") != name("b/")


def test_a_filter_that_would_be_too_long_is_left_to_the_entry() -> None:
    app = App("shop")
    app.bucket("files").on_create(name="work", prefix="x" * 200)(handler)
    assert "hasPrefix" not in template(app)["resources"]["function:work:inbox"]["body"]["filter"]


def test_a_bucket_notifies_one_topic_of_what_handlers_want() -> None:
    found = [each["body"] for each in of_type(MADE, "storage.notification").values()]
    assert sorted(each["event_types"] for each in found) == [["OBJECT_DELETE"], ["OBJECT_FINALIZE"]]
    topic = "//pubsub.googleapis.com/projects/${project}/topics/shop-dev-files-bucket-events"
    assert {each["topic"] for each in found} == {topic}
    (publisher,) = [each for each in MADE["bindings"] if each["member"] == names.STORAGE_AGENT]
    assert (publisher["on"], publisher["role"]) == ("bucket:files:events", "roles/pubsub.publisher")


@pytest.mark.parametrize("existing", [False, True])
def test_where_versions_are_kept_a_deleted_object_is_an_archived_one(existing: bool) -> None:
    """That the old version is deleted for good some day is no event."""
    app = App("shop")
    app.bucket("files", existing=existing).on_delete(name="gone")(handler)
    settings = {"buckets": {"files": {"versioning": True}}, "existing": {"files": "their-files"}}
    made = template(app, stage(settings=settings))
    (notification,) = of_type(made, "storage.notification").values()
    assert notification["body"]["event_types"] == ["OBJECT_ARCHIVE"]
    condition = made["resources"]["function:gone:inbox"]["body"]["filter"]
    assert condition.startswith('attributes.eventType = "OBJECT_ARCHIVE" AND ')


def test_a_page_may_send_what_a_signed_upload_has_to_bring() -> None:
    (rule,) = of_type(MADE, "storage.bucket")["bucket:files"]["body"]["cors"]
    assert {"Content-Type", "x-goog-content-length-range"} <= set(rule["responseHeader"])


def test_buckets_are_private_whatever_anybody_grants() -> None:
    for each in of_type(MADE, "storage.bucket").values():
        assert each["body"]["iamConfiguration"] == {
            "uniformBucketLevelAccess": {"enabled": True},
            "publicAccessPrevention": "enforced",
        }


def test_a_tables_changes_come_by_its_forwarder() -> None:
    forwarder = body("table:rows:forwarder")
    trigger = forwarder["eventTrigger"]
    assert trigger["eventType"] == "google.cloud.firestore.document.v1.written"
    assert trigger["retryPolicy"] == "RETRY_POLICY_RETRY"
    assert {each["attribute"]: each["value"] for each in trigger["eventFilters"]} == {
        "database": "shop-dev-tables",
        "namespace": "(default)",
        "document": "rows/{id}",
    }
    member = f"serviceAccount:{forwarder['serviceConfig']['serviceAccountEmail']}"
    assert [(each["on"], each["role"]) for each in MADE["bindings"] if each["member"] == member] == [
        ("table:rows:changes", "roles/pubsub.publisher")
    ]


def test_a_table_has_an_index_for_each_order_and_ends_its_rows() -> None:
    fields = [
        [each.get("order", "")[:3] for each in found["body"]["fields"]]
        for found in of_type(MADE, "firestore.index").values()
    ]
    assert sorted(fields) == [["ASC", "ASC", "ASC"]] * 2 + [["ASC", "DES", "DES"]] * 2
    (field,) = of_type(MADE, "firestore.field").values()
    assert field["body"] == {"ttlConfig": {}}


def test_a_schedule_publishes_what_the_adapter_knows() -> None:
    job = body("function:nightly:schedule")
    assert (job["schedule"], job["timeZone"]) == ("30 3 * * 1-5", "Europe/Berlin")
    assert job["retryConfig"]["retryCount"] == 5, "a tick that could not be published comes late, not never"
    envelope = {
        "message": {
            "data": job["pubsubTarget"]["data"],
            "messageId": "1",
            "attributes": {},
            "publishTime": "2026-03-02T02:30:00.2Z",
        },
        "subscription": "s",
    }
    assert json.loads(b64decode(job["pubsubTarget"]["data"]))["schedule"] == "nightly"
    (tick,) = decode_json(envelope, False, topic=job["pubsubTarget"]["topicName"])
    assert tick.scheduled_for.isoformat().startswith("2026-03-02T03:30:00")


def test_options_reach_the_function() -> None:
    assert function_body("in_line")["serviceConfig"]["minInstanceCount"] == 1
    assert function_body("in_line")["serviceConfig"]["maxInstanceCount"] == 3
    admin = body("api:admin")["serviceConfig"]
    assert (admin["ingressSettings"], admin["maxInstanceRequestConcurrency"]) == ("ALLOW_INTERNAL_ONLY", 8)
    assert admin["availableCpu"] == "1", "several requests at a time need a whole one"
    assert function_body("arrived")["serviceConfig"]["availableMemory"] == "128Mi", "the least there is"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cpu": "0.5", "concurrency": 10}, "cpu='0.5' takes one request at a time, not concurrency=10"),
        ({"cpu": "lots"}, "cpu is '1', '2', '4', '6', '8' or a fraction from '0.08', not 'lots'"),
        ({"cpu": "1.5"}, "or a fraction from '0.08', not '1.5'"),
        ({"cpu": "0.01"}, "or a fraction from '0.08', not '0.01'"),
        ({"cpu": "0.4", "memory_mb": 1024}, "memory_mb=1024 needs cpu='0.5' or more, not '0.4'"),
        ({"cpu": "0.5", "memory_mb": 1025}, "memory_mb=1025 needs cpu='1' or more, not '0.5'"),
        ({"min_instances": 5, "max_instances": 2}, "min_instances=5 is more than max_instances=2"),
        ({"vpc_egress": "all"}, "vpc_egress says nothing without a vpc_connector"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    app = App("shop")
    memory = options.pop("memory_mb", 256)
    app.queue("jobs").on_message(name="work", memory_mb=memory, gcp=options)(handler)
    with pytest.raises(ConfigError, match=re.escape(message)):
        template(app)


@pytest.mark.parametrize(
    ("options", "cpu"), [({"cpu": "0.5"}, "0.5"), ({"cpu": "2", "concurrency": 80}, "2"), ({"concurrency": 2}, "1")]
)
def test_options_that_go_together_are_taken(options: dict[str, Any], cpu: str) -> None:
    app = App("shop")
    app.queue("jobs").on_message(name="work", gcp=options)(handler)
    assert template(app)["resources"]["function:work"]["body"]["serviceConfig"]["availableCpu"] == cpu


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda app: app.queue("a").on_message(name="work", timeout_s=541)(handler), "gives 540 s at most"),
        (lambda app: app.api("b", gcp={"ingress": "some"}).get("/")(handler), "ingress is one of all, internal"),
        (lambda app: app.table("c", key="id", existing=True), r"\[tool\.faasbridge\.stages\.dev\.gcp\.existing\]"),
        (lambda app: app.bucket("d", existing=True), r"\[tool\.faasbridge\.stages\.dev\.gcp\.existing\]"),
    ],
)
def test_what_google_cloud_does_not_take_is_refused(declare: Any, message: str) -> None:
    app = App("shop")
    declare(app)
    with pytest.raises(ConfigError, match=message):
        template(app)


@pytest.mark.parametrize("variable", ["PORT", "K_SERVICE", "FUNCTION_TARGET", "FAASBRIDGE_STAGE", "no-name"])
def test_a_variable_that_google_cloud_keeps_for_itself_is_refused(variable: str) -> None:
    with pytest.raises(ConfigError, match=f"takes no variable '{variable}'"):
        template(whole_app(), stage(env={variable: "x"}))


def test_an_environment_that_is_too_large_is_refused() -> None:
    with pytest.raises(ConfigError, match="bytes, and Google Cloud takes 32,768"):
        template(whole_app(), stage(env={"TEXT": "x" * 32_768}))


def test_what_exists_already_is_only_referred_to() -> None:
    app = App("shop")
    rows, files = app.table("rows", key="id", existing=True), app.bucket("files", existing=True)
    jobs = app.queue("jobs", existing=True)
    jobs.on_message(name="work", uses=[rows.get, files.put])(handler)
    existing = {"rows": "theirs/people", "files": "their-files", "jobs": "their-jobs"}
    made = template(app, stage(settings={"existing": existing}))
    assert not {"firestore.database", "firestore.field"} & {each["type"] for each in made["resources"].values()}
    assert made["addresses"] == {
        "FAASBRIDGE_BUCKET_FILES": "their-files",
        "FAASBRIDGE_QUEUE_JOBS": "projects/${project}/topics/their-jobs",
        "FAASBRIDGE_TABLE_ROWS": "projects/${project}/databases/theirs/documents/people",
    }
    member = made["resources"]["function:work:account"]["name"].rpartition("/")[2]
    found = {
        each.get("resource") or each["on"]: each["role"]
        for each in made["bindings"]
        if each["member"] == f"serviceAccount:{member}"
    }
    assert found["projects/_/buckets/their-files"] == "roles/storage.legacyBucketWriter"


def people(name: str, project: str | None = "acme") -> Template:
    """Of an app that reads a table that exists, and handles its changes."""
    app = App("shop")
    rows = app.table("rows", key="id", existing=True)
    rows.on_change(name="work", uses=[rows.get])(handler)
    return template(app, stage(settings={"existing": {"rows": name}, **({"project": project} if project else {})}))


def test_a_table_of_the_stages_own_project_may_be_named_in_full() -> None:
    made = people("projects/acme/databases/crm/documents/people")
    assert made == people("crm/people") == people("/crm/people/")
    (right,) = [each for each in made["bindings"] if each["role"] == "roles/datastore.viewer"]
    assert right["condition"]["expression"] == 'resource.name == "projects/${project}/databases/crm"'


@pytest.mark.parametrize("project", ["acme", None])
def test_a_table_of_another_project_is_refused_since_a_right_on_it_is_given_there(project: str | None) -> None:
    with pytest.raises(ConfigError, match=r"table 'rows' is in project 'others'.*DATABASE/COLLECTION"):
        people("projects/others/databases/crm/documents/people", project)


@pytest.mark.parametrize(
    "given", ["their-files", "gs://their-files", "gs://their-files/", "projects/_/buckets/their-files"]
)
def test_a_bucket_that_exists_is_named_in_each_form_that_google_has(given: str) -> None:
    app = App("shop")
    files = app.bucket("files", existing=True)
    files.on_create(name="work", uses=[files.get])(handler)
    made = template(app, stage(settings={"existing": {"files": given}}))
    assert made["addresses"] == {"FAASBRIDGE_BUCKET_FILES": "their-files"}
    assert [
        each["name"].rpartition("/notificationConfigs/")[0] for each in of_type(made, "storage.notification").values()
    ] == ["projects/_/buckets/their-files"]
    assert [each["resource"] for each in made["bindings"] if "resource" in each] == ["projects/_/buckets/their-files"]


@pytest.mark.parametrize("given", ["gs://their-files/in", "Their Files", "projects/acme/buckets/their-files", ""])
def test_what_names_no_bucket_is_refused(given: str) -> None:
    app = App("shop")
    app.bucket("files", existing=True)
    with pytest.raises(ConfigError, match=r"\.gcp\.existing\]: bucket 'files' is the name of a bucket"):
        template(app, stage(settings={"existing": {"files": given}}))


def test_a_kind_that_no_kit_makes_is_named() -> None:
    with pytest.raises(ConfigError, match="nothing makes the kind 'table'"):
        template(whole_app(), kits={kind: kit for kind, kit in KIT_OF.items() if kind != "table"})


def test_no_value_of_a_secret_has_a_place_in_it() -> None:
    (secret,) = [each for id, each in of_type(MADE, "secretmanager.secret").items() if id == "secret:token"]
    assert set(secret["body"]) == {"replication", "labels"}
