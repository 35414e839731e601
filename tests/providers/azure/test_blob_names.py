"""Keys survive as names of blobs, and a prefix of keys finds all of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge_azure import blob_names, events
from faasbridge_azure.drivers import listing

parts = [".", "..", "...", "a", ".b", "c.", "\\", "\\.", "ü", "", "\u201b", "\u201bb", "d\u201b.", "\u201b\u201bd"]
keys = st.lists(st.sampled_from(parts)).map("/".join) | st.text("\u201b\\./bd", max_size=9)


@given(keys)
def test_a_key_comes_back(key: str) -> None:
    name = blob_names.to_name(key)
    assert blob_names.to_key(name) == key
    assert "\\" not in name
    assert not any(part.endswith(".") for part in name.split("/")), "such a part may be cut or resolved"
    assert not any("\ue000" <= character <= "\uf8ff" for character in name), "Blob Storage takes none of these"


@given(st.text("\u201bbdx./", max_size=9))
def test_a_name_of_somebody_else_is_some_key(name: str) -> None:
    assert isinstance(blob_names.to_key(name), str)


def test_what_nobody_quoted_stays() -> None:
    assert blob_names.to_key("it\u201bs") == "it\u201bs"
    assert blob_names.to_key("it\u201b") == "it\u201b"


@pytest.mark.parametrize("key", ["a/b.jpg", "2024-01-01", "a..b/c", ".hidden", "trailing/", "100%", "ü/世界"])
def test_an_ordinary_key_is_the_name(key: str) -> None:
    assert blob_names.to_name(key) == key


@given(keys, st.integers(0, 20))
def test_the_names_of_all_keys_with_a_prefix_have_its_prefix(key: str, length: int) -> None:
    assert blob_names.to_name(key).startswith(blob_names.to_prefix(key[:length]))


def test_a_folder_is_listed_by_itself() -> None:
    assert blob_names.to_prefix("photos/") == "photos/"
    assert blob_names.to_prefix("photos/2024.") == "photos/2024"


def test_a_metadata_name_that_begins_with_a_digit_comes_back() -> None:
    metadata = {"2x": "1", "_2x": "2", "__2x": "3", "_a": "4", "a2": "5"}
    stored = blob_names.to_metadata(metadata)
    assert not any(name[0].isdigit() for name in stored)
    assert blob_names.from_metadata(stored) == metadata


def test_an_event_has_the_key() -> None:
    event = {
        "id": "1", "eventType": "Microsoft.Storage.BlobCreated", "topic": "t", "eventTime": "2024-01-01T00:00:00Z",
        "subject": f"/blobServices/default/containers/files/blobs/{blob_names.to_name('a/../b')}",
        "data": {"url": "", "contentLength": 1, "eTag": "1"},
    }  # fmt: skip
    (found,) = events.decode(event)
    assert found.key == "a/../b"  # type: ignore[attr-defined]


names = st.lists(st.text(st.sampled_from("a\ue000\uffee🎉🎊b"), min_size=1, max_size=4), unique=True, max_size=25)


@given(names, st.integers(1, 6))
def test_pages_come_in_the_order_of_code_points_and_miss_nothing(names: list[str], size: int) -> None:
    service = sorted(names, key=lambda name: name.encode("utf-16-be"))

    def fetch(marker: str, number: int) -> tuple[list[Any], str]:
        start = int(marker or 0)
        found = [SimpleNamespace(name=name) for name in service[start : start + number]]
        return found, str(start + number) if start + number < len(service) else ""

    listed: list[str] = []
    following: tuple[str, str] | None = ("", "")
    while following is not None:
        page, following = listing.page(fetch, size, *following)
        assert len(page) <= size
        listed += [blob.name for blob in page]
    assert listed == sorted(names)
