"""Cloud Run's services, as far as functions have them: who may invoke one, and the check of that switched off.

Source: https://cloud.google.com/run/docs/reference/rpc/google.cloud.run.v2.
"""

from __future__ import annotations

from google.cloud import run_v2 as api
from google.longrunning import operations_pb2  # type: ignore[import-untyped, unused-ignore]

from ..deployments import Deployments, Service
from ..masks import page
from ..operations import Operations
from ..policies import Policies
from ..rpc import invalid, not_found, rpc
from .iam import HasPolicies


class Run(HasPolicies):
    service = "google.cloud.run.v2.Services"
    api_name = "run.googleapis.com"

    def __init__(self, policies: Policies, operations: Operations, deployments: Deployments) -> None:
        super().__init__(policies)
        self._operations = operations
        self._deployments = deployments

    def exists(self, resource: str) -> bool:
        return resource in self._deployments.services

    def _service(self, name: str) -> Service:
        if name not in self._deployments.services:
            raise not_found(name)
        return self._deployments.services[name]

    @rpc(api.GetServiceRequest)
    async def get_service(self, request: api.GetServiceRequest) -> api.Service:
        return _resource(self._service(request.name))

    @rpc(api.ListServicesRequest)
    async def list_services(self, request: api.ListServicesRequest) -> api.ListServicesResponse:
        prefix = request.parent.removesuffix("/locations/-") + "/"
        found = [
            _resource(each) for name, each in sorted(self._deployments.services.items()) if name.startswith(prefix)
        ]
        items, token = page(found, request.page_size, request.page_token)
        return api.ListServicesResponse(services=items, next_page_token=token)

    @rpc(api.UpdateServiceRequest)
    async def update_service(self, request: api.UpdateServiceRequest) -> operations_pb2.Operation:
        """Of a function's service only the invoker check may be changed here; the rest is the function's."""
        service = self._service(request.service.name)
        paths = list(api.UpdateServiceRequest.pb(request).update_mask.paths)
        others = [path for path in paths if path not in ("invoker_iam_disabled", "*")]
        if others:
            raise invalid(f"a function's service is changed by its function, not by Cloud Run: {', '.join(others)}")
        service.invoker_iam_disabled = request.service.invoker_iam_disabled

        async def update() -> api.Service:
            return _resource(service)

        parent = service.name.partition("/services/")[0]
        return self._operations.start(parent, _resource(service), update)


def _resource(service: Service) -> api.Service:
    revision = f"{service.name}/revisions/{service.origin.revision}"
    return api.Service(
        name=service.name,
        uid=service.uid,
        generation=service.generation,
        observed_generation=service.generation,
        uri=service.front.url,
        urls=[service.front.url],
        labels={"goog-managed-by": "cloudfunctions"},
        invoker_iam_disabled=service.invoker_iam_disabled,
        latest_ready_revision=revision,
        latest_created_revision=revision,
        template=api.RevisionTemplate(revision=service.origin.revision),
        ingress=api.IngressTraffic.INGRESS_TRAFFIC_ALL,
        etag=f'"{service.generation}-{service.invoker_iam_disabled}"',
    )
