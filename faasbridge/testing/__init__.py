"""The pytest plugin: the same test on any provider.

    def test_a_thumbnail_is_made(cloud: Cloud) -> None:
        cloud.bucket("uploads").put("a.jpg", photograph)
        cloud.settle()
        assert cloud.client().get("/photos/a.jpg").status == 200

`pytest --provider local,aws` chooses where it runs. docs/testing.md says more.
"""

from __future__ import annotations

from .client import Answer, Client
from .cloud import Cloud
from .plugin import (
    cloud,
    pytest_addoption,
    pytest_configure,
    pytest_generate_tests,
    pytest_pycollect_makeitem,
    pytest_pycollect_makemodule,
    pytest_runtest_call,
    pytest_runtest_makereport,
    pytest_unconfigure,
)

__all__ = [
    "Answer",
    "Client",
    "Cloud",
    "cloud",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_pycollect_makeitem",
    "pytest_pycollect_makemodule",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_unconfigure",
]
