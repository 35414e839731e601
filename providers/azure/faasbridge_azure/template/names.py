"""What things are called in the resource group, and how a template says so. Pure.

Names that are unique in the world, of accounts, vaults and sites, end in the template's parameter `unique`, which
stands in them here as `{unique}`. `text` is such a name as a template has it, `resolved` as Azure has it.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

# Source: Azure documentation, "Naming rules and restrictions for Azure resources"; Blob and Queue Storage REST API,
# "Naming and referencing containers", "Naming Queues and Metadata"; Cosmos DB documentation, "Service quotas".
ACCOUNT_CHARS, CONTAINER_CHARS, QUEUE_CHARS, COSMOS_CHARS, VAULT_CHARS = 24, 63, 63, 44, 24
TOPIC_CHARS, SUBSCRIPTION_CHARS, SITE_CHARS, PLAN_CHARS, IDENTITY_CHARS = 50, 64, 60, 60, 128
WORKSPACE_CHARS, COMPONENT_CHARS, SYSTEM_TOPIC_CHARS, DOCUMENTS_CHARS, GROUP_CHARS = 63, 255, 128, 255, 90
DEPLOYMENT_CHARS = 64
HOST_CHARS = 32  # Source: Azure Functions documentation, "App settings reference", AzureFunctionsWebHost__hostid
UNIQUE_CHARS = 10
UNIQUE = "{unique}"
POISON = "-poison"
_LEVELS = 3  # of dead letters of dead letters that always have a name

STORAGE = "Microsoft.Storage/storageAccounts"
CONTAINERS = f"{STORAGE}/blobServices/containers"
QUEUES = f"{STORAGE}/queueServices/queues"
COSMOS = "Microsoft.DocumentDB/databaseAccounts"
VAULTS = "Microsoft.KeyVault/vaults"
SITES = "Microsoft.Web/sites"
TOPICS = "Microsoft.EventGrid/topics"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"

TABLES = f"{COSMOS}/sqlDatabases/containers"
SYSTEM_TOPICS = "Microsoft.EventGrid/systemTopics"

VERSIONS = {
    "Microsoft.Authorization": "2022-04-01",
    "Microsoft.DocumentDB": "2024-11-15",
    "Microsoft.EventGrid": "2025-02-15",
    "Microsoft.Insights": "2020-02-02",
    "Microsoft.KeyVault": "2023-07-01",
    "Microsoft.ManagedIdentity": "2023-01-31",
    "Microsoft.OperationalInsights": "2023-09-01",
    "Microsoft.Resources": "2024-11-01",
    "Microsoft.Storage": "2024-01-01",
    "Microsoft.Web": "2024-04-01",
}

_PARTS = r"((?:'(?:[^']|'')*'|parameters\('unique'\)|, )*?)"
_GUIDS = UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")  # Resource Manager's, of its function guid()

Owner = tuple[str, str, str]  # kind, name, part; the part is empty for what is the declared thing itself


def unique(stage: Stage, subscription: str) -> str:
    """The value of the template's parameter `unique`, where it is deployed into that subscription."""
    where = "\0".join((subscription.lower(), resource_group(stage).lower(), stage.app, stage.name))
    return _digest(where)[:UNIQUE_CHARS]


def resource_group(stage: Stage) -> str:
    """Where the stage is deployed to. Raises ConfigError for a name that Azure does not take."""
    name = str(stage.settings.get("resource_group") or f"{stage.app}-{stage.name}")
    if len(name) > GROUP_CHARS or not re.fullmatch(r"[\w().-]*[\w()-]", name):
        raise ConfigError(
            f"[tool.faasbridge.stages.{stage.name}.azure] resource_group: {name!r} is no name of a resource group: at "
            f"most {GROUP_CHARS} letters, digits, hyphens, underscores, parentheses and full stops, no stop at the end"
        )
    return name


def text(name: str) -> str:
    """A name as a template has it."""
    return f"[{argument(name)}]" if UNIQUE in name else name


def argument(name: str) -> str:
    """The same as an argument in an expression."""
    if UNIQUE not in name:
        return quoted(name)
    head, _, tail = name.partition(UNIQUE)
    parts = [quoted(head), "parameters('unique')", *([quoted(tail)] if tail else [])]
    return f"concat({', '.join(parts)})"


def resolved(template_text: str, unique: str) -> str:
    """What `text` gave, or a type and name with it, as Azure has it."""

    def guid_of(found: re.Match[str]) -> str:
        return str(uuid5(_GUIDS, f"{evaluated(found)}-{unique}"))

    def evaluated(found: re.Match[str]) -> str:
        parts = re.findall(r"'((?:[^']|'')*)'|(parameters\(.unique.\))", found[1])
        return "".join(unique if parameter else literal.replace("''", "'") for literal, parameter in parts)

    made = re.sub(rf"\[guid\(concat\({_PARTS}\), parameters\('unique'\)\)\]", guid_of, template_text)
    made = re.sub(rf"\[guid\({_PARTS}, parameters\('unique'\)\)\]", guid_of, made)
    return re.sub(rf"\[concat\({_PARTS}\)\]", evaluated, made)


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def literal(value: str) -> str:
    """Any text as a template has it: what looks like an expression is none."""
    return f"[{value}" if value.startswith("[") and value.endswith("]") else value


def guid(seed: str) -> str:
    """A name for what has no other, such as a role assignment, as a template has it: the same for the same seed and
    deployment."""
    return f"[guid({argument(seed)}, parameters('unique'))]"


def uuid(seed: str) -> str:
    """A name for what is named so within an account of its own."""
    return str(uuid5(_GUIDS, seed))


