"""What things are called: logical ids in the template, names in the project. Pure.

A logical id is `kind:name`, with a part `kind:name:part`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from .document import Owner

# Sources: Cloud Functions v2 reference, CreateFunctionRequest; Pub/Sub documentation, "Guidelines to name a topic,
# subscription, schema or snapshot"; Cloud Storage documentation, "Bucket names"; Secret Manager reference,
# CreateSecretRequest; Cloud Scheduler reference, Job; IAM documentation, "Create service accounts"; Firestore
# documentation, "Manage databases".
FUNCTION_CHARS, TOPIC_CHARS, BUCKET_CHARS, SECRET_CHARS, JOB_CHARS, DATABASE_CHARS = 63, 255, 63, 255, 500, 63
ACCOUNT_CHARS = 30
_NUMBER_CHARS = 13  # a hyphen and the project's number, of at most twelve digits
_DIGEST_CHARS = 8

# A full stop, so that no function of the app is called so.
PUSHER, PUSHER_NAME = "app:pusher", "pusher.app"
INVOKE_KEY = "app:invoke-key"
DATABASE = "app:tables"
ARTIFACTS, ARTIFACTS_PART = "app:artifacts", "artifacts"
PUBSUB_AGENT = "serviceAccount:service-${number}@gcp-sa-pubsub.iam.gserviceaccount.com"
STORAGE_AGENT = "serviceAccount:service-${number}@gs-project-accounts.iam.gserviceaccount.com"


def logical_id(kind: str, name: str, part: str = "") -> str:
    return f"{kind}:{name}:{part}" if part else f"{kind}:{name}"


def owner(kind: str, name: str, part: str = "") -> Owner:
    """Names the declared thing that a resource is; with `part`, that it is only a part of it."""
    return {"kind": kind, "name": name, "part": part} if part else {"kind": kind, "name": name}


def owner_kind(function: FunctionSpec) -> str:
    """What a function is called in a plan."""
    return "api" if function.trigger.kind == "http" else "function"


def function_id(function: FunctionSpec, part: str = "") -> str:
    return logical_id(owner_kind(function), function.name, part)


def inbox_id(function: FunctionSpec) -> str:
    """The subscription that is the function's inbox."""
    kind, _, name = (function.inbox or "").partition(":")
    return logical_id("queue", name, "subscription") if kind == "queue" else function_id(function, "inbox")


def dead_letters_id(function: FunctionSpec) -> str:
    """The topic of its dead letters."""
    kind, _, name = (function.inbox or "").partition(":")
    return logical_id("queue", f"{name}-dead") if kind == "queue" else function_id(function, "dead-letters")


def inbox_name(function: FunctionSpec) -> str:
    """Without app and stage."""
    kind, _, name = (function.inbox or "").partition(":")
    return name if kind == "queue" else f"{function.name}-inbox"


def function_name(name: str, stage: Stage) -> str:
    """Lower-case letters, digits and hyphens: others get a digest of the name, so that different ones stay so."""
    plain = name.lower().replace("_", "-").replace(".", "-")
    if plain != name:
        plain = f"{plain}-{_digest(name)[:6]}"
    return f"projects/${{project}}/locations/${{region}}/functions/{stage.physical_name(plain, FUNCTION_CHARS)}"


def service_name(function: str) -> str:
    """Of the Cloud Run service behind a function."""
    return function.replace("/functions/", "/services/")


def topic_name(name: str, stage: Stage) -> str:
    return f"projects/${{project}}/topics/{stage.physical_name(name, TOPIC_CHARS)}"


def subscription_name(name: str, stage: Stage, body: Any = None) -> str:
    """Ends in a digest of what cannot be changed later, filter and order, so that another subscription takes over
    from one that has others."""
    fixed = {key: body[key] for key in ("filter", "enableMessageOrdering") if body and body.get(key)}
    if fixed:
        name = f"{name}-{_digest(repr(sorted(fixed.items())))[:6]}"
    return f"projects/${{project}}/subscriptions/{stage.physical_name(name, TOPIC_CHARS)}"


def bucket_name(name: str, stage: Stage) -> str:
    """Unique in the world by the project's number, which no other project has."""
    return f"projects/_/buckets/{stage.physical_name(name, BUCKET_CHARS - _NUMBER_CHARS)}-${{number}}"


def secret_name(name: str, stage: Stage) -> str:
    return f"projects/${{project}}/secrets/{stage.physical_name(name, SECRET_CHARS)}"


def job_name(function: str, stage: Stage) -> str:
    return f"projects/${{project}}/locations/${{region}}/jobs/{stage.physical_name(function, JOB_CHARS)}"


def database_name(stage: Stage) -> str:
    return f"projects/${{project}}/databases/{stage.physical_name('tables', DATABASE_CHARS)}"


def account(name: str, stage: Stage) -> str:
    """A service account's email. Its name always ends in a digest, for 30 characters are few."""
    digest = _digest("\0".join((stage.app, stage.name, name)))[:_DIGEST_CHARS]
    plain = "-".join((stage.app, stage.name, name)).lower().replace("_", "-").replace(".", "-")
    head = plain[: ACCOUNT_CHARS - _DIGEST_CHARS - 1].rstrip("-")
    return f"{head}-{digest}@${{project}}.iam.gserviceaccount.com"


def account_name(email: str) -> str:
    return f"projects/${{project}}/serviceAccounts/{email}"


def existing_name(resource: ResourceSpec, stage: Stage) -> str:
    """What the stage calls a resource that is there already. Raises ConfigError that names the setting."""
    try:
        return stage.existing[resource.name]
    except KeyError:
        raise ConfigError(
            f"{resource.location + ': ' if resource.location else ''}{resource.kind} {resource.name!r} is declared "
            f"with existing=True: name it in [tool.faasbridge.stages.{stage.name}.gcp.existing]"
        ) from None


def existing(resource: ResourceSpec, stage: Stage, collection: str) -> str:
    """The full name of one that is in a project: `projects/P/topics/T`, of a name that may be short."""
    name = existing_name(resource, stage)
    return name if name.startswith("projects/") else f"projects/${{project}}/{collection}/{name}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
