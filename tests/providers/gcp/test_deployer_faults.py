"""What goes wrong between here and Google Cloud is one sentence, says what to do, and leaves what runs running."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from faasbridge import App
from faasbridge.cli.faults import CLOUD, explained
from faasbridge.errors import ConfigError, DeployError
from faasbridge.provider import Stage
from faasbridge.simulation.servers import Server
from faasbridge_gcp.deployer import GcpDeployer
from faasbridge_gcp.deploying.connection import Cloud, faults
from faasbridge_gcp.drivers.clients import Clients

sys.path.insert(0, str(Path(__file__).parent))
from deploying import CODE, PROJECT, WARM, Deployment, simulated

DISABLED = (
    "Cloud Functions API has not been used in project 1 before or it is disabled. Enable it by visiting https://..."
)

OF_BUILD = (
    "Build failed: Cloud Build API has not been used in project 1 before or it is disabled. Enable it by visiting "
    "https://console.developers.google.com/apis/api/cloudbuild.googleapis.com/overview?project=1 then retry."
)
PLUGIN = "Getting metadata from plugin failed with error: Reauthentication is needed."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.PermissionDenied(DISABLED), "is disabled in the project: enable it with `gcloud services enable"),
        (
            exceptions.FailedPrecondition(OF_BUILD),
            r"^the API cloudbuild\.googleapis\.com is disabled.*`gcloud services enable cloudbuild\.googleapis\.com`$",
        ),
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
        (
            exceptions.Forbidden("GET b: ada does not have storage.buckets.list access"),
            "you lack a right.*ada",
        ),
        (exceptions.Unauthorized("GET b: Invalid Credentials"), "not accept the credentials.*gcloud auth"),
        (
            exceptions.TooManyRequests("POST b: the rate of buckets"),
            "a quota of the project is used up: POST",
        ),
        (exceptions.ServiceUnavailable(PLUGIN), "not accept the credentials.*gcloud auth"),
        (
            exceptions.RetryError("Timeout of 60.0s exceeded", exceptions.ServiceUnavailable(PLUGIN)),
            "not accept the credentials.*gcloud auth",
        ),
        (TransportError("no route to oauth2.googleapis.com"), "cannot be reached: no route to oauth2"),
        (requests.ConnectionError("connection\nreset"), "cannot be reached: connection reset"),
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


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], GcpDeployer]:
    """A deployer that logs in as Google's SDKs are told to: with a service account's key, at that address."""

    def make(address: str) -> GcpDeployer:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account",
            "client_email": "ada@demo-project.iam.gserviceaccount.com",
            "private_key": private.decode(),
            "token_uri": address,
        }
        (tmp_path / "key.json").write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        stage = Stage("shop", "t", "gcp", tmp_path, settings={"project": PROJECT, "region": "europe-west1"})
        return GcpDeployer(stage, Clients(PROJECT))

    return make


class Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        answer = json.dumps({"error": "invalid_grant", "error_description": "Invalid JWT: account not found"}).encode()
        self.send_response(400)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: Any) -> None: ...


def test_a_login_that_is_over_is_told_at_once(login: Callable[[str], GcpDeployer]) -> None:
    """Not after each of Google's clients has tried for a minute."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as google:
        threading.Thread(target=google.serve_forever, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(DeployError, match=r"does not accept the credentials.*gcloud auth"):
            login(f"http://127.0.0.1:{google.server_port}").status()
        assert time.monotonic() - began < 10
        google.shutdown()


def test_without_a_network_it_is_not_the_credentials_fault(login: Callable[[str], GcpDeployer]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(DeployError, match=r"^Google Cloud cannot be reached: .*refused"):
            login(address).status()


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
        (
            "def handler(request)\n",
            r"Build failed.*SyntaxError.*Its log ends with: .*line 1 / def handler\(request\).*expected ':'$",
        ),
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


@pytest.mark.parametrize(
    "said",
    [
        "Service account x does not exist.",
        "Validation failed for trigger t: Permission denied while using the Eventarc Service Agent. It may take a few "
        "minutes before all necessary permissions are propagated to the Service Agent.",
        'Permission "eventarc.events.receiveEvent" denied on "pusher@demo-project.iam.gserviceaccount.com"',
    ],
)
def test_what_is_not_known_everywhere_yet_is_waited_for(
    life: Deployment, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    left = [exceptions.InvalidArgument(said)] * 2

    def around(found: str, send: Callable[[], Any]) -> Any:
        if found == "CreateFunction" and left:
            raise left.pop()
        return send()

    life.deploy(around)
    assert left == []
    assert answer(life) == "one"
