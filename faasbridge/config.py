"""A project: the nearest pyproject.toml with `[tool.faasbridge]`, and the app it names. Tool time only."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .import_faults import describe
from .provider import Stage
from .spec import AppSpec
from .suggest import nearest

PYTHONS = ("3.11", "3.12", "3.13")
"""What every vendor's runtime offers and this package supports."""

_KEYS = ("app", "targets", "python", "include", "exclude", "stages")
_STAGE = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_READ_TIMEOUT_S = 60


class Project:
    """Where an app lives and how it is set up. Nothing of the app is imported into this process."""

    def __init__(
        self,
        root: Path,
        app_ref: str,
        *,
        targets: tuple[str, ...] = (),
        python: str = "",
        include: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
        stages: Mapping[str, Mapping[str, Any]] | None = None,
        version: str = "",
        app_name: str | None = None,
    ) -> None:
        """`app_name` spares reading the app for it."""
        self.version = version
        self.root = root
        self.app_ref = app_ref
        self.targets = targets
        self.python = python or f"{sys.version_info.major}.{sys.version_info.minor}"
        self.include = include
        """Globs of files that an artifact takes although it would leave them out."""
        self.exclude = exclude
        """Globs of files that it leaves out; they win."""
        self.stages: Mapping[str, Mapping[str, Any]] = stages or {}
        self._app_name = app_name
        self._just_read: AppSpec | None = None

    @classmethod
    def load(cls, path: Path | None = None, app: str | None = None) -> Project:
        """The project that `path` (the working directory) is in. `app` is another app than the settings name.

        Raises ConfigError that names file and line where the settings are wrong.
        """
        start = (path or Path.cwd()).resolve()
        if not start.exists():
            raise ConfigError(f"there is no {path}")
        folder = start if start.is_dir() else start.parent
        for candidate in (folder, *folder.parents):
            file = candidate / "pyproject.toml"
            if file.is_file():
                whole = _read_toml(file)
                settings = whole.get("tool", {}).get("faasbridge")
                if settings is not None:
                    return _Settings(file, settings, whole.get("project", {})).project(app)
        if app is not None:
            return cls(folder, _check_ref(app, "--app"))
        raise ConfigError(
            f"no pyproject.toml with [tool.faasbridge] in {folder} or above it: "
            "go to the project's folder, name it, or make a project with `faasbridge init NAME`"
        )

    def stage(self, name: str, provider: str) -> Stage:
        """The settings of a stage for one provider. Reads the app for its name where that was not done before; where it
        cannot be read now, the name it had last counts, so that a broken app's deployment can still be looked after."""
        if not _STAGE.fullmatch(name) or "--" in name:
            raise ConfigError(f"{name!r} is no name for a stage: use a-z, 0-9 and single hyphens, a letter first")
        if self._app_name is None:
            try:
                self._just_read = self.read_spec()
            except ConfigError:
                self._app_name = self._remembered()
                if self._app_name is None:
                    raise
        table = self.stages.get(name, {})
        return Stage(
            app=self._app_name or "",
            name=name,
            provider=provider,
            root=self.root,
            env=table.get("env", {}),
            settings=table.get(provider, {}),
            targets=self.targets,
            app_ref=self.app_ref,
            python=self.python,
            version=self.version,
        )

    def read_spec(self, env: Mapping[str, str] | None = None) -> AppSpec:
        """The app's model, read in a process of its own each time, with `env` added to its environment. What `stage`
        had to read for the app's name serves once.

        Raises ConfigError: the app's mistakes, or what went wrong while it was imported and where.
        """
        found, self._just_read = self._just_read, None
        if found is not None and not env:
            return found
        command = "import sys; from faasbridge.config import print_spec; print_spec(sys.argv[1], sys.argv[2])"
        try:
            # -P keeps a module of the project from standing in for one of the standard library's too early.
            done = subprocess.run(
                [sys.executable, "-P", "-c", command, self.app_ref, str(self.root)],
                cwd=self.root,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_READ_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ConfigError(
                f"importing {self.app_ref} took more than {_READ_TIMEOUT_S} s; does a module run code that waits?"
            ) from None
        try:
            result = json.loads(done.stdout)
        except ValueError:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            ended = f"ended the process with {done.returncode}" + "".join(f": {line}" for line in said)
            raise ConfigError(f"importing {self.app_ref} {ended}") from None
        if "error" in result:
            raise ConfigError(result["error"])
        spec = AppSpec.from_json(json.dumps(result["spec"]))
        self._remember(spec.name)
        return spec

    def _remember(self, name: str) -> None:
        self._app_name = name
        folder = self.root / ".faasbridge"
        if folder.is_dir() and self._remembered() != name:
            with contextlib.suppress(OSError):
                (folder / "app").write_text(f"{self.app_ref}={name}")

    def _remembered(self) -> str | None:
        try:
            ref, _, name = (self.root / ".faasbridge" / "app").read_text().partition("=")
        except OSError:
            return None
        return name if ref == self.app_ref else None


def load_app(app_ref: str, root: Path) -> Any:
    """The App that `module:attribute` names, for a worker or test process; included modules are not loaded yet.

    `root` and its `src` come first on `sys.path`. Raises ConfigError for a wrong reference, else what the app's
    module raises.
    """
    from importlib import import_module

    from .app import App

    for folder in (root, root / "src"):
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    module_name, _, attribute = app_ref.partition(":")
    attribute = attribute or "app"
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if not error.name or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"the app is {app_ref!r}, but there is no module {error.name!r} in {root}") from None
    found = getattr(module, attribute, None)
    if isinstance(found, App):
        return found
    apps = [name for name, value in vars(module).items() if isinstance(value, App)]
    if found is None:
        raise ConfigError(f"the app is {app_ref!r}, but {module_name} has no {attribute!r}{nearest(attribute, apps)}")
    kind = f"a {type(found).__name__}, not a faasbridge.App"
    raise ConfigError(f"the app is {app_ref!r}, but that is {kind}{nearest(attribute, apps) if apps else ''}")


