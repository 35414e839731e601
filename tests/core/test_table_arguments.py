"""What a table refuses before any driver sees it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from faasbridge import App

app = App("shop")
orders = app.table("orders", key="order_id", indexes={"by_day": ("day", "order_id")})


def never(*args: object) -> None:
    raise AssertionError("the driver was called")


app.bound = lambda resource: SimpleNamespace(get=never, update=never)


def test_a_key_with_a_lone_surrogate_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"the key of table 'orders' holds a lone surrogate"):
        orders.get("\ud800")


def test_a_field_that_an_index_sorts_by_cannot_be_incremented() -> None:
    with pytest.raises(TypeError, match="'day', which index 'by_day' of table 'orders' sorts by, is a string"):
        orders.update("7", increment={"day": 1})
