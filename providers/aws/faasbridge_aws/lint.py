"""cfn-lint before every deployment: what CloudFormation would refuse halfway through, found in a second or two.

Errors and warnings count. Remarks about style do not, nor those that ask for descriptions of an architecture.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from faasbridge.errors import DeployError

MOST_ROLE_CHARS = 10_240
"""Of a role's inline policies together, blanks left out. Source: IAM User Guide, "IAM and AWS STS quotas"."""
_NAME_CHARS = 63  # of a bucket, which CloudFormation puts together
_ARN_CHARS = 46  # what stands before a name: `arn:aws:dynamodb:us-east-1:111122223333:table/`
MOST_RESOURCES, MOST_OUTPUTS, MOST_BYTES = 500, 200, 1_000_000
"""Source: CloudFormation User Guide, "Understand CloudFormation quotas"."""
REGION = "us-east-1"  # what is asked of a template is the same everywhere; not every service is


def check(template: Mapping[str, Any], region: str = REGION) -> None:
    """Raises DeployError with the first findings."""
    found = findings(template, region)
    if found:
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        raise DeployError(f"the template is not valid: {'; '.join(found[:3])}{more}")


def findings(template: Mapping[str, Any], region: str = REGION) -> list[str]:
    """Sentences, each with the rule and the place: `E3002 Resources/Queue0jobs/Properties: ...`. What does not fit is
    not looked into."""
    return sizes(template) or [*_linted(json.dumps(template, sort_keys=True), region)]


def sizes(template: Mapping[str, Any]) -> list[str]:
    """What does not fit into one stack, without cfn-lint."""
    resources, outputs = len(template.get("Resources", {})), len(template.get("Outputs", {}))
    size = len(json.dumps(template))
    found = []
    if not resources:
        found.append("the app declares no resource and no handler, and there is no stack without either: add one")
    if resources > MOST_RESOURCES:
        found.append(
            f"the app needs {resources:,} resources, and a CloudFormation stack has {MOST_RESOURCES}: "
            "divide it into several apps, which may share resources by existing=True"
        )
    if outputs > MOST_OUTPUTS:
        found.append(f"the app has {outputs} apis, and a CloudFormation stack has {MOST_OUTPUTS} outputs: divide it")
    if size > MOST_BYTES:
        found.append(f"the template has {size:,} bytes, and CloudFormation takes {MOST_BYTES:,}: divide the app")
    for id, resource in template.get("Resources", {}).items():
        if resource.get("Type") == "AWS::IAM::Role":
            chars = sum(_chars(each, template) for each in resource["Properties"].get("Policies", ()))
            if chars > MOST_ROLE_CHARS:
                found.append(
                    f"{id}, the rights of one function, has about {chars:,} characters, and IAM takes "
                    f"{MOST_ROLE_CHARS:,}: divide a function that uses so many resources"
                )
    return found


def _chars(policy: Mapping[str, Any], template: Mapping[str, Any]) -> int:
    """About how long the policy is once its references are ARNs."""

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(each) for each in value]
        if not isinstance(value, dict):
            return value
        if "Fn::Sub" in value:
            text, variables = value["Fn::Sub"] if isinstance(value["Fn::Sub"], list) else (value["Fn::Sub"], {})
            return re.sub(r"\${(\w+)}", lambda match: resolved(variables[match[1]]), text)
        if "Fn::GetAtt" in value or "Ref" in value:
            id = value["Fn::GetAtt"][0] if "Fn::GetAtt" in value else value["Ref"]
            properties = template["Resources"].get(id, {}).get("Properties", {})
            name = next(
                (each for key, each in properties.items() if key.endswith("Name") and isinstance(each, str)), None
            )
            return "." * (_ARN_CHARS + (len(name) if name is not None else _NAME_CHARS))
        return {key: resolved(each) for key, each in value.items()}

    return len(json.dumps(resolved(policy["PolicyDocument"]), separators=(",", ":")))


@lru_cache(maxsize=16)
def _linted(text: str, region: str) -> tuple[str, ...]:
    from cfnlint.api import ManualArgs, lint
    from cfnlint.exceptions import InvalidRegionException

    try:
        found = lint(text, config=ManualArgs(regions=[region]))
    except InvalidRegionException:  # it is newer than the linter
        found = lint(text, config=ManualArgs(regions=[REGION]))
    return tuple(f"{each.rule.id} {_place(each)}: {each.message}" for each in found)


def _place(match: Any) -> str:
    return "/".join(map(str, getattr(match, "path", None) or ())) or "template"
