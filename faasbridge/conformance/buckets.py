"""Buckets: objects by key."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Barrier
from urllib.parse import urlsplit

import pytest

from ..errors import Conflict, NotFound
from ..testing.client import Answer, over_socket
from ..testing.cloud import Cloud
from .app import files
from .harness import Suite, needs

KEYS = [
    "plain.txt",
    "a b/c d.txt",
    "a+b&c=d?e#f;g,h@i!.txt",
    "100%.txt",
    "%41%2F%2f.txt",
    "Grüße/世界/🎉.txt",
    "a/../b",
    "../up",
    "a/./b",
    ".hidden",
    "...",
    "/leading",
    "trailing/",
    "double//slash",
    "back\\slash",
    "quote'\"`<>|*:",
    "~tilde $dollar {brace} [bracket] ^",
    "UPPER",
    "upper",
    "e\u0301 is not \u00e9",
    "\u00e9",
    "CON",
    "x" * 1000,
    "é" * 512,
]

TYPE = "image/jpeg"


class Cases(Suite):
    # Content

    @pytest.mark.parametrize(
        "data",
        [b"", b"\x00", bytes(range(256)) * 5, b"\r\n\r\n", b"x" * 1_000_003],
        ids=["empty", "nul", "binary", "newlines", "1 MB"],
    )
    def test_bytes_come_back_exactly(self, cloud: Cloud, data: bytes) -> None:
        info = files.put("data", data)
        assert files.get("data") == data
        assert info.size == files.head("data").size == len(data)

    def test_text_is_stored_as_utf8(self, cloud: Cloud) -> None:
        files.put("text", "Grüße 世界")
        assert files.get("text").decode() == "Grüße 世界"

    @pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc"), io.BytesIO(b"abc"), [b"a", b"", b"bc"]])
    def test_any_kind_of_bytes_can_be_put(self, cloud: Cloud, data: bytes) -> None:
        assert files.put("data", data).size == 3
        assert files.get("data") == b"abc"

    def test_a_large_object_is_streamed_both_ways(self, cloud: Cloud) -> None:
        block = bytes(range(256)) * 256
        blocks = 12 * 16  # 12 MB
        files.put("large", (block for _ in range(blocks)))
        digest, size = sha256(), 0
        with files.open("large") as stream:
            while chunk := stream.read(100_000):
                digest.update(chunk)
                size += len(chunk)
        assert size == len(block) * blocks
        assert digest.hexdigest() == sha256(block * blocks).hexdigest()

    def test_a_stream_that_breaks_writes_nothing(self, cloud: Cloud) -> None:
        def breaking() -> object:
            yield b"half"
            raise RuntimeError("the source broke")

        files.put("whole", b"old")
        for key in ("whole", "none"):
            with pytest.raises(RuntimeError, match="the source broke"):
                files.put(key, breaking())  # type: ignore[arg-type]
        assert files.get("whole") == b"old"
        assert [info.key for info in files.list()] == ["whole"]

    def test_open_holds_one_version(self, cloud: Cloud) -> None:
        old = b"old" * 400_000
        files.put("data", old)
        with files.open("data") as stream:
            start = stream.read(3)
            files.put("data", b"new")
            assert start + stream.read() == old
        with files.open("data") as stream:
            assert stream.read() == b"new"

    # Keys

    @pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[1:30])
    def test_any_key_text_is_an_own_object(self, cloud: Cloud, key: str) -> None:
        others = [other for other in ("plain.txt", "b", "up", "a/b", "A.txt") if other != key]
        for other in others:
            files.put(other, b"other")
        info = files.put(key, b"mine")
        assert info.key == files.head(key).key == key
        assert files.get(key) == b"mine"
        assert sorted(entry.key for entry in files.list()) == sorted([*others, key])
        assert [entry.key for entry in files.list(key)] == [key]
        assert all(files.get(other) == b"other" for other in others)
        files.delete(key)
        with pytest.raises(NotFound):
            files.get(key)
        assert all(files.get(other) == b"other" for other in others)

    def test_case_and_normal_forms_make_different_keys(self, cloud: Cloud) -> None:
        keys = ["a", "A", "\u00e9", "e\u0301", "a/", "/a"]
        for key in keys:
            files.put(key, key)
        assert {key: files.get(key).decode() for key in keys} == {key: key for key in keys}

    @pytest.mark.parametrize("key", ["", ".", "..", "line\nbreak", "\x00", "x" * 1025, "é" * 513])
    def test_a_key_that_not_every_vendor_takes_is_refused(self, cloud: Cloud, key: str) -> None:
        with pytest.raises(ValueError, match="key"):
            files.put(key, b"")

    # Overwriting, conditions

    def test_reads_see_the_last_write(self, cloud: Cloud) -> None:
        etags = set()
        for i in range(10):
            etags.add(files.put("data", str(i)).etag)
            assert files.get("data") == str(i).encode()
            assert files.head("data").size == 1
        assert len(etags) == 10

    def test_an_overwrite_replaces_type_and_metadata(self, cloud: Cloud) -> None:
        files.put("data", b"1", content_type=TYPE, metadata={"a": "1", "b": "2"})
        files.put("data", b"2", metadata={"b": "3"})
        assert files.head("data").metadata == {"b": "3"}
        assert files.head("data").content_type != TYPE

    def test_if_absent_takes_only_what_is_not_there(self, cloud: Cloud) -> None:
        files.put("data", b"first", if_absent=True)
        with pytest.raises(Conflict):
            files.put("data", b"second", if_absent=True)
        assert files.get("data") == b"first"
        files.delete("data")
        files.put("data", b"third", if_absent=True)
        assert files.get("data") == b"third"

    def test_if_absent_has_exactly_one_winner(self, cloud: Cloud) -> None:
        writers = 8
        for turn in range(5):
            start = Barrier(writers)

            def write(writer: int, key: str = f"prize-{turn}", start: Barrier = start) -> int | None:
                start.wait()
                try:
                    files.put(key, str(writer), if_absent=True)
                except Conflict:
                    return None
                return writer

            with ThreadPoolExecutor(writers) as pool:
                won = [writer for writer in pool.map(write, range(writers)) if writer is not None]
            assert len(won) == 1
            assert files.get(f"prize-{turn}") == str(won[0]).encode()

    def test_if_match_takes_only_that_version(self, cloud: Cloud) -> None:
        first = files.put("data", b"1").etag
        second = files.put("data", b"2", if_match=first).etag
        with pytest.raises(Conflict):
            files.put("data", b"3", if_match=first)
        assert files.get("data") == b"2"
        assert files.head("data").etag == second
        with pytest.raises(Conflict):
            files.put("none", b"", if_match=second)

    def test_if_match_has_exactly_one_winner(self, cloud: Cloud) -> None:
        etag = files.put("data", b"0").etag
        start = Barrier(8)

        def write(writer: int) -> bool:
            start.wait()
            try:
                files.put("data", str(writer), if_match=etag)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(write, range(1, 9))) == 1

    def test_concurrent_writers_leave_one_whole_version(self, cloud: Cloud) -> None:
        versions = [bytes([65 + i]) * 300_000 for i in range(8)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda data: files.put("data", data), versions))
        assert files.get("data") in versions

    # What is known of an object

    def test_head_tells_size_type_metadata_and_time(self, cloud: Cloud) -> None:
        before = datetime.now(UTC) - timedelta(minutes=5)
        put = files.put(
            "data", b"12345", content_type="text/x-test; charset=utf-8", metadata={"owner": "Ada L.", "n_2": "~!"}
        )
        head = files.head("data")
        for info in (put, head):
            assert (info.key, info.size, info.content_type) == ("data", 5, "text/x-test; charset=utf-8")
            assert info.metadata == {"owner": "Ada L.", "n_2": "~!"}
            assert before < info.modified < before + timedelta(minutes=10)
        assert put.etag == head.etag == next(iter(files.list())).etag

    def test_without_a_type_there_is_still_one(self, cloud: Cloud) -> None:
        assert files.put("data", b"").content_type
        assert files.head("data").content_type

    @pytest.mark.parametrize("operation", [files.get, files.head, files.open, lambda key: files.copy(key, "to")])
    def test_what_is_missing_is_not_found(self, cloud: Cloud, operation: object) -> None:
        with pytest.raises(NotFound):
            operation("none")  # type: ignore[operator]

    def test_delete_is_idempotent(self, cloud: Cloud) -> None:
        files.delete("data")
        files.put("data", b"")
        files.delete("data")
        files.delete("data")
        assert list(files.list()) == []

    def test_copy_brings_type_and_metadata(self, cloud: Cloud) -> None:
        files.put("from", b"data", content_type=TYPE, metadata={"a": "1"})
        files.put("ein ü+% to", b"old")
        info = files.copy("from", "ein ü+% to")
        assert info.key == "ein ü+% to"
        head = files.head("ein ü+% to")
        assert (head.size, head.content_type, head.metadata) == (4, TYPE, {"a": "1"})
        files.delete("from")
        assert files.get("ein ü+% to") == b"data"

    # Listing

    def test_a_listing_is_in_the_order_of_code_points(self, cloud: Cloud) -> None:
        keys = ["b", "a", "B", "a/b", "a0", "a b", "ä", "z", "世", "🎉", "\uffee", "a-", "a/"]
        for key in keys:
            files.put(key, b"")
        assert [info.key for info in files.list()] == sorted(keys)

    def test_a_prefix_is_text_not_a_pattern(self, cloud: Cloud) -> None:
        keys = ["a%b", "aXb", "a_b", "a*b", "a/1", "a/2", "A/3", "ab"]
        for key in keys:
            files.put(key, b"")
        for prefix in ("a%", "a_", "a*", "a/", "A", "a", "none", ""):
            assert [info.key for info in files.list(prefix)] == sorted(key for key in keys if key.startswith(prefix))

    def test_more_than_a_thousand_objects_are_listed_page_by_page(self, cloud: Cloud) -> None:
        keys = [f"p/{i:04d}" for i in range(1001)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda key: files.put(key, b""), [*keys, "o", "q"]))
        assert [info.key for info in files.list("p/")] == keys
        first = files.list("p/").page(1000)
        assert [info.key for info in first.items] == keys[:1000]
        last = files.list("p/").page(1000, first.cursor)
        assert [info.key for info in last.items] == keys[1000:]
        assert last.cursor is None

    def test_pages_have_at_most_their_size_and_miss_nothing(self, cloud: Cloud) -> None:
        keys = [f"{i}" for i in range(7)]
        for key in keys:
            files.put(key, b"")
        for size in (1, 2, 3, 7, 8):
            seen: list[str] = []
            cursor: str | None = None
            for _ in range(10):
                page = files.list().page(size, cursor)
                assert len(page.items) <= size
                seen += [info.key for info in page.items]
                cursor = page.cursor
                if cursor is None:
                    break
            assert seen == keys
        assert files.list("none").page().cursor is None

    def test_a_cursor_outlives_changes(self, cloud: Cloud) -> None:
        for key in "abcdef":
            files.put(key, b"")
        page = files.list().page(3)
        files.delete("c")
        files.delete("d")
        files.put("aa", b"")
        assert [info.key for info in files.list().page(10, page.cursor).items] == ["e", "f"]

    @pytest.mark.parametrize("size", [0, 1001, -1])
    def test_a_page_size_out_of_range_is_refused(self, cloud: Cloud, size: int) -> None:
        with pytest.raises(ValueError, match="1 to 1000"):
            files.list().page(size)

    # Signed URLs, used as a browser does: by plain HTTP

    @pytest.mark.parametrize("key", ["plain.txt", "a b/+%41&=#?.txt", "Grüße/🎉"], ids=["plain", "special", "unicode"])
    def test_a_signed_get_reads_that_object(self, cloud: Cloud, key: str) -> None:
        data = bytes(range(256)) * 100
        files.put(key, data, content_type=TYPE)
        answer = fetch("GET", files.sign_get(key, expires_s=600))
        assert answer.status == 200
        assert answer.body == data
        assert answer.headers["content-type"] == TYPE

    @pytest.mark.parametrize("key", ["plain.txt", "a b/+%41&=#?.txt", "Grüße/🎉"], ids=["plain", "special", "unicode"])
    def test_a_signed_put_writes_that_object(self, cloud: Cloud, key: str) -> None:
        data = bytes(range(256)) * 4000
        url = files.sign_put(key, expires_s=600, content_type=TYPE)
        assert url.headers["content-type"] == TYPE
        assert fetch("PUT", url, data).status in (200, 201, 204)
        assert files.get(key) == data
        assert files.head(key).content_type == TYPE

    def test_a_signed_get_of_nothing_is_404(self, cloud: Cloud) -> None:
        assert fetch("GET", files.sign_get("none")).status == 404

    def test_an_expired_url_is_refused(self, cloud: Cloud) -> None:
        files.put("data", b"secret")
        signed = time.time()
        get, put = files.sign_get("data", expires_s=1), files.sign_put("data", expires_s=1)
        for method, url in (("GET", get), ("PUT", put)):
            deadline = time.monotonic() + 20
            while fetch(method, url, b"overwritten" if method == "PUT" else b"").status < 400:
                assert time.monotonic() < deadline, "a URL good for one second still works after twenty"
                time.sleep(0.05)
            assert time.time() - signed >= 1, "the URL was refused before its time"
            refused(fetch(method, url))

    def test_an_altered_url_is_refused(self, cloud: Cloud) -> None:
        files.put("data", b"secret")
        url = files.sign_get("data")
        query = urlsplit(url).query
        for name_value in query.split("&"):
            name, _, value = name_value.partition("=")
            last = "0" if value[-1:] != "0" else "1"
            refused(fetch("GET", url.replace(name_value, f"{name}={value[:-1]}{last}")))
        refused(fetch("GET", url.split("?")[0]))
        assert fetch("GET", url).status == 200

    def test_a_url_is_for_its_own_key_only(self, cloud: Cloud) -> None:
        files.put("mine", b"1")
        files.put("your", b"2")
        files.put("mine2", b"3")
        get, put = files.sign_get("mine"), files.sign_put("mine")
        own = put.headers
        for other in ("your", "mine2", "mine/../your", "..%2Fyour"):
            refused(fetch("GET", get.replace("/mine", f"/{other}", 1)))
            refused(fetch("PUT", put.replace("/mine", f"/{other}", 1), b"x", headers=own))
        assert files.get("your") == b"2"

    def test_a_url_is_for_its_own_method_only(self, cloud: Cloud) -> None:
        files.put("data", b"1")
        refused(fetch("PUT", files.sign_get("data"), b"2", headers=files.sign_put("data").headers))
        refused(fetch("DELETE", files.sign_get("data")))
        refused(fetch("GET", files.sign_put("data")))
        refused(fetch("DELETE", files.sign_put("data")))
        assert files.get("data") == b"1"

    @needs("signed-put-type")
    def test_a_signed_put_takes_its_own_type_only(self, cloud: Cloud) -> None:
        url = files.sign_put("data", content_type=TYPE)
        refused(fetch("PUT", url, b"<script>", "text/html"))
        with pytest.raises(NotFound):
            files.get("data")
        assert fetch("PUT", url, b"jpeg", TYPE).status < 300

    @needs("signed-put-size")
    def test_a_signed_put_takes_no_more_than_max_bytes(self, cloud: Cloud) -> None:
        url = files.sign_put("data", max_bytes=1000)
        refused(fetch("PUT", url, b"x" * 1001))
        with pytest.raises(NotFound):
            files.get("data")
        assert fetch("PUT", url, b"x" * 1000).status < 300
        assert files.head("data").size == 1000

    @pytest.mark.parametrize("expires_s", [0, -1, 43_201])
    def test_an_expiry_that_not_every_vendor_takes_is_refused(self, cloud: Cloud, expires_s: int) -> None:
        with pytest.raises(ValueError, match="43,200"):
            files.sign_get("data", expires_s=expires_s)

    def test_the_async_twins_do_the_same(self, cloud: Cloud) -> None:
        async def all_of_them() -> None:
            info = await files.aput("data", b"1", content_type=TYPE, metadata={"a": "1"})
            assert await files.aget("data") == b"1"
            assert (await files.ahead("data")).etag == info.etag
            with pytest.raises(Conflict):
                await files.aput("data", b"2", if_absent=True)
            await files.acopy("data", "copy")
            assert [entry.key async for entry in files.alist()] == ["copy", "data"]
            assert [entry.key for entry in (await files.alist().apage(1)).items] == ["copy"]
            with await files.aopen("copy") as stream:
                assert stream.read() == b"1"
            assert fetch("GET", await files.asign_get("copy")).body == b"1"
            assert fetch("PUT", await files.asign_put("put"), b"2").status < 300
            await files.adelete("copy")
            with pytest.raises(NotFound):
                await files.aget("copy")

        asyncio.run(all_of_them())
        assert sorted(info.key for info in files.list()) == ["data", "put"]


def fetch(
    method: str,
    url: str,
    body: bytes = b"",
    content_type: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request to a signed URL as it is, with the headers that it asks for unless others are given."""
    parts = urlsplit(url)
    target = url.partition(parts.netloc)[2]
    sent = dict(getattr(url, "headers", {}) if headers is None else headers)
    if content_type:
        sent["content-type"] = content_type
    return over_socket(f"{parts.scheme}://{parts.netloc}").request(method, target, headers=sent, body=body)


def refused(answer: Answer) -> None:
    assert 400 <= answer.status < 500, f"expected a refusal: {answer!r}"
