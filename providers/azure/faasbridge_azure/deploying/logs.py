"""Functions' logs out of Application Insights' workspace.

Rows arrive late and out of order, so following asks again for a while that was seen before, and leaves out what it gave
already.
Sources: Azure Monitor documentation, "AppTraces", "AppExceptions", "Standard columns in Azure Monitor Logs" (_ItemId),
"Log data ingestion time in Azure Monitor" (three minutes typically, five where little is written);
Azure Functions documentation, "Monitor executions" (categories: what a function's own code writes is
`Function.<NAME>.User`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from faasbridge.errors import DeployError
from faasbridge.provider import LogLine

from .connection import Cloud

_OVERLAP = timedelta(minutes=10)
_PAUSE_S = 1.0
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def read(cloud: Cloud, workspace: str, apps: Mapping[str, str], *, since_s: float, follow: bool) -> Iterator[LogLine]:
    """The lines of the function apps (name -> function) in the order of their times; endless with `follow`."""
    start = datetime.now(UTC) - timedelta(seconds=since_s)
    seen: dict[str, datetime] = {}
    while True:
        for row in _rows(cloud, workspace, list(apps), start):
            moment, id = row["TimeGenerated"], str(row["_ItemId"])
            if id not in seen:
                seen[id] = moment
                yield _line(row, apps)
        if not follow:
            return
        if seen:
            start = max(start, max(seen.values()) - _OVERLAP)
            seen = {id: at for id, at in seen.items() if at >= start}
        time.sleep(_PAUSE_S)


def query(apps: list[str], start: datetime) -> str:
    """What the functions' own code wrote, and what the host says of failures."""
    names = ", ".join(f"'{name}'" for name in apps)
    return (
        "union isfuzzy=true AppTraces, AppExceptions"
        f" | where TimeGenerated >= datetime({start.isoformat()})"
        f" | where AppRoleName in~ ({names})"
        " | extend Category = tostring(Properties.Category), InvocationId = tostring(Properties.InvocationId)"
        " | where Category endswith '.User' or Category == 'Host.Function.Console' or SeverityLevel >= 3"
        " | project TimeGenerated, AppRoleName, InvocationId, SeverityLevel,"
        " Message = iff(Type == 'AppExceptions', OuterMessage, Message), _ItemId"
        " | order by TimeGenerated asc"
    )


def _rows(cloud: Cloud, workspace: str, apps: list[str], start: datetime) -> Iterator[dict[str, Any]]:
    from azure.monitor.query import LogsQueryPartialResult

    if not apps:
        return
    end = datetime.now(UTC) + timedelta(minutes=5)
    answer = cloud.logs.query_workspace(workspace, query(apps, start), timespan=(start, end))
    if isinstance(answer, LogsQueryPartialResult):
        why = answer.partial_error.message if answer.partial_error is not None else "it does not say why"
        raise DeployError(f"Application Insights gives only a part of the log: {why}")
    for table in answer.tables:
        for row in table.rows:
            yield dict(zip(table.columns, row, strict=True))


def _line(row: Mapping[str, Any], apps: Mapping[str, str]) -> LogLine:
    moment = row["TimeGenerated"].astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    app = str(row["AppRoleName"])
    function = next((name for key, name in apps.items() if key.lower() == app.lower()), app)
    level = row["SeverityLevel"]
    text = row["Message"]
    return LogLine(
        moment,
        function,
        str(row["InvocationId"] or ""),
        _LEVELS[min(4, max(0, int(level)))] if level is not None else "ERROR",
        text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, default=str),
    )
