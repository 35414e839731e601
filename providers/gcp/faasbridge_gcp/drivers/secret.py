"""Secrets: Secret Manager. The binding's address is the secret's name, `projects/P/secrets/S`.

A secret is deployed without a value; its first version makes one.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import NotFound

from .clients import of
from .errors import call

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.drivers import Binding

    from .clients import Clients


class SecretDriver:
    cache_s = 300.0

    def __init__(self, binding: Binding) -> None:
        self._address = binding.address
        self._name = binding.name
        self._clients = of(binding.options)
        self.client: Any = self._clients.get("secretmanager")

    def get(self) -> str:
        what = f"secret {self._name!r}"
        try:
            return value_of(self._clients, self._address, what)
        except NotFound as error:
            missing = f"{what} has no value: run `faasbridge secrets set {self._name}`"
            raise NotFound(missing) from error.__cause__


def value_of(clients: Clients, address: str, what: str) -> str:
    """Raises NotFound where it has none."""
    client = clients.get("secretmanager")
    answer = call(what, client.access_secret_version, name=f"{address}/versions/latest")
    return bytes(answer.payload.data).decode()
