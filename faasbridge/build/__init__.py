"""AppSpec and sources -> a reproducible artifact: one zip an app, all of its functions in it.

`build` puts the parts together; they are in `sources` (the app's own files), `runtime` (the run-time part of
FaaSBridge and of a provider), `requirements` and `wheels` (dependencies, through uv) and `archive` (the zip itself).
"""

from __future__ import annotations

from .artifact import Build, build

__all__ = ["Build", "build"]
