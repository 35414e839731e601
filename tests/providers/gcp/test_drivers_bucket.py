"""Objects of Cloud Storage, on the simulator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faasbridge.drivers import Binding
from faasbridge.errors import Conflict, NotFound
from faasbridge_gcp.drivers.bucket import BucketDriver
from faasbridge_gcp.drivers.clients import Clients

sys.path.insert(0, str(Path(__file__).parent))
from simulated_cloud import PROJECT, running


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketDriver]:
    with running(tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.storage.create_bucket("files")
        clients = Clients(project=PROJECT, endpoints=dict(cloud.server.details))
        yield BucketDriver(Binding("gcp", "shop", "test", "bucket", "files", {"clients": clients}, "files"))


@pytest.mark.parametrize("data", [b"", b"\x00\xff", b"x" * 1_000_003])
def test_bytes_come_back_exactly(bucket: BucketDriver, data: bytes) -> None:
    assert bucket.put("a b/ü.txt", data, None, {"k": "v"}, False, None).size == len(data)
    assert bucket.get("a b/ü.txt") == data
    assert bucket.head("a b/ü.txt").metadata == {"k": "v"}


def test_conditions_hold(bucket: BucketDriver) -> None:
    etag = bucket.put("once", b"1", None, {}, True, None).etag
    with pytest.raises(Conflict):
        bucket.put("once", b"2", None, {}, True, None)
    bucket.put("once", b"2", None, {}, False, etag)
    with pytest.raises(Conflict):
        bucket.put("once", b"3", None, {}, False, etag)
    assert bucket.get("once") == b"2"


def test_a_copy_keeps_type_and_a_deleted_object_is_gone(bucket: BucketDriver) -> None:
    bucket.put("from", b"1", "image/jpeg", {}, False, None)
    assert bucket.copy("from", "to").content_type == "image/jpeg"
    bucket.delete("to")
    bucket.delete("to")
    with pytest.raises(NotFound):
        bucket.get("to")


def test_a_listing_has_pages_in_order(bucket: BucketDriver) -> None:
    for name in "cab":
        bucket.put(f"p/{name}", b"", None, {}, False, None)
    first = bucket.list("p/", 2, None)
    rest = bucket.list("p/", 2, first.cursor)
    assert [info.key for info in first.items + rest.items] == ["p/a", "p/b", "p/c"]
    assert rest.cursor is None
