"""What things are called: logical ids in the template, physical names in the account, outputs. Pure.

A logical id says which declared thing a resource is a part of, `FunctionRole0work`, and different things have different
ids: letters are kept, `-` is `Zd`, `_` is `Zu`, `.` is `Zp` and `Z` is `ZZ`. Kind and part hold no digit, so the first
`0` ends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

# Sources: Lambda API_CreateFunction; SQS API_CreateQueue; S3 User Guide, "Bucket naming rules"; DynamoDB Developer
# Guide, "Naming rules"; SNS API_CreateTopic; Secrets Manager API_CreateSecret; EventBridge API_PutRule; Scheduler
# API_CreateSchedule.
FUNCTION_CHARS, QUEUE_CHARS, BUCKET_CHARS, TABLE_CHARS = 64, 80, 63, 255
TOPIC_CHARS, SECRET_CHARS, RULE_CHARS, SCHEDULE_CHARS = 256, 512, 64, 64
_DEAD = "-dead"
_UNIQUE_CHARS = 13  # a hyphen and the last part of the stack's id

_ESCAPES: Mapping[str, str] = {
    "Z": "ZZ",
    "-": "Zd",
    "_": "Zu",
    ".": "Zp",
    **{str(digit): f"Z{letter}" for digit, letter in enumerate("ABCDEFGHIJ")},
}
_NAME_ESCAPES: Mapping[str, str] = {character: _ESCAPES[character] for character in "Z-_."}


def logical_id(kind: str, name: str, part: str = "") -> str:
    """`part` is capitalised and holds letters only: `Role`, `InboxPolicy`. Empty for the thing itself."""
    head = kind[:1].upper() + _escaped(kind[1:], _ESCAPES)
    return f"{head}{part}0{_escaped(name, _NAME_ESCAPES)}"


def ref(kind: str, name: str, part: str = "") -> dict[str, Any]:
    return {"Ref": logical_id(kind, name, part)}


def arn(kind: str, name: str, part: str = "") -> dict[str, Any]:
    return get_att(logical_id(kind, name, part), "Arn")


def get_att(id: str, attribute: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [id, attribute]}


def sub(text: str, **values: Any) -> dict[str, Any]:
    return {"Fn::Sub": [text, values]} if values else {"Fn::Sub": text}


def metadata(kind: str, name: str, part: str = "") -> dict[str, Any]:
    """Names the declared thing that a resource is; with `part`, that it is only a part of it."""
    owner = {"kind": kind, "name": name}
    return {"faasbridge": {**owner, "part": part} if part else owner}


def owner_kind(function: FunctionSpec) -> str:
    """What a function is called in a plan."""
    return "api" if function.trigger.kind == "http" else "function"


def function_id(function: FunctionSpec) -> str:
    kind = owner_kind(function)
    return logical_id(kind, function.name, "" if kind == "function" else "Function")


def endpoint_output(api: str) -> str:
    """The key of the stack's output that holds an api's URL."""
    return logical_id("api", api, "Endpoint")


def dead_letters_name(queue: str) -> str:
    """The queue that holds the dead letters of a queue: a declared one, or one of the template's own."""
    return f"{queue}{_DEAD}"


def inbox_id(function: FunctionSpec, part: str = "") -> str:
    """The logical id of a function's inbox. Parts: `Policy`, `Dead`, `DeadPolicy`."""
    kind, _, name = (function.inbox or "").partition(":")
    if kind == "queue":
        if part.startswith("Dead"):
            return logical_id("queue", dead_letters_name(name), part[len("Dead") :])
        return logical_id("queue", name, part)
    return logical_id(owner_kind(function), function.name, f"Inbox{part}")


def function_name(function: str, stage: Stage) -> str:
    return stage.physical_name(function, FUNCTION_CHARS)


def queue_name(name: str, stage: Stage, *, fifo: bool = False) -> str:
    """Dead letters end in `-dead`, however long the rest is: alarms and people find them by that."""
    of = name
    while of.endswith(_DEAD):
        of = of.removesuffix(_DEAD)
    end = name.removeprefix(of) + (".fifo" if fifo else "")
    room = min(QUEUE_CHARS - len(end), QUEUE_CHARS - len(".fifo") - 2 * len(_DEAD))  # cut alike at each level
    return stage.physical_name(of, room) + end


def topic_name(name: str, stage: Stage, *, fifo: bool = False) -> str:
    return (
        stage.physical_name(name, TOPIC_CHARS - len(".fifo")) + ".fifo"
        if fifo
        else stage.physical_name(name, TOPIC_CHARS)
    )


def bucket_name(name: str, stage: Stage) -> dict[str, Any]:
    """Unique in the world by the last twelve digits of the stack's id."""
    unique = {
        "Fn::Select": [4, {"Fn::Split": ["-", {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}]}]
    }
    return {"Fn::Join": ["-", [stage.physical_name(name, BUCKET_CHARS - _UNIQUE_CHARS), unique]]}


def table_name(table: ResourceSpec, stage: Stage) -> str:
    """Ends in a digest of the keys: other keys need another table, and CloudFormation makes the new one before it
    removes the old one, so both need names. Source: CloudFormation User Guide, "Name type"."""
    keys = f"{table.options['key']}\0{table.options.get('sort_key') or ''}"
    return stage.physical_name(f"{table.name}-{sha256(keys.encode()).hexdigest()[:6]}", TABLE_CHARS)


def existing_name(resource: ResourceSpec, stage: Stage) -> str:
    """The physical name of a resource that is there already. Raises ConfigError that names the setting."""
    try:
        return stage.existing[resource.name]
    except KeyError:
        raise ConfigError(
            f"{resource.location + ': ' if resource.location else ''}{resource.kind} {resource.name!r} is declared "
            f"with existing=True: name it in [tool.faasbridge.stages.{stage.name}.aws.existing]"
        ) from None


def account_arn(service: str, rest: str) -> dict[str, Any]:
    """The ARN of something in the stack's own account and region."""
    return sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{rest}")


def address_variable(kind: str, name: str) -> str:
    """`FAASBRIDGE_BUCKET_UPLOADS`"""
    return f"FAASBRIDGE_{kind}_{name}".upper().replace("-", "_").replace(".", "_")


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
