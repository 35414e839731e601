"""Google Cloud under every conformance suite, on this machine: the deployer as it is, and functions-framework."""

from __future__ import annotations

from faasbridge.conformance import Harness

gcp = Harness("gcp", simulate=True)
