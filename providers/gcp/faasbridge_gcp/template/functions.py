"""A Cloud Function with what is its own alone: service account, environment, and who may call it. Pure.

Every function answers HTTP; no event but a table's change comes by Eventarc, and that to its forwarder.
Sources: Cloud Functions v2 reference, ServiceConfig and EventTrigger; Cloud Run functions documentation, "Configure
environment variables", "Memory limits", "Concurrency"; Cloud Run documentation, "Allow public access".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from math import ceil, inf
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Finding, Stage
from faasbridge.spec import AppSpec, FunctionSpec

from ..limits import LIMITS
from . import names
from .document import VERSION_LABEL, Owner
from .settings import of_function, of_stage

MOST_EVENT_S, MOST_HTTP_S = 540, 3600
_ENVIRONMENT_BYTES = 32 * 1024  # Source: Cloud Run documentation, "Quotas and limits", environment variables
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = re.compile(
    r"K_\w+|FUNCTION_(TARGET|SIGNATURE_TYPE|SOURCE)|PORT|X_GOOGLE_\w*|GOOGLE_(FUNCTION_\w+|CLOUD_PROJECT)"
    r"|CLOUD_RUN_TIMEOUT_SECONDS|LOG_EXECUTION_ID|FAASBRIDGE_\w+"
)
_INGRESS = {
    "all": "ALLOW_ALL",
    "internal": "ALLOW_INTERNAL_ONLY",
    "internal-and-load-balancer": "ALLOW_INTERNAL_AND_GCLB",
}
_EGRESS = {"all": "ALL_TRAFFIC", "private-ranges": "PRIVATE_RANGES_ONLY"}
_FORWARDER_MB = 256
_CPUS, _FRACTION, _LEAST_CPU = ("1", "2", "4", "6", "8"), re.compile(r"0?\.[0-9]{1,3}"), 0.08
_CPU_OF_MEMORY = ((1024, "1"), (512, "0.5"))  # more than so many MB need so much
PRIVATE = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}


def function(spec: FunctionSpec, stage: Stage, environment: Mapping[str, str], bindings: list[Any]) -> dict[str, Any]:
    """`environment`: what leads to the resources that it uses; `bindings`: its rights, still without a member."""
    options, id = of_function(spec), names.function_id(spec)
    memory = max(128, spec.memory_mb)
    config: dict[str, Any] = {
        "availableMemory": f"{memory}Mi",
        "timeoutSeconds": _timeout_s(spec),
        "maxInstanceRequestConcurrency": options.get("concurrency", 1),
        "ingressSettings": _chosen(spec, "ingress", _INGRESS, "all"),
        "environmentVariables": _environment(stage, {"FAASBRIDGE_FUNCTION": spec.name, **environment}),
        **_common(spec.name, stage),
    }
    if cpu := _cpu(spec):
        config["availableCpu"] = cpu
    if options.get("min_instances", 0) > options.get("max_instances", inf):
        raise ConfigError(
            f"{spec.location}: min_instances={options['min_instances']} is more than "
            f"max_instances={options['max_instances']}"
        )
    for option, field in (("min_instances", "minInstanceCount"), ("max_instances", "maxInstanceCount")):
        if option in options:
            config[field] = options[option]
    if "vpc_connector" in options:
        config["vpcConnector"] = options["vpc_connector"]
        config["vpcConnectorEgressSettings"] = _chosen(spec, "vpc_egress", _EGRESS, "private-ranges")
    elif "vpc_egress" in options:
        raise ConfigError(f"{spec.location}: vpc_egress says nothing without a vpc_connector")
    made = _made(id, spec.name, stage, config)
    service = f"{id}:service"
    if spec.trigger.kind == "http":
        made["resources"][service]["body"] = {"invokerIamDisabled": True}
    else:
        made["bindings"].append({"on": service, "role": "roles/run.invoker", "member": _pusher(stage)})
    made["bindings"] += [{**each, "member": member(spec.name, stage)} for each in bindings]
    return made


def forwarder(
    id: str, name: str, stage: Stage, environment: Mapping[str, str], trigger: Mapping[str, Any], owner: Owner
) -> dict[str, Any]:
    """A function that Eventarc calls, of the same artifact; see `forwarder.py`."""
    config = {
        "availableMemory": f"{_FORWARDER_MB}Mi",
        "timeoutSeconds": 60,
        "maxInstanceRequestConcurrency": 1,
        "ingressSettings": "ALLOW_ALL",
        "environmentVariables": _environment(stage, environment, of_app=False),
        **_common(name, stage),
    }
    made = _made(id, name, stage, config)
    made["resources"][id]["body"]["eventTrigger"] = dict(trigger)
    made["bindings"] += [
        {"on": f"{id}:service", "role": "roles/run.invoker", "member": _pusher(stage)},
        {"on": "project", "role": "roles/eventarc.eventReceiver", "member": _pusher(stage)},
    ]
    return {
        "resources": {each: {**made["resources"][each], "owner": owner} for each in made["resources"]},
        "bindings": [{**each, "owner": owner} for each in made["bindings"]],
    }


def findings(spec: AppSpec) -> Iterator[Finding]:
    for each in spec.functions:
        yield from _paths(each)
        yield from _turned_away(each, spec)


def pusher(stage: Stage) -> dict[str, Any]:
    """The account in whose name Pub/Sub and Eventarc call functions, one an app and stage."""
    email = names.account(names.PUSHER_NAME, stage)
    return {
        "resources": {
            names.PUSHER: {
                "type": "iam.serviceAccount",
                "name": names.account_name(email),
                "body": {"displayName": _shown(f"calls the functions of {stage.app}, stage {stage.name}")},
            }
        }
    }


def invoke_key(stage: Stage) -> dict[str, Any]:
    """What `faasbridge invoke` shows to an api's function; the deployer makes its value. See `invoking`."""
    name = names.secret_name("invoke-key", stage)
    body: dict[str, Any] = {"replication": {"automatic": {}}}
    return {"resources": {names.INVOKE_KEY: {"type": "secretmanager.secret", "name": name, "body": body}}}


