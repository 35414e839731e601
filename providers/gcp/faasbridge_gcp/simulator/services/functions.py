"""Cloud Functions, second generation.

Sources: https://cloud.google.com/functions/docs/reference/rpc/google.cloud.functions.v2, .../docs/configuring, and the
messages that the API gives for common mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Protocol
from uuid import uuid4

import grpc  # type: ignore[import-untyped, unused-ignore]
from google.cloud import functions_v2 as api
from google.longrunning import operations_pb2  # type: ignore[import-untyped, unused-ignore]
from google.protobuf import empty_pb2  # type: ignore[import-untyped, unused-ignore]

from ..builds import RUNTIMES
from ..masks import copy, now, page, updated
from ..names import PROJECT_NUMBER, check, check_labels, check_project, labels_match, part
from ..operations import Operations
from ..rpc import Refusal, Servicer, already_exists, invalid, not_found, rpc

_RESERVED = re.compile(
    r"K_\w+|FUNCTION_(TARGET|SIGNATURE_TYPE|SOURCE)|PORT|GOOGLE_FUNCTION_\w+|CLOUD_RUN_TIMEOUT_SECONDS|X_GOOGLE_\w+"
)
_BUSY = (api.Function.State.DEPLOYING, api.Function.State.DELETING)


class Runs(Protocol):
    """What puts a function into service: `deployments.Deployments`, with the triggers that it has."""

    async def roll_out(self, function: api.Function) -> api.Function: ...
    async def remove(self, function: api.Function) -> None: ...


class Functions(Servicer):
    """`is_account` knows service accounts; `has_object(bucket, name)` source archives; `upload_url(bucket, name)` is
    where one is put."""

    service = "google.cloud.functions.v2.FunctionService"
    api_name = "cloudfunctions.googleapis.com"

    def __init__(
        self,
        operations: Operations,
        runs: Runs,
        is_account: Callable[[str], bool],
        has_object: Callable[[str, str], Awaitable[bool]],
        upload_url: Callable[[str, str], str],
    ) -> None:
        self._operations = operations
        self._runs = runs
        self._is_account = is_account
        self._has_object = has_object
        self._upload_url = upload_url
        self.functions: dict[str, api.Function] = {}

    def exists(self, resource: str) -> bool:
        return resource in self.functions

    def _function(self, name: str) -> api.Function:
        if name not in self.functions:
            raise not_found(name)
        return self.functions[name]

    def _idle(self, name: str) -> api.Function:
        function = self._function(name)
        if function.state in _BUSY:
            raise Refusal(grpc.StatusCode.ABORTED, "unable to queue the operation")
        return function

    @rpc(api.GenerateUploadUrlRequest)
    async def generate_upload_url(self, request: api.GenerateUploadUrlRequest) -> api.GenerateUploadUrlResponse:
        check_project(request.parent)
        bucket = f"gcf-v2-uploads-{PROJECT_NUMBER}.{part(request.parent, 'locations')}.cloudfunctions.appspot.com"
        name = f"{uuid4()}.zip"
        source = api.StorageSource(bucket=bucket, object_=name)
        return api.GenerateUploadUrlResponse(upload_url=self._upload_url(bucket, name), storage_source=source)

    @rpc(api.CreateFunctionRequest)
    async def create_function(self, request: api.CreateFunctionRequest) -> operations_pb2.Operation:
        check_project(request.parent)
        part(request.parent, "locations")
        check(request.function_id, r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "function id")
        name = f"{request.parent}/functions/{request.function_id}"
        if name in self.functions:
            raise already_exists(name)
        function = copy(request.function)
        function.name = name
        await self._check(function)
        function.environment = api.Environment(api.Environment.GEN_2)
        function.create_time = function.update_time = now()
        function.state = api.Function.State(api.Function.State.DEPLOYING)
        function.service_config.service = name.replace("/functions/", "/services/")
        _default(function)
        self.functions[name] = function

        async def create() -> api.Function:
            try:
                self.functions[name] = await self._deployed(function)
            except Refusal as refusal:
                function.state = api.Function.State(api.Function.State.FAILED)
                function.state_messages = [_message(refusal)]
                raise
            return self.functions[name]

        return self._operations.start(_parent(name), _metadata("create", function), create)

    @rpc(api.UpdateFunctionRequest)
    async def update_function(self, request: api.UpdateFunctionRequest) -> operations_pb2.Operation:
        name = request.function.name
        before = self._idle(name)
        mask = api.UpdateFunctionRequest.pb(request).update_mask
        fixed = ("name", "environment", "state", "state_messages", "create_time", "update_time", "url")
        wanted = updated(before, request.function, mask, fixed=fixed)
        wanted.service_config.service = before.service_config.service
        if ("event_trigger" in wanted) != ("event_trigger" in before):
            raise invalid(
                "a function's trigger cannot be changed between an event and HTTP: delete it and create it anew"
            )
        await self._check(wanted)
        _default(wanted)
        state = before.state
        before.state = api.Function.State(api.Function.State.DEPLOYING)

        async def update() -> api.Function:
            try:
                self.functions[name] = await self._deployed(wanted)
            except Refusal as refusal:
                before.state = state
                before.state_messages = [_message(refusal)]
                raise
            return self.functions[name]

        return self._operations.start(_parent(name), _metadata("update", wanted), update)

    @rpc(api.DeleteFunctionRequest)
    async def delete_function(self, request: api.DeleteFunctionRequest) -> operations_pb2.Operation:
        function = self._idle(request.name)
        function.state = api.Function.State(api.Function.State.DELETING)

        async def delete() -> empty_pb2.Empty:
            await self._runs.remove(function)
            self.functions.pop(request.name, None)
            return empty_pb2.Empty()

        return self._operations.start(_parent(request.name), _metadata("delete", function), delete)

    @rpc(api.GetFunctionRequest)
    async def get_function(self, request: api.GetFunctionRequest) -> api.Function:
        return self._function(request.name)

    @rpc(api.ListFunctionsRequest)
    async def list_functions(self, request: api.ListFunctionsRequest) -> api.ListFunctionsResponse:
        """Of one location, or of all where it is `-`."""
        prefix = request.parent.removesuffix("/locations/-") + "/"
        found = [
            each
            for name, each in sorted(self.functions.items())
            if name.startswith(prefix) and labels_match(request.filter, each.labels, environment="GEN_2")
        ]
        items, token = page(found, request.page_size, request.page_token)
        return api.ListFunctionsResponse(functions=items, next_page_token=token)

    @rpc(api.ListRuntimesRequest)
    async def list_runtimes(self, request: api.ListRuntimesRequest) -> api.ListRuntimesResponse:
        kind = api.ListRuntimesResponse.Runtime
        stage = api.ListRuntimesResponse.RuntimeStage.GA
        found = [kind(name=name, environment=api.Environment.GEN_2, stage=stage) for name in RUNTIMES]
        return api.ListRuntimesResponse(runtimes=found)

    async def _deployed(self, function: api.Function) -> api.Function:
        function = await self._runs.roll_out(function)
        function.state = api.Function.State(api.Function.State.ACTIVE)
        function.state_messages = []
        function.update_time = now()
        return function

    async def _check(self, function: api.Function) -> None:
        build, config, trigger = function.build_config, function.service_config, function.event_trigger
        longest = 540 if "event_trigger" in function else 3600
        check_labels(function.labels)
        if build.runtime not in RUNTIMES:
            raise invalid(f"Runtime '{build.runtime}' is not supported on GCF Gen2")
        check(build.entry_point, r"[A-Za-z_][A-Za-z0-9_.]{0,127}", "entry point")
        if not 0 <= config.timeout_seconds <= longest:
            raise invalid(f"Invalid timeout of {config.timeout_seconds} s: at most {longest}")
        if config.available_memory and not re.fullmatch(r"\d+(\.\d+)?(Ki?|Mi?|Gi?|k)?", config.available_memory):
            raise invalid(f"Invalid memory '{config.available_memory}': a number and K, M, G, Ki, Mi or Gi")
        if config.max_instance_request_concurrency > 1 and config.available_cpu and float(config.available_cpu) < 1:
            raise invalid("a concurrency above 1 needs a whole CPU at least")
        for name in config.environment_variables:
            if _RESERVED.fullmatch(name):
                raise invalid(f"The environment variable '{name}' is reserved by the system")
        if config.secret_environment_variables or config.secret_volumes:
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "the simulator mounts no secrets: read them through their API")
        for email in (config.service_account_email, trigger.service_account_email):
            if email and not self._is_account(email):
                text = (
                    f"Permission 'iam.serviceaccounts.actAs' denied on service account {email} (or it may not exist)."
                )
                raise Refusal(grpc.StatusCode.PERMISSION_DENIED, text)
        source = build.source.storage_source
        if not source.bucket or not await self._has_object(source.bucket, source.object_):
            raise invalid(f"The source gs://{source.bucket}/{source.object_} does not exist")


def _default(function: api.Function) -> None:
    """What Google fills in. Source: https://cloud.google.com/functions/docs/configuring."""
    config = function.service_config
    config.timeout_seconds = config.timeout_seconds or 60
    config.available_memory = config.available_memory or "256M"
    config.available_cpu = config.available_cpu or "0.1666"
    config.max_instance_count = config.max_instance_count or 100
    config.max_instance_request_concurrency = config.max_instance_request_concurrency or 1
    if config.ingress_settings == api.ServiceConfig.IngressSettings.INGRESS_SETTINGS_UNSPECIFIED:
        config.ingress_settings = api.ServiceConfig.IngressSettings(api.ServiceConfig.IngressSettings.ALLOW_ALL)
    config.all_traffic_on_latest_revision = True
    config.service_account_email = (
        config.service_account_email or f"{PROJECT_NUMBER}-compute@developer.gserviceaccount.com"
    )


def _parent(name: str) -> str:
    return name.partition("/functions/")[0]


def _metadata(verb: str, function: api.Function) -> api.OperationMetadata:
    return api.OperationMetadata(
        create_time=now(),
        target=function.name,
        verb=verb,
        api_version="v2",
        build_name=f"projects/{PROJECT_NUMBER}/locations/{part(function.name, 'locations')}/builds/{token_hex(8)}",
    )


def _message(refusal: Refusal) -> api.StateMessage:
    kind = "BuildFailed" if refusal.message.startswith("Build failed") else "CloudRunServiceFailed"
    return api.StateMessage(severity=api.StateMessage.Severity.ERROR, type_=kind, message=refusal.message)
