"""What functions and the host wrote, and Log Analytics' answers to queries for it: of its language what reading a log
takes, a selection by time and app. Another table or operator than the deployer's is a fault that says so.

Source: Azure Monitor documentation, "AppTraces"; Log Analytics API, "Response format".
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from .arm.errors import ArmError

MOST = 20_000
_LEVELS = ("Trace", "Debug", "Information", "Warning", "Error", "Critical")
_COLUMNS = {
    "TimeGenerated": "datetime",
    "AppRoleName": "string",
    "InvocationId": "string",
    "SeverityLevel": "int",
    "Message": "string",
    "_ItemId": "string",
}
_HOST = re.compile(r"Host\.|Function\.[^.]+$")


class Traces:
    def __init__(self) -> None:
        self._every: list[dict[str, Any]] = []

    def add(self, app: str, invocation: str, level: str, category: str, text: str) -> None:
        entry = {"time": datetime.now(UTC).timestamp(), "app": app, "invocation": invocation, "level": level}
        self._every.append({**entry, "category": category, "message": text, "id": str(uuid.uuid4())})
        if len(self._every) > MOST:
            del self._every[: MOST // 4]

    def clear(self) -> None:
        self._every.clear()

    def since(self, moment: float) -> list[dict[str, Any]]:
        return [each for each in self._every if each["time"] >= moment]

    def query(self, text: str) -> dict[str, Any]:
        """Raises ArmError for what it does not understand."""
        started = re.search(r"TimeGenerated >= datetime\(([^)]+)\)", text)
        named = re.search(r"AppRoleName in~ \(([^)]*)\)", text)
        projected = re.search(r"\| project (.*?) \| order by TimeGenerated asc", text)
        if not text.startswith("union isfuzzy=true AppTraces") or not (started and named and projected):
            raise ArmError("BadArgumentError", f"the simulator's Log Analytics does not understand this query: {text}")
        start = datetime.fromisoformat(started[1]).timestamp()
        apps = {each.strip(" '").lower() for each in named[1].split(",")}
        found = [each for each in self.since(start) if each["app"].lower() in apps and _is_told(each)]
        rows = [
            [
                datetime.fromtimestamp(each["time"], UTC).isoformat().replace("+00:00", "Z"),
                each["app"],
                each["invocation"],
                max(0, _LEVELS.index(each["level"]) - 1) if each["level"] in _LEVELS else 1,
                each["message"],
                each["id"],
            ]
            for each in found
        ]
        columns = [{"name": name, "type": kind} for name, kind in _COLUMNS.items()]
        return {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows}]}


def _is_told(entry: dict[str, Any]) -> bool:
    """By functions' own code, or of a failure."""
    if entry["level"] in ("Error", "Critical"):
        return True
    return entry["category"] == "Host.Function.Console" or not _HOST.match(entry["category"])
