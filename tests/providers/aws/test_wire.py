"""Messages survive SQS and SNS, whatever they hold."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from faasbridge_aws import wire

texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.one_of(texts, st.sampled_from(["faasbridge", "AWS.x", "a..b", ".a", "trace-id", "x" * 257]))


@given(
    body=st.one_of(st.binary(max_size=30), texts.map(str.encode)), attributes=st.dictionaries(names, texts, max_size=14)
)
@example(body=b"", attributes={})
@example(body=b"a\0b", attributes={"empty": "", "control": "\x01"})
def test_message_survives_within_what_sqs_takes(body: bytes, attributes: dict[str, str]) -> None:
    text, sent = wire.pack(body, attributes, "id-1")
    assert text
    assert len(sent) <= 10
    for name, value in sent.items():
        assert value
        assert name.isascii()
        assert not name.lower().startswith(("aws.", "amazon."))
        for character in value:
            assert character in "\t\n\r" or "\x20" <= character <= "\ud7ff" or character >= "\ue000"
            assert character not in "\ufffe\uffff"
    assert wire.unpack(text, sent) == (body, attributes, "id-1")


def test_plain_text_and_plain_attributes_stay_readable() -> None:
    text, sent = wire.pack('{"a":"ü"}'.encode(), {"kind": "order"}, "id-1")
    assert text == '{"a":"ü"}'
    assert sent == {"kind": "order", "faasbridge": '{"id":"id-1"}'}
