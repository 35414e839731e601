"""`faasbridge invoke`: runs one function once with an event, and prints what it returns as JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigError, InvalidEvent
from .faults import UsageError
from .options import Session, session
from .output import Output

if TYPE_CHECKING:
    from ..events import Event
    from ..provider import LogLine


@session(target=True)
def command(
    session: Session,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The function.")],
    event: Annotated[
        str | None, typer.Option("--event", "-e", metavar="FILE", help="The event as JSON; - reads stdin.")
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="An event made up for its trigger.")] = False,
    asynchronous: Annotated[bool, typer.Option("--async", help="Do not wait for it to end.")] = False,
    log: Annotated[bool, typer.Option("--log", help="Also show, on stderr, what it wrote.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the event instead of sending it.")] = False,
) -> None:
    """Run a function once with an event."""
    from ..samples import sample_event

    if sample == (event is not None):
        raise UsageError("invoke takes an event: either --event FILE (- for stdin) or --sample")
    if asynchronous and log:
        raise UsageError("--log needs the end of the invocation, which --async does not wait for")
    if sample:
        spec = session.target.spec()
        given = sample_event(spec.function(name), spec)
    else:
        readable = session.readable_spec()
        given = read(event or "-", name, readable.function(name).trigger.kind if readable is not None else "")
    if show:
        from ..codec import dumps
        from ..event_json import to_dict

        print(dumps(to_dict(given)))
        return
    deployer = session.target.deployer()
    if asynchronous:
        deployer.invoke(name, given, wait=False)
        session.out.line(f"{name} was started; `faasbridge logs {name}` tells what it does.")
        return
    answer(deployer.invoke(name, given, log=tell) if log else deployer.invoke(name, given), session.out)


def read(source: str, function: str, trigger: str) -> Event:
    """The event in a file, in the form of `invoke --sample --show`. Raises InvalidEvent, ConfigError.

    `trigger`: the function's kind of trigger; empty where that is not known.
    """
    from ..codec import dumps, loads
    from ..event_json import from_dict
    from ..samples import check_event

    if source == "-":
        content, where = sys.stdin.buffer.read(), "standard input"
    else:
        try:
            content, where = Path(source).read_bytes(), source
        except FileNotFoundError:
            raise ConfigError(f"there is no file {source}; --sample makes up an event") from None
    try:
        raw = loads(content.decode("utf-8-sig"))
        dumps(raw)  # finds what could not be sent, a lone surrogate say
    except UnicodeDecodeError:
        raise InvalidEvent(f"{where} is not UTF-8 text, which JSON must be; write it again as UTF-8") from None
    except RecursionError:
        raise InvalidEvent(f"{where} is nested too deeply for an event") from None
    except ValueError as error:
        raise InvalidEvent(f"{where} is no JSON of an event: {error}") from None
    try:
        event = from_dict(raw)
        check_event(function, trigger, event)
    except InvalidEvent as error:
        raise InvalidEvent(
            f"{where}: {error}; `faasbridge invoke {function} --sample --show` prints one to start from"
        ) from None
    return event


def tell(line: LogLine) -> None:
    print(f"{line.time} {line.level} {line.text}", file=sys.stderr)


def answer(result: Any, out: Output) -> None:
    if hasattr(result, "status") and hasattr(result, "headers"):
        status, headers, body = (
            result.finish() if hasattr(result, "finish") else (result.status, result.headers, result.body)
        )
        result = {"status": status, "headers": [list(pair) for pair in headers], "body": _body(body)}
    out.data(result, indent=None if out.json else 2)


def _body(body: bytes) -> Any:
    import json

    try:
        text = body.decode()
    except UnicodeDecodeError:
        return repr(body)
    try:
        return json.loads(text)
    except ValueError:
        return text
