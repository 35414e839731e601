"""Artifacts as folders, each content once."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path
from uuid import uuid4


def unpacked(folder: Path, code: bytes, digest: str) -> Path:
    """The artifact's files, once for each content. Raises RuntimeError for an archive that leaves its folder."""
    target = folder / digest[:32]
    if (target / ".unpacked").exists():
        return target
    part = Path(f"{target}.{uuid4().hex}")
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            for name in archive.namelist():
                if name.startswith("/") or ".." in name.split("/"):
                    raise RuntimeError(f"the artifact holds {name!r}, which leaves its folder")
            archive.extractall(part)
            for info in archive.infolist():
                mode = info.external_attr >> 16 & 0o777
                if mode:
                    os.chmod(part / info.filename, mode | 0o400)
        (part / ".unpacked").touch()
        part.rename(target)
    except OSError:
        if not (target / ".unpacked").exists():  # else somebody was faster
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target
