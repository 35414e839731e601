"""Objects of Cloud Storage, on the simulator."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httpx2 as httpx
import pytest

from faasbridge.drivers import Binding
from faasbridge.errors import Conflict, NotFound, PermissionDenied
from faasbridge.resources import SignedUrl
from faasbridge_gcp.drivers.bucket import BucketDriver
from faasbridge_gcp.drivers.clients import Clients

sys.path.insert(0, str(Path(__file__).parent))
from simulated_cloud import PROJECT, SimulatedCloud


@pytest.fixture(scope="module")
def bucket(cloud: SimulatedCloud) -> BucketDriver:
    cloud.storage.create_bucket("files")
    clients = Clients(project=PROJECT, endpoints=dict(cloud.server.details))
    return BucketDriver(Binding("gcp", "shop", "test", "bucket", "files", {"clients": clients}, "files"))


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


@pytest.fixture
def signing(bucket: BucketDriver, cloud: SimulatedCloud) -> BucketDriver:
    account = cloud.accounts.create_service_account(
        name=f"projects/{PROJECT}", account_id=f"signer-{os.urandom(4).hex()}"
    )
    policy = cloud.storage.bucket("files").get_iam_policy(requested_policy_version=3)
    policy["roles/storage.objectUser"] = {f"serviceAccount:{account.email}"}
    cloud.storage.bucket("files").set_iam_policy(policy)
    signers = dict.fromkeys((("files", "GET"), ("files", "PUT")), account.email)
    clients = Clients(project=PROJECT, endpoints=dict(cloud.server.details), signers=signers)
    return BucketDriver(Binding("gcp", "shop", "test", "bucket", "files", {"clients": clients}, "files"))


def test_a_signed_upload_is_for_its_key_and_type_only(signing: BucketDriver) -> None:
    url = signing.sign_put("in/ü b.txt", 60, "text/plain", None)
    assert httpx.put(url, content=b"hi", headers={"content-type": "text/html"}).status_code == 403
    assert (
        httpx.put(url.replace("in/", "on/"), content=b"hi", headers={"content-type": "text/plain"}).status_code == 403
    )
    assert httpx.put(url, content=b"hi", headers={"content-type": "text/plain"}).status_code == 200
    assert signing.head("in/ü b.txt").content_type == "text/plain"
    assert httpx.get(signing.sign_get("in/ü b.txt", 60)).content == b"hi"
    assert httpx.get(signing.sign_get("nothing", 60)).status_code == 404


def test_a_signed_upload_is_for_its_size_only(signing: BucketDriver) -> None:
    """The limit is a header that is signed: leaving it out or raising it breaks the signature."""
    url = signing.sign_put("small.txt", 60, None, 4)
    assert isinstance(url, SignedUrl)
    assert url.headers == {"x-goog-content-length-range": "0,4"}
    assert httpx.put(url, content=b"12345", headers=url.headers).status_code == 400
    assert httpx.put(url, content=b"12345").status_code == 403
    assert httpx.put(url, content=b"12345", headers={"x-goog-content-length-range": "0,5"}).status_code == 403
    with pytest.raises(NotFound):
        signing.head("small.txt")
    assert httpx.put(url, content=b"1234", headers=url.headers).status_code == 200
    assert signing.head("small.txt").size == 4


def test_nobody_signs_without_an_account(bucket: BucketDriver) -> None:
    with pytest.raises(PermissionDenied, match=r"bucket 'files'.*uses="):
        bucket.sign_get("x", 60)
