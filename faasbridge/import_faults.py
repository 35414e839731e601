"""What an app raised while it was imported, in one sentence that says where. Tool time only."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .suggest import nearest


def describe(error: BaseException, root: Path) -> str:
    """What an app raised while it was imported: the place in its own code, type and message; a ConfigError's own
    words."""
    prefix = f"{root}/"
    place = _place(error, root)
    if isinstance(error, ConfigError):
        text = str(error).replace(prefix, "")
        return text if re.match(r"\S.*?:\d+: |the app is ", text) or not place else f"{place}: {text}"
    option = _unknown_option(error)
    if option is not None:
        return f"{place}: {option}" if place else option
    message = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        text += "; is it among the project's dependencies and installed here?"
    return f"{place}: the app cannot be imported: {text}" if place else f"the app cannot be imported: {text}"


def _place(error: BaseException, root: Path) -> str:
    """`file:line` of the deepest frame in the project's own code."""
    prefix = f"{root}/"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename.removeprefix(prefix)}:{error.lineno}"
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(prefix) and "site-packages" not in file:
            place = f"{file.removeprefix(prefix)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _unknown_option(error: BaseException) -> str | None:
    """What is wrong with a call such as `app.queue("jobs", maxattempts=3)`, which Python itself refuses.

    Said here and not by the call, which a deployed function makes at each cold start.
    """
    found = re.fullmatch(r"(\w+)\.(\w+)\(\) got an unexpected keyword argument '(\w+)'.*", str(error))
    if found is None or not isinstance(error, TypeError):
        return None
    from . import app, resources

    owner: Any = getattr(app, found[1], None) or getattr(resources, found[1], None)
    function = getattr(owner, found[2], None)
    if function is None:
        return None
    known = [each.name for each in inspect.signature(function).parameters.values() if each.kind == each.KEYWORD_ONLY]
    return f"there is no option {found[3]}= here{nearest(found[3], known)}"
