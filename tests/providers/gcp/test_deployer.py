"""The deployer against a simulated cloud: what it plans, does and leaves, whatever state it finds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from faasbridge import App, Message
from faasbridge.errors import ConfigError, DeployError
from faasbridge.simulation.servers import Server

sys.path.insert(0, str(Path(__file__).parent))
from deploying import CODE, COLD, PARENT, PROJECT, Deployment, simulated


def handler(event: Any) -> None: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with simulated(tmp_path_factory.mktemp("cloud") / "s", COLD) as server:
        yield server


def app_of(name: str, *, attempts: int = 5, prefix: str = "", **options: Any) -> App:
    app = App(name)
    app.table("rows", key="id")
    files = app.bucket("files")

    @app.get("/", uses=[files.get])
    def home(request: Any) -> Any: ...

    app.queue("jobs").on_message(name="work", max_attempts=attempts, **options)(handler)
    files.on_create(name="Arrived", **({"prefix": prefix} if prefix else {}))(handler)
    return app


@pytest.fixture
def life(server: Server, tmp_path: Path) -> Iterator[Deployment]:
    life = Deployment(server, f"life{uuid4().hex[:6]}", tmp_path)
    life.app = app_of(life.stage.app)
    yield life
    life.destroy()


def test_a_first_plan_creates_everything_and_only_reads(life: Deployment) -> None:
    assert life.changes() == {
        ("create", "api", "http"),
        ("create", "app", life.stage.app),
        ("create", "bucket", "files"),
        ("create", "database", life.name("tables")),
        ("create", "function", "Arrived"),
        ("create", "function", "work"),
        ("create", "queue", "jobs"),
        ("create", "table", "rows"),
    }
    assert list(life.calm.get("publisher").list_topics(project=f"projects/{PROJECT}")) == []
    assert life.destroy() == []


def test_what_was_deployed_needs_no_change(life: Deployment) -> None:
    progress = life.deploy()
    assert [each.state for each in progress if each.step.name == "work"] == ["started", "done"]
    assert {each.step.name for each in progress if each.state == "done"} >= {"http", "jobs", "files", "rows", "Arrived"}
    assert life.plan().changes == ()
    assert life.deploy() == []


def test_other_code_is_uploaded_once(life: Deployment) -> None:
    life.deploy()
    before = life.artifact().sha256
    life.code = CODE.format("two")
    assert {(step.action, step.name, step.reason) for step in life.plan().changes} == {
        ("update", "http", "code"),
        ("update", "work", "code"),
        ("update", "Arrived", "code"),
    }
    uploads = [each for each in life.deploy() if each.step.kind == "artifact"]
    assert [each.state for each in uploads] == ["started", "done"]
    bucket = life.calm.get("storage").bucket(f"{life.name('artifacts')}-123456789012")
    assert {each.name for each in bucket.list_blobs()} == {f"{each}.zip" for each in (before, life.artifact().sha256)}
    assert life.plan().changes == ()


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ({"memory_mb": 512}, {("update", "function", "work", "serviceConfig")}),
        ({"timeout_s": 30}, {("update", "function", "work"), ("update", "queue", "jobs")}),
        ({"attempts": 9}, {("update", "queue", "jobs", "subscription: deadLetterPolicy")}),
        ({"prefix": "in/"}, {("update", "function", "Arrived", "new inbox; no inbox any more; rights")}),
        ({"gcp": {"min_instances": 1}}, {("update", "function", "work", "serviceConfig")}),
    ],
)
def test_a_change_is_told_by_what_changed(life: Deployment, changed: dict[str, Any], steps: set[Any]) -> None:
    life.deploy()
    life.app = app_of(life.stage.app, **changed)
    found = {(step.action, step.kind, step.name, step.reason) for step in life.plan().changes}
    assert {each[: len(next(iter(steps)))] for each in found} == steps
    assert not any(step.data_loss for step in life.plan().changes)
    life.deploy()
    assert life.plan().changes == ()
    life.app = app_of(life.stage.app)
    life.deploy()
    assert life.plan().changes == (), "what was added is taken away again"


def test_what_leaves_the_app_is_deleted_and_its_data_with_it(life: Deployment) -> None:
    life.deploy()
    life.app = App(life.stage.app)
    life.app.queue("jobs").on_message(name="work")(handler)
    steps = {(step.kind, step.name): step for step in life.plan().changes}
    assert {place: step.data_loss for place, step in steps.items() if step.action == "delete"} == {
        ("api", "http"): False,
        ("bucket", "files"): True,
        ("database", life.name("tables")): True,
        ("function", "Arrived"): False,
        ("table", "rows"): True,
    }
    life.deploy()
    assert life.plan().changes == ()
    assert set(life.deployer().status()["functions"]) == {"work"}


def test_what_cannot_be_changed_loses_its_data(server: Server, tmp_path: Path, life: Deployment) -> None:
    life.deploy()
    moved = Deployment(server, life.stage.app, tmp_path, bucket_location="us-east1")
    moved.app = life.app
    (step,) = [step for step in moved.plan().changes if step.name == "files"]
    assert (step.action, step.data_loss, step.reason) == ("replace", True, "location, it must be made anew")


def test_a_database_that_would_have_to_move_stays(server: Server, tmp_path: Path, life: Deployment) -> None:
    life.deploy()
    moved = Deployment(server, life.stage.app, tmp_path, database_location="nam5")
    moved.app = life.app
    with pytest.raises(DeployError, match="is in europe-west1 and cannot be moved: set `database_location` to that"):
        moved.plan()


def test_a_stage_that_moves_to_another_region_leaves_nothing_running_in_the_one_before(life: Deployment) -> None:
    """An api would go on answering there, and a schedule fire twice."""
    life.app = App(life.stage.app)
    life.app.get("/")(lambda request: None)
    life.app.schedule("0 3 * * *", name="nightly")(lambda tick: None)
    life.deploy()
    before = life.deployer().outcome().endpoints
    life.stage = replace(life.stage, settings={**life.stage.settings, "region": "europe-west4"})
    assert life.deployer().outcome().endpoints == {}
    life.deploy()
    after = life.deployer().outcome().endpoints
    assert set(after) == {"http"}
    assert after != before
    everywhere = f"projects/{PROJECT}/locations/-"
    functions = [each.name for each in life.calm.get("functions").list_functions(parent=everywhere)]
    ours = [name for name in functions if f"/{life.stage.app}-" in name]
    assert {name.split("/")[3] for name in ours} == {"europe-west4"}
    assert not [each for each in life.calm.get("scheduler").list_jobs(parent=PARENT) if life.stage.app in each.name]
    assert life.plan().changes == ()


def test_stages_and_other_apps_are_left_alone(server: Server, tmp_path: Path, life: Deployment) -> None:
    life.deploy()
    other = Deployment(server, f"{life.stage.app}x", tmp_path)
    other.app = app_of(other.stage.app)
    other.deploy()
    other.destroy()
    assert life.plan().changes == ()


def test_what_somebody_changed_by_hand_is_seen_and_mended(life: Deployment) -> None:
    life.deploy()
    function, topic = life.of("functions", "work"), life.of("topics", "jobs-dead")
    api = life.calm.get("functions")
    changed = {"name": function, "service_config": {"timeout_seconds": 7}}
    api.update_function(
        request={"function": changed, "update_mask": {"paths": ["service_config.timeout_seconds"]}}
    ).result()
    life.calm.get("publisher").delete_topic(topic=topic)
    policy = life.calm.get("projects").get_iam_policy(request={"resource": f"projects/{PROJECT}"})
    account = life.calm.get("functions").get_function(name=function).service_config.service_account_email
    policy.bindings.add(role="roles/owner", members=[f"serviceAccount:{account}"])
    life.calm.get("projects").set_iam_policy(request={"resource": f"projects/{PROJECT}", "policy": policy})
    assert {(step.action, step.kind, step.name) for step in life.plan().changes} >= {
        ("update", "function", "work"),
        ("update", "queue", "jobs"),
    }
    life.deploy()
    assert life.plan().changes == ()
    policy = life.calm.get("projects").get_iam_policy(request={"resource": f"projects/{PROJECT}"})
    assert "roles/owner" not in [each.role for each in policy.bindings if each.members]


def test_a_public_api_stays_public_when_its_function_is_changed(life: Deployment) -> None:
    """Cloud Functions owns the service, and writes it anew."""
    life.deploy()
    service = life.of("services", "http")
    api = life.calm.get("run")

    def around(operation: str, send: Any) -> Any:
        answer = send()
        if operation == "UpdateFunction":
            written = {"name": service, "invoker_iam_disabled": False}
            api.update_service(
                request={"service": written, "update_mask": {"paths": ["invoker_iam_disabled"]}}
            ).result()
        return answer

    life.code = CODE.format("two")
    life.deploy(around)
    assert api.get_service(name=service).invoker_iam_disabled is True
    assert life.plan().changes == ()


def test_what_others_were_given_stays(life: Deployment) -> None:
    life.deploy()
    topic = life.of("topics", "jobs")
    api = life.calm.get("publisher")
    policy = api.get_iam_policy(request={"resource": topic})
    policy.bindings.add(role="roles/pubsub.viewer", members=["user:somebody@example.com"])
    api.set_iam_policy(request={"resource": topic, "policy": policy})
    assert life.plan().changes == ()
    life.app = app_of(life.stage.app, attempts=7)
    life.deploy()
    found = api.get_iam_policy(request={"resource": topic})
    assert ["user:somebody@example.com"] in [list(each.members) for each in found.bindings]


def test_what_waited_in_an_inbox_is_taken_over_by_the_next(life: Deployment) -> None:
    """A filter cannot be changed, so the handler with another prefix has another subscription."""
    life.deploy()
    api = life.calm.get("subscriber")
    found = [each.name for each in api.list_subscriptions(project=f"projects/{PROJECT}")]
    (old,) = [each for each in found if life.name("Arrived-inbox") in each and not each.endswith("-dead")]
    api.modify_push_config(request={"subscription": old, "push_config": {}})
    topic = api.get_subscription(subscription=old).topic
    attributes = {"eventType": "OBJECT_FINALIZE", "objectId": "in/a", "bucketId": "b", "objectGeneration": "1"}
    life.calm.get("publisher").publish(topic=topic, messages=[{"data": b"{}", "attributes": attributes}])
    watch = f"projects/{PROJECT}/subscriptions/watch-{life.stage.app}"
    api.create_subscription(name=watch, topic=topic)
    life.app = app_of(life.stage.app, prefix="in/")
    life.deploy()
    (received,) = api.pull(subscription=watch, max_messages=10).received_messages
    assert dict(received.message.attributes) == {**attributes, "faasbridge-for": "Arrived"}
    api.delete_subscription(subscription=watch)


def test_data_is_destroyed_only_where_that_was_asked_for(life: Deployment) -> None:
    life.deploy()
    assert [each.step.kind for each in life.destroy(delete_data=False) if each.state == "failed"] == []
    life.deploy()
    bucket = life.calm.get("storage").bucket(f"{life.name('files')}-123456789012")
    bucket.blob("a.txt").upload_from_string("a")
    life.calm.firestore(PROJECT, life.name("tables")).collection("rows").document("1").set({"id": "1"})
    with pytest.raises(ConfigError, match=r"bucket 'files' holds 1 object, table 'rows' holds 1 row: .*--delete-data"):
        life.destroy(delete_data=False)
    assert life.plan().changes == ()
    progress = life.destroy()
    for kind, name in (("bucket", "files"), ("table", "rows")):
        told = [(each.state, each.detail) for each in progress if (each.step.kind, each.step.name) == (kind, name)]
        assert told == [("started", ""), ("started", "1 of 1, 100 %"), ("done", "")]
    assert life.deployer().status()["deployed"] is False
    assert life.destroy() == []


def test_a_large_artifact_says_how_far_its_upload_is_and_is_uploaded_once(life: Deployment) -> None:
    life.code = CODE.format("big") + "#" + "x" * 17_000_000
    progress = [each for each in life.deploy() if each.step.kind == "artifact"]
    shares = [int(each.detail.partition(" %")[0]) for each in progress if " %" in each.detail]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert len(set(shares)) > 2
    assert [(each.state, each.detail) for each in progress][-1] == ("done", "17.0 MB")
    assert [each for each in life.deploy() if each.step.kind == "artifact"] == []


def test_a_secret_has_at_most_one_value_and_none_is_in_the_plan(life: Deployment) -> None:
    life.app.secret("token")
    life.deploy()
    deployer = life.deployer()
    assert deployer.secrets() == {"token": False}
    for value in ("first", "second"):
        deployer.set_secret("token", value)
    name = life.of("secrets", "token")
    versions = list(life.calm.get("secretmanager").list_secret_versions(parent=name))
    assert sorted(each.state.name for each in versions) == ["DESTROYED", "ENABLED"]
    assert "second" not in repr(life.plan())
    deployer.unset_secret("token")
    assert deployer.secrets() == {"token": False}


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda deployer: deployer.invoke("wrok", Message("x")), "no function 'wrok'; did you mean 'work'"),
        (lambda deployer: deployer.dead_letters("http"), "function 'http' has no inbox"),
        (lambda deployer: deployer.set_secret("token", "x"), "no secret 'token'"),
    ],
)
def test_what_is_not_there_is_named(life: Deployment, ask: Any, message: str) -> None:
    life.deploy()
    with pytest.raises(ConfigError, match=message):
        ask(life.deployer())


def test_what_is_not_deployed_says_how_to_deploy_it(life: Deployment) -> None:
    with pytest.raises(ConfigError, match=r"is not deployed at stage 't' in demo-project, europe-west1: `faasbridge"):
        life.deployer().dead_letters("work")


def test_a_function_that_was_being_deployed_is_waited_for(life: Deployment) -> None:
    """As after a deployment whose command was killed."""
    life.deploy()
    function = life.calm.get("functions").get_function(name=f"{PARENT}/functions/{life.name('work')}")
    function.service_config.timeout_seconds = 9
    life.calm.get("functions").update_function(function=function)
    life.code = CODE.format("two")
    life.deploy()
    assert life.plan().changes == ()
