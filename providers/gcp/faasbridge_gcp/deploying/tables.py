"""Firestore's databases, indexes and the field of each table that ends its rows' lives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions

from ..firestore_value import EXPIRY
from ..template.document import Type
from .connection import Cloud, finished
from .storage import share

if TYPE_CHECKING:
    from .kinds import Found

_AT_A_TIME = 400  # of 500 writes that a batch takes


class Databases:
    type: Type = "firestore.database"

    def __init__(self, cloud: Cloud) -> None:
        from google.cloud.firestore_admin_v1.types import Database

        self.message: Any = Database
        self._api = cloud.get("databases")

    def found(self, name: str) -> Iterable[Found]:
        """A stage's one is ours by its name."""
        from .kinds import Found, as_body

        try:
            database = self._api.get_database(name=name)
        except exceptions.NotFound:
            return
        except exceptions.PermissionDenied as error:
            # What the API answers for a project that never had a database.
            if "does not exist" not in str(error):
                raise
            return
        owner: Any = {"kind": "database", "name": name.rpartition("/")[2]}
        yield Found(self.type, name, as_body(database), owner)

    def create(self, name: str, body: dict[str, Any]) -> None:
        from .kinds import message_of

        parent, _, id = name.partition("/databases/")
        request = {"parent": parent, "database_id": id, "database": message_of(self.message, body)}
        try:
            finished(self._api.create_database(request=request))
        except exceptions.AlreadyExists:
            return

    def update(self, found: Found, body: dict[str, Any], changed: Iterable[str]) -> None:
        from .kinds import mask, message_of

        database = message_of(self.message, {**body, "name": found.name})
        finished(self._api.update_database(request={"database": database, "update_mask": mask(changed)}))

    def delete(self, found: Found) -> None:
        from .kinds import gone

        operation = gone(self._api.delete_database, name=found.name)
        if operation is not None:
            finished(operation)


class Indexes:
    """Found by what they say, for Google names them; they cannot be changed. What a template never says is others'."""

    type: Type = "firestore.index"

    def __init__(self, cloud: Cloud) -> None:
        from google.cloud.firestore_admin_v1.types import Index

        self.message: Any = Index
        self._api = cloud.get("databases")

    def found(self, database: str) -> Iterable[Found]:
        from .kinds import Found, as_body

        for each in self._api.list_indexes(parent=f"{database}/collectionGroups/-"):
            if not _is_generated(each):
                continue
            group = each.name.partition("/collectionGroups/")[2].partition("/")[0]
            yield Found(
                self.type, each.name, as_body(each), {"kind": "table", "name": group, "part": "index"}, each.name
            )

    def create(self, name: str, body: dict[str, Any]) -> None:
        from .kinds import message_of

        index = message_of(self.message, body)
        try:
            finished(self._api.create_index(request={"parent": name.partition("/indexes/")[0], "index": index}))
        except exceptions.AlreadyExists:
            return

    def delete(self, found: Found) -> None:
        from .kinds import gone

        gone(self._api.delete_index, name=found.handle)


class Fields:
    """A table is told by the time-to-live of its rows, of a field whose name is FaaSBridge's own."""

    type: Type = "firestore.field"

    def __init__(self, cloud: Cloud) -> None:
        from google.cloud.firestore_admin_v1.types import Field

        self.message: Any = Field
        self._cloud = cloud
        self._api = cloud.get("databases")

    def found(self, database: str) -> Iterable[Found]:
        from .kinds import Found, as_body

        request = {"parent": f"{database}/collectionGroups/-", "filter": "ttlConfig:*"}
        for each in self._api.list_fields(request=request):
            if "ttl_config" in each and each.name.rpartition("/fields/")[2].strip("`") == EXPIRY:
                group = each.name.partition("/collectionGroups/")[2].partition("/")[0]
                yield Found(self.type, each.name, as_body(each), {"kind": "table", "name": group})

    def create(self, name: str, body: dict[str, Any]) -> None:
        from .kinds import message_of

        field = message_of(self.message, {**body, "name": name})
        finished(self._api.update_field(request={"field": field, "update_mask": {"paths": ["ttl_config"]}}))

    def emptied(self, found: Found) -> Iterator[str]:
        """Removes the table's rows, while the field still says that it is a table; says how far it is."""
        database, _, rest = found.name.partition("/collectionGroups/")
        return _empty(collection(self._cloud, database, rest.partition("/")[0]))

    def delete(self, found: Found) -> None:
        """Of an empty one."""
        field = self.message(name=found.name)
        finished(self._api.update_field(request={"field": field, "update_mask": {"paths": ["ttl_config"]}}))


def _is_generated(index: Any) -> bool:
    """Whether a template may have it: `template.tables.table`."""
    orders = [each.order.name for each in index.fields if each.field_path != "__name__"]
    is_pair = len(orders) == 2 and orders[0] == "ASCENDING" and orders[1] in ("ASCENDING", "DESCENDING")
    return is_pair and index.query_scope.name == "COLLECTION"


def collections(cloud: Cloud, database: str) -> list[str]:
    """Those at the top that have documents."""
    _, project, _, id = database.split("/")
    return [each.id for each in cloud.clients.firestore(project, id).collections()]


def collection(cloud: Cloud, database: str, name: str) -> Any:
    _, project, _, id = database.split("/")
    return cloud.clients.firestore(project, id).collection(name)


def rows(cloud: Cloud, database: str, name: str) -> tuple[int, bool]:
    """How many, up to a thousand, and whether there are more."""
    found = len(collection(cloud, database, name).select([]).limit(1001).get())
    return min(found, 1000), found > 1000


def _empty(documents: Any) -> Iterator[str]:
    total, count = int(documents.count().get()[0][0].value), 0
    while found := documents.select([]).limit(_AT_A_TIME).get():
        batch = documents._client.batch()
        for each in found:
            batch.delete(each.reference)
        batch.commit()
        count += len(found)
        yield share(count, total)
