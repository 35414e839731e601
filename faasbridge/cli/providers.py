"""`faasbridge providers`: which are installed, and what each can do."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .human import duration, size
from .options import Session, session

if TYPE_CHECKING:
    from ..limits import Limits


@session()
def command(session: Session) -> None:
    """List providers: what each can do, and its limits."""
    from ..plugins import EXTRAS, providers

    out = session.out
    found: dict[str, Any] = {name: _described(name) for name in providers()}
    for name in EXTRAS:
        if name not in found:
            found[name] = {"installed": False, "install": f"pip install 'faasbridge[{name}]'"}
    if out.json:
        out.data(found)
        return
    for name, what in found.items():
        if not what["installed"]:
            out.line(f"{out.paint(name, 'bold')}  not installed: {what['install']}")
            continue
        if "error" in what:
            out.line(f"{out.paint(name, 'bold')}  {out.paint(what['error'], 'red')}")
            continue
        out.line(f"{out.paint(name, 'bold')}  resources: {', '.join(what['kinds'])}")
        for key, value in what["limits"].items():
            out.line(f"  {key.ljust(20)} {_limit(key, value)}")
        for key, text in what["caveats"].items():
            out.line(f"  {out.paint(key, 'yellow')}: {text}")


def _described(name: str) -> dict[str, Any]:
    from ..plugins import kits, provider

    try:
        vendor = provider(name)
        kinds = sorted(kits(name))
    except ConfigError as error:
        return {"installed": True, "error": str(error)}
    return {
        "installed": True,
        "kinds": kinds,
        "simulated_deployments": hasattr(vendor, "simulated_deployer"),
        "limits": _limits(vendor.limits),
        "caveats": dict(vendor.limits.caveats),
    }


def _limits(limits: Limits) -> dict[str, Any]:
    values = {
        each.name: getattr(limits, each.name) for each in fields(limits) if each.name not in ("sources", "caveats")
    }
    return {name: value for name, value in values.items() if value is not None}


def _limit(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes"):
        return size(value)
    if name.endswith("_s"):
        return duration(value)
    return str(value)
