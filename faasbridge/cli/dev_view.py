"""What `dev` shows: where the app is, its functions, and each invocation with the lines that its handler wrote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .doctor import another_python
from .human import count, duration
from .output import Output

if TYPE_CHECKING:
    from ..local.records import Invocation, Notice
    from ..provider import LogLine, Stage
    from ..spec import AppSpec, FunctionSpec

OUTCOMES = {"ok": "green", "failed": "red", "rejected": "red", "timed out": "red", "crashed": "red"}
LEVELS = {"err": "yellow", "warning": "yellow", "error": "red", "critical": "red", "debug": "dim"}
LOGGED = {"debug", "info", "warning", "error", "critical"}


class View:
    """Plain lines, colours on a terminal, or one JSON object a line."""

    def __init__(self, out: Output, stage: Stage) -> None:
        self.out = out
        self.stage = stage

    def started(self, spec: AppSpec, urls: Mapping[str, str], *, reload: bool) -> None:
        out = self.out
        rights = {function.name: _rights(function) for function in spec.functions}
        if out.json:
            described = [{"name": f.name, "trigger": trigger_of(f), "uses": rights[f.name]} for f in spec.functions]
            self._json("started", app=spec.name, stage=self.stage.name, provider=self.stage.provider, urls=dict(urls))
            self._json("functions", functions=described)
            return
        out.line(f"{out.paint(spec.name, 'bold')}, stage {self.stage.name} on {self.stage.provider}")
        width = max((len(name) for name in urls), default=0)
        for name, url in urls.items():
            out.line(f"  {name.ljust(width)}  {out.paint(url, 'cyan')}")
        out.line()
        functions = sorted(spec.functions, key=lambda f: f.trigger.kind != "http")
        rows = [(f.name, trigger_of(f), ", ".join(rights[f.name]) or "-") for f in functions]
        if rows:
            out.table(("function", "trigger", "uses"), rows, styles=("bold", None, "dim"))
            out.line()
        another = another_python(self.stage.python) if self.stage.provider == "local" else None
        if another is not None:
            out.line(f"{out.paint('warning', 'yellow')}: {another}")
        saved = "Saving a file runs it at once; " if reload else ""
        out.line(out.paint(f"{saved}Ctrl-C stops.", "dim"))

    def event(self, event: Invocation | Notice) -> None:
        """An invocation that is over, or what else happens."""
        from ..local.records import Invocation

        if isinstance(event, Invocation):
            self.invocation(event)
        elif event.kind == "reloaded":
            self._reloaded(event.ms)
        elif event.kind == "broken":
            self.broken(event.text, event.detail)
        elif event.kind == "line":
            self._line(event.text, event.function)

    def invocation(self, done: Invocation) -> None:
        out = self.out
        if out.json:
            self._json(
                "invocation",
                **{name: getattr(done, name) for name in ("id", "function", "trigger", "outcome", "ms", "attempt")},
                **({"status": done.status} if done.status is not None else {}),
                **({"reason": done.reason} if done.reason else {}),
                **({"dead_letter": True} if done.final else {}),
                lines=[{"level": line.level, "text": line.text} for line in done.lines],
            )
            return
        colour = OUTCOMES.get(done.outcome, "red")
        outcome: str = done.outcome
        if done.status is not None:
            outcome = str(done.status) if done.outcome == "ok" else f"{done.status} {done.outcome}"
            if done.outcome == "ok" and done.status >= 400:
                colour = "red" if done.status >= 500 else "yellow"
        if done.attempt > 1 or (done.outcome != "ok" and done.status is None):
            outcome += f" (attempt {done.attempt})"
        if done.final:
            outcome += ", now a dead letter"
        parts = [
            out.paint(_now(), "dim"),
            out.paint(done.function, "bold"),
            done.trigger,
            out.paint(duration(done.ms / 1000), "dim"),
            out.paint(outcome, colour) + (f": {done.reason}" if done.reason and done.outcome != "ok" else ""),
        ]
        text = ["  ".join(parts)]
        for line in done.lines:
            level = f"{line.level}: " if line.level in LOGGED and line.level != "info" else ""
            styles = [LEVELS[line.level]] if line.level in LEVELS else []
            text += [f"    {out.paint(f'{level}{each}', *styles)}" for each in line.text.splitlines() or [""]]
        out.line("\n".join(text))

    def log(self, line: LogLine) -> None:
        """A line of a simulator's log."""
        if self.out.json:
            self._json("line", function=line.function, level=line.level, text=line.text)
        else:
            self.out.line(f"{self.out.paint(_now(), 'dim')}  {self.out.paint(line.function, 'bold')}  {line.text}")

    def broken(self, text: str, detail: str = "") -> None:
        """Saved code that does not load: the sentence, and the traceback through the app's own files."""
        out = self.out
        if out.json:
            self._json("broken", error=text, detail=detail)
            return
        out.line(f"{out.paint(_now(), 'dim')}  {out.paint('cannot reload', 'red', 'bold')}, the code of before goes on")
        for each in (detail or text).rstrip().splitlines():
            out.line(f"    {out.paint(each, 'red')}")

    def stopping(self, *, keeps: bool = True) -> None:
        if self.out.json:
            self._json("stopping")
        elif keeps:
            self.out.line("\nStopping; events that were not handled stay for the next start.")
        else:
            self.out.line("\nStopping; the simulator keeps nothing for the next start.")

    def stopped(self) -> None:
        if self.out.json:
            self._json("stopped")
        else:
            self.out.line("Stopped.")

    def _reloaded(self, ms: float) -> None:
        if self.out.json:
            self._json("reloaded", ms=ms)
        else:
            self.out.line(
                f"{self.out.paint(_now(), 'dim')}  {self.out.paint('reloaded', 'blue')} in {duration(ms / 1000)}"
            )

    def _line(self, text: str, function: str) -> None:
        if self.out.json:
            self._json("line", function=function, text=text)
        else:
            head = f"{self.out.paint(function, 'bold')}  " if function else ""
            self.out.line(f"{self.out.paint(_now(), 'dim')}  {head}{text}")

    def _json(self, kind: str, **values: Any) -> None:
        time = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self.out.data({"event": kind, "time": time, **values}, indent=None)


def trigger_of(function: FunctionSpec) -> str:
    """`3 routes`, `create uploads *.jpg`, `message jobs`, `0 3 * * * Europe/Berlin`."""
    trigger = function.trigger
    settings = trigger.settings
    if trigger.kind == "http":
        return count(len(function.routes), "route")
    if trigger.kind == "tick":
        return f"{settings.get('cron')} {settings.get('timezone', 'UTC')}"
    text = f"{trigger.kind} {trigger.resource}"
    if settings.get("prefix") or settings.get("suffix"):
        text += f" {settings.get('prefix') or ''}*{settings.get('suffix') or ''}"
    return text


def _rights(function: FunctionSpec) -> list[str]:
    """`uploads.get`, or `uploads` where every operation is allowed."""
    whole = {(right.kind, right.name) for right in function.rights if right.operation == "native"}
    named = [
        right.name if (right.kind, right.name) in whole else f"{right.name}.{right.operation}"
        for right in function.rights
    ]
    return list(dict.fromkeys(named))


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
