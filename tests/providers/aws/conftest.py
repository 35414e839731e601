"""What the payloads of AWS come with."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.loaders
import pytest

if TYPE_CHECKING:
    from deploying import Clients
    from services import Services


@pytest.fixture(scope="session", autouse=True)
def service_models() -> Iterator[None]:
    """Read once: hundreds of clients are made here, each in a session of its own, as by hundreds of commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", functools.cache(botocore.loaders.create_loader))
        yield


@pytest.fixture
def expected(corpus: Path, case_name: str) -> Any:
    """What the case's `.expect.json` says, attribute -> value; nothing where it has none."""
    path = corpus / f"{case_name}.expect.json"
    return json.loads(path.read_text()) if path.exists() else {}


@pytest.fixture(scope="session")
def aws() -> Iterator[Services]:
    """AWS's services on this machine."""
    sys.path.insert(0, str(Path(__file__).parent))
    from services import running

    with running() as services:
        yield services


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    """Of an AWS that is a module's own."""
    sys.path.insert(0, str(Path(__file__).parent))
    from deploying import Clients, local_aws

    with local_aws() as endpoint:
        yield Clients(endpoint)
