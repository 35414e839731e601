"""What a deployed function feels: the import of the core, and the dispatch of a request. Peers in the same run."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path

from faasbridge import App, Request
from faasbridge.dispatch import Runner

from .report import Figure, low

BASE = "import json, logging"
PEERS = {
    "aws-lambda-powertools": "from aws_lambda_powertools.event_handler import APIGatewayHttpResolver",
    "chalice": "from chalice import Chalice",
    "mangum + starlette": "from mangum import Mangum; from starlette.applications import Starlette",
}


def imports(runs: int = 15) -> list[Figure]:
    """Milliseconds that an import adds to an interpreter that has `json` and `logging`, from compiled files."""
    ours = import_ms("import faasbridge", runs)
    figures = [Figure("import faasbridge", ours, "ms", 5, note=f"lower quartile of {runs}, compiled files present")]
    for name, statement in PEERS.items():
        module = statement.split()[1].partition(".")[0].rstrip(";")
        if importlib.util.find_spec(module):
            figures.append(Figure(f"  peer: {name}", import_ms(statement, runs), "ms", note=statement))
    return figures


def import_ms(statement: str, runs: int, base: str = BASE, path: Path | None = None) -> float:
    """`path` comes first on the interpreter's and has compiled files; without one they are written beforehand."""
    code = (
        f"{base}\nfrom time import perf_counter\nstart = perf_counter()\n{statement}\n"
        "print((perf_counter() - start) * 1000)"
    )
    with tempfile.TemporaryDirectory() as pycache:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        if path is None:
            env["PYTHONPYCACHEPREFIX"] = pycache
        else:
            env["PYTHONPATH"] = str(path)  # before what is installed, should PYTHONSAFEPATH be set

        def once() -> float:
            out = subprocess.run(
                [sys.executable, "-c", code],
                env=env,
                cwd=path,  # which is what `-c` looks through first
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            return float(out.split()[-1])

        once()  # writes the compiled files
        return low([once() for _ in range(runs)])


def dispatch(number: int = 20_000, rounds: int = 7) -> list[Figure]:
    """Microseconds that routing and dispatch add to calling the handler and `json.dumps`."""
    app = App("bench")

    @app.get("/items/{number:int}")
    def item(request: Request, number: int) -> dict[str, object]:
        return {"number": number, "name": "a thing", "tags": ["a", "b"]}

    runner = Runner(app, "http", provider="local", stage="bench", driver_of=lambda resource: None)
    request = Request("GET", "/items/7", headers={"accept": "application/json"})
    ours = _per_call(lambda: runner.http(request), number, rounds)
    bare = _per_call(lambda: json.dumps(item(request, 7)), number, rounds)
    how = f"{ours:.2f} us with, {bare:.2f} us without"
    return [Figure("HTTP dispatch over a bare handler", ours - bare, "us", 6, note=how)]


def _per_call(call: Callable[[], object], number: int, rounds: int) -> float:
    return min(timeit.repeat(call, number=number, repeat=rounds)) / number * 1e6
