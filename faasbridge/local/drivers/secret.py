"""Secrets: `API_KEY=...` in the project's `.env` for `api-key`; what `faasbridge secrets set` stored goes first."""

from __future__ import annotations

from pathlib import Path

from ...drivers import Binding
from ...errors import NotFound
from ..secrets import env_file, secret_values, variable


class SecretDriver:
    cache_s = 0.0  # a new value is there at once

    def __init__(self, binding: Binding) -> None:
        self._folder = Path(binding.address)
        self._name = binding.name
        self._env: str | None = binding.options.get("env_file")

    @property
    def client(self) -> dict[str, str]:
        """All values, by the names of their variables."""
        return secret_values(self._folder, self._env)

    def get(self) -> str:
        value = self.client.get(variable(self._name))
        if value is None:
            raise NotFound(
                f"secret {self._name!r} has no value: "
                f"put {variable(self._name)}=... into {self._env or env_file(self._folder)}, "
                f"or run `faasbridge secrets set {self._name}`"
            )
        return value
