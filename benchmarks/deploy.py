"""`deploy --simulate` of apps/photos, as a user waits for it: from nothing, and after a change of code.

From nothing means no deployment and no simulator running; the tools and the app's dependencies are in uv's cache.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from .report import Figure

PHOTOS = Path(__file__).parents[1] / "apps" / "photos"


def figures(provider: str, title: str) -> list[Figure]:
    target = ("--provider", provider, "--simulate")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "photos")
        shutil.copytree(PHOTOS, root, ignore=shutil.ignore_patterns(".faasbridge", "__pycache__"))
        run("deploy", *target, "--yes", cwd=root)  # fills the caches
        run("destroy", *target, "--yes", "--delete-data", cwd=root)
        try:
            whole = run("deploy", *target, "--yes", cwd=root)
            page = root / "photos" / "web.py"
            page.write_text(page.read_text() + "\n# changed\n")
            code = run("deploy", *target, "--yes", cwd=root)
        finally:
            run("destroy", *target, "--yes", "--delete-data", cwd=root)
    return [
        Figure(f"{title}, deploy --simulate of photos, from nothing", whole, "s", note="simulator included"),
        Figure(f"{title}, deploy --simulate of a change of code", code, "s", note="built, uploaded, functions updated"),
    ]


def run(*arguments: str, cwd: Path) -> float:
    """Seconds that the command took."""
    start = perf_counter()
    subprocess.run([sys.executable, "-m", "faasbridge", *arguments], cwd=cwd, check=True, capture_output=True)
    return perf_counter() - start
