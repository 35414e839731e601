"""Finds a package's modules in the two files that an artifact has of it.

The first is the package's `__init__.pyc`, which runs this module's text: it holds the byte code of what a start
imports. The second, `modules.bin`, holds that of all the others and is read when one of them is asked for.
"""

from __future__ import annotations

import sys
from _frozen_importlib import ModuleSpec  # that of importlib.machinery, without a file more to read at a cold start
from marshal import load, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType


class PackedModules:
    """Finder and loader. A code object's file is its module's path in the artifact, `faasbridge/routing.py`."""

    def __init__(self, package: str, folder: str, start: dict[str, CodeType]) -> None:
        self.within = f"{package}."
        self._folder = folder
        self._beside = folder.removesuffix(package)
        self._code = start
        self._others: dict[str, bytes] | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(self.within):
            return None
        code = self._code.get(name)
        if code is None:
            if self._others is None:
                with open(f"{self._folder}/modules.bin", "rb") as stream:
                    self._others = load(stream)  # noqa: S302 - of the artifact, as all code is
            if name not in self._others:
                return None
            code = self._code[name] = loads(self._others[name])  # noqa: S302 - likewise
        within = code.co_filename.endswith("/__init__.py")
        return ModuleSpec(name, self, origin=code.co_filename, is_package=within)  # type: ignore[arg-type]  # no ABC

    def create_module(self, spec: ModuleSpec) -> None:
        """Python's own way."""

    def exec_module(self, module: ModuleType) -> None:
        code = self._code[module.__name__]
        module.__file__ = f"{self._beside}{code.co_filename}"
        exec(code, module.__dict__)  # noqa: S102 - that is what loading is


def install(package: str, folder: str, start: bytes) -> CodeType:
    """From here on the package's modules are found. What is left to run is its own `__init__`, which comes back."""
    code: dict[str, CodeType] = loads(start)  # noqa: S302 - of the artifact, as all code is
    own = code.pop(package)
    # Not what an earlier import of the package has left, of another folder perhaps.
    others = [each for each in sys.meta_path if getattr(each, "within", "") != f"{package}."]
    sys.meta_path[:] = [PackedModules(package, folder, code), *others]
    return own
