"""What the payloads of AWS come with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def expected(corpus: Path, case_name: str) -> Any:
    """What the case's `.expect.json` says, attribute -> value; nothing where it has none."""
    path = corpus / f"{case_name}.expect.json"
    return json.loads(path.read_text()) if path.exists() else {}
