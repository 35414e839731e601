"""From a resource of the app to its driver on Azure. Addresses are URLs: of a bucket its container, of a queue the
queue, of a topic its endpoint, of a secret `<vault>/secrets/<name>`, of a table what `table_address` gives."""

from __future__ import annotations

from faasbridge.adapter.binding import Bindings, variable

__all__ = ["DRIVERS", "driver_of", "drivers_for", "table_address", "variable"]

_bindings = Bindings("faasbridge_azure")
DRIVERS = _bindings.drivers
driver_of = _bindings.driver_of
drivers_for = _bindings.drivers_for


def table_address(endpoint: str, database: str, container: str, *, changes: bool) -> str:
    """`https://<account>.documents.azure.com/dbs/<database>/colls/<container>`, with `?changes` where the table has
    handlers of its changes: then the driver writes a document for each."""
    return f"{endpoint.rstrip('/')}/dbs/{database}/colls/{container}{'?changes' if changes else ''}"
