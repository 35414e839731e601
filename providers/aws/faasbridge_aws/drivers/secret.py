"""Secrets: Secrets Manager. The binding's address is the secret's ARN or name.

A secret is deployed without a value; its first version makes one. A value cannot be taken away again, so a version
whose id begins with `UNSET` stands for none.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import NotFound

from .clients import of
from .errors import call

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.drivers import Binding


UNSET = "faasbridge-unset-"


class SecretDriver:
    cache_s = 300.0

    def __init__(self, binding: Binding) -> None:
        self._id = binding.address
        self._name = binding.name
        self.client: Any = of(binding.options).get("secretsmanager")

    def get(self) -> str:
        missing = f"secret {self._name!r} has no value: run `faasbridge secrets set {self._name}`"
        try:
            answer = call(f"secret {self._name!r}", self.client.get_secret_value, SecretId=self._id)
        except NotFound as error:
            raise NotFound(missing) from error.__cause__
        value = answer.get("SecretString", answer.get("SecretBinary"))
        if value is None or answer["VersionId"].startswith(UNSET):
            raise NotFound(missing)
        return value if isinstance(value, str) else bytes(value).decode()
