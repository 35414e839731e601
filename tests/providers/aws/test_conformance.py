"""AWS under every conformance suite, on this machine: the real deployer, AWS's own runtime client, ministack's services."""

from __future__ import annotations

from faasbridge.conformance import Harness

aws = Harness("aws", simulate=True)
