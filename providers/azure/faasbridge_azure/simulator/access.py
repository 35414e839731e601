"""Who asks: tokens of the functions' managed identities, and what role assignments let them do.

A token that is none of an identity's is its holder's own, who owns the subscription.
Source: Azure documentation, "Azure built-in roles", Storage.
"""

from __future__ import annotations

import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

_READ, _WRITE = {"GET", "HEAD"}, {"PUT", "POST", "DELETE", "PATCH"}
_ROLES: Mapping[tuple[str, str], set[str]] = {
    ("blob", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"): _READ | _WRITE,
    ("blob", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"): _READ | _WRITE,
    ("blob", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"): _READ,
    ("blob", "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"): {"POST"},
    ("queue", "974c5e8b-45b9-4653-ba55-5f855dd0fb88"): _READ | _WRITE,
    ("queue", "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"): {"POST"},
    ("queue", "8a0f0c08-91a1-4084-bc3d-661d67233fed"): {"GET", "DELETE"},
    ("queue", "19e7f393-937e-4f77-808e-94535e297925"): _READ,
    ("secret", "4633458b-17de-408a-b874-0445c86b69e6"): _READ,
    ("secret", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"): _READ | _WRITE,
    ("secret", "00482a5a-887f-4fb3-b363-3b7fe8e74483"): _READ | _WRITE,
    ("event", "d5a91429-5739-47e2-a06b-3470a27159e7"): {"POST"},
}


def token(principal: str, tenant: str, audience: str) -> str:
    """What the identity's endpoint gives: the form of Azure's, without a signature."""
    now = int(time.time())
    claims = {
        "oid": principal,
        "sub": principal,
        "tid": tenant,
        "aud": audience,
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
    }
    claims["iss"] = f"https://sts.windows.net/{tenant}/"
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    return ".".join(
        [*(urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts), "simulator"]
    )


def claims(authorization: str) -> dict[str, Any]:
    """Of a bearer token; empty where it is no JWT."""
    text = authorization.partition(" ")[2].split(".")
    if len(text) < 2:
        return {}
    try:
        found = json.loads(urlsafe_b64decode(text[1] + "=" * (-len(text[1]) % 4)))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


_ACTIONS = {"GET": "read", "HEAD": "read", "PUT": "write", "DELETE": "delete"}
_MATCH = re.compile(r"\(\(!\(ActionMatches\{'([^']+)'\}\)\) OR \(@Resource\[[^\]]+\] StringEquals '([^']*)'\)\)")


def _meets(condition: str, method: str, target: str) -> bool:
    """Of conditions that bind actions to a container's name.

    Source: Azure documentation, "Azure role assignment condition format and syntax".
    """
    action = _ACTIONS.get(method, "")
    for wanted, name in _MATCH.findall(condition):
        if wanted.rpartition("/blobs/")[2] == action and target.rpartition("/")[2] != name:
            return False
    return True


def allowed(principal: str, service: str, method: str, target: str, assignments: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a role assignment of that principal at `target`, a resource id, or above it lets `method` pass."""
    for each in assignments:
        properties = each["properties"]
        if properties.get("principalId") != principal:
            continue
        scope = each["id"].lower().rpartition("/providers/microsoft.authorization/")[0]
        role = properties.get("roleDefinitionId", "").rpartition("/")[2].lower()
        applies = f"{target.lower()}/".startswith(f"{scope}/") and method in _ROLES.get((service, role), ())
        if applies and _meets(properties.get("condition") or "", method, target):
            return True
    return False


def documents_allowed(
    principal: str,
    account_id: str,
    action: str,
    container: str,
    definitions: Mapping[str, Mapping[str, Any]],
    assignments: Iterable[Mapping[str, Any]],
) -> bool:
    """The same of Cosmos DB's own roles: `action` is `items/read`, say, `container` is `dbs/D/colls/C`.

    Source: Azure Cosmos DB documentation, "Data plane security reference".
    """
    wanted = f"Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/{action}".lower()
    target = f"{account_id}/{container}/".lower()
    for each in assignments:
        properties = each["properties"]
        if properties.get("principalId") != principal:
            continue
        if not target.startswith(f"{properties.get('scope', '')}/".lower()):
            continue
        definition = definitions.get(str(properties.get("roleDefinitionId", "")).lower(), {})
        for permission in definition.get("properties", {}).get("permissions") or ():
            patterns = permission.get("dataActions") or ()
            if any(fnmatchcase(wanted, str(pattern).lower()) for pattern in patterns):
                return True
    return False
