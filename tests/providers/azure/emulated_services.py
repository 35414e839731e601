"""Azure's services on this machine, for tests of what talks to them, and things of a test's own in them."""

from __future__ import annotations

import itertools
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

from faasbridge_azure import rows
from faasbridge_azure.bind import table_address
from faasbridge_azure.drivers.clients import Clients
from faasbridge_azure.simulator.emulators import Azurite, Cosmos

DATABASE = "test"


class Services:
    """`clients` know the emulators' keys."""

    def __init__(self, storage: Azurite, cosmos: Cosmos) -> None:
        self.storage, self.cosmos = storage, cosmos
        self._count = itertools.count(1)
        self.clients = Clients(storage_key=storage.key, cosmos_key="a2V5", claims=f"{storage.blob}/claims")
        self.clients.container(f"{storage.blob}/claims").create_container()
        self.clients.cosmos(cosmos.front.endpoint).create_database(DATABASE)

    def name(self, kind: str) -> str:
        return f"test-{kind}-{next(self._count)}"

    def bucket(self) -> str:
        url = f"{self.storage.blob}/{self.name('bucket')}"
        self.clients.container(url).create_container()
        return url

    def queue(self) -> str:
        url = f"{self.storage.queue}/{self.name('queue')}"
        self.clients.queue(url).create_queue()
        return url

    def table(self, *, changes: bool = False, indexes: rows.Indexes = rows.NO_INDEXES) -> str:
        from azure.cosmos import PartitionKey

        name = self.name("table")
        database = self.clients.cosmos(self.cosmos.front.endpoint).get_database_client(DATABASE)
        database.create_container(name, PartitionKey(rows.PARTITION_KEY), indexing_policy=rows.indexing(indexes))
        return table_address(self.cosmos.front.endpoint, DATABASE, name, changes=changes)

    def documents(self, address: str) -> list[dict[str, Any]]:
        """All that was written into a table's container, in its order, rows and changes."""
        return self.cosmos.front.log(address.partition("?")[0].removeprefix(self.cosmos.front.endpoint))

    def received(self, url: str) -> list[Any]:
        """What is in a queue now and visible, each message as the host binds it."""
        found = self.clients.queue(url).receive_messages(messages_per_page=32, visibility_timeout=600)
        return [bound(message) for message in found]

    def claims(self) -> list[str]:
        return [blob.name for blob in self.clients.container(f"{self.storage.blob}/claims").list_blobs()]


def bound(message: Any) -> Any:
    content = b64decode(message.content)
    return SimpleNamespace(
        id=message.id,
        dequeue_count=message.dequeue_count,
        insertion_time=message.inserted_on,
        get_body=lambda: content,
    )


@contextmanager
def running() -> Iterator[Services]:
    with ExitStack() as stack:
        yield Services(stack.enter_context(Azurite()), stack.enter_context(Cosmos()))
