"""What FaaSBridge adds to a Lambda function: to what is imported and to its cold start under AWS's own runtime client,
and to its zip.

A cold start is from the spawn of the runtime client's process to the answer to its first request. Both functions are
unpacked artifacts with compiled files, spawned in turn, so that a busy machine slows both alike.
"""

from __future__ import annotations

import compileall
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from time import perf_counter
from typing import Any

from faasbridge.build.runtime import collect

from .aws_http import EVENT
from .report import Figure, middle
from .runtime import import_ms

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "providers" / "aws"))

BARE = """
import json


def handler(event, context):
    body = json.dumps({"number": 7, "name": "a thing"})
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}
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


def figures(spawns: int = 20) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        bare, ours = Path(folder, "bare"), Path(folder, "ours")
        _unpacked(bare, {"bench_bare.py": BARE.encode()})
        runtime = {path: file.read_bytes() for path, file in collect(("faasbridge", "faasbridge_aws")).items()}
        _unpacked(ours, {**runtime, "bench_app.py": OURS.encode(), "faasbridge.json": json.dumps(MANIFEST).encode()})
        times: dict[str, list[float]] = {"bare": [], "ours": []}
        for spawn in range(spawns + 1):  # the first of each warms the file cache
            for name, took in (("bare", _start(bare, "bench_bare.handler")), ("ours", _start(ours))):
                if spawn:
                    times[name].append(took)
        of_bare, of_ours = middle(times["bare"]), middle(times["ours"])
        size = _zipped(Path(folder, "runtime.zip"), runtime)
    how = f"median of {spawns} spawns in turn: {of_ours:.1f} ms with, {of_bare:.1f} ms without"
    imported = import_ms(IMPORTS, spawns, "import awslambdaric.bootstrap")
    return [
        Figure("import of core and AWS adapter", imported, "ms", 5, note=f"median of {spawns}, on top of awslambdaric"),
        Figure("AWS cold start over a bare handler", of_ours - of_bare, "ms", 5, note=how),
        Figure("added to an AWS artifact", size / 1024, "KB", 200, note="zipped, drivers of every kind included"),
    ]


def _start(folder: Path, handler: str = "faasbridge_aws.entry.handler") -> float:
    """Milliseconds until the first answer."""
    from runtime_api import Sandbox  # type: ignore[import-not-found]  # the tests' own

    start = perf_counter()
    with Sandbox(folder, handler, [], FAASBRIDGE_FUNCTION="http") as sandbox:
        result: Any = sandbox.invoke(EVENT)
        took = (perf_counter() - start) * 1000
    if result.kind != "response" or result.body["statusCode"] != 200:
        raise RuntimeError(f"{handler} answered {result}")
    return took


def _unpacked(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    compileall.compile_dir(folder, quiet=1)


def _zipped(path: Path, files: dict[str, bytes]) -> int:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return os.path.getsize(path)
