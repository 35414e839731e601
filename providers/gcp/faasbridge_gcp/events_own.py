"""Payloads of our own as events of Google Cloud; `faasbridge.adapter.own_events` says what they are.

Cloud Scheduler cannot say when a schedule was due, so its ticks have the minute in which they were published.
"""

from __future__ import annotations

from faasbridge.adapter.own_events import OwnEvents

own = OwnEvents("gcp", "google.cloud.scheduler.job.v1.executed")