def resource_id(type_: str, name: str) -> str:
    """Without brackets: `resourceId('Microsoft.Storage/storageAccounts', 'shopdev')`; `/` parts a name's segments."""
    return f"resourceId({', '.join([quoted(type_), *map(argument, name.split('/'))])})"


def reference(type_: str, name: str, member: str) -> str:
    """Without brackets, the property of a resource: `reference(..., '2023-01-31').principalId`."""
    return f"reference({resource_id(type_, name)}, {quoted(VERSIONS[type_.partition('/')[0]])}).{member}"


def owner_kind(function: FunctionSpec) -> str:
    """What a function is called in a plan."""
    return "api" if function.trigger.kind == "http" else "function"


# Names


def storage_account(stage: Stage) -> str:
    head = re.sub("[^a-z0-9]", "", f"{stage.app}{stage.name}")[: ACCOUNT_CHARS - UNIQUE_CHARS]
    return f"{head}{UNIQUE}"


def cosmos_account(stage: Stage) -> str:
    return _with_unique(f"{stage.app}-{stage.name}", COSMOS_CHARS)


def vault(stage: Stage) -> str:
    return _with_unique(f"{stage.app}-{stage.name}", VAULT_CHARS)


def site(app: str, stage: Stage) -> str:
    """Of a function app."""
    return _with_unique(stage.physical_name(_plain(app), SITE_CHARS - UNIQUE_CHARS - 1), SITE_CHARS)


def host_id(app: str, stage: Stage) -> str:
    """What the host calls itself in its own storage; the default, the first 32 characters of the site's name, would be
    the same for several sites of an app, which share that storage."""
    whole = f"{stage.app}-{stage.name}-{_plain(app)}"
    return f"{whole[: HOST_CHARS - 9].strip('-')}-{_digest(whole)[:8]}"


def plan(app: str, stage: Stage) -> str:
    return stage.physical_name(_plain(app), PLAN_CHARS)


def identity(app: str, stage: Stage) -> str:
    return stage.physical_name(_plain(app), IDENTITY_CHARS)


def code(app: str, stage: Stage) -> str:
    """The container that a function app's code is in: none that a bucket may be."""
    return _cut(f"faasbridge-code-{_plain(app)}", CONTAINER_CHARS)


def container(name: str, stage: Stage) -> str:
    return stage.physical_name(_plain(name), CONTAINER_CHARS)


def queue(name: str, stage: Stage) -> str:
    """There is room for what dead letters add to it."""
    return stage.physical_name(_plain(name), QUEUE_CHARS - len(POISON) * _LEVELS)


def topic(name: str, stage: Stage) -> str:
    return stage.physical_name(name, TOPIC_CHARS)


def table(resource: ResourceSpec) -> str:
    """Of a container in the database of an app and stage. Ends in a digest of the keys: rows are found by their key, so
    that under another one those of before could be listed and never be got."""
    keys = f"{resource.options['key']}\0{resource.options.get('sort_key') or ''}"
    return _cut(f"{resource.name}-{_digest(keys)[:6]}", DOCUMENTS_CHARS)


def database(stage: Stage) -> str:
    return stage.physical_name("tables", DOCUMENTS_CHARS)


def subscription(function: str, stage: Stage) -> str:
    """Of Event Grid's, which feeds the function's inbox."""
    return stage.physical_name(_plain(function), SUBSCRIPTION_CHARS)


def grid_identity(stage: Stage) -> str:
    """Of all topics: none that a function has."""
    return _cut(f"{stage.app}-{stage.name}--events", IDENTITY_CHARS)


def system_topic(account: str, stage: Stage) -> str:
    """Of the app's own storage account, or of another one."""
    return _cut(f"{stage.app}-{stage.name}--{account or 'blobs'}", SYSTEM_TOPIC_CHARS)


def within(name: str, resource: ResourceSpec) -> str:
    if len(name) > QUEUE_CHARS:
        raise ConfigError(
            f"{resource.location + ': ' if resource.location else ''}queue {resource.name!r} and its dead letters "
            f"would be {name!r}, and Azure takes {QUEUE_CHARS} characters: shorten the name"
        )
    return name


def nested(part: str, stage: Stage) -> str:
    """Of a deployment within the deployment."""
    return _cut(f"{stage.app}-{stage.name}-{_plain(part)}", DEPLOYMENT_CHARS)


def group_part(group: str) -> str:
    """Of the name of a deployment that goes to a resource group, by its whole id: another subscription may have a group
    of that name."""
    return f"{group.rpartition('/')[2]}-{_digest(group.lower())[:6]}"


def existing_name(resource: ResourceSpec, stage: Stage) -> str:
    """What the stage calls a resource that is there already. Raises ConfigError that names the setting."""
    try:
        return stage.existing[resource.name]
    except KeyError:
        raise ConfigError(
            f"{resource.location + ': ' if resource.location else ''}{resource.kind} {resource.name!r} is declared "
            f"with existing=True: name it in [tool.faasbridge.stages.{stage.name}.azure.existing]"
        ) from None


def _plain(name: str) -> str:
    """Lower-case letters, digits and single hyphens: others get a digest of the name, so that all stay different."""
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    return plain if plain == name else f"{plain}-{_digest(name)[:6]}"


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 9].rstrip('-')}-{_digest(name)[:8]}"


def _with_unique(name: str, most: int) -> str:
    return f"{name[: most - UNIQUE_CHARS - 1].rstrip('-')}-{UNIQUE}"


def _digest(value: Any) -> str:
    return sha256(str(value).encode()).hexdigest()
