"""Log files: every line once, whatever is in it and while files grow, are renamed and vanish."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from faasbridge.local import logs
from faasbridge.local.logs import LogFiles, follow_logs, read_logs
from faasbridge.local.records import Line
from faasbridge.provider import LogLine


@pytest.fixture
def files(tmp_path: Path) -> Iterator[LogFiles]:
    made = LogFiles(tmp_path)
    yield made
    made.close()


def write(files: LogFiles, *texts: str, function: str = "work", at: float = 1_800_000_000.0) -> None:
    for text in texts:
        files.write(function, "id", Line(at, "out", text))
    files.flush()


def take(lines: Iterator[LogLine], count: int) -> list[str]:
    return [line.text for line in islice(lines, count)]


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


def test_following_gives_each_line_once_while_files_are_renamed_and_vanish(
    files: LogFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 400)  # some four lines
    following = follow_logs(tmp_path, "work", 0.0)
    write(files, "0")
    assert take(following, 1) == ["0"]
    for start in range(1, 40, 3):
        texts = [str(number) for number in range(start, start + 3)]
        write(files, *texts)
        assert take(following, 3) == texts
    files.clear()
    write(files, "after")
    assert take(following, 1) == ["after"]


def test_following_a_large_log_reads_only_what_is_new(files: LogFiles, tmp_path: Path) -> None:
    write(files, *(f"old {number}" for number in range(20_000)))
    began = time.thread_time()
    following = follow_logs(tmp_path, None, 0.0)
    assert len(take(following, 20_000)) == 20_000
    whole = time.thread_time() - began
    began = time.thread_time()
    for number in range(10):
        write(files, str(number))
        assert take(following, 1) == [str(number)]
    assert time.thread_time() - began < whole
