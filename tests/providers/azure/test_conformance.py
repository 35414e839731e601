"""Azure under every conformance suite, on this machine: the deployer as it is, and Microsoft's own Python runtime."""

from __future__ import annotations

from faasbridge.conformance import Harness

azure = Harness("azure", simulate=True)
