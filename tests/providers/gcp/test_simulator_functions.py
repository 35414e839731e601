"""Functions on the simulator of Google Cloud, deployed and called as the cloud's are."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from google.api_core import exceptions
from google.cloud import functions_v2

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cloud import PARENT, PROJECT, SimulatedCloud, wait_until

HELLO = """
import json, os

def handle(request):
    names = ("K_SERVICE", "K_REVISION", "FUNCTION_TARGET", "FUNCTION_SIGNATURE_TYPE", "PORT", "GREETING")
    print(f"called with {request.args.get('q')}")
    return json.dumps({"path": request.full_path, "env": {n: os.environ.get(n) for n in names}}), 200, {"x-own": "1"}
"""


def test_a_function_answers_at_its_url_under_functions_framework(cloud: SimulatedCloud) -> None:
    function = cloud.publicly(cloud.deploy("hello", HELLO, environment_variables={"GREETING": "hi"}))

    answer = httpx.get(f"{function.url}/a%2Fb?q=1")

    assert answer.status_code == 200
    assert answer.headers["x-own"] == "1"
    assert answer.json() == {
        "path": "/a/b?q=1",
        "env": {
            "K_SERVICE": "hello",
            "K_REVISION": function.service_config.revision,
            "FUNCTION_TARGET": "handle",
            "FUNCTION_SIGNATURE_TYPE": "http",
            "PORT": "8080",
            "GREETING": "hi",
        },
    }
    assert function.service_config.uri == function.url
    assert function.state.name == "ACTIVE"
    assert "called with 1" in cloud.log_texts("hello")


def test_nobody_but_an_invoker_reaches_a_function(cloud: SimulatedCloud) -> None:
    function = cloud.deploy("private", "def handle(request):\n    return 'in'\n")
    invoker, other = cloud.account("invoker"), cloud.account("somebody")
    cloud.grant(cloud.run, function.service_config.service, "roles/run.invoker", f"serviceAccount:{invoker}")

    def status(account: str, audience: str) -> int:
        name = f"projects/-/serviceAccounts/{account}"
        token = cloud.credentials.generate_id_token(name=name, audience=audience, delegates=[]).token
        return httpx.get(function.url, headers={"authorization": f"Bearer {token}"}).status_code

    assert httpx.get(function.url).status_code == 401
    assert status(invoker, "http://elsewhere") == 401
    assert status(other, function.url) == 403
    assert status(invoker, function.url) == 200


def test_the_invoker_check_can_be_turned_off(cloud: SimulatedCloud) -> None:
    function = cloud.deploy("unchecked", "def handle(request):\n    return 'in'\n")
    service = cloud.run.get_service(name=function.service_config.service)
    service.invoker_iam_disabled = True
    request = {"service": service, "update_mask": {"paths": ["invoker_iam_disabled"]}}

    assert cloud.run.update_service(request=request).result(timeout=10).invoker_iam_disabled
    assert httpx.get(function.url).text == "in"


def test_a_function_that_cannot_be_imported_fails_its_deployment_and_says_why_in_the_log(cloud: SimulatedCloud) -> None:
    function = cloud.function({"main.py": "raise RuntimeError('no such setting')\n"})
    operation = cloud.functions.create_function(parent=PARENT, function_id="broken", function=function)

    with pytest.raises(exceptions.InvalidArgument, match="Container Healthcheck failed"):
        operation.result(timeout=60)

    found = cloud.functions.get_function(name=f"{PARENT}/functions/broken")
    assert found.state.name == "FAILED"
    assert "Healthcheck" in found.state_messages[0].message
    assert any("no such setting" in text for text in cloud.log_texts("broken"))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"other.py": ""}, "missing main.py"),
        ({"main.py": "def handle(:\n"}, "SyntaxError"),
        ({"main.py": "", "requirements.txt": "no-such-package-of-faasbridge==1\n"}, "no-such-package-of-faasbridge"),
        ({"main.py": "", "../outside.py": ""}, "points outside"),
    ],
)
def test_a_build_that_fails_says_what_the_builder_said(
    cloud: SimulatedCloud, files: dict[str, str], words: str
) -> None:
    operation = cloud.functions.create_function(parent=PARENT, function_id="unbuilt", function=cloud.function(files))
    try:
        with pytest.raises(exceptions.InvalidArgument, match=f"Build failed.*{words}"):
            operation.result(timeout=60)
    finally:
        cloud.functions.delete_function(name=f"{PARENT}/functions/unbuilt").result(timeout=20)


def test_the_old_revision_serves_on_where_an_update_fails(cloud: SimulatedCloud) -> None:
    function = cloud.publicly(cloud.deploy("kept", "def handle(request):\n    return 'old'\n"))
    source = cloud.upload({"main.py": "import nothing_like_this\n"})
    new = functions_v2.Function(name=function.name, build_config={"source": {"storage_source": source}})
    request = {"function": new, "update_mask": {"paths": ["build_config.source"]}}

    with pytest.raises(exceptions.InvalidArgument):
        cloud.functions.update_function(request=request).result(timeout=60)

    assert httpx.get(function.url).text == "old"
    found = cloud.functions.get_function(name=function.name)
    assert found.state.name == "ACTIVE"
    assert found.service_config.revision == function.service_config.revision


def test_an_update_keeps_the_url_and_the_policy_and_what_its_mask_leaves_out(cloud: SimulatedCloud) -> None:
    function = cloud.publicly(
        cloud.deploy(
            "grown", "import os\ndef handle(r):\n    return os.environ['A']\n", environment_variables={"A": "1"}
        )
    )
    assert httpx.get(function.url).text == "1"
    new = functions_v2.Function(
        name=function.name, service_config={"environment_variables": {"A": "2"}}, labels={"team": "blue"}
    )
    paths = ["service_config.environment_variables", "labels"]

    updated = cloud.functions.update_function(request={"function": new, "update_mask": {"paths": paths}}).result(
        timeout=60
    )

    assert updated.url == function.url
    assert httpx.get(function.url).text == "2"
    assert updated.build_config.entry_point == "handle"
    assert updated.service_config.revision != function.service_config.revision
    listed = cloud.functions.list_functions(request={"parent": PARENT, "filter": "labels.team=blue"})
    assert [each.name for each in listed] == [function.name]


def test_a_request_over_the_time_out_ends_with_504_and_a_crash_with_503_and_both_can_go_on(
    cloud: SimulatedCloud,
) -> None:
    code = """
