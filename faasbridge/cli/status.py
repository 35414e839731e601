"""`faasbridge status`: what is deployed, and how it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .options import Session, session
from .output import Output, plain


@session(target=True, path=True)
def command(session: Session) -> None:
    """Show what is deployed, and how it is."""
    status = session.target.deployer().status()
    if session.out.json:
        session.out.data(dict(status))
        return
    session.out.line(f"{session.out.paint(session.target.stage.app, 'bold')}, {session.place}")
    show(status, session.out)


def show(values: Mapping[str, Any], out: Output, indent: str = "") -> None:
    """Nested tables as indented lines."""
    width = max(
        (len(str(key)) for key, value in values.items() if not isinstance(value, (Mapping, list)) or not value),
        default=0,
    )
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            out.line(f"{indent}{key}:")
            show(value, out, indent + "  ")
        elif isinstance(value, (list, tuple)) and value:
            out.line(f"{indent}{key}:")
            for each in value:
                text = "  ".join(f"{k}={v}" for k, v in each.items()) if isinstance(each, Mapping) else each
                out.line(f"{indent}  {text}")
        else:
            out.line(f"{indent}{out.paint(str(key).ljust(width), 'dim')}  {_text(value)}".rstrip())


def _text(value: Any) -> str:
    if value is None or value in ("", {}, [], ()):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else str(value if isinstance(value, (int, float)) else plain(value))
