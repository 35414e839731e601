"""What a command prints: plain lines where nobody looks, colours and progress on a terminal, JSON on request."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from .faults import UsageError

COLOURS = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "dim": "2",
    "bold": "1",
}


class Output:
    """Standard output of one command. `terminal`: whether colours and progress are wanted."""

    def __init__(self, *, as_json: bool) -> None:
        self.json = as_json
        self.terminal = sys.stdout.isatty() and not as_json and os.environ.get("TERM") != "dumb"
        self.colours = self.terminal and "NO_COLOR" not in os.environ

    def line(self, text: str = "") -> None:
        """One line for people; nothing where JSON was asked for."""
        if not self.json:
            print(text, flush=True)

    def data(self, value: Any, *, indent: int | None = 2) -> None:
        """JSON. Dataclasses, paths and sets become what JSON has for them."""
        print(json.dumps(value, indent=indent, ensure_ascii=False, default=plain), flush=True)

    def paint(self, text: str, *styles: str) -> str:
        if not self.colours or not text:
            return text
        return f"\033[{';'.join(COLOURS[style] for style in styles)}m{text}\033[0m"

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Sequence[str | None] = ()) -> None:
        """Aligned columns. On a terminal through Rich, which wraps long cells; elsewhere one line a row, whole."""
        if self.json:
            return
        if self.terminal:
            from rich.console import Console
            from rich.table import Table
            from rich.text import Text

            table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
            for i, head in enumerate(heads):
                table.add_column(head, style=(styles[i] if i < len(styles) else None) or "", overflow="fold")
            for row in rows:
                table.add_row(*(Text.from_ansi(cell) for cell in row))
            Console(highlight=False, no_color=not self.colours).print(table)
            return
        widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
        for row in [heads, *rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        sys.stdout.flush()

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        """A spinner with what is going on, told through the function it gives; silent where there is no terminal."""
        if not (self.terminal and sys.stderr.isatty()):
            yield lambda text: None
            return
        from rich.console import Console
        from rich.markup import escape

        with Console(stderr=True).status(escape(text)) as status:
            yield lambda text: status.update(escape(text))

    def confirm(self, question: str, *, yes: bool) -> bool:
        """Asks on the terminal; `yes` answers beforehand. Raises UsageError where nobody can be asked."""
        if yes:
            return True
        if self.json or not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on: add --yes to go on without a question")
        while True:
            try:
                answer = input(f"{question} [y/N] ").strip().lower()
            except EOFError:
                return False
            if answer in ("y", "yes"):
                return True
            if answer in ("", "n", "no"):
                return False


def plain(value: Any) -> Any:
    """What `json.dumps` cannot write by itself."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return repr(value)
