"""Reading an app's spec, in a process of its own: the server never imports a user's code."""

from __future__ import annotations

from ..app import App


def manifest_of(app: App) -> str:
    """The spec as JSON. Raises ConfigError that names every mistake."""
    return app.spec().to_json()
