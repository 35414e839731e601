"""A third party's resource kind, as its author writes it and as an app uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from faasbridge import App, Reply, Request, Resource
from faasbridge.hookspecs import hookimpl
from faasbridge.provider import ResourceKit, Stage
from faasbridge.spec import FunctionSpec, ResourceSpec


class Cache(Resource):
    kind = "acme.cache"
    operations: ClassVar[Mapping[str, str]] = {"get": "get", "put": "put"}

    def get(self, key: str) -> bytes | None:
        value: bytes | None = self._driver("get").get(key)
        return value

    def put(self, key: str, value: bytes, *, ttl_s: int) -> None:
        self._driver("put").put(key, value, ttl_s)


class AwsCache:
    kind = "acme.cache"
    driver = "acme_cache.aws:Driver"

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return {"Name": stage.physical_name(resource.name, 40)}

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"Allow": sorted(rights)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return {}


@hookimpl
def faasbridge_resource_kits(provider: str) -> list[ResourceKit]:
    return [AwsCache()] if provider == "aws" else []


app = App("cached")
sessions = app.add(Cache("sessions"))


@app.get("/sessions/{key}", uses=[sessions.get])
def show(request: Request, key: str) -> Reply:
    return sessions.get(key)
