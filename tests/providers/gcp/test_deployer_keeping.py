"""What a deployment does not destroy: data that nobody gave up, and what belongs to others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.api_core import exceptions
from google.iam.v1 import policy_pb2

from faasbridge import App
from faasbridge.errors import ConfigError, DeployError
from faasbridge.simulation.servers import Server
from faasbridge_gcp.deploying import artifacts
from faasbridge_gcp.deploying.artifacts import Artifacts
from faasbridge_gcp.deploying.connection import Cloud
from faasbridge_gcp.deploying.draining import drain, settling_s
from faasbridge_gcp.deploying.kinds import Found, kinds
from faasbridge_gcp.template.document import labels

sys.path.insert(0, str(Path(__file__).parent))
from deploying import CODE, COLD, PROJECT, Deployment, simulated

Make = Callable[..., Deployment]
OTHERS = {"team": "others"}


def handler(event: Any) -> None: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with simulated(tmp_path_factory.mktemp("cloud") / "s", COLD) as server:
        yield server


@pytest.fixture
def make(server: Server, tmp_path: Path) -> Make:
    """A deployment of an app of that name with those settings; of a name of its own where none is given."""

    def made(app: App | None = None, **settings: Any) -> Deployment:
        app = app or App(f"keep{uuid4().hex[:6]}")
        life = Deployment(server, app.app_name, tmp_path, **settings)
        life.app = app
        return life

    return made


def bucket_of(life: Deployment, name: str) -> Any:
    return life.calm.get("storage").bucket(f"{life.name(name)}-123456789012")


@pytest.mark.parametrize("location", ["EU", "US", "Europe-West1"])
def test_a_location_is_the_same_in_capitals(make: Make, location: str) -> None:
    life = make(bucket_location=location)
    life.app.bucket("files")
    life.deploy()
    bucket_of(life, "files").blob("a").upload_from_string("a")
    assert life.plan().changes == ()
    life.deploy()
    assert [each.name for each in bucket_of(life, "files").list_blobs()] == ["a"]


def test_a_plan_that_somebody_else_overtook_is_refused(make: Make) -> None:
    """It would remove what the other had made, and make anew what the other had moved, with what is in it by now."""
    first = make()
    first.app.bucket("files")
    first.app.table("old", key="id")
    first.deploy()
    moved = make(App(first.stage.app), bucket_location="us-east1")
    moved.app.bucket("files")
    plan = moved.plan()
    other = make(App(first.stage.app), bucket_location="us-east1")
    other.app.bucket("files")
    other.app.table("old", key="id")
    other.app.queue("new")
    other.deploy()
    bucket_of(other, "files").blob("a").upload_from_string("a")
    with pytest.raises(DeployError, match="has changed since the plan was made: run `faasbridge deploy` again"):
        list(moved.deployer().apply(plan))
    assert [each.name for each in bucket_of(other, "files").list_blobs()] == ["a"]
    assert other.plan().changes == ()


def test_a_plan_for_other_code_than_is_there_by_now_is_refused(make: Make) -> None:
    life = make()
    life.app.queue("jobs").on_message(name="work")(handler)
    life.deploy()
    life.code = CODE.format("two")
    plan = life.plan()
    life.code = CODE.format("three")
    life.deploy()
    life.code = CODE.format("two")
    life.artifact()
    with pytest.raises(DeployError, match="has changed since the plan was made"):
        list(life.deployer().apply(plan))


def test_code_that_somebody_else_has_just_uploaded_stays(make: Make) -> None:
    life = make()
    life.app.queue("jobs").on_message(name="work")(handler)
    life.deploy()
    mine = life.plan()
    others = bucket_of(life, "artifacts").blob("other.zip")
    others.upload_from_string(b"")
    list(life.deployer().apply(mine))
    assert others.exists()


def test_code_is_thrown_away_once_it_is_old_and_no_function_has_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    life = make()
    life.app.queue("jobs").on_message(name="work")(handler)
    life.deploy()
    running = f"{life.artifact().sha256}.zip"
    bucket = bucket_of(life, "artifacts")
    bucket.blob("other.zip").upload_from_string(b"")
    monkeypatch.setattr(artifacts, "_RECENT", timedelta(0))
    Artifacts(Cloud(life.stage, life.calm)).prune(f"projects/_/buckets/{bucket.name}", {life.artifact().sha256[:40]})
    assert [each.name for each in bucket.list_blobs()] == [running]


def strip_account(life: Deployment) -> None:
    api = life.calm.get("accounts")
    (found,) = [
        each
        for each in api.list_service_accounts(name=f"projects/{PROJECT}")
        if f"{life.stage.app} " in each.description and "faasbridge-name=work" in each.description
    ]
    account = {"name": found.name, "description": "the others'"}
    api.patch_service_account(request={"service_account": account, "update_mask": {"paths": ["description"]}})


def strip_topic(life: Deployment) -> None:
    topic = {"name": life.of("topics", "jobs"), "labels": OTHERS}
    life.calm.get("publisher").update_topic(request={"topic": topic, "update_mask": {"paths": ["labels"]}})


def strip_subscription(life: Deployment) -> None:
    found = {"name": life.of("subscriptions", "jobs"), "labels": OTHERS}
    life.calm.get("subscriber").update_subscription(
        request={"subscription": found, "update_mask": {"paths": ["labels"]}}
    )


def strip_bucket(life: Deployment) -> None:
    bucket = life.calm.get("storage").get_bucket(bucket_of(life, "files").name)
    bucket.labels = OTHERS
    bucket.patch()


def strip_secret(life: Deployment) -> None:
    secret = {"name": life.of("secrets", "token"), "labels": OTHERS}
    life.calm.get("secretmanager").update_secret(request={"secret": secret, "update_mask": {"paths": ["labels"]}})


def strip_function(life: Deployment) -> None:
    function = {"name": life.of("functions", "work"), "labels": OTHERS}
    request = {"function": function, "update_mask": {"paths": ["labels"]}}
    life.calm.get("functions").update_function(request=request).result()


def strip_job(life: Deployment) -> None:
    job = {"name": life.of("jobs", "nightly"), "description": "the others'"}
    life.calm.get("scheduler").update_job(request={"job": job, "update_mask": {"paths": ["description"]}})


@pytest.mark.parametrize(
    "strip",
    [strip_account, strip_topic, strip_subscription, strip_bucket, strip_secret, strip_function, strip_job],
    ids=lambda strip: strip.__name__.removeprefix("strip_"),
)
def test_what_others_have_made_under_a_name_is_not_taken_over(make: Make, strip: Callable[[Deployment], None]) -> None:
    life = make()
    life.app.queue("jobs").on_message(name="work")(handler)
    life.app.bucket("files")
    life.app.secret("token")
    life.app.schedule("0 3 * * *", name="nightly")(handler)
    life.deploy()
    strip(life)
    with pytest.raises(DeployError, match=r"\S+ exists and is not this stage's: rename .* or remove it"):
        life.deploy()
    assert "create" in str(life.plan().changes) or "new " in str(life.plan().changes), "it is still the others'"


@pytest.mark.parametrize(("kind", "held"), [("bucket", "object"), ("table", "row")])
def test_what_is_written_while_a_stage_is_destroyed_stays_where_data_was_to_stay(
    make: Make, kind: str, held: str
) -> None:
    life = make()
    life.app.bucket("files")
    life.app.table("rows", key="id")
    life.app.topic("news").on_message(name="work")(handler)
    life.deploy()
    late = bucket_of(life, "files").blob("late")
    row = life.calm.firestore(PROJECT, life.name("tables")).collection("rows").document("late")

    def around(operation: str, send: Callable[[], Any]) -> Any:
        answer = send()
        if operation == "DeleteFunction":  # a function's last word
            late.upload_from_string("a") if kind == "bucket" else row.set({"id": "late"})
        return answer

    with pytest.raises(DeployError, match=f"{kind} '(files|rows)' holds 1 {held}, written .* with --delete-data"):
        life.destroy(around, delete_data=False)
    assert late.exists() if kind == "bucket" else row.get().exists
    life.destroy()
    assert life.deployer().status()["deployed"] is False


def test_protected_tables_are_neither_destroyed_nor_removed(make: Make) -> None:
    """Nor is anything else: what is protected would stay alone."""
    life = make(deletion_protection=True)
    life.app.bucket("files")
    life.app.table("rows", key="id")
    life.deploy()
    row = life.calm.firestore(PROJECT, life.name("tables")).collection("rows").document("1")
    row.set({"id": "1"})
    said = r"the tables are protected from deletion: set deletion_protection = false in \[tool\.\S+\.t\.gcp\], deploy"
    with pytest.raises(ConfigError, match=f"{said}, then destroy"):
        life.destroy(delete_data=True)
    assert life.plan().changes == ()
    for settings in ({"deletion_protection": True}, {}):
        without = make(App(life.stage.app), **settings)
        without.app.bucket("files")
        with pytest.raises(ConfigError, match=f"{said}, then remove them"):
            without.plan()
    assert row.get().exists
    unprotected = make(life.app)
    unprotected.deploy()
    unprotected.destroy()
    assert unprotected.deployer().status()["deployed"] is False


def waiting(life: Deployment) -> dict[str, list[bytes]]:
    """What waits in each subscription of the stage, by its name without app, stage and digest."""
    api, found = life.calm.get("subscriber"), {}
    for each in api.list_subscriptions(project=f"projects/{PROJECT}"):
        if each.name.startswith(life.of("subscriptions", "")):
            request = {"subscription": each.name, "max_messages": 10, "return_immediately": True}
            received = api.pull(request=request).received_messages
            topic = each.topic.removeprefix(life.of("topics", ""))
            found[topic] = sorted(one.message.data for one in received)
    return found


@pytest.mark.filterwarnings("ignore:The return_immediately")
@pytest.mark.parametrize("ordered", [True, False])
def test_a_queue_that_gets_or_loses_its_order_keeps_messages_and_dead_letters(make: Make, ordered: bool) -> None:
    """An order cannot be changed, so another subscription takes over."""
    life = make()
    life.app.queue("jobs", ordered=not ordered)
    life.deploy()
    for topic, data in (("jobs", b"waiting"), ("jobs-dead", b"dead")):
        message = {"data": data, "ordering_key": "" if ordered else "key"}
        life.calm.get("publisher").publish(topic=life.of("topics", topic), messages=[message])
    life.app = App(life.stage.app)
    life.app.queue("jobs", ordered=ordered)
    life.deploy()
    assert life.plan().changes == ()
    assert waiting(life) == {"jobs": [b"waiting"], "jobs-dead": [b"dead"]}


def moving(make: Make) -> Deployment:
    """A deployed bucket with an object and a handler, and another location for it that is not deployed yet."""
    life = make()
    life.app.bucket("files").on_create(name="arrived")(handler)
    life.deploy()
    bucket_of(life, "files").blob("a").upload_from_string("a")
    return make(life.app, bucket_location="us-east1")


def test_a_bucket_stays_where_its_new_location_is_impossible(make: Make) -> None:
    life = moving(make)

    def around(operation: str, send: Callable[[], Any]) -> Any:
        if operation == "storage.POST b":
            raise exceptions.BadRequest("The specified location constraint is not valid.")
        return send()

    life.code = CODE.format("two")
    with pytest.raises(DeployError, match=r"^bucket 'files': .*location constraint is not valid"):
        life.deploy(around)
    assert bucket_of(life, "files").blob("a").exists()
    assert ("update", "function", "arrived") in life.changes(), "nothing else was done either"


def test_a_bucket_stays_where_a_function_fails(make: Make) -> None:
    life = moving(make)

    def around(operation: str, send: Callable[[], Any]) -> Any:
        if operation == "UpdateFunction":
            raise exceptions.InvalidArgument("Build failed")
        return send()

    life.code = CODE.format("two")
    with pytest.raises(DeployError, match="Build failed"):
        life.deploy(around)
    assert bucket_of(life, "files").blob("a").exists()


def test_a_bucket_that_is_moved_has_all_that_it_had_but_its_objects(make: Make) -> None:
    life = moving(make)
    life.deploy()
    api = life.calm.get("storage")
    assert [each.location for each in api.list_buckets(project=PROJECT) if "probe" in each.name] == []
    assert api.get_bucket(bucket_of(life, "files").name).location == "US-EAST1"
    assert list(bucket_of(life, "files").list_blobs()) == []
    assert life.plan().changes == ()


def test_a_plan_says_that_the_value_of_a_secret_is_lost(make: Make) -> None:
    life = make()
    life.app.secret("token")

    @life.app.get("/")
    def home(request: Any) -> None: ...

    life.deploy()
    life.app = App(life.stage.app)
    lost = {(each.action, each.kind, each.name) for each in life.plan().changes if each.data_loss}
    assert lost == {("delete", "secret", "token")}, "and not the key that FaaSBridge itself makes up"


def test_a_plan_says_that_objects_are_lost_where_another_bucket_takes_the_place(make: Make) -> None:
    life = make()
    life.app.bucket("files").on_create(name="arrived")(handler)
    life.deploy()
    life.calm.get("storage").create_bucket(f"theirs-{life.stage.app}", project=PROJECT)
    other = make(App(life.stage.app), existing={"files": f"theirs-{life.stage.app}"})
    other.app.bucket("files", existing=True).on_create(name="arrived")(handler)
    assert [each.name for each in other.plan().changes if each.data_loss] == ["files"]


TEMPORARY = {
    "expression": "request.time < timestamp('2030-01-01T00:00:00Z')",
    "title": "temporary",
    "description": "ticket 123",
}


def test_the_conditions_of_what_others_were_given_stay_as_they_are(make: Make) -> None:
    life = make()
    life.app.table("rows", key="id")
    life.app.bucket("files")
    life.app.queue("jobs").on_message(name="work")(handler)
    life.deploy()
    projects, bucket = life.calm.get("projects"), bucket_of(life, "files")
    of_project = {"resource": f"projects/{PROJECT}", "options": {"requested_policy_version": 3}}
    policy = projects.get_iam_policy(request=of_project)
    theirs = policy_pb2.Binding(role="roles/datastore.user", members=["user:ada@example.com"], condition=TEMPORARY)
    policy.bindings.append(theirs)
    policy.version = 3
    projects.set_iam_policy(request={"resource": f"projects/{PROJECT}", "policy": policy})
    given = {"role": "roles/storage.objectViewer", "members": {"user:ada@example.com"}, "condition": TEMPORARY}
    found = bucket.get_iam_policy(requested_policy_version=3)
    found.version = 3
    found.bindings = [*found.bindings, given]
    bucket.set_iam_policy(found)
    life.app = App(life.stage.app)
    rows, files = life.app.table("rows", key="id"), life.app.bucket("files")
    life.app.queue("jobs").on_message(name="work", uses=[rows.put, files.get])(handler)
    life.deploy()
    assert life.plan().changes == ()
    assert theirs in projects.get_iam_policy(request=of_project).bindings
    assert given in [*bucket.get_iam_policy(requested_policy_version=3).bindings]
    life.destroy()
    left = projects.get_iam_policy(request=of_project)
    assert theirs in left.bindings
    left.bindings.remove(theirs)
    projects.set_iam_policy(request={"resource": f"projects/{PROJECT}", "policy": left})
    assert not [each for each in left.bindings if life.stage.app in str(each)]


def test_what_a_subscription_has_given_out_is_waited_for(make: Make) -> None:
    """A handler that has it may fail, and nobody would have it then."""
    life = make()
    life.app.queue("jobs")
    life.deploy()
    api, name = life.calm.get("subscriber"), life.of("subscriptions", "jobs")
    topic = life.of("topics", "jobs")
    life.calm.get("publisher").publish(topic=topic, messages=[{"data": b"a"}, {"data": b"b"}])
    (taken, failed) = api.pull(subscription=name, max_messages=2).received_messages
    api.modify_ack_deadline(subscription=name, ack_ids=[taken.ack_id], ack_deadline_seconds=2)
    api.modify_ack_deadline(subscription=name, ack_ids=[failed.ack_id], ack_deadline_seconds=0)
    watch = f"projects/{PROJECT}/subscriptions/watch-{life.stage.app}"
    api.create_subscription(name=watch, topic=topic)
    found = Found("pubsub.subscription", name, {"topic": topic}, {"kind": "queue", "name": "jobs"})
    drain(Cloud(life.stage, life.calm), found, "", wait_s=4.0)
    received = api.pull(subscription=watch, max_messages=10).received_messages
    assert {each.message.data for each in received} == {b"a", b"b"}
    api.delete_subscription(subscription=watch)


def test_what_is_tried_again_later_is_waited_for_too(make: Make) -> None:
    """Of seven attempts six may fail, and the next come after 10, 20, 40, 80, 160 and 320 seconds."""
    life = make()
    life.app.queue("often").on_message(name="often", max_attempts=7)(handler)
    life.app.queue("seldom").on_message(name="seldom", max_attempts=5, timeout_s=300)(handler)
    life.app.queue("unheard")
    life.deploy()
    of_stage = kinds(Cloud(life.stage, life.calm))["pubsub.subscription"].found(labels(life.stage))
    waits = {each.owner["name"]: settling_s(each) for each in of_stage if each.owner["part"] == "subscription"}
    assert waits == {"often": 320.0, "seldom": 310.0, "unheard": 10.0}


@pytest.fixture
def crowded(make: Make) -> Deployment:
    """A stage whose database somebody uses for more than the app's tables."""
    life = make()
    life.app.table("rows", key="id", sort_key="at")
    life.deploy()
    api, database = life.calm.get("databases"), f"projects/{PROJECT}/databases/{life.name('tables')}"
    until = {"name": f"{database}/collectionGroups/sessions/fields/until", "ttl_config": {}}
    api.update_field(request={"field": until, "update_mask": {"paths": ["ttl_config"]}}).result()
    for scope, *fields in (
        ("COLLECTION", ("a", "DESCENDING"), ("b", "ASCENDING")),
        ("COLLECTION", ("a", "ASCENDING"), ("b", "ASCENDING"), ("c", "ASCENDING")),
        ("COLLECTION_GROUP", ("a", "ASCENDING"), ("c", "ASCENDING")),
    ):
        index = {"query_scope": scope, "fields": [{"field_path": path, "order": order} for path, order in fields]}
        api.create_index(request={"parent": f"{database}/collectionGroups/rows", "index": index}).result()
    life.calm.firestore(PROJECT, life.name("tables")).collection("sessions").document("1").set({"a": 1})
    return life


def test_what_others_have_in_a_stages_database_stays(crowded: Deployment) -> None:
    assert crowded.plan().changes == ()
    crowded.app = App(crowded.stage.app)
    crowded.app.table("rows", key="id")
    crowded.app.table("more", key="id")
    crowded.deploy()
    indexes = crowded.calm.get("databases").list_indexes(
        parent=f"projects/{PROJECT}/databases/{crowded.name('tables')}/collectionGroups/-"
    )
    assert [each.fields[0].field_path for each in indexes] == ["a"] * 3, "the app's own are gone"
    sessions = crowded.calm.firestore(PROJECT, crowded.name("tables")).collection("sessions")
    assert len(sessions.get()) == 1
    crowded.destroy()


def test_a_database_with_a_collection_of_others_is_not_destroyed_unasked(crowded: Deployment) -> None:
    said = "holds the collection 'sessions', which is no table of the app: destroy that as well with --delete-data"
    with pytest.raises(ConfigError, match=said):
        crowded.destroy(delete_data=False)
    assert crowded.plan().changes == ()
    crowded.destroy()
    assert crowded.deployer().status()["deployed"] is False
