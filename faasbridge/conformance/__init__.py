"""The suites that every provider must pass, larger than any provider. In a test module of the provider's:

    from faasbridge.conformance import Harness

    acme = Harness("acme")

and pytest collects every case, as `test_acme.py::acme.buckets::test_...`. `suites("buckets", "tables")` takes some of
them. A case is skipped only where the provider's `limits.caveats` says what it does not keep. docs/contract.md lists
the promises, and the cases beside each.
"""

from __future__ import annotations

from .harness import Harness, needs, suites

__all__ = ["Harness", "needs", "suites"]
