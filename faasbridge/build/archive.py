"""A zip that depends on its contents alone: names sorted, one date, two modes, one compression."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ..errors import ConfigError
from . import bytecode

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

    Python sources get byte code beside them where the target's Python is on this machine. The file appears complete or
    not at all. Raises ConfigError for a name that `base` has already.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if base is not None:
            shutil.copyfile(base, unfinished)
        with zipfile.ZipFile(unfinished, "a" if base else "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as zipped:
            taken = set(zipped.namelist())
            contents: dict[str, tuple[bytes, bool]] = {}
            for name, source in files.items():
                if name in taken:
                    raise ConfigError(
                        f"{name!r} is in the app and in one of its dependencies: rename it, or exclude it"
                    )
                data = source if isinstance(source, bytes) else source.read_bytes()
                contents[name] = data, isinstance(source, Path) and os.access(source, os.X_OK)
            sources = {name: data for name, (data, _) in contents.items() if name.endswith(".py")}
            for name, code in bytecode.compiled(sources, python_version).items():
                contents[name] = code, False
            for name in sorted(contents):
                data, executable = contents[name]
                _add(zipped, name, data, executable=executable)
        digest = sha256(unfinished.read_bytes()).hexdigest()
        size = unfinished.stat().st_size
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return Contents(path, size, digest)


def _add(zipped: zipfile.ZipFile, name: str, data: bytes, *, executable: bool = False) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = 3  # Unix, wherever this runs, so that the modes count
    info.external_attr = (0o100755 if executable else 0o100644) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    zipped.writestr(info, data, zipfile.ZIP_DEFLATED, _LEVEL)
