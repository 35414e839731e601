"""IAM: service accounts and custom roles. Source: https://cloud.google.com/iam/docs/reference/rest/v1."""

from __future__ import annotations

import grpc  # type: ignore[import-untyped, unused-ignore]
from google.cloud import iam_admin_v1 as api
from google.protobuf import empty_pb2  # type: ignore[import-untyped, unused-ignore]

from ..masks import copy, page, updated
from ..names import PROJECT_NUMBER, check, check_project, last
from ..policies import Policies
from ..rpc import Refusal, already_exists, not_found, rpc
from .iam import HasPolicies

# Google's own, which are there in every project; they have no resource of their own to the project's owner.
_AGENTS = (
    f"service-{PROJECT_NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com",
    f"service-{PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
    f"service-{PROJECT_NUMBER}@gcp-sa-cloudscheduler.iam.gserviceaccount.com",
    f"service-{PROJECT_NUMBER}@gcp-sa-eventarc.iam.gserviceaccount.com",
    f"service-{PROJECT_NUMBER}@gcf-admin-robot.iam.gserviceaccount.com",
    f"service-{PROJECT_NUMBER}@serverless-robot-prod.iam.gserviceaccount.com",
    f"service-{PROJECT_NUMBER}@gcp-sa-firestore.iam.gserviceaccount.com",
    f"{PROJECT_NUMBER}@cloudbuild.gserviceaccount.com",
    f"{PROJECT_NUMBER}@cloudservices.gserviceaccount.com",
    f"{PROJECT_NUMBER}-compute@developer.gserviceaccount.com",
)
DEFAULT_ACCOUNT = f"{PROJECT_NUMBER}-compute@developer.gserviceaccount.com"


class Accounts(HasPolicies):
    service = "google.iam.admin.v1.IAM"
    api_name = "iam.googleapis.com"

    def __init__(self) -> None:
        super().__init__(Policies(self.is_account))
        self.accounts: dict[str, api.ServiceAccount] = {}  # by email
        self.roles: dict[str, api.Role] = {}

    def is_account(self, email: str) -> bool:
        return email in self.accounts or email in _AGENTS

    def exists(self, resource: str) -> bool:
        return self.is_account(last(resource))

    def permissions(self, role: str) -> tuple[str, ...]:
        """Those of a custom role; none of one that is not there."""
        found = self.roles.get(role)
        return () if found is None or found.deleted else tuple(found.included_permissions)

    def _account(self, name: str) -> api.ServiceAccount:
        """By email or unique id, under its project's name or `-`."""
        wanted = last(name)
        for email, account in self.accounts.items():
            if wanted in (email, account.unique_id):
                return account
        raise Refusal(grpc.StatusCode.NOT_FOUND, f"Unknown service account: {wanted}")

    @rpc(api.CreateServiceAccountRequest)
    async def create_service_account(self, request: api.CreateServiceAccountRequest) -> api.ServiceAccount:
        project = check_project(request.name)
        check(request.account_id, r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", "service account id")
        email = f"{request.account_id}@{project}.iam.gserviceaccount.com"
        name = f"projects/{project}/serviceAccounts/{email}"
        if email in self.accounts:
            raise already_exists(name)
        account = copy(request.service_account)
        account.name, account.email, account.project_id = name, email, project
        account.unique_id = str(100000000000000000000 + len(self.accounts) + 1)
        account.oauth2_client_id = account.unique_id
        account.etag = b"ACAB"
        self.accounts[email] = account
        return account

    @rpc(api.GetServiceAccountRequest)
    async def get_service_account(self, request: api.GetServiceAccountRequest) -> api.ServiceAccount:
        return self._account(request.name)

    @rpc(api.ListServiceAccountsRequest)
    async def list_service_accounts(self, request: api.ListServiceAccountsRequest) -> api.ListServiceAccountsResponse:
        project = check_project(request.name)
        found = [each for _, each in sorted(self.accounts.items()) if each.project_id == project]
        items, token = page(found, request.page_size, request.page_token)
        return api.ListServiceAccountsResponse(accounts=items, next_page_token=token)

    @rpc(api.PatchServiceAccountRequest)
    async def patch_service_account(self, request: api.PatchServiceAccountRequest) -> api.ServiceAccount:
        account = self._account(request.service_account.name)
        mask = api.PatchServiceAccountRequest.pb(request).update_mask
        new = updated(account, request.service_account, mask, fixed=("name", "email", "unique_id", "project_id"))
        self.accounts[account.email] = new
        return new

    @rpc(api.DeleteServiceAccountRequest)
    async def delete_service_account(self, request: api.DeleteServiceAccountRequest) -> empty_pb2.Empty:
        account = self._account(request.name)
        del self.accounts[account.email]
        self.policies.drop(account.name)
        self.policies.forget(account.email)
        return empty_pb2.Empty()

    @rpc(api.CreateRoleRequest)
    async def create_role(self, request: api.CreateRoleRequest) -> api.Role:
        check_project(request.parent)
        check(request.role_id, r"[a-zA-Z0-9_.]{3,64}", "role id")
        name = f"{request.parent}/roles/{request.role_id}"
        if name in self.roles and not self.roles[name].deleted:
            raise already_exists(name)
        role = copy(request.role)
        role.name, role.etag = name, b"ACAB"
        self.roles[name] = role
        return role

    @rpc(api.GetRoleRequest)
    async def get_role(self, request: api.GetRoleRequest) -> api.Role:
        if request.name not in self.roles:
            raise not_found(request.name)
        return self.roles[request.name]

    @rpc(api.ListRolesRequest)
    async def list_roles(self, request: api.ListRolesRequest) -> api.ListRolesResponse:
        found = [each for name, each in sorted(self.roles.items()) if name.startswith(f"{request.parent}/")]
        items, token = page(found, request.page_size, request.page_token)
        return api.ListRolesResponse(roles=items, next_page_token=token)

    @rpc(api.UpdateRoleRequest)
    async def update_role(self, request: api.UpdateRoleRequest) -> api.Role:
        if request.name not in self.roles:
            raise not_found(request.name)
        mask = api.UpdateRoleRequest.pb(request).update_mask
        self.roles[request.name] = updated(self.roles[request.name], request.role, mask, fixed=("name",))
        return self.roles[request.name]

    @rpc(api.DeleteRoleRequest)
    async def delete_role(self, request: api.DeleteRoleRequest) -> api.Role:
        role = await self.get_role(api.GetRoleRequest(name=request.name))
        role.deleted = True  # for seven days, in which it can be undeleted
        return role

    @rpc(api.UndeleteRoleRequest)
    async def undelete_role(self, request: api.UndeleteRoleRequest) -> api.Role:
        role = await self.get_role(api.GetRoleRequest(name=request.name))
        role.deleted = False
        return role
