"""IAM policies of all the resources: kept by resource name, read and written by every service that has them.

Source: https://cloud.google.com/iam/docs/reference/rest/v1/Policy (etags, version 3 for conditions).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import sha256

import grpc  # type: ignore[import-untyped, unused-ignore]
from google.iam.v1 import iam_policy_pb2, policy_pb2  # type: ignore[import-untyped, unused-ignore]

from .rpc import Refusal, invalid

_MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|(user|group|serviceAccount):[^@\s]+@[^@\s]+|domain:\S+"
    r"|project(Owner|Editor|Viewer):\S+|principal(Set)?://\S+|deleted:\S+"
)


class Policies:
    """`is_account(email)` tells whether a service account of this project is there: Google refuses unknown ones."""

    def __init__(self, is_account: Callable[[str], bool]) -> None:
        self._policies: dict[str, policy_pb2.Policy] = {}
        self._is_account = is_account

    def read(self, resource: str) -> policy_pb2.Policy:
        found = policy_pb2.Policy(etag=b"ACAB")
        if resource in self._policies:
            found.CopyFrom(self._policies[resource])
        return found

    def write(self, resource: str, policy: policy_pb2.Policy) -> policy_pb2.Policy:
        now = self.read(resource)
        if policy.etag and policy.etag != now.etag:
            text = "There were concurrent policy changes. Please retry the whole read-modify-write."
            raise Refusal(grpc.StatusCode.ABORTED, text)
        new = policy_pb2.Policy(version=policy.version)
        for binding in policy.bindings:
            if not binding.members:
                continue
            self._check(binding)
            new.bindings.append(binding)
        if any(binding.HasField("condition") for binding in new.bindings) and policy.version < 3:
            raise invalid("policies with conditions need version 3")
        new.etag = sha256(new.SerializeToString(deterministic=True) + now.etag).digest()[:8]
        self._policies[resource] = new
        return self.read(resource)

    def _check(self, binding: policy_pb2.Binding) -> None:
        if not re.fullmatch(r"((projects|organizations)/[^/]+/)?roles/[A-Za-z0-9_.]+", binding.role):
            raise invalid(f"Role {binding.role} is not supported for this resource.")
        for member in binding.members:
            if not _MEMBER.fullmatch(member):
                raise invalid(f"Invalid principal '{member}'")
            kind, _, email = member.partition(":")
            if kind == "serviceAccount" and not self._is_account(email):
                raise invalid(f"Service account {email} does not exist.")

    def members(self, resource: str, role: str) -> set[str]:
        if resource not in self._policies:
            return set()
        return {
            member
            for binding in self._policies[resource].bindings
            if binding.role == role
            for member in binding.members
        }

    def given(self, resource: str, member: str) -> Iterator[tuple[str, str]]:
        """The member's roles on the resource, each with the expression of its condition, empty for none."""
        for binding in self._policies[resource].bindings if resource in self._policies else ():
            if {member, "allUsers", "allAuthenticatedUsers"} & {*binding.members}:
                yield binding.role, binding.condition.expression

    def drop(self, resource: str) -> None:
        self._policies.pop(resource, None)

    def forget(self, email: str) -> None:
        """A deleted service account's bindings stay under another name and no longer hold for one made anew."""
        for policy in self._policies.values():
            for binding in policy.bindings:
                members = [
                    f"deleted:{member}?uid=1" if member == f"serviceAccount:{email}" else member
                    for member in binding.members
                ]
                del binding.members[:]
                binding.members.extend(members)


def permissions(request: iam_policy_pb2.TestIamPermissionsRequest) -> iam_policy_pb2.TestIamPermissionsResponse:
    """The caller owns the project."""
    return iam_policy_pb2.TestIamPermissionsResponse(permissions=request.permissions)
