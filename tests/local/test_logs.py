"""Log files: every line once, whatever is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faasbridge.local.logs import LogFiles, read_logs
from faasbridge.local.records import Line


@pytest.fixture
def files(tmp_path: Path) -> Iterator[LogFiles]:
    made = LogFiles(tmp_path)
    yield made
    made.close()


def write(files: LogFiles, *texts: str, function: str = "work", at: float = 1_800_000_000.0) -> None:
    for text in texts:
        files.write(function, "id", Line(at, "out", text))
    files.flush()


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\r", "\n"])
def test_a_line_may_hold_what_separates_lines_elsewhere(files: LogFiles, tmp_path: Path, separator: str) -> None:
    write(files, f"one{separator}two", "three")
    assert [line.text for line in read_logs(tmp_path)] == [f"one{separator}two", "three"]


def test_lines_are_of_the_wanted_functions_and_times(files: LogFiles, tmp_path: Path) -> None:
    write(files, "late", at=1_800_000_002.0)
    write(files, "early", at=1_800_000_000.0)
    write(files, "other", function="mail", at=1_800_000_001.0)
    assert [line.text for line in read_logs(tmp_path)] == ["early", "other", "late"]
    assert [line.text for line in read_logs(tmp_path, ["work"], since=1_800_000_001.0)] == ["late"]
    assert read_logs(tmp_path / "nowhere") == []
