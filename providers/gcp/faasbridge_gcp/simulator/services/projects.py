"""Resource Manager: the projects, each of which is there as soon as somebody names it, with its IAM policy."""

from __future__ import annotations

from google.cloud import resourcemanager_v3 as api

from ..masks import now
from ..names import PROJECT_NUMBER, check_project
from ..policies import Policies
from ..rpc import rpc
from .iam import HasPolicies


class Projects(HasPolicies):
    service = "google.cloud.resourcemanager.v3.Projects"
    api_name = "cloudresourcemanager.googleapis.com"

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        self._created = now()

    def exists(self, resource: str) -> bool:
        check_project(resource)
        return True

    @rpc(api.GetProjectRequest)
    async def get_project(self, request: api.GetProjectRequest) -> api.Project:
        project = check_project(request.name)
        return api.Project(
            name=f"projects/{PROJECT_NUMBER}",
            parent="organizations/1",
            project_id=project,
            display_name=project,
            state=api.Project.State.ACTIVE,
            create_time=self._created,
        )