def print_spec(app_ref: str, root: str) -> None:
    """The reading process: one JSON object on standard output, whatever the app itself prints."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    place = Path(root)
    try:
        from .validate import spec_of

        result: dict[str, Any] = {"spec": spec_of(load_app(app_ref, place).load(), place).to_dict()}
    except BaseException as error:  # noqa: BLE001 - whatever somebody else's code raises
        result = {"error": describe(error, place)}
    out.write(json.dumps(result))
    out.close()
    os._exit(0)  # threads that the app started do not keep the tools waiting


class _Settings:
    """`[tool.faasbridge]`, checked."""

    def __init__(self, file: Path, raw: Any, project: Any) -> None:
        self.file = file
        self.raw = raw
        self.version = str(project.get("version", "")) if isinstance(project, dict) else ""
        if not isinstance(raw, dict):
            raise self._wrong("faasbridge", "[tool.faasbridge] is a table")
        for key in raw:
            if key not in _KEYS:
                raise self._wrong(key, f"[tool.faasbridge] has no key {key!r}{nearest(key, _KEYS)}")

    def project(self, app: str | None) -> Project:
        ref = self.raw.get("app") if app is None else app
        if not isinstance(ref, str):
            raise self._wrong("app", '[tool.faasbridge] needs the app, such as app = "photos.app:app"')
        where = "--app" if app is not None else self._line("app")
        return Project(
            self.file.parent,
            _check_ref(ref, where),
            targets=self._texts("targets", 'a list of providers, such as ["aws", "gcp"]'),
            python=self._python(),
            include=self._texts("include", 'a list of globs, such as ["data/*.csv"]'),
            exclude=self._texts("exclude", 'a list of globs, such as ["*.psd"]'),
            stages=self._stages(),
            version=self.version,
        )

    def _texts(self, key: str, what: str) -> tuple[str, ...]:
        texts = self.raw.get(key, [])
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise self._wrong(key, f"{key} is {what}")
        return tuple(dict.fromkeys(texts))

    def _python(self) -> str:
        given = os.environ.get("FAASBRIDGE_PYTHON")
        if given and given not in PYTHONS:
            raise ConfigError(f"FAASBRIDGE_PYTHON is one of {', '.join(PYTHONS)}, not {given!r}")
        python = self.raw.get("python", "")
        if python and python not in PYTHONS:
            hint = f'; write it as text: "{python}"' if str(python) in PYTHONS else ""
            raise self._wrong("python", f"python is one of {', '.join(PYTHONS)}, not {python!r}{hint}")
        return given or str(python)

    def _stages(self) -> Mapping[str, Mapping[str, Any]]:
        stages = self.raw.get("stages", {})
        if not isinstance(stages, dict):
            raise self._wrong("stages", "stages is a table of stages, such as [tool.faasbridge.stages.prod.env]")
        for name, stage in stages.items():
            header = f"[tool.faasbridge.stages.{name}]"
            if not _STAGE.fullmatch(name) or "--" in name:
                raise self._wrong(
                    name, f"{name!r} is no name for a stage: use a-z, 0-9 and single hyphens, a letter first"
                )
            if not isinstance(stage, dict):
                raise self._wrong(name, f"{header} is a table")
            for part, table in stage.items():
                if not isinstance(table, dict):
                    raise self._wrong(part, f"{header} holds tables only, `env` and one a provider; {part!r} is none")
                texts, where = (table, "env") if part == "env" else (table.get("existing", {}), f"{part}.existing")
                if not isinstance(texts, dict):
                    raise self._wrong(where, f"{header}: {where} is a table of names")
                for key, value in texts.items():
                    if not isinstance(value, str):
                        raise self._wrong(key, f'{header}: {where}.{key} is text; write {key} = "{_shown(value)}"')
        return stages

    def _wrong(self, key: str, text: str) -> ConfigError:
        return ConfigError(f"{self._line(key)}: {text}")

    def _line(self, key: str) -> str:
        """Where a key of our tables stands; the parser does not tell."""
        ours = False
        for number, line in enumerate(self.file.read_text(encoding="utf-8").splitlines(), 1):
            text = line.strip()
            if text.startswith("["):
                ours = text.startswith("[tool.faasbridge")
            if ours and re.match(rf"""(\[.*\b|["']?){re.escape(key)}["']?\s*(=|\.|\]|$)""", text):
                return f"{self.file}:{number}"
        return str(self.file)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_ref(ref: str, where: str) -> str:
    module, _, attribute = ref.partition(":")
    parts: Sequence[str] = (*module.split("."), attribute or "app")
    if not all(part.isidentifier() for part in parts):
        raise ConfigError(f"{where}: an app is named by its module and variable, such as 'photos.app:app', not {ref!r}")
    return ref


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not UTF-8 text, which TOML must be") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        lines = text.splitlines() or [""]
        number = int(said[2]) if said and said[2] else len(lines)
        why = said[1] if said else str(error)
        raise ConfigError(f"{file}:{number}: {why}\n    {lines[min(number, len(lines)) - 1].strip()}") from None
