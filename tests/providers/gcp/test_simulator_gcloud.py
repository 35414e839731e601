"""An outside opinion: Google's own command line on what the simulator shows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cloud import PARENT, PROJECT, REGION, running

if shutil.which("gcloud") is None:
    pytest.skip("gcloud is not installed", allow_module_level=True)


@pytest.fixture
def gcloud(tmp_path: Path) -> Callable[..., str]:
    token = tmp_path / "token"
    token.write_text("none")

    def run(address: str, *arguments: str) -> str:
        env = {
            **os.environ,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS": f"{address}/",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
            "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        }
        command = ["gcloud", "functions", *arguments]
        found = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert found.returncode == 0, found.stderr
        return found.stdout

    return run


def test_gcloud_lists_describes_and_deletes_what_was_deployed(tmp_path: Path, gcloud: Callable[..., str]) -> None:
    with running(tmp_path / "server") as cloud:
        function = cloud.deploy("hello", "def handle(request):\n    return 'x'\n", environment_variables={"A": "1"})
        address = cloud.server.details["address"]

        listed = json.loads(gcloud(address, "list", "--format=json"))
        described = json.loads(gcloud(address, "describe", "hello", f"--region={REGION}", "--gen2", "--format=json"))
        gcloud(address, "delete", "hello", f"--region={REGION}", "--gen2")

        assert [each["name"] for each in listed] == [f"{PARENT}/functions/hello"]
        assert described["state"] == "ACTIVE"
        assert described["serviceConfig"]["environmentVariables"] == {"A": "1"}
        assert described["url"] == function.url
        assert list(cloud.functions.list_functions(parent=PARENT)) == []
