"""Secrets: Key Vault. The binding's address is `<vault>/secrets/<name>`; one that was never set is not there yet."""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import NotFound

from .clients import of
from .errors import code_of, status_of, translating

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.drivers import Binding


class SecretDriver:
    cache_s = 300.0

    def __init__(self, binding: Binding) -> None:
        vault, _, self._id = binding.address.rstrip("/").partition("/secrets/")
        self._name = binding.name
        with translating(f"secret {binding.name!r}"):
            self.client: Any = of(binding.options).vault(vault)

    def get(self) -> str:
        missing = f"secret {self._name!r} has no value: run `faasbridge secrets set {self._name}`"
        try:
            value = self.client.get_secret(self._id).value
        except Exception as error:
            # A disabled version is refused with 403: Key Vault, "REST API error codes".
            if status_of(error) == 404 or (status_of(error) == 403 and "SecretDisabled" in f"{code_of(error)} {error}"):
                raise NotFound(missing) from error
            with translating(f"secret {self._name!r}"):
                raise
        if value is None:
            raise NotFound(missing)
        return str(value)
