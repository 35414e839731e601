"""From a resource of the app to its driver: in a deployed function by its environment, for tools by what they found.

A function's environment has `FAASBRIDGE_<KIND>_<NAME>`, the address of each resource that it uses, and in
`FAASBRIDGE_DRIVERS` (JSON, kind -> "module:Class") the drivers of kinds that are not built in.

Addresses are URLs: of a bucket its container, of a queue the queue, of a topic its endpoint, of a secret
`<vault>/secrets/<name>`, of a table what `table_address` gives.
"""

from __future__ import annotations

import os
import threading

from faasbridge._typing import TYPE_CHECKING
from faasbridge.drivers import Binding
from faasbridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from faasbridge.resources import Resource

    from .drivers.clients import Clients

DRIVERS = {
    kind: f"faasbridge_azure.drivers.{kind}:{kind.capitalize()}Driver"
    for kind in ("bucket", "table", "queue", "topic", "secret")
}
"""Kind -> "module:Class"."""


def driver_of(resource: Resource) -> Any:
    """A new driver for a resource of the function that runs here. Raises ConfigError."""
    name = variable(resource.kind, resource.name)
    address = os.environ.get(name)
    if not address:
        raise ConfigError(
            f"{resource.kind} {resource.name!r} has no address: {name} is not set. Name one of its operations in the "
            "function's uses= and deploy again"
        )
    app = resource.app.app_name if resource.app is not None else ""
    return _made(resource, app, os.environ.get("FAASBRIDGE_STAGE", "dev"), address, resource.options, _kinds())


def drivers_for(
    app_name: str,
    stage_name: str,
    addresses: Mapping[tuple[str, str], str],
    clients: Clients | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Callable[[Resource], Any]:
    """A function that gives a resource's driver, the same one each time; it raises ConfigError.

    `addresses`: (kind, name) -> what the vendor knows it by. `kinds`: third parties' drivers, kind -> "module:Class".
    """
    drivers: dict[tuple[str, str], Any] = {}
    lock = threading.Lock()

    def find(resource: Resource) -> Any:
        key = resource.kind, resource.name
        with lock:
            if key not in drivers:
                if key not in addresses:
                    raise ConfigError(
                        f"{resource.kind} {resource.name!r} is not deployed to stage {stage_name!r}: deploy the app"
                    )
                options = resource.options if clients is None else {**resource.options, "clients": clients}
                drivers[key] = _made(resource, app_name, stage_name, addresses[key], options, kinds or {})
            return drivers[key]

    return find


def table_address(endpoint: str, database: str, container: str, *, changes: bool) -> str:
    """`https://<account>.documents.azure.com/dbs/<database>/colls/<container>`, with `?changes` where the table has
    handlers of its changes: then the driver writes a document for each."""
    return f"{endpoint.rstrip('/')}/dbs/{database}/colls/{container}{'?changes' if changes else ''}"


def variable(kind: str, name: str) -> str:
    """`FAASBRIDGE_BUCKET_UPLOADS`"""
    return f"FAASBRIDGE_{kind}_{name}".upper().replace("-", "_").replace(".", "_")


def _made(
    resource: Resource, app: str, stage: str, address: str, options: Mapping[str, Any], kinds: Mapping[str, str]
) -> Any:
    from importlib import import_module

    place = kinds.get(resource.kind) or DRIVERS.get(resource.kind)
    if place is None:
        raise ConfigError(
            f"no driver for resources of kind {resource.kind!r} on azure: install the package that brings it, and "
            "deploy again"
        )
    module, _, name = place.partition(":")
    driver = getattr(import_module(module), name)
    return driver(Binding("azure", app, stage, resource.kind, resource.name, options, address))


def _kinds() -> Mapping[str, str]:
    text = os.environ.get("FAASBRIDGE_DRIVERS")
    if not text:
        return {}
    import json

    try:
        return {str(kind): str(place) for kind, place in json.loads(text).items()}
    except (ValueError, AttributeError):
        raise ConfigError(f"FAASBRIDGE_DRIVERS is a JSON object, kind -> 'module:Class', not {text!r}") from None