def artifacts(stage: Stage) -> dict[str, Any]:
    """The bucket that Cloud Build takes the source from."""
    return {
        "resources": {
            names.ARTIFACTS: {
                "type": "storage.bucket",
                "name": names.bucket_name(names.ARTIFACTS_PART, stage),
                "body": {"location": "${region}", "iamConfiguration": PRIVATE},
                "owner": names.owner("app", stage.app, names.ARTIFACTS_PART),
            }
        }
    }


def member(name: str, stage: Stage) -> str:
    """A function's service account, in bindings."""
    return f"serviceAccount:{names.account(name, stage)}"


def drivers_variable(drivers: Mapping[str, str]) -> dict[str, str]:
    """Where a function finds the drivers of third parties' kinds."""
    return {"FAASBRIDGE_DRIVERS": json.dumps(dict(sorted(drivers.items())), separators=(",", ":"))} if drivers else {}


def _paths(function: FunctionSpec) -> Iterator[Finding]:
    """Routes that Cloud Run keeps for itself: requests to them never reach a function."""
    source = LIMITS.caveats["http-google-paths"]
    for path, location in {route.path: route.location for route in function.routes}.items():
        if path == "/eventlog" or f"{path}/".startswith("/_ah/"):
            yield Finding("gcp.path", f"{path} never reaches a function on Google Cloud: {source}", "error", location)
        elif path.endswith("z"):
            yield Finding("gcp.path", f"{path} may never reach a function: {source}", "warning", location)


def _turned_away(function: FunctionSpec, spec: AppSpec) -> Iterator[Finding]:
    """A limit on instances is one on messages, of which Pub/Sub knows nothing."""
    options, trigger = of_function(function), function.trigger
    if function.inbox is None or "max_instances" not in options:
        return
    if trigger.resource_kind and spec.resource(trigger.resource_kind, trigger.resource).options.get("ordered"):
        return  # one is out at a time
    most = options["max_instances"]
    text = (
        f"{function.name!r} has max_instances={most}, so it takes {most * options.get('concurrency', 1)} messages at a "
        f"time: raise it, or max_attempts. {LIMITS.caveats['attempts-turned-away']}"
    )
    yield Finding("gcp.max-instances", text, "warning", function.location)


