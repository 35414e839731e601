"""Byte code of the target's Python, which spares a cold start the compiling. A Python of that version on this machine
makes it by running this file, in a process of its own: what a process has interned, and its order of sets, show in the
bytes.
"""

from __future__ import annotations

import importlib.util
import marshal
import subprocess
import sys
import warnings
from functools import lru_cache
from typing import Any


@lru_cache
def tag_and_magic(version: str) -> tuple[str, str]:
    """The tag in the names of byte code and the magic number in it, of Python `version`; empty where there is none on
    this machine."""
    python = _python(version)
    return _run([python], None) if python is not None else ("", "")


def compiled(sources: dict[str, bytes], version: str) -> dict[str, bytes]:
    """`x/__pycache__/y.cpython-313.pyc` of each source `x/y.py` that compiles; none where that Python is missing."""
    tag, _ = tag_and_magic(version)
    return {cached(name, tag): code for name, code in _made(sources, version).items()}


def instead(sources: dict[str, bytes], version: str) -> dict[str, bytes]:
    """`x/y.pyc`, which Python imports without `x/y.py`, and `x/y.py` of what does not compile or has no Python here.

    As small as byte code gets: without docstrings, assertions and columns. A traceback tells its files and lines.
    """
    code = _made(sources, version, ("-OO", "-X", "no_debug_ranges"))
    return {f"{name}c" if name in code else name: code.get(name, source) for name, source in sources.items()}


def _made(sources: dict[str, bytes], version: str, options: tuple[str, ...] = ()) -> dict[str, bytes]:
    python = _python(version)
    if python is None or not sources:
        return {}
    given = sorted(sources.items())
    made: list[bytes | None] = _run([python, *options], given)
    return {name: code for (name, _), code in zip(given, made, strict=True) if code is not None}


def cached(name: str, tag: str) -> str:
    """Beside the source, whatever PYTHONPYCACHEPREFIX says on this machine."""
    folder, _, file = name.rpartition("/")
    found = f"__pycache__/{file.removesuffix('.py')}.{tag}.pyc"
    return f"{folder}/{found}" if folder else found


def _python(version: str) -> str | None:
    from .interpreters import interpreter

    return interpreter(version) if version else sys.executable


def _run(python: list[str], given: list[tuple[str, bytes]] | None) -> Any:
    arguments = [*python, "-sS", __file__]
    environment = {"PYTHONHASHSEED": "0"}
    done = subprocess.run(arguments, input=marshal.dumps(given, 2), env=environment, capture_output=True, check=True)
    return marshal.loads(done.stdout)  # noqa: S302 - written by this file


def _one(name: str, source: bytes) -> bytes | None:
    """An unchecked-hash pyc (PEP 552): valid whatever the file's date is. None for what does not compile."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    return head + marshal.dumps(code)


if __name__ == "__main__":
    asked = marshal.load(sys.stdin.buffer)  # noqa: S302 - written by this file
    answer: Any
    if asked is None:
        answer = str(sys.implementation.cache_tag), importlib.util.MAGIC_NUMBER.hex()
    else:
        answer = [_one(name, source) for name, source in asked]
    marshal.dump(answer, sys.stdout.buffer, 2)
