"""Azure's faults as sentences that say what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError

from faasbridge.errors import ConfigError, DeployError
from faasbridge.plugins import provider
from faasbridge.provider import Stage
from faasbridge_azure.deployer import AzureDeployer
from faasbridge_azure.deploying.faults import faults, innermost, said, sentence
from faasbridge_azure.drivers.clients import Clients

sys.path.insert(0, str(Path(__file__).parent))


def answered(status: int, code: str, message: str, **more: Any) -> HttpResponseError:
    """What azure-core raises for such an answer of Resource Manager."""
    body = {"error": {"code": code, "message": message, **more}}
    response = SimpleNamespace(
        status_code=status, reason="", headers={}, json=lambda: body, text=lambda: json.dumps(body), request=None
    )
    return HttpResponseError(message=f"({code}) {message}", response=response)


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (
            409,
            "MissingSubscriptionRegistration",
            "The subscription is not registered to use namespace 'Microsoft.DocumentDB'. See https://aka.ms/rps-not-found",
            "the subscription may not use Microsoft.DocumentDB yet: register it with `az provider register --namespace "
            "Microsoft.DocumentDB`",
        ),
        (
            404,
            "SubscriptionNotFound",
            "The subscription '1' could not be found.",
            "The subscription '1' could not be found: correct `subscription` in the stage's settings, or log in to its "
            "tenant",
        ),
        (
            403,
            "AuthorizationFailed",
            "The client 'a' with object id 'b' does not have authorization to perform action "
            "'Microsoft.Web/sites/write' over scope '/subscriptions/1' or the scope is invalid.",
            "you lack a right that this needs (Microsoft.Web/sites/write on /subscriptions/1): ask for a role that has "
            "it",
        ),
        (
            409,
            "QuotaExceeded",
            "Operation could not be completed as it results in exceeding approved quota.",
            "a quota of the subscription is used up: Operation could not be completed as it results in exceeding "
            "approved quota. Ask for more, or choose another `location`",
        ),
        (
            409,
            "StorageAccountAlreadyTaken",
            "The storage account named shop is already taken.",
            "The storage account named shop is already taken. Another name is made for another app or stage, or "
            "another subscription",
        ),
        (401, "", "", "Azure does not accept the credentials"),
        (429, "TooManyRequests", "slow down", "Azure throttles the deployment"),
        (400, "InvalidTemplate", "It  has a\nhole.", "It has a hole."),
    ],
)
def test_a_fault_says_what_to_do(status: int, code: str, message: str, expected: str) -> None:
    assert said(answered(status, code, message)).startswith(expected)


def test_the_innermost_error_is_told_and_not_its_wrappers() -> None:
    inner = {"code": "AccountNameInvalid", "message": "SHOP is not a valid name."}
    wrapped = {
        "code": "DeploymentFailed",
        "message": "At least one ...",
        "details": [{"code": "X", "details": [inner]}],
    }
    assert innermost(wrapped) == ("AccountNameInvalid", "SHOP is not a valid name.")


def test_an_error_that_a_provider_put_into_a_message_is_found() -> None:
    text = json.dumps({"error": {"code": "Conflict", "message": "Website with given name a already exists."}})
    assert innermost({"code": "Conflict", "message": text}) == ("Conflict", "Website with given name a already exists.")


@pytest.mark.parametrize("state", ["soft deleted state", "deleted state"])
def test_a_vault_that_holds_its_name_says_how_to_purge_it(state: str) -> None:
    told = sentence("ConflictError", f"A vault with the same name already exists in {state}.")
    assert "az keyvault purge --name NAME" in told


def test_nobody_logged_in() -> None:
    error = ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token")
    assert said(error).startswith("nobody is logged in to Azure: log in with `az login`")


@pytest.mark.parametrize(
    ("attempted", "told"),
    [
        (
            "EnvironmentCredential: Authentication failed: AADSTS7000215: Invalid client secret provided. Trace ID: 1",
            "AADSTS7000215: Invalid client secret provided.",
        ),
        (
            "AzureCliCredential: ERROR: AADSTS90002: Tenant 'x' not found.\n\tother",
            "AADSTS90002: Tenant 'x' not found.",
        ),
        ("EnvironmentCredential: Authentication failed: no route\nmore", "no route"),
        ("AzureCliCredential: Invalid tenant ID provided.\nmore", "Invalid tenant ID provided."),
    ],
)
def test_credentials_that_are_refused_say_why(attempted: str, told: str) -> None:
    error = ClientAuthenticationError(f"DefaultAzureCredential failed.\nAttempted credentials:\n\t{attempted}")
    found = said(error)
    assert found.startswith("Azure does not accept the credentials: log in with `az login`")
    assert found.endswith(f". {told}")


AZ = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
echo '{"accessToken": "token", "expires_on": 4102444800, "tokenType": "Bearer"}'
"""


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of the PATH, where the CLI of Azure may be."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "asked"), [({"tenant": "contoso.example"}, " --tenant contoso.example"), ({}, "")]
)
def test_the_stage_s_tenant_is_whose_token_is_asked_for(az: Path, settings: dict[str, str], asked: str) -> None:
    (az / "az").write_text(AZ)
    (az / "az").chmod(0o755)
    deployer: Any = provider("azure").deployer(Stage("shop", "prod", "azure", az, settings=settings))
    credential = deployer._clients.credential
    assert credential.get_token("https://vault.azure.net/.default").token == "token"
    assert credential.get_token_info("https://vault.azure.net/.default").token == "token"
    command = "account get-access-token --output json --resource https://vault.azure.net"
    assert (az / "asked").read_text().splitlines() == [command + asked] * 2


def test_who_is_not_logged_in_gets_one_sentence_and_no_log(az: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ClientAuthenticationError) as raised:
        Clients().token("https://vault.azure.net/.default")
    assert said(raised.value).startswith("nobody is logged in to Azure")
    assert caplog.records == []


def test_no_network() -> None:
    assert said(ServiceRequestError("Failed to resolve 'management.azure.com'")).startswith("Azure cannot be reached")


def test_the_cause_is_the_sdks_error() -> None:
    error = answered(400, "BadRequest", "no")
    with pytest.raises(DeployError, match="function 'work': no") as raised, faults("function 'work'"):
        raise error
    assert raised.value.__cause__ is error


def test_a_stage_without_a_subscription_says_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    deployer = AzureDeployer(Stage("shop", "prod", "azure", tmp_path), Clients(credential=object()))
    with pytest.raises(ConfigError, match=r"\[tool\.faasbridge\.stages\.prod\.azure\] or AZURE_SUBSCRIPTION_ID"):
        deployer.status()


def test_the_subscription_that_the_cli_chose_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from faasbridge_azure.deploying.connection import logged_in_to

    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    assert logged_in_to() is None
    subscriptions = [{"id": "one"}, {"id": "two", "isDefault": True}]
    (tmp_path / "azureProfile.json").write_text(json.dumps({"subscriptions": subscriptions}), encoding="utf-8-sig")
    assert logged_in_to() == "two"


def test_a_name_too_long_for_a_stack(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shorten the app's or the stage's"):
        AzureDeployer(Stage("a" * 90, "prod", "azure", tmp_path), Clients(credential=object()))
