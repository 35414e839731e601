"""From a resource of the app to its driver on Google Cloud. An address is the full name of a topic or secret."""

from __future__ import annotations

from faasbridge.adapter.binding import Bindings, variable

__all__ = ["DRIVERS", "driver_of", "drivers_for", "variable"]

_bindings = Bindings("faasbridge_gcp")
DRIVERS = _bindings.drivers
driver_of = _bindings.driver_of
drivers_for = _bindings.drivers_for
