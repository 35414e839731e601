"""docs/contract.md and the suites name each other's things."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from faasbridge import ConfigError
from faasbridge.conformance import Harness, suites

PAGE = (Path(__file__).parents[2] / "docs" / "contract.md").read_text()


def cases(suite: str) -> dict[str, object]:
    members = vars(import_module(f"faasbridge.conformance.{suite}").Cases)
    return {name.removeprefix("test_"): case for name, case in members.items() if name.startswith("test_")}


def test_every_case_that_the_contract_names_exists() -> None:
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", PAGE)) - {
        "if_absent",
        "if_match",
        "max_attempts",
        "timeout_s",
    }
    known = {name for suite in suites() for name in cases(suite)}
    assert named
    assert named - known == set()


def test_every_caveat_of_the_suites_is_in_the_contract() -> None:
    caveats = {c for suite in suites() for case in cases(suite).values() for c in getattr(case, "faasbridge_needs", ())}
    assert caveats == set(re.findall(r"caveat `([a-z-]+)`", PAGE))


def test_a_suite_that_there_is_not_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'tables'"):
        suites("table")
    with pytest.raises(ConfigError, match="no conformance suite"):
        Harness("local", ["everything"])
