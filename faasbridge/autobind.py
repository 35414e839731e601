"""Resources outside of an invocation, for what `faasbridge run` starts: `FAASBRIDGE_BIND` says of which deployment.

`dispatch.driver_for` comes here once, on an app's first use of a resource. Tool time only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigError

if TYPE_CHECKING:
    from .app import App
    from .resources import Resource

VARIABLE = "FAASBRIDGE_BIND"


def value(provider: str, stage: str, root: Path, *, simulate: bool = False) -> str:
    """What the variable holds for that deployment."""
    return f"{provider}{'+simulate' if simulate else ''}:{stage}:{root}"


def bind(app: App, setting: str) -> Callable[[Resource], Any]:
    """Binds the app and returns its drivers. Raises ConfigError for a value that names no deployment."""
    from .config import Project
    from .pipeline import Target

    provider, _, rest = setting.partition(":")
    stage, _, root = rest.partition(":")
    if not root:
        raise ConfigError(f"{VARIABLE} is 'provider:stage:folder', as `faasbridge run` sets it, not {setting!r}")
    name, _, simulate = provider.partition("+")
    return Target(Project.load(Path(root)), name, stage, simulate=bool(simulate)).bind(app)
