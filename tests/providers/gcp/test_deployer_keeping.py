"""What a deployment does not destroy: data that nobody gave up, and what belongs to others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from faasbridge import App
from faasbridge.simulation.servers import Server

sys.path.insert(0, str(Path(__file__).parent))
from deploying import COLD, Deployment, simulated

Make = Callable[..., Deployment]


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
