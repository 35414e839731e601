"""From a resource of the app to its driver on AWS. An address is a name of a bucket or table, the URL of a queue, the
ARN of a topic or secret."""

from __future__ import annotations

from faasbridge.adapter.binding import Bindings, variable

__all__ = ["DRIVERS", "driver_of", "drivers_for", "variable"]

_bindings = Bindings("faasbridge_aws")
DRIVERS = _bindings.drivers
driver_of = _bindings.driver_of
drivers_for = _bindings.drivers_for
