"""What FaaSBridge adds to a Lambda function: to what is imported and to its cold start under AWS's own runtime client,
beside a bare handler, and to its zip.

A cold start is from the spawn of the runtime client's process to the answer to its first request. Both functions are
unpacked artifacts as a deployment makes them, spawned in turn, so that a busy machine slows both alike. Lower quartiles
count: whatever else the machine does only adds.

The budget is for the whole. A start takes ten times as long as what it is compared for, and varies by more from one
spawn to the next, so the part that a function has in it, its import and its first answer by the process's own clock,
stands beside it: that tells one version from another.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from faasbridge.build import archive
from faasbridge.build.runtime import packed

from .aws_http import EVENT
from .report import Figure, low
from .runtime import import_ms

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "providers" / "aws"))

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
BARE = """
import json


def handler(event, context):
    body = json.dumps({"number": 7, "name": "a thing"})
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}
"""
# Imports the handler and hands the first request on; the answer tells in which time.
TIMED = """
from time import perf_counter

start = perf_counter()
from {module} import handler as answer
loaded = perf_counter() - start


def handler(event, context):
    begun = perf_counter()
    result = answer(event, context)
    took = (loaded + perf_counter() - begun) * 1000
    return {{**result, "headers": {{**result["headers"], "x-took-ms": str(took)}}}}
"""
OURS = """
from faasbridge import App

app = App("bench")


@app.post("/items/{number:int}")
def item(request, number):
    return {"number": number, "name": "a thing"}
"""
# What a function that answers HTTP has imported when it is ready.
IMPORTS = "import faasbridge.artifact, faasbridge_aws.entry, faasbridge_aws.http"
MANIFEST = {
    "app": "bench_app:app",
    "middleware": [],
    "manifest": {"functions": [{"name": "http", "modules": ["bench_app"]}]},
}


def figures(spawns: int = 60) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        bare, ours = Path(folder, "bare"), Path(folder, "ours")
        runtime = packed(("faasbridge", "faasbridge_aws"), HERE, Path(folder))
        timed = "bench_timed.py"
        size = _unpacked(bare, {"bench_bare.py": BARE.encode(), timed: TIMED.format(module="bench_bare").encode()})
        of_app: dict[str, Path | bytes] = {
            "bench_app.py": OURS.encode(),
            "faasbridge.json": json.dumps(MANIFEST).encode(),
            timed: TIMED.format(module="faasbridge_aws.entry").encode(),
        }
        added = _unpacked(ours, {**runtime, **of_app}) - size
        _start(bare), _start(ours)  # warms the file cache
        starts = [(*_start(bare), *_start(ours)) for _ in range(spawns)]
        imported = import_ms(IMPORTS, spawns, "import awslambdaric.bootstrap", path=ours)
    bare_whole, bare_part, whole, part = (low(list(times)) for times in zip(*starts, strict=True))
    how = f"lower quartiles of {spawns} spawns in turn: {{:.1f}} ms with, {{:.1f}} ms without"
    note = f"lower quartile of {spawns}, from an artifact, on top of awslambdaric"
    return [
        Figure("import of core and AWS adapter", imported, "ms", 5, note=note),
        Figure("AWS cold start over a bare handler", whole - bare_whole, "ms", 5, note=how.format(whole, bare_whole)),
        Figure("  of it: import and first answer", part - bare_part, "ms", note=how.format(part, bare_part)),
        Figure("added to an AWS artifact", added / 1024, "KB", 200, note="zipped"),
    ]


def _start(folder: Path) -> tuple[float, float]:
    """Milliseconds until the first answer, and those of them that the function took."""
    from runtime_api import Sandbox  # type: ignore[import-not-found]  # the tests' own

    start = perf_counter()
    with Sandbox(folder, "bench_timed.handler", [], FAASBRIDGE_FUNCTION="http") as sandbox:
        result: Any = sandbox.invoke(EVENT)
        took = (perf_counter() - start) * 1000
    if result.kind != "response" or result.body["statusCode"] != 200:
        raise RuntimeError(f"the function in {folder} answered {result}")
    return took, float(result.body["headers"]["x-took-ms"])


def _unpacked(folder: Path, files: Mapping[str, Path | bytes]) -> int:
    """Makes an artifact's zip of the files, byte code included, and unpacks it. Its size in bytes."""
    folder.mkdir()
    made = archive.write(folder.with_suffix(".zip"), files, None, python_version=HERE)
    with zipfile.ZipFile(made.path) as zipped:
        zipped.extractall(folder)
    return made.size
