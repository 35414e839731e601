"""Objects of S3, through each of the two libraries that the driver uses."""

from __future__ import annotations

import io
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from faasbridge.drivers import Binding
from faasbridge.errors import Conflict, FaaSBridgeError, NotFound, Throttled
from faasbridge_aws.drivers.bucket import BucketDriver
from faasbridge_aws.drivers.clients import Clients
from faasbridge_aws.drivers.objects import Objects
from faasbridge_aws.drivers.s3 import S3

sys.path.insert(0, str(Path(__file__).parent))
from services import REGION, Services

PART = 8 * 1024 * 1024


def driver_of(bucket: str, **options: Any) -> BucketDriver:
    return BucketDriver(Binding("aws", "shop", "test", "bucket", "uploads", options, bucket))


@pytest.fixture
def full(aws: Services) -> BucketDriver:
    """As tools have it."""
    return driver_of(aws.bucket(), clients=aws.clients)


@pytest.fixture(params=["full", "quick"])
def bucket(request: pytest.FixtureRequest, aws: Services, monkeypatch: pytest.MonkeyPatch) -> BucketDriver:
    """As tools have it, and as a deployed function does."""
    if request.param == "full":
        return driver_of(aws.bucket(), clients=aws.clients)
    for name, value in {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("faasbridge_aws.drivers.clients._default", None)
    made = driver_of(aws.bucket())
    assert isinstance(made._for("a/b.txt"), Objects)
    assert isinstance(made._for("a//b.txt"), S3)
    return made


@pytest.mark.parametrize(
    "key", ["a/b c+%41.txt", "Grüße/🎉", "/leading", "trailing/", "double//slash", "a/../b", "./a"]
)
def test_what_was_put_is_there_under_its_key(bucket: BucketDriver, key: str) -> None:
    put = bucket.put(key, b"data", "text/x-test; charset=utf-8", {"owner": "Ada L."}, False, None)
    head = bucket.head(key)
    assert (put.key, put.size, put.etag, put.content_type) == (key, 4, head.etag, "text/x-test; charset=utf-8")
    assert (head.key, head.size, head.content_type, head.metadata) == (key, 4, put.content_type, {"owner": "Ada L."})
    assert abs((put.modified - head.modified).total_seconds()) < 60
    with bucket.open(key) as stream:
        assert bucket.get(key) == stream.read() == b"data"
    assert [info.key for info in bucket.list("", 10, None).items] == [key]
    bucket.delete(key)
    bucket.delete(key)
    for read in (bucket.get, bucket.head, bucket.open):
        with pytest.raises(NotFound, match="has no object"):
            read(key)


def test_without_a_type_the_key_tells_it(bucket: BucketDriver) -> None:
    bucket.put("a.jpg", b"", None, {}, False, None)
    assert bucket.head("a.jpg").content_type == "image/jpeg"


def test_an_open_object_stays_the_version_that_it_was(bucket: BucketDriver) -> None:
    old = b"old" * 500_000
    bucket.put("a", old, None, {}, False, None)
    with bucket.open("a") as stream:
        start = stream.read(5)
        bucket.put("a", b"new", None, {}, False, None)
        assert start + stream.read() == old


def test_a_bucket_that_is_not_there_is_said_to_be_missing(aws: Services) -> None:
    missing = driver_of("no-such-bucket-here", clients=aws.clients)
    for call in (lambda: missing.get("a"), lambda: missing.put("a", b"", None, {}, False, None)):
        with pytest.raises((NotFound, Conflict), match="bucket 'uploads'"):
            call()


def test_a_stream_is_one_object_however_large(full: BucketDriver) -> None:
    size = 2 * PART + 10
    info = full.put("a", io.BytesIO(b"x" * size), None, {"n": "1"}, False, None)
    assert (info.size, full.head("a").size, full.head("a").metadata) == (size, size, {"n": "1"})
    assert full.head("a").etag == info.etag


@pytest.mark.parametrize("size", [10, PART, PART + 1])
def test_conditions_hold_for_streams_too(full: BucketDriver, size: int) -> None:
    first = full.put("a", iter([b"x" * size]), None, {}, True, None)
    with pytest.raises(Conflict):
        full.put("a", iter([b"y" * size]), None, {}, True, None)
    full.put("a", iter([b"z" * size]), None, {}, False, first.etag)
    with pytest.raises(Conflict):
        full.put("a", iter([b"y" * size]), None, {}, False, first.etag)
    assert full.get("a") == b"z" * size


def test_a_stream_that_breaks_leaves_nothing_behind(full: BucketDriver) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * (PART + 1)
        raise OSError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        full.put("a", broken(), None, {}, False, None)
    assert full.list("", 10, None).items == []
    assert not full.client.list_multipart_uploads(Bucket=full._bucket).get("Uploads")


def test_a_copy_has_type_and_metadata_also_over_itself(full: BucketDriver) -> None:
    full.put("a", b"data", "text/x-test", {"n": "1"}, False, None)
    for to in ("b ü+%", "a"):
        assert full.copy("a", to).key == to
        head = full.head(to)
        assert (full.get(to), head.content_type, head.metadata) == (b"data", "text/x-test", {"n": "1"})


def test_a_broken_connection_is_taken_up_where_it_broke() -> None:
    class Broken(Exception):
        pass

    Broken.__module__ = "urllib3.exceptions"

    class Body:
        def __init__(self, data: bytes, *, breaks: bool) -> None:
            self.data, self.breaks = io.BytesIO(data), breaks

        def read(self, size: int) -> bytes:
            piece = self.data.read(4)
            if not piece and self.breaks:
                raise Broken
            return piece

        def close(self) -> None: ...

    class Client:
        asked: ClassVar[list[tuple[str | None, str | None]]] = []

        def get_object(self, Bucket: str, Key: str, Range: str | None = None, IfMatch: str | None = None) -> Any:
            self.asked.append((Range, IfMatch))
            return {"ETag": '"1"', "Body": Body(b"01234567" if Range is None else b"89", breaks=Range is None)}

    assert S3("b", "bucket 'b'", Client()).get("a") == b"0123456789"
    assert Client.asked == [(None, None), ("bytes=8-", '"1"')]


@contextmanager
def stand_in(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, bytes]) -> Iterator[list[str]]:
    """S3 that answers so, the last answer again and again; gives the paths that it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = answers[min(len(asked), len(answers)) - 1]
            self.send_response(status)
            for name, value in (("etag", '"1"'), ("last-modified", "Mon, 23 Nov 2026 20:00:00 GMT")):
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setattr("faasbridge_aws.drivers.clients._default", None)
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


def test_an_object_is_read_although_s3_slows_down(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = 503, b"<Error><Code>SlowDown</Code></Error>"
    with stand_in(monkeypatch, slow, slow, (200, b"data")) as asked:
        assert driver_of("files").get("a.txt") == b"data"
    assert asked == ["/files/a.txt"] * 3


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (503, b"", Throttled),
        (429, b"", Throttled),
        (500, b"<Error><Code>SlowDown</Code></Error>", Throttled),
        (500, b"", FaaSBridgeError),
        (400, b"<Error><Code>InvalidArgument</Code><Message>SlowDown</Message></Error>", FaaSBridgeError),
    ],
)
def test_only_s3_that_throttles_is_said_to(
    monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, fault: type[FaaSBridgeError]
) -> None:
    monkeypatch.setattr("faasbridge_aws.drivers.objects.TRIES", 1)
    with stand_in(monkeypatch, (status, body)), pytest.raises(FaaSBridgeError) as caught:
        driver_of("files").get("photo-503-SlowDown-NoSuchBucket.jpg")
    assert type(caught.value) is fault


def test_a_signed_url_reads_and_writes(full: BucketDriver) -> None:
    url = full.sign_put("a b.txt", 60, "text/x-test", None)
    assert "content-type" in url
    request = urllib.request.Request(url, b"data", {"content-type": "text/x-test"}, method="PUT")
    urllib.request.urlopen(request, timeout=10).close()
    with urllib.request.urlopen(full.sign_get("a b.txt", 60), timeout=10) as answer:
        assert (answer.read(), answer.headers["content-type"]) == (b"data", "text/x-test")


def test_the_regions_in_china_have_a_domain_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("faasbridge_aws.drivers.objects.S3Store", lambda bucket, **options: asked.append(options))
    for region in ("cn-north-1", "eu-west-1"):
        monkeypatch.setenv("AWS_REGION", region)
        Objects("photos", "bucket 'photos'", Clients())
    assert asked[0]["config"]["aws_endpoint_url_s3"] == "https://s3.cn-north-1.amazonaws.com.cn"
    assert "aws_endpoint_url_s3" not in asked[1]["config"]
