"""The REST form of Cloud Functions, for `gcloud functions` and clients that speak it.

Source: https://cloud.google.com/functions/docs/reference/rest/v2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import grpc  # type: ignore[import-untyped, unused-ignore]
from google.cloud import functions_v2 as api
from google.longrunning import operations_pb2  # type: ignore[import-untyped, unused-ignore]
from google.protobuf import field_mask_pb2, struct_pb2  # type: ignore[import-untyped, unused-ignore]
from google.protobuf.json_format import MessageToDict, ParseError  # type: ignore[import-untyped, unused-ignore]

from faasbridge.local.web import Asgi, HttpServer, Receive, Scope, Send, read_body, send_json

from .listening import listen
from .operations import Operations
from .rpc import Refusal, invalid, not_found
from .services.functions import Functions

_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
}
_NAME = re.compile(
    r"/v2/(projects/[^/]+/locations/[^/]+(?:/(?:functions|operations)/[^/:]+)?)(/functions|/runtimes)?(:\w+)?"
)


class Rest:
    def __init__(self, functions: Functions, operations: Operations, check: Callable[[str], Refusal | None]) -> None:
        self._functions = functions
        self._operations = operations
        self._check = check
        self._http = HttpServer(self._asgi, listen())
        self.url = self._http.url

    async def start(self) -> None:
        await self._http.start()

    async def stop(self) -> None:
        await self._http.stop()

    async def _answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        refusal = self._check(Functions.api_name)
        if refusal is not None:
            raise refusal
        if path.startswith("/v1/"):
            return _first_generation(path)
        found = _NAME.fullmatch(path)
        if found is None:
            raise not_found(path)
        name, collection, verb = found.groups()
        functions, operations = self._functions, self._operations
        if verb == ":generateUploadUrl":
            parent = name + (collection or "")
            return await functions.generate_upload_url(
                api.GenerateUploadUrlRequest(parent=parent.removesuffix("/functions"))
            )
        if "/operations/" in name:
            return await operations.get_operation(operations_pb2.GetOperationRequest(name=name))
        if collection == "/runtimes":
            return await functions.list_runtimes(api.ListRuntimesRequest(parent=name))
        if collection == "/functions" and method == "POST":
            function = api.Function.from_json(body or b"{}", ignore_unknown_fields=True)
            request = api.CreateFunctionRequest(parent=name, function_id=query.get("functionId", ""), function=function)
            return await functions.create_function(request)
        if collection == "/functions":
            return await functions.list_functions(
                api.ListFunctionsRequest(
                    parent=name,
                    filter=query.get("filter", ""),
                    page_size=int(query.get("pageSize", "0")),
                    page_token=query.get("pageToken", ""),
                )
            )
        if method == "DELETE":
            return await functions.delete_function(api.DeleteFunctionRequest(name=name))
        if method == "PATCH":
            function = api.Function.from_json(body or b"{}", ignore_unknown_fields=True)
            function.name = name
            mask = field_mask_pb2.FieldMask()
            mask.FromJsonString(query.get("updateMask", ""))
            return await functions.update_function(api.UpdateFunctionRequest(function=function, update_mask=mask))
        return await functions.get_function(api.GetFunctionRequest(name=name))

    @property
    def _asgi(self) -> Asgi:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return
            body = await read_body(scope, receive, None) or b""
            query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            try:
                try:
                    message = await self._answer(scope["method"], scope["path"], query, body)
                except (ParseError, ValueError) as error:
                    raise invalid(f"Invalid JSON payload received: {error}") from error
            except Refusal as refusal:
                status = _STATUS.get(refusal.code, 500)
                fault = {"code": status, "message": refusal.message, "status": refusal.code.name}
                await send_json(send, status, {"error": fault})
                return
            await send_json(send, 200, _dict(message))

        return app


def _first_generation(path: str) -> Any:
    """There are no functions of the first generation, which `gcloud functions list` asks for as well."""
    if path.endswith("/functions"):
        return struct_pb2.Struct()
    if not path.endswith("/locations"):
        raise not_found(path)
    found = struct_pb2.Struct()
    found.update({"locations": [{"name": f"{path.removeprefix('/v1/')}/us-central1", "locationId": "us-central1"}]})
    return found


def _dict(message: Any) -> Any:
    pb = type(message).pb(message) if hasattr(type(message), "pb") else message
    return json.loads(json.dumps(MessageToDict(pb)))
