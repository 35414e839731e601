"""One inbox on its way to its function: what is claimed, who gets how much of it, what comes back."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from ..spec import FunctionSpec
from .frames import pack
from .pool import Pool
from .process import WorkerProcess
from .records import Work, new_id

CLAIM = 200
"""Rows held in memory for a function at most, beside those that workers hold."""
HAND_OVER = 50
HAND_OVER_S = 0.02
"""A worker is handed as much as it does in this time: enough to keep it busy, too little to wait behind."""
RECALL_S = 0.05
TEST_WAIT_S = 0.05


class Pump:
    """`claimed` waits for a worker; `leased` is every row that the store must not give out again."""

    def __init__(self, function: FunctionSpec, *, ordered: bool, test: bool) -> None:
        assert function.inbox is not None
        self.inbox = function.inbox
        self.test = test
        self.claimed: deque[Any] = deque()
        self.leased: set[int] = set()
        self.average_s = HAND_OVER_S
        self.pool: Pool | None = None
        self.retiring: list[Pool] = []
        self.first_seen = 0.0
        self.due = 0.0
        self.use(function, ordered=ordered)

    def use(self, function: FunctionSpec, *, ordered: bool) -> None:
        """The function's settings, after a reload perhaps new ones."""
        self.function = function
        self.ordered = ordered
        self.batch = function.trigger.kind == "batch"
        self.batch_size = int(function.trigger.settings.get("batch_size") or 100) if self.batch else 1
        wait_s = float(function.trigger.settings.get("wait_s") or 0.0) if self.batch else 0.0
        self.wait_s = min(wait_s, TEST_WAIT_S) if self.test else wait_s

    def room(self) -> int:
        """How many rows to claim now. An ordered inbox is claimed anew only when nothing of it is out."""
        pool = self.pool
        if pool is None or pool.retired or (pool.broken and time.monotonic() < pool.blocked_until):
            return 0
        if self.ordered:
            return HAND_OVER if not self.leased else 0
        return max(CLAIM, self.batch_size) - len(self.claimed) if len(self.claimed) <= CLAIM // 2 else 0

    def take(self, deliveries: Iterable[Any]) -> None:
        for delivery in deliveries:
            if delivery.rowid not in self.leased:
                self.leased.add(delivery.rowid)
                if not self.claimed:
                    self.first_seen = time.monotonic()
                self.claimed.append(delivery)

    def release(self, works: Iterable[Work]) -> None:
        """What was handed over and not begun waits again, before everything else; of an ordered inbox it is
        claimed anew."""
        if self.ordered:
            self.leased.difference_update(delivery.rowid for work in works for delivery in work.deliveries)
            return
        for work in reversed(list(works)):
            self.claimed.extendleft(reversed(work.deliveries))

    def drop_claims(self) -> None:
        for delivery in self.claimed:
            self.leased.discard(delivery.rowid)
        self.claimed.clear()

    def assign(self, generation: int) -> None:
        """Hands what is claimed to idle workers, and asks for more of them where that is worth it."""
        pool = self.pool
        self.due = 0.0
        if pool is None or pool.retired or not self.claimed:
            return
        if self.ordered and (pool.busy() or any(old.busy() for old in self.retiring)):
            return
        for worker in pool.idle():
            works = self._next_works(generation)
            if not works:
                return
            self._hand(worker, works)
            if self.ordered:
                return
        if self.claimed and (not pool.workers or (not self.ordered and self._backlog_s(pool) > 2 * RECALL_S)):
            pool.grow()

    def check(self, now: float) -> None:
        """Work must not wait behind a slow invocation while somebody else could do it."""
        pool = self.pool
        if pool is None or self.ordered:
            return
        for worker in pool.busy():
            if (
                len(worker.work) > 1
                and now - worker.head_since > RECALL_S
                and not worker.recalled
                and not worker.leaving
            ):
                worker.recall()
        if self.claimed and not pool.idle() and all(now - w.head_since > RECALL_S for w in pool.busy()):
            pool.grow()

    def measured(self, seconds: float) -> None:
        self.average_s += (max(seconds, 1e-5) - self.average_s) * (0.5 if seconds > self.average_s else 0.1)

    def backoff_s(self, attempts: int) -> float:
        """How long until the next attempt: 1 s, doubling to 60 s, up to a fifth more or less; none in tests."""
        if self.test:
            return 0.0
        return float(min(60.0, 2.0 ** (attempts - 1))) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret hangs on it

    def _backlog_s(self, pool: Pool) -> float:
        return len(self.claimed) * self.average_s / max(1, len(pool.workers)) / self.batch_size

    def _next_works(self, generation: int) -> list[Work]:
        if not self.batch:
            size = HAND_OVER if self.ordered else max(1, min(HAND_OVER, int(HAND_OVER_S / self.average_s)))
            taken = [self.claimed.popleft() for _ in range(min(size, len(self.claimed)))]
            return [self._work([delivery], generation) for delivery in taken]
        first = self.claimed[0]
        if first.attempts:  # what failed before comes alone, so that it cannot fail its neighbours
            return [self._work([self.claimed.popleft()], generation)]
        fresh = [delivery for delivery in self.claimed if not delivery.attempts][: self.batch_size]
        due = self.first_seen + self.wait_s
        if len(fresh) < self.batch_size and time.monotonic() < due:
            self.due = due
            return []
        chosen = {delivery.rowid for delivery in fresh}
        self.claimed = deque(delivery for delivery in self.claimed if delivery.rowid not in chosen)
        self.first_seen = time.monotonic()
        return [self._work(fresh, generation)]

    def _work(self, deliveries: list[Any], generation: int) -> Work:
        trigger = self.function.trigger
        label = " ".join(filter(None, (trigger.kind, trigger.resource or self.function.name)))
        attempt = max(delivery.attempts for delivery in deliveries) + 1
        return Work(new_id(), self.function.name, label, deliveries, attempt, generation=generation)

    def _hand(self, worker: WorkerProcess, works: list[Work]) -> None:
        items = []
        texts: list[bytes] = []
        for work in works:
            encoded = [delivery.event.encode() for delivery in work.deliveries]
            texts += encoded
            attempts = [delivery.attempts + 1 for delivery in work.deliveries]
            items.append({"id": work.id, "sizes": [len(text) for text in encoded], "attempts": attempts})
        frame = pack({"t": "deliver", "kind": "message", "stop": self.ordered, "items": items}, b"".join(texts))
        for i, work in enumerate(works):
            worker.hand(work, frame if i == 0 else b"")


def failed_rows(work: Work, header: dict[str, Any]) -> dict[int, tuple[str, bool]]:
    """rowid -> (reason, rejected) of what this invocation did not handle."""
    if header["out"] in ("crashed",) or (header["out"] == "timed out" and not header.get("failed")):
        return {delivery.rowid: (header.get("why") or header["out"], False) for delivery in work.deliveries}
    failed: dict[int, tuple[str, bool]] = {}
    for index, reason, rejected in header.get("failed") or []:
        failed[work.deliveries[index].rowid] = reason, bool(rejected)
    return failed