import os, time

def handle(request):
    if request.path == "/slow":
        time.sleep(30)
    if request.path == "/crash":
        os._exit(1)
    return "fine"
"""
    function = cloud.publicly(cloud.deploy("frail", code, timeout_seconds=1))

    assert httpx.get(f"{function.url}/slow", timeout=20).status_code == 504
    assert httpx.get(function.url, timeout=20).text == "fine"
    assert httpx.get(f"{function.url}/crash", timeout=20).status_code == 503
    assert wait_until(lambda: httpx.get(function.url, timeout=20).text == "fine")


def test_requests_run_beside_one_another_in_instances_of_their_own(cloud: SimulatedCloud, tmp_path: Path) -> None:
    code = f"""
import os, pathlib, time

def handle(request):
    folder = pathlib.Path({str(tmp_path)!r})
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 25
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return str(os.getpid())
"""
    function = cloud.publicly(cloud.deploy("wide", code))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: httpx.get(function.url, timeout=60).text, range(2)))

    assert len(set(found)) == 2


def test_repeated_headers_bodies_and_cookies_pass_both_ways(cloud: SimulatedCloud) -> None:
    code = """
import flask

def handle(request):
    answer = flask.Response(request.get_data(), 201)
    answer.headers["x-seen"] = request.headers["X-Forwarded-For"] + "|" + request.headers["x-many"]
    answer.set_cookie("a", "1")
    answer.set_cookie("b", "2")
    return answer
