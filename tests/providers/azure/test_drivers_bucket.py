"""What the driver of buckets does besides the conformance suite: identities, faults, conditions of streams."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from faasbridge.drivers import Binding
from faasbridge.errors import FaaSBridgeError, NotFound, PermissionDenied, Throttled
from faasbridge_azure.drivers.bucket import BucketDriver
from faasbridge_azure.drivers.clients import Clients

sys.path.insert(0, str(Path(__file__).parent))
from stand_in import Credential, stand_in

if TYPE_CHECKING:
    from emulated_services import Services


def driver(url: str, clients: Clients) -> BucketDriver:
    return BucketDriver(Binding("azure", "shop", "test", "bucket", "files", {"clients": clients}, url))


@pytest.fixture
def bucket(services: Services) -> BucketDriver:
    return driver(services.bucket(), services.clients)


@pytest.mark.parametrize("key", ["a/b.txt", "a//b.txt", "../up"])
def test_who_is_logged_in_reads_by_a_token_and_signs_by_a_delegated_key(key: str) -> None:
    delegated = b"""<?xml version="1.0"?><UserDelegationKey><SignedOid>o</SignedOid><SignedTid>t</SignedTid>
        <SignedStart>2026-01-01T00:00:00Z</SignedStart><SignedExpiry>2026-01-02T00:00:00Z</SignedExpiry>
        <SignedService>b</SignedService><SignedVersion>2025-01-05</SignedVersion><Value>a2V5</Value></UserDelegationKey>"""

    def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        if "comp=userdelegationkey" in path:
            return 200, {"content-type": "application/xml"}, delegated
        found = {"etag": '"1"', "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "x-ms-blob-type": "BlockBlob"}
        if "x-ms-range" in headers:
            return 206, {**found, "content-range": "bytes 0-3/4"}, b"data"
        return 200, found, b"data"

    with stand_in(answer) as storage:
        files = driver(f"{storage.url}/shopdev/files", Clients(credential=Credential(), ca=storage.ca))
        assert files.get(key) == b"data"
        urls = [files.sign_get(key, 60), files.sign_put(key, 60, None, None)]
        tokens = {headers["authorization"] for _, _, headers, _ in storage.asked}
        kinds = [path.partition("comp=")[2].partition("&")[0] for _, path, _, _ in storage.asked]
    assert tokens == {"Bearer token for https://storage.azure.com/.default"}
    assert kinds.count("userdelegationkey") == 1, "one key signs for a day"
    assert all("skoid=o" in url and "sig=" in url for url in urls)
    assert ["sp=r&" in urls[0], "sp=cw&" in urls[1]] == [True, True]


def test_a_refusal_says_what_to_do() -> None:
    refusal = b"<?xml version='1.0'?><Error><Code>AuthorizationPermissionMismatch</Code><Message>no</Message></Error>"
    more = {"content-type": "application/xml", "x-ms-error-code": "AuthorizationPermissionMismatch"}
    with stand_in(lambda *asked: (403, more, refusal)) as storage:
        files = driver(f"{storage.url}/shopdev/files", Clients(credential=Credential(), ca=storage.ca))
        for call in (lambda: files.get("a"), lambda: files.get("a//b"), lambda: files.delete("a")):
            with pytest.raises(PermissionDenied, match=r"bucket 'files': Azure does not allow this.* uses=") as caught:
                call()
            assert caught.value.__cause__ is not None


def test_blobs_of_this_machine_are_had_by_plain_http_with_a_token() -> None:
    about = {"x-ms-blob-type": "BlockBlob", "last-modified": "Sat, 28 Nov 2026 12:00:00 GMT", "etag": '"0x1"'}
    about["content-type"] = "application/octet-stream"
    answers = {"DELETE": (202, about, b""), "GET": (200, about, b"data")}
    with stand_in(lambda *asked: answers[asked[0]], tls=False) as storage:
        files = driver(f"{storage.url}/shopdev/files", Clients(credential=Credential()))
        assert files.get("a") == b"data"
        files.delete("a//b")
    assert {asked[2]["authorization"] for asked in storage.asked} == {
        "Bearer token for https://storage.azure.com/.default"
    }


def test_a_container_that_is_not_there_is_named(services: Services) -> None:
    files = driver(f"{services.storage.blob}/nowhere", services.clients)
    calls = (
        lambda: files.get("a"),
        lambda: files.head("a//b"),
        lambda: files.put("a", b"", None, {}, True, None),
        lambda: files.put("a//b", b"", None, {}, True, None),
        lambda: files.delete("a"),
        lambda: files.list("", 10, None),
        lambda: files.copy("a", "b"),
    )
    for call in calls:
        with pytest.raises(NotFound, match="bucket 'files' does not exist in Azure"):
            call()


def test_a_service_that_does_not_answer_is_said(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faasbridge_azure.drivers.objects.TRIES", 1)
    with pytest.raises(FaaSBridgeError, match="bucket 'files'"):
        driver("http://127.0.0.1:9/shopdev/files", Clients(storage_key=services.storage.key)).get("a")


@pytest.mark.parametrize(
    ("status", "fault"), [(503, Throttled), (429, Throttled), (500, FaaSBridgeError), (400, FaaSBridgeError)]
)
def test_only_a_service_that_throttles_is_said_to(
    status: int, fault: type[FaaSBridgeError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faasbridge_azure.drivers.objects.TRIES", 1)
    with stand_in(lambda *asked: (status, {}, b"")) as storage:
        files = driver(f"{storage.url}/shopdev/files", Clients(credential=Credential(), ca=storage.ca))
        with pytest.raises(FaaSBridgeError) as caught:
            files.get("photo-503-ServerBusy.jpg")
    assert type(caught.value) is fault


@pytest.mark.parametrize("if_absent", [True, False])
def test_a_large_stream_keeps_its_condition(bucket: BucketDriver, if_absent: bool) -> None:
    from faasbridge.errors import Conflict

    etag = bucket.put("large", b"old", None, {}, False, None).etag
    block = b"x" * 3_000_000
    with pytest.raises(Conflict):
        bucket.put("large", (block for _ in range(4)), None, {}, if_absent, None if if_absent else "0xOTHER")
    assert bucket.get("large") == b"old"
    info = bucket.put("large", (block for _ in range(4)), "a/b", {"2x": "y"}, False, etag)
    assert (info.size, bucket.head("large").size) == (12_000_000, 12_000_000)
    assert (bucket.head("large").content_type, bucket.head("large").metadata) == ("a/b", {"2x": "y"})


def test_a_stream_of_just_a_block_has_no_empty_one_behind_it(bucket: BucketDriver) -> None:
    assert bucket.put("block", iter([b"x" * 8 * 1024 * 1024]), None, {}, False, None).size == 8 * 1024 * 1024
    assert len(bucket.get("block")) == 8 * 1024 * 1024


def test_an_object_is_copied_over_itself(bucket: BucketDriver) -> None:
    bucket.put("a", b"data", "a/b", {"n": "1"}, False, None)
    assert bucket.copy("a", "a").content_type == "a/b"
    assert bucket.get("a") == b"data"


def test_the_client_is_the_vendor_s(bucket: BucketDriver) -> None:
    bucket.put("a", b"data", None, {}, False, None)
    assert [blob.name for blob in bucket.client.list_blobs()] == ["a"]
