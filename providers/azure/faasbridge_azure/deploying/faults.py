"""Azure's faults, one sentence each: what is wrong, and what to do. Nothing of the request is in them.

Sources: Azure Resource Manager documentation, "Resolve common errors"; azure-core, exceptions.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from faasbridge.errors import DeployError, FaaSBridgeError

LOG_IN = "log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
_WRAPPERS = frozenset(
    {
        "DeploymentFailed",
        "DeploymentStackDeploymentFailed",
        "InvalidTemplateDeployment",
        "ResourceDeploymentFailure",
        "MultipleErrorsOccurred",
        "ResourceOperationFailure",
        "DeploymentStackDeleteResourcesFailed",
    }
)
_NO_SUBSCRIPTION = frozenset({"SubscriptionNotFound", "InvalidSubscriptionId"})
_UNKNOWN = frozenset({"AuthenticationFailed", "InvalidAuthenticationToken", "ExpiredAuthenticationToken"})
_DENIED = frozenset({"AuthorizationFailed", "LinkedAuthorizationFailed", "RoleAssignmentUpdateNotPermitted"})
_TAKEN = frozenset(
    {
        "StorageAccountAlreadyTaken",
        "StorageAccountAlreadyExists",
        "VaultAlreadyExists",
        "WebsiteAlreadyExists",
        "DatabaseAccountAlreadyExists",
    }
)
_QUOTA = re.compile(r"quota", re.IGNORECASE)
# Of what the libraries of azure-identity say, the part that tells more than that nobody is logged in.
_LOGIN = re.compile(r"AADSTS\d+: .*?(?= Trace ID:|\n|$)|(?<=Authentication failed: )[^\n]*|Invalid tenant ID[^\n]*")

Fault = tuple[str, str]
"""Code and message, the innermost of an error."""


@contextmanager
def faults(what: str = "") -> Iterator[None]:
    """Azure's faults as DeployError, the original as its cause; `what` says whose they are."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except FaaSBridgeError:
        raise
    except AzureError as error:
        raise DeployError(f"{what}: {said(error)}" if what else said(error)) from error


def said(error: Exception) -> str:
    from azure.core import exceptions

    text = _one_line(str(getattr(error, "message", None) or error))
    if isinstance(error, exceptions.ServiceRequestError | exceptions.ServiceResponseError):
        return f"Azure cannot be reached, or did not answer: {text}; check the network, then run the command again"
    status = getattr(error, "status_code", None)
    if isinstance(error, exceptions.ClientAuthenticationError) and status is None:
        found = _LOGIN.search(str(error))
        return sentence("AuthenticationFailed", found[0]) if found else f"nobody is logged in to Azure: {LOG_IN}"
    if isinstance(error, exceptions.HttpResponseError):
        fault = of_response(error)
        if status == 401:
            fault = "AuthenticationFailed", fault[1]
        if status == 429:
            return "Azure throttles the deployment, and retrying did not help: run the command again in a minute"
        return sentence(*fault)
    return text


def sentence(code: str, message: str) -> str:
    """What to do about a fault of that code."""
    message = _one_line(message)
    if code in _UNKNOWN or code.startswith("InvalidAuthenticationToken"):
        return f"Azure does not accept the credentials: {LOG_IN}. {message}"
    if code in _NO_SUBSCRIPTION:
        return f"{message.rstrip('.')}: correct `subscription` in the stage's settings, or log in to its tenant"
    if code in ("MissingSubscriptionRegistration", "SubscriptionNotRegistered"):
        found = re.search(r"namespace '([^']+)'", message) or re.search(r"(Microsoft\.\w+)", message)
        name = found[1] if found else "THE-PROVIDER"
        return f"the subscription may not use {name} yet: register it with `az provider register --namespace {name}`"
    if code in _DENIED or code in ("Forbidden", "AuthorizationPermissionMismatch", "ForbiddenByRbac"):
        return f"you lack a right that this needs ({_right(message)}): ask for a role that has it"
    if "quota" in code.lower() or code == "SkuNotAvailable" or (_QUOTA.search(message) and "exceed" in message.lower()):
        return f"a quota of the subscription is used up: {message} Ask for more, or choose another `location`"
    if is_deleted_vault((code, message)):
        return f"{message} Purge it with `az keyvault purge --name NAME`, or wait until it is gone"
    if code in _TAKEN or "already taken" in message or "already exists" in message.lower():
        return f"{message} Another name is made for another app or stage, or another subscription"
    return message or code or "Azure gave no reason"


def of_response(error: Any) -> Fault:
    """The innermost fault of an HttpResponseError."""
    found: Any = None
    try:
        found = error.response.json()
    except Exception:  # noqa: BLE001 - whatever the body is, the error's own text is there
        found = None
    if isinstance(found, Mapping):
        return innermost(found.get("error", found))
    own = getattr(error, "error", None)
    return str(getattr(own, "code", "") or ""), str(getattr(own, "message", "") or getattr(error, "message", error))


def innermost(error: Any) -> Fault:
    """Of the form `{"code", "message", "details": [...]}`; providers also put a JSON text into a message."""
    if not isinstance(error, Mapping):
        return "", str(error or "")
    for each in error.get("details") or ():
        found = innermost(each)
        if found[1]:
            return found
    message = str(error.get("message") or "")
    if message.lstrip().startswith("{"):
        import json

        try:
            inner = json.loads(message)
        except ValueError:
            inner = None
        if isinstance(inner, Mapping):
            inner = inner.get("error", inner)
            found = innermost({str(key).lower(): value for key, value in inner.items()} if inner else inner)
            if found[1]:
                return found
    return str(error.get("code") or ""), message


def is_deleted_vault(fault: Fault) -> bool:
    """Whether a vault that was deleted holds the name. The code, if any, is that of every conflict."""
    text = fault[1].lower()
    return "vault" in text and ("deleted state" in text or ("soft" in text and "delete" in text))


def is_wrapper(code: str) -> bool:
    """Says only that something inside of it failed."""
    return code in _WRAPPERS


def check_missing(error: Any) -> None:
    """For a 404 that may mean that something is not there yet: raises it again where the subscription is not."""
    if of_response(error)[0] in _NO_SUBSCRIPTION:
        raise error


def _right(message: str) -> str:
    found = re.search(r"perform action '([^']+)'(?: over scope '([^']+)')?", message)
    if found is None:
        return message.rstrip(".")
    return found[1] + (f" on {found[2]}" if found[2] else "")


def _one_line(text: str) -> str:
    return " ".join(text.split())
