"""AWS under every conformance suite, on this machine: the deployer as it is, and AWS's own runtime client."""

from __future__ import annotations

from faasbridge.conformance import Harness

aws = Harness("aws", simulate=True)
