"""A message survives Pub/Sub whatever is in it, and fits what Pub/Sub takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge_gcp import wire

text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)
names = text | st.sampled_from(["googclient", "faasbridge", "CloudPubSubDeadLetterSourceX", "eventType", "ü" * 200])


@given(st.binary(max_size=50), st.dictionaries(names, text | st.just("x" * 1025), max_size=5), text)
def test_a_message_comes_back_exactly(body: bytes, attributes: dict[str, str], id: str) -> None:
    data, packed = wire.pack(body, attributes, id)
    assert wire.unpack(data, packed) == (body, attributes, id)
    for name, value in packed.items():
        assert 0 < len(name.encode()) <= 256
        assert len(value.encode()) <= 1024 or name == wire.ATTRIBUTE
        assert not name.startswith("goog")


def test_a_hundred_attributes_are_never_exceeded() -> None:
    attributes = {f"a{i}": str(i) for i in range(150)}
    data, packed = wire.pack(b"body", attributes, "7")
    assert len(packed) < 100
    assert wire.unpack(data, packed) == (b"body", attributes, "7")


def test_an_ordinary_message_is_readable_by_others() -> None:
    assert wire.pack(b"body", {"colour": "red"}, "7") == (b"body", {"colour": "red", "faasbridge": '{"id":"7"}'})


@pytest.mark.parametrize("envelope", ["[]", "not json", '{"head": 3}', '{"head": 2}'])
def test_a_message_that_was_tampered_with_is_refused(envelope: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        wire.unpack(b"[]", {wire.ATTRIBUTE: envelope})
