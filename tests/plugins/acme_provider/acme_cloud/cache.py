from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from faasbridge import Resource
from faasbridge.drivers import Binding


class Cache(Resource):
    """Bytes by key, gone when the process ends."""

    kind = "acme.cache"
    operations: ClassVar[Mapping[str, str]] = {"get": "get", "put": "put"}

    def get(self, key: str) -> bytes | None:
        value: bytes | None = self._driver("get").get(key)
        return value

    def put(self, key: str, value: bytes) -> None:
        self._driver("put").put(key, value)


class CacheDriver:
    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.client: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.client.get(key)

    def put(self, key: str, value: bytes) -> None:
        self.client[key] = value
