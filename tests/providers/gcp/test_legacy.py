"""Background events become the CloudEvents that Google's own conformance suite says."""

from __future__ import annotations

import json
from typing import Any

from faasbridge_gcp import events

CASES = "ff_*-legacy-input"


def test_the_vendor_s_own_mapping(case_name: str, case: Any, corpus_file: Any) -> None:
    expected = json.loads(corpus_file(f"{case_name.removesuffix('legacy-input')}cloudevent-output.json"))
    (event,) = events.decode(case)
    assert event.native == expected
