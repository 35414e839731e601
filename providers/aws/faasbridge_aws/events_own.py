"""Payloads of our own as events of AWS; `faasbridge.adapter.own_events` says what they are.

The `scheduled_for` of a schedule's input is `<aws.scheduler.scheduled-time>`, which Scheduler fills in. Its execution
id is another one at each attempt, so it is not the event's.
Source: EventBridge Scheduler User Guide, "Adding context attributes".
"""

from __future__ import annotations

from faasbridge.adapter.own_events import OwnEvents

own = OwnEvents("aws", "aws.scheduler.tick")
