"""Values of secrets on this machine: the project's `.env`, and before it `secrets.json` in the state folder (0600)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ConfigError
from .store import shared


def variable(name: str) -> str:
    """`api-key` -> `API_KEY`."""
    return name.upper().replace("-", "_")


def env_file(folder: Path) -> Path:
    """The project's `.env`: in the root that the store knows (`meta`), else two levels above the state folder."""
    root = shared(folder).meta("root")
    return (Path(root) if root else Path(folder).absolute().parents[1]) / ".env"


def secret_values(folder: Path, env: str | Path | None = None) -> dict[str, str]:
    """Every value by its variable's name; those of `.env` give way. Not for logs."""
    from dotenv import dotenv_values

    path = Path(env) if env else env_file(folder)
    try:
        values = dotenv_values(path, interpolate=False) if path.is_file() else {}
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no UTF-8 text ({error.reason} at byte {error.start}): save it as UTF-8") from None
    return {name: value for name, value in {**values, **_read(folder)}.items() if value is not None}


def set_secret(folder: Path, name: str, value: str) -> None:
    with _changing(folder) as values:
        values[variable(name)] = value


def unset_secret(folder: Path, name: str) -> None:
    """Forgets what `set_secret` stored; a value in `.env` is in force again."""
    with _changing(folder) as values:
        values.pop(variable(name), None)


def clear_secrets(folder: Path) -> None:
    """Forgets all that `set_secret` stored."""
    _file(folder).unlink(missing_ok=True)


def take_over(source: Path, target: Path) -> None:
    """What was set before a first deployment is meant for it."""
    if _file(source).exists() and not _file(target).exists():
        with open(_file(target), "w", encoding="utf-8", opener=_private) as file:
            file.write(_file(source).read_text("utf-8"))


def _file(folder: Path) -> Path:
    return Path(folder) / "secrets.json"


def _read(folder: Path) -> dict[str, str]:
    try:
        return json.loads(_file(folder).read_text("utf-8"))  # type: ignore[no-any-return]
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigError(f"{_file(folder)} is damaged: remove it and set the secrets again") from error


@contextmanager
def _changing(folder: Path) -> Iterator[dict[str, str]]:
    """One writer at a time, by the database's lock; readers see the old file or the new one."""
    target = _file(folder)
    staged = target.with_suffix(f".{os.getpid()}")
    with shared(folder).transaction():
        values = _read(folder)
        yield values
        with open(staged, "w", encoding="utf-8", opener=_private) as file:
            json.dump(values, file)
        os.replace(staged, target)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
