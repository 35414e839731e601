"""The subscription and resource group that a stage is deployed to, and the official clients for it."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage

from ..drivers.clients import Clients
from ..template import names

RESOURCE_MANAGER = "https://management.azure.com"
LOG_ANALYTICS = "https://api.loganalytics.io"
NAME_CHARS = 90  # a resource group's and a stack's. Source: "Naming rules and restrictions for Azure resources"
APP_TAG, STAGE_TAG = "faasbridge-app", "faasbridge-stage"
_POLL_S = 1.0  # where Azure does not say how long to wait


class Cloud:
    """Raises ConfigError where the stage lacks a setting.

    The settings `resource_manager` and `log_analytics` are the addresses of other clouds than the public one.
    """

    def __init__(self, stage: Stage, clients: Clients) -> None:
        self.stage, self.clients = stage, clients
        self.address = str(stage.settings.get("resource_manager") or RESOURCE_MANAGER).rstrip("/")
        self._made: dict[str, Any] = {}

    @cached_property
    def subscription(self) -> str:
        found = self.stage.settings.get("subscription") or os.environ.get("AZURE_SUBSCRIPTION_ID") or logged_in_to()
        if not found:
            raise ConfigError(
                f"which Azure subscription? Set `subscription` in {self._table} or AZURE_SUBSCRIPTION_ID, or log in "
                "with `az login`; `az account list` has yours"
            )
        return str(found)

    @property
    def location(self) -> str:
        found = self.stage.settings.get("location")
        if not found:
            raise ConfigError(f'which Azure region? Set `location` in {self._table}, for example "westeurope"')
        return str(found)

    @property
    def group(self) -> str:
        return names.resource_group(self.stage)

    @property
    def scope(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def tags(self) -> dict[str, str]:
        return {APP_TAG: self.stage.app, STAGE_TAG: self.stage.name}

    @cached_property
    def _unique(self) -> str:
        return names.unique(self.stage, self.subscription)

    def resolved(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """With the names that things have in this subscription."""
        return json.loads(names.resolved(json.dumps(template), self._unique))  # type: ignore[no-any-return]

    def parameters(self, template: Mapping[str, Any]) -> dict[str, Any]:
        values = {"unique": {"value": self._unique}}
        return {name: value for name, value in values.items() if name in (template.get("parameters") or {})}

    def is_ours(self, tags: Any) -> bool:
        return {name: (tags or {}).get(name) for name in self.tags} == self.tags

    @property
    def stacks(self) -> Any:
        return self._client(stacks_client()).deployment_stacks

    @property
    def deployments(self) -> Any:
        return self._deployments.deployments

    @property
    def operations(self) -> Any:
        return self._deployments.deployment_operations

    @property
    def groups(self) -> Any:
        return self._resources.resource_groups

    @property
    def resources(self) -> Any:
        return self._resources.resources

    def properties(self, id: str, version: str = "") -> Mapping[str, Any]:
        """Those of a resource. Raises ResourceNotFoundError."""
        namespace = id.rpartition("/providers/")[2].partition("/")[0].lower()
        known = {each.lower(): value for each, value in names.VERSIONS.items()}
        found = self.resources.get_by_id(id, api_version=version or known[namespace]).properties
        return dict(found or {})

    @property
    def sites(self) -> Any:
        from azure.mgmt.web import WebSiteManagementClient

        return self._client(WebSiteManagementClient).web_apps

    @property
    def vaults(self) -> Any:
        from azure.mgmt.keyvault import KeyVaultManagementClient

        return self._client(KeyVaultManagementClient).vaults

    @property
    def logs(self) -> Any:
        from azure.monitor.query import LogsQueryClient

        if "logs" not in self._made:
            address = str(self.stage.settings.get("log_analytics") or LOG_ANALYTICS)
            options = {"endpoint": address, **self.clients.core_options()}
            self._made["logs"] = LogsQueryClient(self.clients.credential, **options)
        return self._made["logs"]

    @property
    def pipeline(self) -> Any:
        """azure-core's, for what has no client: `send_request` takes whole URLs."""
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy

        if "pipeline" not in self._made:
            scope = f"{self.address}/.default"
            self._made["pipeline"] = self._plain(BearerTokenCredentialPolicy(self.clients.credential, scope))
        return self._made["pipeline"]

    @property
    def plain(self) -> Any:
        """The same without a token, for function apps, which have keys of their own."""
        if "plain" not in self._made:
            self._made["plain"] = self._plain(None)
        return self._made["plain"]

    def _plain(self, authentication: Any) -> Any:
        from azure.core import PipelineClient
        from azure.core.configuration import Configuration
        from azure.core.pipeline.policies import RetryPolicy

        options = self.clients.core_options()
        config: Configuration[Any, Any] = Configuration(**options)
        config.retry_policy, config.authentication_policy = RetryPolicy(**options), authentication
        return PipelineClient(self.address, config=config, **options)

    @property
    def _deployments(self) -> Any:
        from azure.mgmt.resource.deployments import DeploymentsMgmtClient

        return self._client(DeploymentsMgmtClient)

    @property
    def _resources(self) -> Any:
        from azure.mgmt.resource.resources import ResourceManagementClient

        return self._client(ResourceManagementClient)

    @property
    def _table(self) -> str:
        return f"[tool.faasbridge.stages.{self.stage.name}.azure]"

    def _client(self, kind: Any) -> Any:
        name = kind.__name__
        if name not in self._made:
            options: dict[str, Any] = {"base_url": self.address, "credential_scopes": [f"{self.address}/.default"]}
            options |= {"polling_interval": _POLL_S, **self.clients.core_options()}
            self._made[name] = kind(self.clients.credential, self.subscription, **options)
        return self._made[name]


def stack_name(stage: Stage) -> str:
    """Raises ConfigError for one that is too long, since a shortened name could not be found again by eye."""
    name = f"{stage.app}-{stage.name}"
    if len(name) > NAME_CHARS:
        raise ConfigError(
            f"the stack's name {name!r} has {len(name)} characters, Azure takes {NAME_CHARS}: shorten the app's or "
            "the stage's"
        )
    return name


def logged_in_to() -> str | None:
    """The subscription that `az account set` chose."""
    folder = Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")
    try:
        found = json.loads((folder / "azureProfile.json").read_text("utf-8-sig"))["subscriptions"]
        return next((str(each["id"]) for each in found if each.get("isDefault")), None)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stacks_client() -> Any:
    """The SDK's class. A docstring of it has an escape that Python warns of where it compiles the module."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "invalid escape sequence")
        from azure.mgmt.resource.deploymentstacks import DeploymentStacksClient
    return DeploymentStacksClient
