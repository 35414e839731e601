"""Every way to end: an exit code, and one sentence on stderr. A traceback only with `--debug`."""

from __future__ import annotations

import errno
import json
import os
import sys
from types import TracebackType

from ..errors import DeployError, FaaSBridgeError, Throttled

SUCCESS, USER, USAGE, CLOUD, INTERRUPTED = 0, 1, 2, 3, 130


class UsageError(Exception):
    """The command was called in a way that it cannot work; exit code 2."""


class Interrupted(Exception):
    """Ctrl-C, with what to do next."""


class Faults:
    """Ends the process with the exit code and the sentence of whatever is raised inside."""

    def __init__(self, arguments: list[str]) -> None:
        # Looked at by hand, so that mistakes in the arguments are reported in the wanted form as well.
        own = arguments[: arguments.index("--")] if "--" in arguments else arguments
        self.json = "--json" in own
        self.debug = "--debug" in own

    def __enter__(self) -> Faults:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The option parser turns a broken pipe into an exit of its own.
        pipe = error.__context__ if isinstance(error, SystemExit) else error
        if error is None or (isinstance(error, SystemExit) and not isinstance(pipe, BrokenPipeError)):
            return
        if isinstance(pipe, BrokenPipeError):  # whoever read our output has enough of it
            _drop_output()
            sys.exit(SUCCESS)
        code, message = explained(error)
        if self.debug and not isinstance(error, KeyboardInterrupt):
            import traceback

            traceback.print_exception(error)
        report(message, type(error).__name__, code, as_json=self.json)
        try:
            sys.stdout.flush()
        except OSError:  # a full disk, which was just reported
            _drop_output()
        sys.exit(code)


def _drop_output() -> None:
    """Keeps the interpreter from complaining, and from changing the exit code, when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explained(error: BaseException) -> tuple[int, str]:
    """The exit code and the sentence for an error."""
    if isinstance(error, (DeployError, Throttled)):
        return CLOUD, str(error)
    if isinstance(error, FaaSBridgeError):
        return USER, str(error) or type(error).__name__
    if isinstance(error, UsageError):
        return USAGE, str(error)
    if isinstance(error, Interrupted):
        return INTERRUPTED, str(error)
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return INTERRUPTED, "interrupted; the same command can be run again"
    if hasattr(error, "format_message"):  # the option parser's own, which Typer brings along under changing names
        message = str(error.format_message()).rstrip(".")
        context = getattr(error, "ctx", None)
        where = f" (see `{context.command_path} --help`)" if context is not None else ""
        return USAGE, f"{message[:1].lower()}{message[1:]}{where}"
    if isinstance(error, OSError):
        return USER, _of_the_machine(error)
    return USER, f"unexpected {type(error).__name__}: {error} (--debug shows where)"


def report(message: str, kind: str, code: int, *, as_json: bool) -> None:
    """One sentence on stderr, or one JSON object."""
    if as_json:
        print(json.dumps({"error": message, "type": kind, "exit": code}, ensure_ascii=False), file=sys.stderr)
        return
    red, end = ("\033[1;31m", "\033[0m") if sys.stderr.isatty() and "NO_COLOR" not in os.environ else ("", "")
    print(f"{red}error:{end} {message}", file=sys.stderr)


def _of_the_machine(error: OSError) -> str:
    where = f" {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"the disk is full{f': cannot write{where}' if where else ''}; make room and run the command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to use{where or ' a file'}: {error.strerror}; change its mode, or use another folder"
    if error.errno == errno.EADDRINUSE:
        return "the port is in use; choose another with --port"
    return f"{error.strerror or error}{f':{where}' if where else ''}"
