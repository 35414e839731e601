"""Firestore's admin API, which the emulator lacks: databases, indexes, TTL fields. The data are the emulator's.

Source: https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.admin.v1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from secrets import token_hex
from uuid import uuid4

import grpc  # type: ignore[import-untyped, unused-ignore]
from google.cloud.firestore_admin_v1 import types as api
from google.longrunning import operations_pb2  # type: ignore[import-untyped, unused-ignore]
from google.protobuf import empty_pb2  # type: ignore[import-untyped, unused-ignore]

from ..masks import copy, now, updated
from ..names import check, check_project
from ..operations import Operations
from ..rpc import Refusal, Servicer, invalid, not_found, rpc


class FirestoreAdmin(Servicer):
    """`clear(name)` empties a database that is deleted."""

    service = "google.firestore.admin.v1.FirestoreAdmin"
    api_name = "firestore.googleapis.com"

    def __init__(self, operations: Operations, clear: Callable[[str], Awaitable[None]]) -> None:
        self._operations = operations
        self._clear = clear
        self.databases: dict[str, api.Database] = {}
        self.indexes: dict[str, api.Index] = {}
        self.fields: dict[str, api.Field] = {}

    def _database(self, name: str) -> api.Database:
        if name not in self.databases:
            project, _, database = name.partition("/databases/")
            text = f"Project '{project.removeprefix('projects/')}' or database '{database}' does not exist."
            raise Refusal(grpc.StatusCode.NOT_FOUND, text)
        return self.databases[name]

    @rpc(api.CreateDatabaseRequest)
    async def create_database(self, request: api.CreateDatabaseRequest) -> operations_pb2.Operation:
        check_project(request.parent)
        if request.database_id != "(default)":
            check(request.database_id, r"[a-z][a-z0-9-]{2,61}[a-z0-9]", "database id")
        if not request.database.location_id:
            raise invalid("location_id is required")
        if request.database.type_ == api.Database.DatabaseType.DATABASE_TYPE_UNSPECIFIED:
            raise invalid("type is required: FIRESTORE_NATIVE or DATASTORE_MODE")
        name = f"{request.parent}/databases/{request.database_id}"
        if name in self.databases:
            text = "Database already exists. Please use another database_id"
            raise Refusal(grpc.StatusCode.ALREADY_EXISTS, text)
        database = copy(request.database)
        database.name, database.uid, database.etag = name, str(uuid4()), token_hex(4)
        database.create_time = database.update_time = now()
        self.databases[name] = database

        async def create() -> api.Database:
            return database

        return self._operations.start(name, api.CreateDatabaseMetadata(), create)

    @rpc(api.GetDatabaseRequest)
    async def get_database(self, request: api.GetDatabaseRequest) -> api.Database:
        return self._database(request.name)

    @rpc(api.ListDatabasesRequest)
    async def list_databases(self, request: api.ListDatabasesRequest) -> api.ListDatabasesResponse:
        found = [each for name, each in sorted(self.databases.items()) if name.startswith(f"{request.parent}/")]
        return api.ListDatabasesResponse(databases=found)

    @rpc(api.UpdateDatabaseRequest)
    async def update_database(self, request: api.UpdateDatabaseRequest) -> operations_pb2.Operation:
        current = self._database(request.database.name)
        mask = api.UpdateDatabaseRequest.pb(request).update_mask
        new = updated(current, request.database, mask, fixed=("name", "uid", "create_time", "etag", "location_id"))
        new.update_time, new.etag = now(), token_hex(4)
        self.databases[new.name] = new

        async def update() -> api.Database:
            return new

        return self._operations.start(new.name, api.UpdateDatabaseMetadata(), update)

    @rpc(api.DeleteDatabaseRequest)
    async def delete_database(self, request: api.DeleteDatabaseRequest) -> operations_pb2.Operation:
        database = self._database(request.name)
        if request.etag and request.etag != database.etag:
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, "The etag is not the database's current one.")
        if database.delete_protection_state is api.Database.DeleteProtectionState.DELETE_PROTECTION_ENABLED:
            text = "The database has delete protection enabled. Disable it to delete the database."
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, text)
        del self.databases[request.name]
        for kept in (self.indexes, self.fields):
            for name in [name for name in kept if name.startswith(f"{request.name}/")]:
                del kept[name]

        async def delete() -> api.Database:
            await self._clear(request.name)
            return database

        return self._operations.start(request.name, api.DeleteDatabaseMetadata(), delete)

    @rpc(api.CreateIndexRequest)
    async def create_index(self, request: api.CreateIndexRequest) -> operations_pb2.Operation:
        database = request.parent.partition("/collectionGroups/")[0]
        self._database(database)
        fields = [field for field in request.index.fields if field.field_path != "__name__"]
        if len(fields) < 2:
            raise invalid("this index is not necessary, configure using single field index controls")
        for name, index in self.indexes.items():
            if name.startswith(f"{request.parent}/") and list(index.fields)[: len(fields)] == fields:
                raise Refusal(grpc.StatusCode.ALREADY_EXISTS, "index already exists")
        index = copy(request.index)
        index.name, index.state = f"{request.parent}/indexes/{token_hex(6)}", api.Index.State(api.Index.State.READY)
        self.indexes[index.name] = index

        async def create() -> api.Index:
            return index

        return self._operations.start(database, api.IndexOperationMetadata(index=index.name), create)

    @rpc(api.GetIndexRequest)
    async def get_index(self, request: api.GetIndexRequest) -> api.Index:
        if request.name not in self.indexes:
            raise not_found(request.name)
        return self.indexes[request.name]

    @rpc(api.ListIndexesRequest)
    async def list_indexes(self, request: api.ListIndexesRequest) -> api.ListIndexesResponse:
        """Of one collection group, or of all where it is `-`."""
        prefix = request.parent.removesuffix("collectionGroups/-")
        found = [each for name, each in sorted(self.indexes.items()) if name.startswith(prefix.rstrip("/") + "/")]
        return api.ListIndexesResponse(indexes=found)

    @rpc(api.DeleteIndexRequest)
    async def delete_index(self, request: api.DeleteIndexRequest) -> empty_pb2.Empty:
        if self.indexes.pop(request.name, None) is None:
            raise not_found(request.name)
        return empty_pb2.Empty()

    @rpc(api.GetFieldRequest)
    async def get_field(self, request: api.GetFieldRequest) -> api.Field:
        self._database(request.name.partition("/collectionGroups/")[0])
        return self.fields.get(request.name) or api.Field(name=request.name)

    @rpc(api.ListFieldsRequest)
    async def list_fields(self, request: api.ListFieldsRequest) -> api.ListFieldsResponse:
        self._database(request.parent.partition("/collectionGroups/")[0])
        prefix = request.parent.removesuffix("collectionGroups/-").rstrip("/") + "/"
        found = [each for name, each in sorted(self.fields.items()) if name.startswith(prefix)]
        return api.ListFieldsResponse(fields=[each for each in found if "ttl_config" in each or "index_config" in each])

    @rpc(api.UpdateFieldRequest)
    async def update_field(self, request: api.UpdateFieldRequest) -> operations_pb2.Operation:
        name = request.field.name
        database = name.partition("/collectionGroups/")[0]
        self._database(database)
        mask = api.UpdateFieldRequest.pb(request).update_mask
        field = updated(self.fields.get(name) or api.Field(name=name), request.field, mask, fixed=("name",))
        if "ttl_config" in field:
            field.ttl_config.state = api.Field.TtlConfig.State(api.Field.TtlConfig.State.ACTIVE)
        self.fields[name] = field

        async def update() -> api.Field:
            return field

        return self._operations.start(database, api.FieldOperationMetadata(field=name), update)
