"""The filters of subscriptions and of logs, as tables."""

from __future__ import annotations

import pytest

from faasbridge_gcp.simulator.filters import FilterError, compiled

MESSAGE = {"attributes.type": "OBJECT_FINALIZE", "attributes.name": 'in/a "b"', "attributes.empty": ""}
ENTRY = {"severity": 400, "textPayload": "No such Key", "labels.app": "shop", "done": True}


@pytest.mark.parametrize(
    ("filter", "fits"),
    [
        ("", True),
        ("attributes:type", True),
        ("attributes:empty", True),
        ("attributes:other", False),
        ('attributes.type = "OBJECT_FINALIZE"', True),
        ('attributes.type="OBJECT_DELETE"', False),
        ('attributes.type != "OBJECT_DELETE"', True),
        ('attributes.other != "x"', True),
        ('hasPrefix(attributes.name, "in/")', True),
        ('hasPrefix(attributes.other, "in/")', False),
        (r'attributes.name = "in/a \"b\""', True),
        ("NOT attributes:other AND attributes:type", True),
        ("-attributes:type", False),
        ('attributes:other OR (attributes:type AND hasPrefix(attributes.name, "in"))', True),
        ("(attributes:other OR attributes:type) AND attributes:other", False),
    ],
)
def test_a_subscription_takes_what_its_filter_says(filter: str, fits: bool) -> None:
    assert compiled(filter)(MESSAGE.get) is fits


@pytest.mark.parametrize(
    ("filter", "fits"),
    [
        ("severity >= 400 labels.app=shop", True),
        ("severity>400", False),
        ('textPayload:"such key"', True),
        ('textPayload=~"^No .* Key$"', True),
        ('textPayload!~"Key"', False),
        ('labels.app=("blog" OR "shop")', True),
        ("done=true", True),
        ("labels.none:*", False),
        ("labels.app:*", True),
        ('-- a comment\nlabels.app="shop"', True),
    ],
)
def test_a_log_entry_is_found_by_what_it_holds(filter: str, fits: bool) -> None:
    assert compiled(filter, implicit_and=True)(ENTRY.get) is fits


@pytest.mark.parametrize(
    "filter", ["attributes.a =", "(attributes:a", "attributes:a attributes:b", 'hasPrefix(attributes.a "x")', 'a = "b']
)
def test_a_filter_that_cannot_be_read_says_where(filter: str) -> None:
    with pytest.raises(FilterError, match=r"filter|value|text"):
        compiled(filter)