def _made(id: str, name: str, stage: Stage, config: dict[str, Any]) -> dict[str, Any]:
    email, physical = names.account(name, stage), names.function_name(name, stage)
    body: dict[str, Any] = {
        "description": f"{name} of {stage.app}, stage {stage.name}",
        "buildConfig": {"runtime": f"python{stage.python.replace('.', '')}", "entryPoint": "handler"},
        "serviceConfig": config,
    }
    if stage.version:
        body["labels"] = {VERSION_LABEL: re.sub(r"[^a-z0-9_-]", "-", stage.version.lower())[:63]}
    builder = of_stage(stage, "build_service_account", None)
    if builder:
        body["buildConfig"]["serviceAccount"] = f"projects/${{project}}/serviceAccounts/{builder}"
    account = {
        "type": "iam.serviceAccount",
        "name": names.account_name(email),
        "body": {"displayName": _shown(f"{name} of {stage.app}, stage {stage.name}")},
    }
    service: dict[str, Any] = {"type": "run.service", "name": names.service_name(physical), "body": {}}
    return {
        "resources": {
            f"{id}:account": account,
            id: {"type": "functions.function", "name": physical, "body": body},
            f"{id}:service": service,
        },
        "bindings": [],
    }


def _shown(text: str) -> str:
    """As a service account takes it: 100 bytes. Source: IAM reference, ServiceAccount.displayName."""
    return text.encode()[:100].decode(errors="ignore")


def _common(name: str, stage: Stage) -> dict[str, Any]:
    return {"serviceAccountEmail": names.account(name, stage), "allTrafficOnLatestRevision": True}


def _pusher(stage: Stage) -> str:
    return member(names.PUSHER_NAME, stage)


def _environment(stage: Stage, found: Mapping[str, str], *, of_app: bool = True) -> dict[str, str]:
    """Raises ConfigError for variables that Google Cloud does not take."""
    for variable in stage.env if of_app else ():
        if not _VARIABLE.fullmatch(variable) or _RESERVED.fullmatch(variable):
            raise ConfigError(
                f"[tool.faasbridge.stages.{stage.name}.env]: a function takes no variable {variable!r}: names have "
                "letters, digits and underscores, and those of its own are taken"
            )
    whole = {
        **(stage.env if of_app else {}),
        "FAASBRIDGE_STAGE": stage.name,
        "GOOGLE_CLOUD_PROJECT": "${project}",
        "LOG_EXECUTION_ID": "false",  # the framework would make a line of each argument of a print; see `logs`
        **found,
    }
    size = sum(len(name.encode()) + len(value.encode()) for name, value in whole.items())
    if size > _ENVIRONMENT_BYTES:
        raise ConfigError(
            f"the environment of a function has {size:,} bytes, and Google Cloud takes {_ENVIRONMENT_BYTES:,}: move "
            f"long values of [tool.faasbridge.stages.{stage.name}.env] into a secret or a file"
        )
    return dict(sorted(whole.items()))


def _timeout_s(spec: FunctionSpec) -> int:
    """Raises ConfigError for one that Google Cloud does not give."""
    most = MOST_HTTP_S if spec.trigger.kind == "http" else MOST_EVENT_S
    if spec.timeout_s > most:
        raise ConfigError(
            f"{spec.location + ': ' if spec.location else ''}function {spec.name!r} asks for "
            f"timeout_s={spec.timeout_s:g}, and Google Cloud gives {most} s at most"
        )
    return max(1, ceil(spec.timeout_s))


def _cpu(spec: FunctionSpec) -> str | None:
    """None where the memory decides. Raises ConfigError for one that the rest does not go with.

    Source: Cloud Run documentation, "Configure CPU limits for services"."""
    options = of_function(spec)
    concurrency = options.get("concurrency", 1)
    cpu = options.get("cpu")
    if not cpu:
        return "1" if concurrency > 1 else None
    cpu = str(cpu)
    whole, fraction = cpu in _CPUS, _FRACTION.fullmatch(cpu)
    if not whole and not (fraction and float(cpu) >= _LEAST_CPU):
        wholes = ", ".join(map(repr, _CPUS))
        raise ConfigError(f"{spec.location}: cpu is {wholes} or a fraction from '{_LEAST_CPU}', not {cpu!r}")
    if whole:
        return cpu
    if concurrency > 1:
        raise ConfigError(f"{spec.location}: cpu={cpu!r} takes one request at a time, not concurrency={concurrency}")
    for memory, least in _CPU_OF_MEMORY:
        if spec.memory_mb > memory and float(cpu) < float(least):
            raise ConfigError(f"{spec.location}: memory_mb={spec.memory_mb} needs cpu={least!r} or more, not {cpu!r}")
    return cpu


def _chosen(spec: FunctionSpec, option: str, values: Mapping[str, str], default: str) -> str:
    given = of_function(spec).get(option, default)
    if given not in values:
        raise ConfigError(f"{spec.location}: {option} is one of {', '.join(values)}, not {given!r}")
    return values[given]
