"""The embedded local cloud, the reference implementation, under every conformance suite."""

from __future__ import annotations

from faasbridge.conformance import Harness

local = Harness("local")
