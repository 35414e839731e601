"""An outside opinion: Google's own command line on what the simulator shows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deploying import COLD, PROJECT, REGION, Deployment, simulated

if shutil.which("gcloud") is None and not os.environ.get("CI"):
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
    with simulated(tmp_path / "server", COLD) as server:
        shop = Deployment(server, "shop", tmp_path / "shop")

        @shop.app.get("/")
        def home(request: Any) -> Any: ...

        shop.app.queue("jobs").on_message(name="work", memory_mb=512)(home)
        shop.deploy()
        address, name = server.details["address"], shop.name("work")

        listed = json.loads(gcloud(address, "list", "--format=json"))
        described = json.loads(gcloud(address, "describe", name, f"--region={REGION}", "--gen2", "--format=json"))
        gcloud(address, "delete", name, f"--region={REGION}", "--gen2")

        assert sorted(each["name"] for each in listed) == [shop.of("functions", "http"), shop.of("functions", "work")]
        assert described["state"] == "ACTIVE"
        assert described["labels"]["faasbridge-app"] == "shop"
        assert described["serviceConfig"]["availableMemory"] == "512Mi"
        assert described["serviceConfig"]["environmentVariables"]["FAASBRIDGE_FUNCTION"] == "work"
        assert ("update", "function", "work") in shop.changes(), "what was deleted is missed"
        shop.deploy()
        assert shop.plan().changes == ()
