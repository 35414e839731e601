"""Loading an app in a process of its own, and saying what is wrong with it where it cannot be loaded."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader

from ..app import App
from ..artifact import load as load_artifact
from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Broken(Exception):
    """An app that cannot be loaded: one sentence, the place, and the traceback without this package's own frames."""

    def __init__(self, message: str, location: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.traceback = traceback

    def report(self) -> dict[str, str]:
        return {"message": self.message, "location": self.location, "traceback": self.traceback}

    @classmethod
    def of(cls, error: BaseException, root: str) -> Broken:
        """What a user needs of any error: a ConfigError says it all, a SyntaxError knows its line, others have
        frames."""
        from traceback import TracebackException

        if isinstance(error, ConfigError):
            return cls(str(error))
        shown = TracebackException.from_exception(error, compact=True)
        for each in _chain(shown):
            each.stack[:] = [frame for frame in each.stack if not _ours(frame.filename)]
        if isinstance(error, SyntaxError) and error.filename:
            location = f"{_relative(error.filename, root)}:{error.lineno}"
            return cls(f"{location}: {type(error).__name__}: {error.msg}", location, "".join(shown.format()))
        location = f"{_relative(shown.stack[-1].filename, root)}:{shown.stack[-1].lineno}" if shown.stack else ""
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return cls(f"{location}: {text}" if location else text, location, "".join(shown.format()))


def load_app(job: dict[str, Any]) -> App:
    """The app of `job["app_ref"]`, with `job["modules"]` of it imported (None: all). Raises Broken."""
    root: str = job["root"]
    os.environ.update(job.get("env") or {})
    os.chdir(root)
    source = os.path.join(root, "src")
    paths = [root, *([source] if os.path.isdir(source) else [])]
    sys.path[:0] = paths
    if job.get("fresh"):
        _always_read_sources(paths)
    module, _, attribute = job["app_ref"].partition(":")
    try:
        if os.path.exists(os.path.join(root, "faasbridge.json")):  # an unpacked artifact, with plugins' middleware
            return load_artifact(root, job["function"])
        found = import_module(module)
        app = getattr(found, attribute or "app", None)
        if not isinstance(app, App):
            raise ConfigError(
                f"{module} has no faasbridge App named {attribute or 'app'!r}; set app = 'module:name' in "
                f"[tool.faasbridge]"
            )
        return app.load(job.get("modules"))
    except ModuleNotFoundError as error:
        if error.name == module or module.startswith(f"{error.name}."):
            raise Broken(
                f"there is no module {module!r} in {root}; set app = 'module:name' in [tool.faasbridge] of "
                f"pyproject.toml"
            ) from None
        raise Broken.of(error, root) from None
    except BaseException as error:  # noqa: BLE001 - an app may raise anything while it is imported
        raise Broken.of(error, root) from None


class _SourceLoader(SourceFileLoader):
    """Without byte code: a cached file is matched by whole seconds and size, too coarse for someone who saves twice."""

    def path_stats(self, path: Any) -> Any:
        raise OSError


def _always_read_sources(paths: list[str]) -> None:
    finder = FileFinder.path_hook((ExtensionFileLoader, EXTENSION_SUFFIXES), (_SourceLoader, SOURCE_SUFFIXES))
    skipped = ("site-packages", "node_modules")

    def hook(path: str) -> Any:
        for root in paths:
            if path == root or path.startswith(root + os.sep):
                inner = path[len(root) :].split(os.sep)
                if any(part in skipped or part.startswith(".") for part in inner):
                    break
                return finder(path)
        raise ImportError

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()


def _chain(shown: Any) -> Any:
    while shown is not None:
        yield shown
        shown = shown.__cause__ or shown.__context__


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def _ours(filename: str) -> bool:
    return filename.startswith((_PACKAGE, "<frozen"))


def _relative(filename: str, root: str) -> str:
    return os.path.relpath(filename, root) if filename.startswith(root.rstrip(os.sep) + os.sep) else filename
