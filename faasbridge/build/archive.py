"""A zip that depends on its contents alone: names sorted, one date, two modes, one compression."""

from __future__ import annotations

import marshal
import os
import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ..errors import ConfigError

_DATE: Final = (1980, 1, 1, 0, 0, 0)
_LEVEL: Final = 6


@dataclass(frozen=True)
class Contents:
    """What was written: `size` in bytes, zipped."""

    path: Path
    size: int
    sha256: str

    def parts(self, *, zipped: bool = True) -> Counter[str]:
        """Top-level folders and files with their sizes."""
        sizes: Counter[str] = Counter()
        with zipfile.ZipFile(self.path) as archive:
            for info in archive.infolist():
                sizes[info.filename.partition("/")[0]] += info.compress_size if zipped else info.file_size
        return sizes


def write(path: Path, files: Mapping[str, bytes | Path], base: Path | None, *, python_version: str) -> Contents:
    """Writes `files` (contents, or where they are) behind those of the zip `base`, which are not compressed again.

    Python sources get their bytecode beside them where this Python is the target's. The file appears complete or not
    at all. Raises ConfigError for a name that `base` has already.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if base is not None:
            shutil.copyfile(base, unfinished)
        with zipfile.ZipFile(unfinished, "a" if base else "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as zipped:
            taken = set(zipped.namelist())
            for name in sorted(files):
                if name in taken:
                    raise ConfigError(
                        f"{name!r} is in the app and in one of its dependencies: rename it, or exclude it"
                    )
                source = files[name]
                data = source if isinstance(source, bytes) else source.read_bytes()
                executable = isinstance(source, Path) and os.access(source, os.X_OK)
                _add(zipped, name, data, executable=executable)
                if name.endswith(".py") and bytecode_for(python_version):
                    compiled = _bytecode(name, data)
                    if compiled is not None:
                        _add(zipped, bytecode_name(name), compiled)
        digest = sha256(unfinished.read_bytes()).hexdigest()
        size = unfinished.stat().st_size
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return Contents(path, size, digest)


def bytecode_for(python_version: str) -> bool:
    """Whether bytecode of the running Python is the target's."""
    return python_version in ("", f"{sys.version_info.major}.{sys.version_info.minor}")


def bytecode_name(name: str) -> str:
    """`__pycache__/x.cpython-313.pyc` beside the source, whatever PYTHONPYCACHEPREFIX says on this machine."""
    folder, _, file = name.rpartition("/")
    cached = f"__pycache__/{file.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
    return f"{folder}/{cached}" if folder else cached


def _add(zipped: zipfile.ZipFile, name: str, data: bytes, *, executable: bool = False) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = 3  # Unix, wherever this runs, so that the modes count
    info.external_attr = (0o100755 if executable else 0o100644) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    zipped.writestr(info, data, zipfile.ZIP_DEFLATED, _LEVEL)


def _bytecode(name: str, source: bytes) -> bytes | None:
    """An unchecked-hash pyc (PEP 552): valid whatever the file's date is. None for what does not compile."""
    import importlib.util
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    # Version 2 of marshal has no references, whose presence depends on what else the process has interned.
    return (
        importlib.util.MAGIC_NUMBER
        + (1).to_bytes(4, "little")
        + importlib.util.source_hash(source)
        + marshal.dumps(code, 2)
    )
