"""Service Usage: which of Google's APIs a project has enabled. All are at first; a disabled one refuses its calls."""

from __future__ import annotations

from google.cloud import service_usage_v1 as api
from google.longrunning import operations_pb2  # type: ignore[import-untyped, unused-ignore]

from ..masks import page
from ..names import PROJECT_NUMBER, check_project, last
from ..operations import Operations
from ..rpc import Servicer, not_found, rpc

KNOWN = (
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "eventarc.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
)


class ServiceUsage(Servicer):
    service = "google.api.serviceusage.v1.ServiceUsage"

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.disabled: set[str] = set()

    def _service(self, name: str) -> api.Service:
        check_project(name)
        if last(name) not in KNOWN:
            raise not_found(name)
        return api.Service(
            name=f"projects/{PROJECT_NUMBER}/services/{last(name)}",
            parent=f"projects/{PROJECT_NUMBER}",
            config=api.ServiceConfig(name=last(name)),
            state=api.State.DISABLED if last(name) in self.disabled else api.State.ENABLED,
        )

    @rpc(api.GetServiceRequest)
    async def get_service(self, request: api.GetServiceRequest) -> api.Service:
        return self._service(request.name)

    @rpc(api.BatchGetServicesRequest)
    async def batch_get_services(self, request: api.BatchGetServicesRequest) -> api.BatchGetServicesResponse:
        return api.BatchGetServicesResponse(services=[self._service(name) for name in request.names])

    @rpc(api.ListServicesRequest)
    async def list_services(self, request: api.ListServicesRequest) -> api.ListServicesResponse:
        services = [self._service(f"{request.parent}/services/{name}") for name in KNOWN]
        state = request.filter.replace(" ", "").removeprefix("state:")
        found = [each for each in services if not state or each.state.name == state]
        items, token = page(found, request.page_size, request.page_token)
        return api.ListServicesResponse(services=items, next_page_token=token)

    @rpc(api.EnableServiceRequest)
    async def enable_service(self, request: api.EnableServiceRequest) -> operations_pb2.Operation:
        self._service(request.name)

        async def enable() -> api.EnableServiceResponse:
            self.disabled.discard(last(request.name))
            return api.EnableServiceResponse(service=self._service(request.name))

        return self._operations.start("", api.OperationMetadata(resource_names=[request.name]), enable)

    @rpc(api.BatchEnableServicesRequest)
    async def batch_enable_services(self, request: api.BatchEnableServicesRequest) -> operations_pb2.Operation:
        names = [f"{request.parent}/services/{each}" for each in request.service_ids]
        for name in names:
            self._service(name)

        async def enable() -> api.BatchEnableServicesResponse:
            self.disabled.difference_update(request.service_ids)
            return api.BatchEnableServicesResponse(services=[self._service(name) for name in names])

        return self._operations.start("", api.OperationMetadata(resource_names=names), enable)

    @rpc(api.DisableServiceRequest)
    async def disable_service(self, request: api.DisableServiceRequest) -> operations_pb2.Operation:
        self._service(request.name)

        async def disable() -> api.DisableServiceResponse:
            self.disabled.add(last(request.name))
            return api.DisableServiceResponse(service=self._service(request.name))

        return self._operations.start("", api.OperationMetadata(resource_names=[request.name]), disable)
