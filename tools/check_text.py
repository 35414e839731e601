"""Refuse what a review should not have to look for: stray whitespace, conflict markers, broken TOML, huge files."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 2_000_000
TEXT: Final = frozenset(".cfg .css .html .ini .js .json .md .py .pyi .svg .toml .txt .yaml .yml".split())
CONFLICT: Final = re.compile(r"(<{7}|>{7}|={7})( |$)")


def problems(path: Path) -> Iterator[str]:
    content = path.read_bytes()
    if len(content) > MAX_BYTES:
        yield f"{path}: {len(content):,} bytes; at most {MAX_BYTES:,} belong into the repository"
    if path.suffix not in TEXT or not content:
        return
    text = content.decode()
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield f"{path}: end the file with exactly one newline"
    for number, line in enumerate(text.split("\n"), start=1):
        if line != line.rstrip():
            yield f"{path}:{number}: remove the whitespace at the end of the line"
        if CONFLICT.match(line):
            yield f"{path}:{number}: resolve the merge conflict"
    if path.suffix == ".toml":
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            yield f"{path}: {error}"


def main(names: list[str]) -> int:
    found = [problem for name in names for problem in problems(Path(name))]
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
