"""Byte code of the target's Python, which spares a cold start the compiling. A Python of that version on this machine
makes it by running this file, in a process of its own: what a process has interned, and its order of sets, show in the
bytes.
"""

from __future__ import annotations

import ast
import importlib.util
import marshal
import subprocess
import sys
import warnings
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any, TypeGuard


@lru_cache
def tag_and_magic(version: str) -> tuple[str, str]:
    """The tag in the names of byte code and the magic number in it, of Python `version`; empty where there is none on
    this machine."""
    python = _python(version)
    return _run([python], None) if python is not None else ("", "")


def compiled(sources: dict[str, bytes], version: str) -> dict[str, bytes]:
    """`x/__pycache__/y.cpython-313.pyc` of each source `x/y.py` that compiles; none where that Python is missing."""
    tag, _ = tag_and_magic(version)
    python = _python(version)
    if python is None or not sources:
        return {}
    given = sorted(sources.items())
    made: list[bytes | None] = _run([python], given)
    return {cached(name, tag): code for (name, _), code in zip(given, made, strict=True) if code is not None}


def package(sources: dict[str, bytes], start: frozenset[str], version: str) -> dict[str, bytes]:
    """`x/__init__.pyc` and `x/modules.bin`, which `finder` describes, of a package's sources `x/y.py`. `start` names
    the modules that every start imports. The sources, where one does not compile, a folder has no `__init__.py` or
    that Python is missing.

    As small as byte code gets: without docstrings, assertions, columns, functions' annotations and what is for type
    checkers alone. A traceback tells its files and lines.
    """
    python = _python(version)
    if python is None:
        return sources
    finder = Path(__file__).with_name("finder.py").read_bytes()
    given = [(name, module(name), source) for name, source in sorted(sources.items())]
    made: dict[str, bytes] | None = _run([python, "-OO", "-X", "no_debug_ranges"], (finder, given, start))
    return made or sources


def module(name: str) -> str:
    """`x.y` of `x/y.py` and of `x/y/__init__.py`."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def for_type_checkers(node: ast.AST) -> TypeGuard[ast.If]:
    """Whether it is an `if TYPE_CHECKING:`, whose body never runs."""
    if not isinstance(node, ast.If):
        return False
    test = node.test
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def cached(name: str, tag: str) -> str:
    """Beside the source, whatever PYTHONPYCACHEPREFIX says on this machine."""
    folder, _, file = name.rpartition("/")
    found = f"__pycache__/{file.removesuffix('.py')}.{tag}.pyc"
    return f"{folder}/{found}" if folder else found


def _python(version: str) -> str | None:
    from .interpreters import interpreter

    return interpreter(version) if version else sys.executable


def _run(python: list[str], given: Any) -> Any:
    arguments = [*python, "-sS", __file__]
    environment = {"PYTHONHASHSEED": "0"}
    done = subprocess.run(arguments, input=marshal.dumps(given, 2), env=environment, capture_output=True, check=True)
    return marshal.loads(done.stdout)  # noqa: S302 - written by this file


def _code(name: str, source: bytes, *, annotated: bool = True) -> CodeType | None:
    """None for what does not compile. Not `annotated`: without what is for type checkers, annotations of functions and
    `if TYPE_CHECKING`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if annotated:
                return compile(source, name, "exec", dont_inherit=True)
            tree = ast.parse(source, name)
            for node in ast.walk(tree):
                if isinstance(node, ast.arg):
                    node.annotation = None
                elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    node.returns = None
                elif for_type_checkers(node):
                    node.body = [ast.copy_location(ast.Pass(), node)]
            return compile(tree, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None


def _pyc(code: CodeType | None, source: bytes) -> bytes | None:
    """An unchecked-hash pyc (PEP 552): valid whatever the file's date is."""
    if code is None:
        return None
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    return head + marshal.dumps(code)


def _package(
    finder: bytes, sources: list[tuple[str, str, bytes]], start: frozenset[str]
) -> dict[str, bytes | None] | None:
    codes: dict[str, CodeType] = {}
    for name, module_name, source in sources:
        code = _code(name, source, annotated=False)
        if code is None:
            return None
        codes[module_name] = code
    if any(name.rpartition(".")[0] not in {*codes, ""} for name in codes):
        return None  # a folder without `__init__.py`
    starting = {name: code for name, code in codes.items() if name in start}
    others = {name: marshal.dumps(code) for name, code in codes.items() if name not in start}
    folder = sources[0][0].partition("/")[0]
    # The finder has its names to itself: in the package's own they would stand in the way of its modules and functions.
    init = (
        f"__packed__ = {{'__name__': __name__}}\n"
        f"exec(__import__('marshal').loads({marshal.dumps(_code('finder.py', finder))!r}), __packed__)\n"
        f"exec(__packed__['install'](__name__, __path__[0], {marshal.dumps(starting)!r}))\n"
    ).encode()
    return {
        f"{folder}/__init__.pyc": _pyc(_code(f"{folder}/__init__.py", init), init),
        f"{folder}/modules.bin": marshal.dumps(others),
    }


if __name__ == "__main__":
    asked = marshal.load(sys.stdin.buffer)  # noqa: S302 - written by this file
    answer: Any
    if asked is None:
        answer = str(sys.implementation.cache_tag), importlib.util.MAGIC_NUMBER.hex()
    elif isinstance(asked, tuple):
        answer = _package(*asked)
    else:
        answer = [_pyc(_code(name, source), source) for name, source in asked]
    marshal.dump(answer, sys.stdout.buffer, 2)
