"""A warm build: an app with native dependencies (apps/photos: Pillow, and obstore on AWS) whose sources have changed.

Warm means that its wheels are unpacked and zipped from an earlier build.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from time import perf_counter

from faasbridge.config import Project
from faasbridge.pipeline import Target

from .deploy import PHOTOS
from .report import Figure, middle


def figures(rounds: int = 5) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "photos")
        shutil.copytree(PHOTOS, root, ignore=shutil.ignore_patterns(".faasbridge", "__pycache__"))
        target = Target(Project.load(root), "aws", "dev", simulate=True)
        spec = target.spec()
        size = target.build(spec).size
        samples = []
        for number in range(rounds):
            with (root / "photos" / "web.py").open("a") as source:
                source.write(f"\n# change {number}\n")
            start = perf_counter()
            target.build(spec)
            samples.append(perf_counter() - start)
    how = f"median of {rounds}, worst {max(samples):.2f} s; {size / 1e6:.1f} MB"
    return [Figure("warm build of photos for AWS", middle(samples), "s", 1, note=how)]
