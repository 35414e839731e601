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


class SecretDriver:
    cache_s = 300.0

    def __init__(self, binding: Binding) -> None:
        self._version = f"{binding.address}/versions/latest"
        self._name = binding.name
        self.client: Any = of(binding.options).get("secretmanager")

    def get(self) -> str:
        what = f"secret {self._name!r}"
        try:
            answer = call(what, self.client.access_secret_version, name=self._version)
        except NotFound as error:
            missing = f"{what} has no value: run `faasbridge secrets set {self._name}`"
            raise NotFound(missing) from error.__cause__
        return bytes(answer.payload.data).decode()
