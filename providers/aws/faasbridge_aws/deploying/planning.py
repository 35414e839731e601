"""What a deployment would do, found by reading: templates, tags and functions are compared, and where they differ
CloudFormation describes the difference in a change set.

A change set is the one thing that planning leaves behind. It changes nothing that is deployed; those of earlier plans
are removed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from faasbridge.deploy import Plan, Step
from faasbridge.errors import ConfigError, DeployError
from faasbridge.provider import Artifact, Stage
from faasbridge.spec import AppSpec

from ..template import tags
from . import changes, code, existing
from .artifacts import Artifacts, code_sha256, to_text
from .connection import Account, code_of, message_of
from .stack import UNMADE, Owner, Stack, StackResource, owners
from .teardown import left_buckets, protected

PREFIX = "faasbridge-"
MOST_BYTES = 51_200  # a template in a request. Source: CloudFormation quotas, "Template body size in a request"
_TIMEOUT_S = 300.0
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")

# recover: an operation must end first, a rollback be continued, or a bucket go that an earlier deployment left behind;
# what comes after it is planned then.
Way = Literal["nothing", "create", "change", "code", "recover"]


@dataclass(frozen=True)
class Planned:
    """What `apply` needs. `functions`: physical names of the functions that `code` changes."""

    way: Way
    spec: AppSpec
    artifact: Artifact
    template: Mapping[str, Any]
    tags: Mapping[str, str]
    stack_id: str = ""
    change_set: str = ""
    touched: frozenset[str] = frozenset()
    lost_buckets: tuple[str, ...] = ()  # which CloudFormation gives up where they are not empty
    lost_secrets: tuple[str, ...] = ()
    left_buckets: tuple[str, ...] = ()  # which it gave up before
    functions: tuple[str, ...] = ()


class Planner:
    def __init__(self, account: Account, stage: Stage, stack: Stack, artifacts: Artifacts) -> None:
        self._clients = account.clients
        self._stage = stage
        self._stack = stack
        self._artifacts = artifacts

    def plan(self, spec: AppSpec, artifact: Artifact) -> Plan:
        """Raises ConfigError where the stack's name is taken, a table is protected or a bucket sends no events,
        DeployError where the stack's state needs another command."""
        from faasbridge.pipeline import template as synthesize

        template = json.loads(to_text(synthesize(spec, self._stage)))  # as AWS will give it back
        existing.check(self._clients, spec, self._stage)
        wanted = Planned("create", spec, artifact, template, tags(self._stage))
        found = self._stack.describe()
        if found is None:
            return self._plan(wanted, changes.creations(template))
        status = found["StackStatus"]
        if status in UNMADE:
            return self._plan(wanted, changes.creations(template))
        if status == "DELETE_FAILED":
            raise DeployError(
                f"the stack {self._stack.name} is half destroyed: finish that with `faasbridge destroy`, "
                "then deploy again"
            )
        if status.endswith("_IN_PROGRESS") or status == "UPDATE_ROLLBACK_FAILED":
            return self._recovery(wanted, found)
        return self._comparison(wanted, found)

    def _recovery(self, wanted: Planned, found: Mapping[str, Any]) -> Plan:
        self._stack.template()  # whose it is, before its rollback is continued
        running = found["StackStatus"].endswith("_IN_PROGRESS")
        reason = (
            "another operation is running: it is waited for, then what is left is done"
            if running
            else "the last deployment could not be rolled back: that is continued first"
        )
        planned = self._with(wanted, "recover", found)
        return self._plan(planned, (Step("update", "stack", self._stack.name, reason),))

    def _comparison(self, wanted: Planned, found: Mapping[str, Any]) -> Plan:
        deployed = self._stack.template()
        left = left_buckets(self._clients, self._stack, found)
        if left:
            reason = "an earlier deployment left it behind: it goes first"
            steps = tuple(Step("delete", "bucket", bucket, reason, data_loss=True) for bucket in left)
            return self._plan(self._with(wanted, "recover", found, left_buckets=left), steps)
        functions = {
            each.physical_id: each for each in self._stack.resources(deployed) if each.type == "AWS::Lambda::Function"
        }
        runs = code.running(self._clients, functions)
        digest = code_sha256(wanted.artifact.sha256)
        recoded = [functions[name] for name, sha in runs.items() if sha != digest]
        same = deployed == wanted.template and _tags_of(found) == dict(wanted.tags)
        # A published version is code of its own, which only the stack can make anew.
        versioned = any(each.get("Type") == "AWS::Lambda::Version" for each in wanted.template["Resources"].values())
        described = None if same and not (recoded and versioned) else self._describe(wanted)
        if described is None:
            return self._code_only(wanted, found, deployed, recoded)
        for table in changes.protected_tables(described["Changes"], deployed):
            raise ConfigError(f"{protected(table, self._stage)}, deploy that, then what deletes it or makes it anew")
        remaining = owners(wanted.template)
        steps = changes.steps(
            described["Changes"], deployed, wanted.template, [r.owner for r in recoded if r.logical_id in remaining]
        )
        if not any(step.action != "none" for step in steps):  # of the stack itself, such as its outputs
            steps = (*steps, Step("update", "stack", self._stack.name, "outputs"))
        planned = self._with(
            wanted,
            "change",
            found,
            change_set=described["ChangeSetId"],
            touched=changes.touched(described["Changes"]),
            lost_buckets=changes.lost(described["Changes"], "AWS::S3::Bucket"),
            lost_secrets=changes.lost(described["Changes"], "AWS::SecretsManager::Secret"),
        )
        return self._plan(planned, steps)

    def _code_only(
        self, wanted: Planned, found: Mapping[str, Any], deployed: Mapping[str, Any], recoded: list[StackResource]
    ) -> Plan:
        steps = changes.steps((), deployed, wanted.template, [each.owner for each in recoded])
        names = tuple(each.physical_id for each in recoded)
        return self._plan(self._with(wanted, "code" if names else "nothing", found, functions=names), steps)

    def _describe(self, wanted: Planned) -> dict[str, Any] | None:
        """A change set of the difference; None where CloudFormation finds none. Raises DeployError."""
        self._remove_old()
        body = to_text(wanted.template)
        described = self.change_set(wanted, body, "UPDATE")
        if described["Status"] == "FAILED":
            self._stack.api.delete_change_set(ChangeSetName=described["ChangeSetId"])
            return None
        return described

    def change_set(
        self, wanted: Planned, body: str, type_: Literal["CREATE", "UPDATE"], *, as_before: bool = False
    ) -> dict[str, Any]:
        """Makes one and waits for it; one without changes has the status FAILED. Raises DeployError.

        `as_before`: with the code and the tags that are deployed.
        """
        from botocore.exceptions import ClientError

        api = self._stack.api
        # A name of its own: one that was executed may stay, and must not be taken for this one.
        name = f"{PREFIX}{uuid4().hex}"
        key = self._artifacts.key(wanted.artifact.sha256)
        parameters = {"ArtifactBucket": self._artifacts.bucket, "ArtifactKey": key}
        source = (
            {"TemplateBody": body} if len(body) <= MOST_BYTES else {"TemplateURL": self._artifacts.put_template(body)}
        )
        try:
            api.create_change_set(
                StackName=self._stack.name,
                ChangeSetName=name,
                ClientToken=name,
                ChangeSetType=type_,
                Parameters=[
                    {"ParameterKey": key, **({"UsePreviousValue": True} if as_before else {"ParameterValue": value})}
                    for key, value in parameters.items()
                    if key in wanted.template.get("Parameters", {})
                ],
                Capabilities=["CAPABILITY_IAM"],
                **({} if as_before else {"Tags": [{"Key": key, "Value": tag} for key, tag in wanted.tags.items()]}),
                **source,
            )
        except ClientError as error:
            # The request was sent twice, and the first one's answer was lost.
            if code_of(error) != "AlreadyExistsException" or "ChangeSet" not in message_of(error):
                raise
        return self._made(name)

    def is_current(self, change_set: str) -> bool:
        """Whether it can still be executed: CloudFormation drops those that another operation overtook."""
        from botocore.exceptions import ClientError

        try:
            found = self._stack.api.describe_change_set(ChangeSetName=change_set, StackName=self._stack.name)
        except ClientError as error:
            if code_of(error) == "ChangeSetNotFound":
                return False
            raise
        return bool(found.get("ExecutionStatus") == "AVAILABLE")

    def _made(self, name: str) -> dict[str, Any]:
        api = self._stack.api
        deadline = time.monotonic() + _TIMEOUT_S
        pause_s = 0.1
        while True:
            found: dict[str, Any] = api.describe_change_set(ChangeSetName=name, StackName=self._stack.name)
            if found["Status"] in ("CREATE_COMPLETE", "FAILED"):
                break
            if time.monotonic() > deadline:
                raise DeployError(f"CloudFormation made no change set in {_TIMEOUT_S:.0f} s: run the command again")
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 2.0)
        if found["Status"] == "FAILED" and not any(text in found.get("StatusReason", "") for text in _UNCHANGED):
            reason = self._stack.refusal(
                found.get("StatusReason", "no reason was given"), ChangeSetName=found["ChangeSetId"]
            )
            api.delete_change_set(ChangeSetName=found["ChangeSetId"])
            raise DeployError(f"CloudFormation refuses the template: {reason}")
        # Each page repeats the rest of the description. Source: API_DescribeChangeSet, NextToken.
        every = list(found.get("Changes", ()))
        page = found
        while page.get("NextToken"):
            page = api.describe_change_set(ChangeSetName=name, StackName=self._stack.name, NextToken=page["NextToken"])
            every += page.get("Changes", ())
        return {**found, "Changes": every}

    def _remove_old(self) -> None:
        api = self._stack.api
        for page in api.get_paginator("list_change_sets").paginate(StackName=self._stack.name):
            for each in page["Summaries"]:
                if each["ChangeSetName"].startswith(PREFIX) and not each.get("ExecutionStatus", "").startswith(
                    "EXECUTE_"
                ):
                    api.delete_change_set(ChangeSetName=each["ChangeSetId"])

    def _plan(self, planned: Planned, steps: tuple[Step, ...]) -> Plan:
        return Plan(self._stage.app, self._stage.name, "aws", steps, planned)

    @staticmethod
    def _with(wanted: Planned, way: Way, found: Mapping[str, Any], **more: Any) -> Planned:
        from dataclasses import replace

        return replace(wanted, way=way, stack_id=found["StackId"], **more)


def functions_of(resources: list[StackResource]) -> dict[str, Owner]:
    return {each.physical_id: each.owner for each in resources if each.type == "AWS::Lambda::Function"}


def _tags_of(found: Mapping[str, Any]) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in found.get("Tags", ())}
