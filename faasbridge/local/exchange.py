"""One round trip of the engine with the store: outcomes in, deliveries out."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from ..errors import FaaSBridgeError
from .pump import Pump, failed_rows
from .records import Work
from .store import Delivery, Store

Outcome = tuple[Pump, Work, dict[str, Any]]
Want = tuple[Pump, int, set[int]]  # whose, how many at most, which rows it has already


def round_trip(
    store: Store, outcomes: list[Outcome], wants: list[Want]
) -> tuple[list[tuple[Pump, list[Delivery]]], float | None]:
    """Writes the outcomes, and gives what is ready for each pump and when the next event becomes ready.

    May be repeated with the same outcomes after an error: what was written already is gone from the inboxes.
    """
    handled: list[int] = []
    for pump, work, header in outcomes:
        failed = failed_rows(work, header)
        for delivery in work.deliveries:
            found = failed.get(delivery.rowid)
            if found is None:
                handled.append(delivery.rowid)
                continue
            reason, rejected = found
            try:
                _write_failure(store, pump, delivery, reason, rejected=rejected)
            except (FaaSBridgeError, sqlite3.Error):
                raise
            except Exception as error:  # noqa: BLE001 - what is wrong with one reason must not hold up everything else
                text = f"failed for a reason that cannot be stored: {type(error).__name__}"
                _write_failure(store, pump, delivery, text, rejected=rejected)
    if handled:
        store.handled_ok(handled)
    now = time.time()
    claimed = []
    for pump, room, skip in wants:
        ready = store.ready(pump.inbox, room, now, skip)
        if ready:
            claimed.append((pump, ready))
    return claimed, store.next_ready_at([pump.inbox for pump, _, _ in wants]) if wants else None


def _write_failure(store: Store, pump: Pump, delivery: Delivery, reason: str, *, rejected: bool) -> None:
    attempts = delivery.attempts + 1
    if rejected or attempts >= pump.function.max_attempts:
        store.dead(delivery.rowid, reason)
    else:
        store.failed(delivery.rowid, reason, visible_at=time.time() + pump.backoff_s(attempts))
