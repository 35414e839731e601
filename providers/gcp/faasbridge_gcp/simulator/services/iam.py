"""IAM policies as services offer them: a trio of methods each, or the shared service for those that have none."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from google.iam.v1 import iam_policy_pb2, policy_pb2  # type: ignore[import-untyped, unused-ignore]

from ..policies import Policies, permissions
from ..rpc import Servicer, not_found, rpc


class HasPolicies(Servicer):
    """A service with `GetIamPolicy`, `SetIamPolicy` and `TestIamPermissions` of its own."""

    def __init__(self, policies: Policies) -> None:
        self.policies = policies

    @abstractmethod
    def exists(self, resource: str) -> bool: ...

    def _check(self, resource: str) -> None:
        if not self.exists(resource):
            raise not_found(resource)

    @rpc(iam_policy_pb2.GetIamPolicyRequest)
    async def get_iam_policy(self, request: iam_policy_pb2.GetIamPolicyRequest) -> policy_pb2.Policy:
        self._check(request.resource)
        return self.policies.read(request.resource)

    @rpc(iam_policy_pb2.SetIamPolicyRequest)
    async def set_iam_policy(self, request: iam_policy_pb2.SetIamPolicyRequest) -> policy_pb2.Policy:
        self._check(request.resource)
        return self.policies.write(request.resource, request.policy)

    @rpc(iam_policy_pb2.TestIamPermissionsRequest)
    async def test_iam_permissions(
        self, request: iam_policy_pb2.TestIamPermissionsRequest
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        self._check(request.resource)
        return permissions(request)


class SharedPolicies(HasPolicies):
    """google.iam.v1.IAMPolicy: of functions, topics and subscriptions."""

    service = "google.iam.v1.IAMPolicy"

    def __init__(self, policies: Policies, *exists: Callable[[str], bool]) -> None:
        super().__init__(policies)
        self._exists = exists

    def exists(self, resource: str) -> bool:
        return any(known(resource) for known in self._exists)