"""
    function = cloud.publicly(cloud.deploy("faithful", code))
    body = bytes(range(256)) * 100

    answer = httpx.post(function.url, content=iter([body, body]), headers=[("x-many", "1"), ("x-many", "2")])

    assert (answer.status_code, answer.content) == (201, body * 2)
    assert answer.headers["x-seen"] == "127.0.0.1|1,2"
    assert len(answer.headers.get_list("set-cookie")) == 2


def test_a_function_learns_who_it_is_from_the_metadata_server_and_reaches_google_apis_here(
    cloud: SimulatedCloud,
) -> None:
    code = """
import json
import google.auth
import google.auth.transport.requests
from google.cloud import secretmanager_v1

def handle(request):
    credentials, project = google.auth.default()
    credentials.refresh(google.auth.transport.requests.Request())
    client = secretmanager_v1.SecretManagerServiceClient()
    version = client.access_secret_version(name=f"projects/{project}/secrets/told/versions/latest")
    return json.dumps([project, credentials.service_account_email, version.payload.data.decode()])
"""
    account = cloud.account("reader-one")
    parent = f"projects/{PROJECT}"
    cloud.secrets.create_secret(parent=parent, secret_id="told", secret={"replication": {"automatic": {}}})
    cloud.secrets.add_secret_version(parent=f"{parent}/secrets/told", payload={"data": b"value"})
    cloud.grant(
        cloud.secrets, f"{parent}/secrets/told", "roles/secretmanager.secretAccessor", f"serviceAccount:{account}"
    )
    files = {"main.py": code, "requirements.txt": "google-cloud-secret-manager\nrequests\n"}
    function = cloud.function(files, service_account_email=account)
    operation = cloud.functions.create_function(parent=PARENT, function_id="knowing", function=function)
    url = cloud.publicly(operation.result(timeout=100)).url

    assert httpx.get(url, timeout=30).json() == [PROJECT, account, "value"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"function_id": "Upper"}, exceptions.InvalidArgument),
        ({"parent": f"projects/{PROJECT}"}, exceptions.InvalidArgument),
        ({"runtime": "python27"}, exceptions.InvalidArgument),
        ({"labels": {"App": "x"}}, exceptions.InvalidArgument),
        ({"env": {"K_SERVICE": "x"}}, exceptions.InvalidArgument),
        ({"account": f"nobody@{PROJECT}.iam.gserviceaccount.com"}, exceptions.PermissionDenied),
        ({"source": "gone.zip"}, exceptions.InvalidArgument),
    ],
)
def test_what_google_refuses_is_refused(cloud: SimulatedCloud, change: dict[str, Any], error: type[Exception]) -> None:
    function = cloud.function({"main.py": ""})
    function.labels = change.get("labels", {})
    function.build_config.runtime = change.get("runtime", function.build_config.runtime)
    function.service_config.environment_variables = change.get("env", {})
    function.service_config.service_account_email = change.get("account", "")
    if "source" in change:
        function.build_config.source.storage_source.object_ = change["source"]

    with pytest.raises(error):
        cloud.functions.create_function(
            parent=change.get("parent", PARENT), function_id=change.get("function_id", "refused"), function=function
        )


def test_names_are_taken_once_and_deleted_functions_are_gone(cloud: SimulatedCloud) -> None:
    function = cloud.publicly(cloud.deploy("brief", "def handle(request):\n    return 'x'\n"))
    with pytest.raises(exceptions.AlreadyExists):
        cloud.deploy("brief", "")

    cloud.functions.delete_function(name=function.name).result(timeout=20)

    with pytest.raises(exceptions.NotFound):
        cloud.functions.get_function(name=function.name)
    with pytest.raises(exceptions.NotFound):
        cloud.run.get_service(name=function.service_config.service)
    with pytest.raises(httpx.ConnectError):
        httpx.get(function.url)
