"""Byte code of the target's Python, which spares a cold start the compiling: made here where this is that Python, else
by one of that version on this machine, which runs this file.
"""

from __future__ import annotations

import importlib.util
import marshal
import subprocess
import sys
import warnings
from functools import lru_cache
from typing import Any


def tag_and_magic(version: str) -> tuple[str, str]:
    """The tag in the names of byte code and the magic number in it, of Python `version`; empty where there is none on
    this machine."""
    python = _other(version)
    if python is None:
        return "", ""
    return _described() if python == "" else _description_of(python)


def compiled(sources: dict[str, bytes], version: str) -> dict[str, bytes]:
    """`x/__pycache__/y.cpython-313.pyc` of each source `x/y.py` that compiles; none where that Python is missing."""
    python = _other(version)
    if python is None or not sources:
        return {}
    given = list(sources.items())
    made: list[bytes | None] = _all(given) if python == "" else _run(python, given)
    tag, _ = tag_and_magic(version)
    return {cached(name, tag): code for (name, _), code in zip(given, made, strict=True) if code is not None}


def cached(name: str, tag: str) -> str:
    """Beside the source, whatever PYTHONPYCACHEPREFIX says on this machine."""
    folder, _, file = name.rpartition("/")
    found = f"__pycache__/{file.removesuffix('.py')}.{tag}.pyc"
    return f"{folder}/{found}" if folder else found


def _other(version: str) -> str | None:
    """The interpreter of that version; empty for the running one, None for none."""
    from .interpreters import HERE, interpreter

    return "" if version in ("", HERE) else interpreter(version)


@lru_cache
def _description_of(python: str) -> tuple[str, str]:
    tag, magic = _run(python, None)
    return tag, magic


def _run(python: str, given: list[tuple[str, bytes]] | None) -> Any:
    done = subprocess.run([python, "-IS", __file__], input=marshal.dumps(given, 2), capture_output=True, check=True)
    return marshal.loads(done.stdout)  # noqa: S302 - written by this file


def _described() -> tuple[str, str]:
    return str(sys.implementation.cache_tag), importlib.util.MAGIC_NUMBER.hex()


def _all(given: list[tuple[str, bytes]]) -> list[bytes | None]:
    return [_one(name, source) for name, source in given]


def _one(name: str, source: bytes) -> bytes | None:
    """An unchecked-hash pyc (PEP 552): valid whatever the file's date is. None for what does not compile."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    # Version 2 of marshal has no references, whose presence depends on what else the process has interned.
    digest = importlib.util.source_hash(source)
    return importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + digest + marshal.dumps(code, 2)


if __name__ == "__main__":
    asked = marshal.load(sys.stdin.buffer)  # noqa: S302 - written by this file
    marshal.dump(_described() if asked is None else _all(asked), sys.stdout.buffer, 2)
