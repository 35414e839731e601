"""cfn-lint before every deployment: what CloudFormation would refuse halfway through, found in a second or two.

Errors and warnings count. Remarks about style do not, nor those that ask for descriptions of an architecture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from faasbridge.errors import DeployError

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
    return found


@lru_cache(maxsize=16)
def _linted(text: str, region: str) -> tuple[str, ...]:
    from cfnlint.api import ManualArgs, lint

    found = lint(text, config=ManualArgs(regions=[region]))
    return tuple(f"{each.rule.id} {_place(each)}: {each.message}" for each in found)


def _place(match: Any) -> str:
    return "/".join(map(str, getattr(match, "path", None) or ())) or "template"
