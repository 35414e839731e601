"""Secrets: values that stand in no code, template or log."""

from __future__ import annotations

import asyncio

import pytest

from ..errors import NotFound
from ..testing.cloud import Cloud
from .app import api_key, never_set
from .harness import Suite


class Cases(Suite):
    @pytest.mark.parametrize(
        "value",
        [
            "s3cret",
            "with blanks and = signs",
            "Grüße 🎉",
            'quote " and \\ and $HOME',
            "two\nlines",
            "x" * 4000,
            " edges ",
        ],
    )
    def test_a_secret_comes_back_exactly(self, cloud: Cloud, value: str) -> None:
        cloud.set_secret("api-key", value)
        assert api_key.get() == value
        assert asyncio.run(api_key.aget()) == value

    def test_a_changed_secret_is_read(self, cloud: Cloud) -> None:
        for value in ("first", "second"):
            cloud.set_secret("api-key", value)
            assert api_key.get() == value

    @pytest.mark.parametrize("value", ["one", "another"])
    def test_a_handler_reads_the_value_that_was_set(self, cloud: Cloud, value: str) -> None:
        cloud.set_secret("api-key", value)
        assert cloud.client().get("/secret").json() == {"api-key": value}

    def test_what_was_never_set_is_not_found(self, cloud: Cloud) -> None:
        with pytest.raises(NotFound, match="never-set"):
            never_set.get()
        with pytest.raises(NotFound):
            asyncio.run(never_set.aget())

    def test_a_value_is_in_no_log(self, cloud: Cloud) -> None:
        cloud.set_secret("api-key", "a-value-to-look-for")
        assert cloud.client().get("/secret").status == 200
        assert not any("a-value-to-look-for" in line.text for line in cloud.logs())
