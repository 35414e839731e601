"""Streams, batches with partial failure, dead letters with a handler of their own."""

from __future__ import annotations

import gzip
import json

from faasbridge import App, Batch, BlobEvent, Message, Reject

app = App("harvest")
crates = app.bucket("crates")
cellar = app.bucket("cellar")
lines = app.queue("lines", max_attempts=3)


@crates.on_create(prefix="in/", suffix=".gz", uses=[crates.open, lines.send_many], timeout_s=300)
def unpack(event: BlobEvent) -> None:
    with crates.open(event.key) as stream, gzip.open(stream) as rows:
        lines.send_many(rows)


@lines.on_batch(batch_size=100, wait_s=5, uses=[cellar.put])
def press(batch: Batch) -> None:
    good: list[str] = []
    for message in batch:
        try:
            good.append(json.dumps(message.json()))
        except ValueError as error:
            batch.fail(message, Reject(f"no JSON: {error}"))
    cellar.put(f"{next(iter(batch)).id}.jsonl", "\n".join(good))


@lines.dead_letters.on_message(uses=[cellar.put])
def compost(message: Message) -> None:
    cellar.put(f"bad/{message.id}", message.body)
