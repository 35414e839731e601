"""Who is logged in on this machine, as a credential of the SDKs: what `DefaultAzureCredential` finds, asked for tokens
of the tenant that a stage names.

Source: Azure Identity client library for Python, "DefaultAzureCredential", `additionally_allowed_tenants`.
"""

from __future__ import annotations

import logging

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class LoggedIn:
    """Without `tenant` the one that was logged in to. A tenant that a service itself asks for goes before it."""

    def __init__(self, tenant: str | None = None) -> None:
        from azure.identity import DefaultAzureCredential

        # It also logs what its error says, a line for each way to log in.
        logging.getLogger("azure.identity").setLevel(logging.ERROR)
        self._tenant = tenant
        self._found = DefaultAzureCredential(additionally_allowed_tenants=[tenant] if tenant else None)

    def get_token(self, *scopes: str, tenant_id: str | None = None, **options: Any) -> Any:
        return self._found.get_token(*scopes, tenant_id=tenant_id or self._tenant, **options)

    def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        own = {"tenant_id": self._tenant} if self._tenant else {}
        return self._found.get_token_info(*scopes, options={**own, **(options or {})})  # type: ignore[arg-type]
