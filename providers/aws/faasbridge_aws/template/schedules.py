"""EventBridge Scheduler's schedules, which send the tick that `events_own` reads into an inbox. Pure.

Sources: EventBridge Scheduler User Guide, "Adding context attributes", "Configuring a dead-letter queue", "Confused
deputy prevention".
"""

from __future__ import annotations

import json
from typing import Any

from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec

from . import names, policies
from .cron import scheduler_cron


def schedule(function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    settings = function.trigger.settings
    zone = settings.get("timezone") or "UTC"
    inbox, dead = (names.get_att(names.inbox_id(function, part), "Arn") for part in ("", "Dead"))
    role_id = names.logical_id("function", function.name, "ScheduleRole")
    tick = {
        "faasbridge": "tick",
        "schedule": function.name,
        "scheduled_for": "<aws.scheduler.scheduled-time>",
        "timezone": zone,
    }
    made = {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "Name": stage.physical_name(function.name, names.SCHEDULE_CHARS),
            "ScheduleExpression": scheduler_cron(settings["cron"]),
            "ScheduleExpressionTimezone": zone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": inbox,
                "RoleArn": names.get_att(role_id, "Arn"),
                "Input": json.dumps(tick),
                "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185},
                "DeadLetterConfig": {"Arn": dead},
            },
        },
    }
    send = policies.allow(["sqs:SendMessage"], [inbox, dead])
    return {
        "Resources": {
            role_id: policies.role("scheduler.amazonaws.com", [send], of_account=True),
            names.logical_id("function", function.name, "Schedule"): made,
        }
    }
