"""Functions on the simulator of Google Cloud, deployed and called as the cloud's are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from google.api_core import exceptions

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cloud import PARENT, PROJECT, REGION, SimulatedCloud, running  # noqa: E402

HELLO = """
import json, os

def handle(request):
    names = ("K_SERVICE", "K_REVISION", "FUNCTION_TARGET", "FUNCTION_SIGNATURE_TYPE", "PORT", "GREETING")
    print("called with", request.args.get("q"))
    return json.dumps({"path": request.full_path, "env": {n: os.environ.get(n) for n in names}}), 200, {"x-own": "1"}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCloud]:
    with running(tmp_path_factory.mktemp("cloud")) as found:
        yield found


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
