"""A round trip with the store: what one event's outcome is made of holds up no other."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from faasbridge import Message
from faasbridge.local.exchange import round_trip
from faasbridge.local.pump import Pump
from faasbridge.local.records import Work
from faasbridge.local.store import Store
from faasbridge.spec import FunctionSpec, Trigger

NOT_UNICODE = "bad \udc80"


def test_a_reason_that_cannot_be_stored_is_its_own_events_matter(tmp_path: Path) -> None:
    store = Store(tmp_path)
    function = FunctionSpec("work", Trigger("message", "queue", "jobs"), max_attempts=2)
    pump = Pump(function, ordered=False, test=True)
    with store.transaction() as db:
        for id in ("failed", "rejected", "handled"):
            store.enqueue(db, pump.inbox, Message(id, id=id))
    rows = {delivery.event_id: delivery for delivery in store.ready(pump.inbox, 10, time.time())}
    headers: dict[str, dict[str, Any]] = {
        "failed": {"out": "failed", "failed": [[0, NOT_UNICODE, False]]},
        "rejected": {"out": "rejected", "failed": [[0, NOT_UNICODE, True]]},
        "handled": {"out": "ok"},
    }
    outcomes = [(pump, Work(id, "work", "message jobs", [rows[id]]), header) for id, header in headers.items()]

    claimed, _ = round_trip(store, outcomes, [(pump, 10, set())])

    ((_, left),) = claimed
    assert [(delivery.event_id, delivery.attempts) for delivery in left] == [("failed", 1)]
    (letter,) = store.dead_letters(pump.inbox)
    assert (letter.id, letter.reason) == ("rejected", "failed for a reason that cannot be stored: UnicodeEncodeError")
    store.close()
