"""What the payloads of AWS come with."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from services import Services


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
