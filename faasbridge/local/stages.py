"""A stage as text, for the command line of the server and its control API."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from ..provider import Stage


def stage_to_json(stage: Stage) -> str:
    return json.dumps({**{f.name: getattr(stage, f.name) for f in fields(Stage)}, "root": str(stage.root)})


def stage_from_json(text: str) -> Stage:
    raw = json.loads(text)
    return Stage(**{**raw, "root": Path(raw["root"]), "targets": tuple(raw["targets"])})
