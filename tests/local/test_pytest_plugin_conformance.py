"""The conformance suites as a third party runs them: collected from a harness, skipped by caveats only."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

HARNESS = """
from dataclasses import replace

from faasbridge.conformance import Harness, suites
from faasbridge.limits import Limits
from faasbridge.local.provider import LocalProvider


class Acme(LocalProvider):
    limits = replace(LocalProvider.limits, caveats={"http-chunked": "Acme takes no chunks (acme manual, page 3)"})


acme = Harness(Acme(), suites("http", "lifecycle"))
"""


def test_a_case_is_skipped_by_the_caveat_that_it_names_and_by_nothing_else(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_acme=HARNESS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs", "-k", "chunked or encoded_slash")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*http-chunked: Acme takes no chunks (acme manual, page 3)*"])


def test_cases_have_ids_that_can_be_run_alone_and_those_that_deploy_need_a_registered_provider(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(test_acme=HARNESS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["test_acme.py::acme.http::test_bad_json_is_400*"])
    result.stdout.no_fnmatch_line("*lifecycle::*")
    case = "test_acme.py::acme.http::test_json_both_ways"
    pytester.runpytest_subprocess("-p", "no:cacheprovider", case).assert_outcomes(passed=1)
