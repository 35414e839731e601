"""What Cloud Build does with a function's source: unpacked, checked, its dependencies installed.

Source: https://cloud.google.com/docs/buildpacks/python, and the messages of its builder.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import stat
import traceback
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from faasbridge.errors import ConfigError
from faasbridge.simulation import environments

FRAMEWORK = "functions-framework==3.10.2"
RUNTIMES = ("python311", "python312", "python313", "python314")
MAX_BYTES = 500 * 1024 * 1024  # https://cloud.google.com/functions/quotas, "Max deployment size", uncompressed


class BuildFailure(Exception):
    """Says why, as the operation's error does; `log` has what the build's log has of it."""

    def __init__(self, why: str, log: str = "") -> None:
        super().__init__(why)
        self.log = log or why


@dataclass(frozen=True)
class Built:
    """Source ready to run. `python` is the interpreter of the environment that it runs in."""

    folder: Path
    python: Path


async def build(archive: bytes, runtime: str, folder: Path) -> Built:
    """Raises BuildFailure."""
    return await asyncio.to_thread(_build, archive, runtime, folder)


def _build(archive: bytes, runtime: str, folder: Path) -> Built:
    _unpack(archive, folder)
    main = folder / "main.py"
    if not main.is_file():
        raise BuildFailure(
            "missing main.py and GOOGLE_FUNCTION_SOURCE not specified. Either create the function in main.py or "
            "specify GOOGLE_FUNCTION_SOURCE to point to the file that contains the function"
        )
    try:
        compile(main.read_bytes(), "main.py", "exec")
    except (SyntaxError, ValueError) as error:
        log = "".join(traceback.format_exception_only(error))
        raise BuildFailure(f"*** Sorry: {type(error).__name__}: {getattr(error, 'msg', error)}", log) from error
    requirements = folder / "requirements.txt"
    wanted = _requirements(requirements.read_text("utf-8", "replace")) if requirements.is_file() else []
    if not any(re.match(r"functions[-_.]framework\b", each, re.IGNORECASE) for each in wanted):
        wanted.append(FRAMEWORK)
    version = f"{runtime[6]}.{runtime[7:]}"
    try:
        return Built(folder, environments.environment("gcp-function", sorted(wanted), version))
    except ConfigError as error:
        raise BuildFailure(str(error)) from error


def _unpack(archive: bytes, folder: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            members = zipped.infolist()
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise BuildFailure("the source is larger than 500 MB unpacked")
            for member in members:
                path = PurePosixPath(member.filename)
                if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
                    raise BuildFailure(f"the archive's {member.filename!r} points outside of its folder")
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise BuildFailure(f"the archive's {member.filename!r} is a symbolic link")
            folder.mkdir(parents=True)
            for member in members:
                target = zipped.extract(member, folder)
                mode = member.external_attr >> 16
                if mode & 0o111 and not member.is_dir():
                    Path(target).chmod(0o755)
    except (zipfile.BadZipFile, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BuildFailure(f"the source is not a readable zip: {error}") from error


def _requirements(text: str) -> list[str]:
    """One requirement a line, without comments and hashes, which say nothing about what is installed."""
    joined = re.sub(r"\\\n", " ", text)
    found = []
    for line in joined.splitlines():
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        bare = re.sub(r"\s--hash[= ]\S+", "", bare).strip()
        if bare.startswith("-"):
            raise BuildFailure(f"the simulator takes requirements by name only, not {bare!r} of requirements.txt")
        if bare:
            found.append(bare)
    return found
