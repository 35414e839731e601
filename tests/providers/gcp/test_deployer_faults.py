"""What goes wrong between here and Google Cloud is one sentence, says what to do, and leaves what runs running."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, RefreshError

from faasbridge import App
from faasbridge.cli.faults import CLOUD, explained
from faasbridge.errors import ConfigError, DeployError
from faasbridge.provider import Stage
from faasbridge.simulation.servers import Server
from faasbridge_gcp.deploying.connection import Cloud, faults
from faasbridge_gcp.drivers.clients import Clients

sys.path.insert(0, str(Path(__file__).parent))
from deploying import CODE, PROJECT, WARM, Deployment, simulated

DISABLED = (
    "Cloud Functions API has not been used in project 1 before or it is disabled. Enable it by visiting https://..."
)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.PermissionDenied(DISABLED), "is disabled in the project: enable it with `gcloud services enable"),
        (
            exceptions.PermissionDenied("Permission 'pubsub.topics.create' denied on resource projects/p"),
            "^you lack a right that this needs: Permission 'pubsub.topics.create' denied",
        ),
        (
            exceptions.FailedPrecondition("Billing account for project '1' is not enabled."),
            "no billing account.*link one in the console",
        ),
        (
            exceptions.PermissionDenied("This API method requires billing to be enabled."),
            "no billing account.*link one in the console",
        ),
        (
            exceptions.ResourceExhausted("Maximum number of service accounts on project reached."),
            "a quota of the project is used up: Maximum number of service accounts.*Ask for more",
        ),
        (
            exceptions.Unauthenticated("Request had invalid credentials."),
            "not accept the credentials.*gcloud auth",
        ),
        (exceptions.ServiceUnavailable("failed to connect"), "cannot be reached: failed to connect"),
        (exceptions.RetryError("Timeout of 60.0s exceeded", None), "did not answer in time.*run the command again"),
        (DefaultCredentialsError("none"), "does not accept the credentials, or there are none.*gcloud auth"),
        (RefreshError("expired"), "does not accept the credentials, or there are none.*gcloud auth"),
        (exceptions.InvalidArgument("Invalid\n  value"), "^Invalid value$"),
    ],
)
def test_a_fault_is_one_sentence_with_what_to_do(error: Exception, said: str) -> None:
    with pytest.raises(DeployError, match=said) as found, faults():
        raise error
    assert "\n" not in str(found.value)
    assert explained(found.value)[0] == CLOUD
    assert found.value.__cause__ is error


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"region": "europe-west1"},
            r"which Google Cloud project\? Set `project` in \[tool\.faasbridge\.",
        ),
        ({"project": PROJECT}, r"which region of Google Cloud\? Set `region`"),
    ],
)
def test_a_setting_that_is_missing_is_named(
    settings: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setattr("google.auth.default", lambda: (None, None))
    cloud = Cloud(Stage("shop", "t", "gcp", tmp_path, settings=settings), Clients(settings.get("project")))
    with pytest.raises(ConfigError, match=said):
        _ = cloud.project, cloud.region


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with simulated(tmp_path_factory.mktemp("cloud") / "s", WARM) as server:
        yield server


@pytest.fixture
def life(server: Server, tmp_path: Path) -> Iterator[Deployment]:
    life = Deployment(server, f"life{uuid4().hex[:6]}", tmp_path)
    life.app = App(life.stage.app)

    @life.app.get("/")
    def home(request: Any) -> Any: ...

    yield life
    life.destroy()


def refusing(operation: str, error: Exception) -> Callable[[str, Callable[[], Any]], Any]:
    def around(found: str, send: Callable[[], Any]) -> Any:
        if found == operation:
            raise error
        return send()

    return around


def answer(life: Deployment) -> str:
    return httpx.get(life.deployer().outcome().endpoints["http"]).text


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("def handler(request)\n", r"Build failed.*SyntaxError"),
        ("import no_such_module\n", r"failed to start.*Its log ends with: .*No module named 'no_such_module'"),
        ("raise SystemExit('gone too early')\n", r"failed to start.*Its log ends with: .*gone too early"),
    ],
)
def test_an_update_that_fails_leaves_the_old_revision_serving_and_says_why(
    life: Deployment, code: str, why: str
) -> None:
    life.deploy()
    assert answer(life) == "one"
    life.code = code
    progress: list[Any] = []
    applying = life.deployer().apply(life.plan())
    with pytest.raises(DeployError, match=rf"^api 'http': .*{why}"):
        progress.extend(applying)
    assert answer(life) == "one"
    assert ("update", "api", "http") in life.changes(), "the next deployment tries it again"
    life.code = CODE.format("two")
    life.deploy()
    assert answer(life) == "two"
    assert life.plan().changes == ()


def test_a_first_deployment_that_fails_is_made_whole_by_the_next(life: Deployment) -> None:
    life.code = "import no_such_module\n"
    with pytest.raises(DeployError, match="No module named"):
        life.deploy()
    life.code = CODE.format("one")
    life.deploy()
    assert answer(life) == "one"
    assert life.plan().changes == ()


def test_what_failed_is_shown_as_failed_and_nothing_new_begins(life: Deployment) -> None:
    life.app.queue("jobs").on_message(name="work")(lambda message: None)
    progress: list[Any] = []
    plan = life.plan()
    applying = life.deployer(refusing("CreateSubscription", exceptions.InvalidArgument("no"))).apply(plan)
    with pytest.raises(DeployError, match=r"'(jobs|work)': no"):
        progress.extend(applying)
    failed = {each.step.name: each.detail for each in progress if each.state == "failed"}
    assert set(failed) <= {"jobs", "work"}
    assert failed
    life.deploy()
    assert life.plan().changes == ()


@pytest.mark.parametrize("api", ["pubsub.googleapis.com", "cloudfunctions.googleapis.com", "iam.googleapis.com"])
def test_a_disabled_api_is_named_with_the_command_that_enables_it(life: Deployment, api: str) -> None:
    service = life.calm.get("apis")
    service.disable_service(request={"name": f"projects/{PROJECT}/services/{api}"}).result()
    try:
        with pytest.raises(DeployError, match=f"^the API {api} is disabled.*`gcloud services enable {api}`$"):
            life.plan()
    finally:
        service.enable_service(request={"name": f"projects/{PROJECT}/services/{api}"}).result()


@pytest.mark.parametrize(
    ("operation", "error", "said"),
    [
        ("CreateServiceAccount", exceptions.PermissionDenied("no iam.serviceAccounts.create"), "you lack a right.*iam"),
        (
            "CreateServiceAccount",
            exceptions.ResourceExhausted("100 accounts"),
            "a quota of the project is used up",
        ),
        ("CreateFunction", exceptions.FailedPrecondition("billing is disabled"), "^api 'http': .*no billing account"),
        ("GetProject", exceptions.PermissionDenied("The caller lacks permission"), "no Google Cloud project 'demo-pro"),
    ],
)
def test_what_google_refuses_is_one_sentence(life: Deployment, operation: str, error: Exception, said: str) -> None:
    with pytest.raises(DeployError, match=said) as found:
        life.deploy(refusing(operation, error))
    assert "\n" not in str(found.value)
    assert explained(found.value)[0] == CLOUD


def test_a_bucket_of_that_name_in_another_project_is_named(life: Deployment) -> None:
    life.app.bucket("files")
    error = exceptions.Conflict("The requested bucket name is not available.")

    def around(found: str, send: Callable[[], Any]) -> Any:
        if found == "storage.POST b":
            raise error
        return send()

    with pytest.raises(DeployError, match=r"the bucket name \S+-123456789012 is taken by another project"):
        life.deploy(around)


def test_an_account_that_is_not_known_everywhere_yet_is_waited_for(
    life: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    left = [exceptions.InvalidArgument("Service account x does not exist.")] * 2

    def around(found: str, send: Callable[[], Any]) -> Any:
        if found == "CreateFunction" and left:
            raise left.pop()
        return send()

    life.deploy(around)
    assert left == []
    assert answer(life) == "one"
