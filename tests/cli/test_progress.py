"""What is shown while something runs: a step, and how far it is where that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from faasbridge.cli.deploy import follow
from faasbridge.cli.output import Output
from faasbridge.deploy import Progress, Step


class Terminal(Output):
    def __init__(self) -> None:
        super().__init__(as_json=False)
        self.notes: list[str] = []

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        yield self.notes.append


def test_a_share_is_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    step = Step("delete", "objects", "photos")
    out = Terminal()
    done = follow(
        [
            Progress(step, "started"),
            Progress(step, "started", "1,000 of 4,000, 25 %"),
            Progress(step, "started", "4,000 of 4,000, 100 %"),
            Progress(step, "done", "4,000"),
        ],
        out,
    )
    assert done == 1
    assert out.notes == [
        "delete objects photos",
        "█████░░░░░░░░░░░░░░░ delete objects photos 1,000 of 4,000, 25 %",
        "████████████████████ delete objects photos 4,000 of 4,000, 100 %",
    ]
    assert capsys.readouterr().out.startswith("deleted objects photos  4,000")
