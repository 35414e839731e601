"""Pin every package that the workspace resolves to, in `[tool.uv] constraint-dependencies` of pyproject.toml.

`uv.lock` names the index of whoever made it, so it is not committed. These pins, with their markers, carry the same
versions to every clone, to tox and to CI. Run it as `uv run python tools/pin.py` when dependencies change or age.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
BEGIN: Final = "# pins: begin (written by tools/pin.py)\n"
END: Final = "# pins: end\n"
EXPORT: Final = (
    "uv export --quiet --no-hashes --no-header --no-annotate --no-emit-workspace --all-packages --all-extras "
    "--all-groups"
).split()


def split(text: str) -> tuple[str, str]:
    """What stands before and after the block of pins; without a block, right below `[tool.uv]` is its place."""
    if BEGIN in text and END in text:
        return text.partition(BEGIN)[0], text.partition(END)[2]
    head, table, tail = text.partition("[tool.uv]\n")
    if not table:
        sys.exit("pyproject.toml has no [tool.uv] table: add one, so that the pins have a place.")
    return head + table, tail


def main() -> None:
    pyproject = ROOT / "pyproject.toml"
    original = pyproject.read_text()
    before, after = split(original)
    try:
        pyproject.write_text(before + after)
        subprocess.run(["uv", "lock", "--quiet", "--upgrade"], cwd=ROOT, check=True)
        exported = subprocess.run(EXPORT, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
        pins = sorted(line.strip() for line in exported.splitlines() if "==" in line)
        block = "".join(f'    "{pin.replace(" ; ", "; ")}",\n' for pin in pins)
        pyproject.write_text(f"{before}{BEGIN}constraint-dependencies = [\n{block}]\n{END}{after}")
    except BaseException:
        pyproject.write_text(original)
        raise
    subprocess.run(["uv", "lock", "--quiet"], cwd=ROOT, check=True)
    print(f"{len(pins)} packages pinned.")


if __name__ == "__main__":
    main()
