"""Buckets on the embedded provider, against what `faasbridge.drivers.BucketDriver` promises."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from faasbridge import App, BlobEvent, Conflict, FaaSBridgeError, NotFound
from faasbridge.codec import loads
from faasbridge.event_json import from_dict
from faasbridge.local.bind import driver_of
from faasbridge.local.signing import signing_secret, verify
from faasbridge.local.store import Store, shared
from faasbridge.media_types import media_type
from faasbridge.resources import Bucket


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = shared(tmp_path)
    yield store
    store.close()


@pytest.fixture
def uploads(store: Store) -> Bucket:
    app = App("app")
    uploads = app.bucket("uploads")

    @uploads.on_create(suffix=".jpg")
    def picture(event: BlobEvent) -> None: ...

    @uploads.on_create
    def anything(event: BlobEvent) -> None: ...

    @uploads.on_delete
    def gone(event: BlobEvent) -> None: ...

    store.subscribe(app.spec())
    app.bound = driver_of("app", "dev", store.folder)
    return uploads


def events(store: Store, function: str) -> list[BlobEvent]:
    found = [from_dict(loads(d.event)) for d in store.ready(f"function:{function}", 1000, 1e12)]
    assert all(isinstance(event, BlobEvent) for event in found)
    return found  # type: ignore[return-value]


def files(store: Store) -> int:
    return len(list((store.folder / "blobs").iterdir()))


class TestObject:
    @pytest.mark.parametrize(
        ("data", "whole"),
        [
            (b"", b""),
            (b"bytes", b"bytes"),
            ("täxt", "täxt".encode()),
            (io.BytesIO(b"file" * 100_000), b"file" * 100_000),
            ([b"a", bytearray(b"b")], b"ab"),
            (iter([b"x" * 10**6] * 5), b"x" * 5 * 10**6),
        ],
    )
    def test_comes_back_as_it_was_put(self, uploads: Bucket, data: Any, whole: bytes) -> None:
        info = uploads.put("key", data)
        assert uploads.get("key") == whole
        assert info.size == uploads.head("key").size == len(whole)

    def test_is_described_by_its_head(self, uploads: Bucket) -> None:
        put = uploads.put("a/b.png", b"123", metadata={"camera": "x 1"})
        head = uploads.head("a/b.png")
        assert (head.key, head.size, head.content_type, head.metadata) == ("a/b.png", 3, "image/png", {"camera": "x 1"})
        assert (head.etag, head.modified) == (put.etag, put.modified)
        assert head.modified.utcoffset() is not None
        assert uploads.put("a/b.png", b"123", content_type="text/x-own").content_type == "text/x-own"

    def test_has_a_new_etag_with_every_write(self, uploads: Bucket) -> None:
        assert uploads.put("key", b"same").etag != uploads.put("key", b"same").etag

    def test_that_is_missing_is_not_found(self, uploads: Bucket) -> None:
        for use in (uploads.get, uploads.open, uploads.head, lambda key: uploads.copy(key, "to")):
            with pytest.raises(NotFound, match="bucket 'uploads' has no object 'nothing'"):
                use("nothing")
        uploads.delete("nothing")

    @pytest.mark.parametrize(
        "key", ["../../escape", "/etc/passwd", "a//b", "..", "x" * 1024, "ключ/🎉 ?#%2F", "CON", "a\\b"]
    )
    def test_may_have_any_key_and_stays_in_its_folder(self, uploads: Bucket, store: Store, key: str) -> None:
        if key == "..":
            with pytest.raises(ValueError, match="is not"):
                uploads.put(key, b"x")
            return
        uploads.put(key, b"x")
        assert uploads.get(key) == b"x"
        assert [info.key for info in uploads.list()] == [key]
        assert files(store) == 1

    def test_is_not_written_where_its_data_fail(self, uploads: Bucket, store: Store) -> None:
        def broken() -> Iterator[bytes]:
            yield b"x" * 10**6
            raise RuntimeError("the client went away")

        uploads.put("key", b"old")
        with pytest.raises(RuntimeError, match="went away"):
            uploads.put("key", broken())
        with pytest.raises(TypeError, match="not str; open files in binary mode"):
            uploads.put("key", io.StringIO("text"))  # type: ignore[arg-type]
        assert uploads.get("key") == b"old"
        assert files(store) == 1
        assert len(events(store, "anything")) == 1

    def test_whose_file_is_lost_says_so(self, uploads: Bucket, store: Store) -> None:
        uploads.put("key", b"x")
        for path in (store.folder / "blobs").iterdir():
            path.unlink()
        for use in (uploads.get, lambda key: uploads.copy(key, "to")):
            with pytest.raises(FaaSBridgeError, match="the file of object 'key' is missing"):
                use("key")


class TestVersion:
    def test_that_is_open_stays_readable(self, uploads: Bucket, store: Store) -> None:
        uploads.put("key", b"old" * 10**6)
        with uploads.open("key") as file:
            first = file.read(3)
            uploads.put("key", b"new")
            uploads.delete("key")
            assert first + file.read() == b"old" * 10**6
        assert files(store) == 0

    def test_is_always_a_whole_one_while_others_write(self, uploads: Bucket) -> None:
        uploads.put("key", b"0" * 1000)
        stop = threading.Event()

        def write() -> None:
            for i in range(10**6):
                uploads.put("key", str(i % 10).encode() * 1000)
                if stop.is_set():
                    return

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(300):
                data = uploads.get("key")
                assert data == data[:1] * 1000
                assert len(uploads.copy("key", "copy").etag) > 0
        finally:
            stop.set()
            writer.join()


class TestCondition:
    def test_if_absent(self, uploads: Bucket, store: Store) -> None:
        uploads.put("key", b"1", if_absent=True)
        with pytest.raises(Conflict, match="bucket 'uploads' has an object 'key' already"):
            uploads.put("key", b"2", if_absent=True)
        assert uploads.get("key") == b"1"
        assert files(store) == 1
        uploads.delete("key")
        uploads.put("key", b"3", if_absent=True)

    def test_if_match(self, uploads: Bucket, store: Store) -> None:
        old = uploads.put("key", b"1").etag
        new = uploads.put("key", b"2", if_match=old).etag
        for etag in (old, "", "*"):
            with pytest.raises(Conflict, match="object 'key' of bucket 'uploads' is not version"):
                uploads.put("key", b"3", if_match=etag)
        with pytest.raises(Conflict):
            uploads.put("other", b"3", if_match=new)
        assert uploads.get("key") == b"2"
        assert files(store) == 1


class TestEvents:
    def test_of_writing_tell_what_was_written(self, uploads: Bucket, store: Store) -> None:
        info = uploads.put("a.jpg", b"123")
        uploads.put("a.txt", b"")
        (event,) = events(store, "picture")
        assert (event.bucket, event.key, event.size, event.etag, event.kind) == (
            "uploads",
            "a.jpg",
            3,
            info.etag,
            "create",
        )
        assert event.subject == "a.jpg"
        assert event.time is not None
        assert [e.key for e in events(store, "anything")] == ["a.jpg", "a.txt"]

    def test_of_deleting_come_once(self, uploads: Bucket, store: Store) -> None:
        uploads.put("a.jpg", b"123")
        uploads.delete("a.jpg")
        uploads.delete("a.jpg")
        (event,) = events(store, "gone")
        assert (event.key, event.kind, event.size, event.etag) == ("a.jpg", "delete", 0, "")

    def test_have_an_id_for_each_change(self, uploads: Bucket, store: Store) -> None:
        uploads.put("a.jpg", b"1")
        uploads.put("a.jpg", b"1")
        uploads.copy("a.jpg", "b.jpg")
        uploads.delete("a.jpg")
        ids = [e.id for e in events(store, "anything") + events(store, "gone")]
        assert len(set(ids)) == len(ids) == 4
        assert [e.id for e in events(store, "picture")] == ids[:3]

    def test_of_other_buckets_do_not_come(self, uploads: Bucket, store: Store) -> None:
        assert uploads.app is not None
        uploads.app.bucket("other").put("a.jpg", b"x")
        assert events(store, "anything") == []
        assert list(uploads.list()) == []


def test_a_copy_has_content_type_and_metadata_and_lives_by_itself(uploads: Bucket) -> None:
    source = uploads.put("a", b"123", content_type="text/x-own", metadata={"k": "v"})
    copy = uploads.copy("a", "b")
    assert (copy.content_type, copy.metadata, copy.size) == ("text/x-own", {"k": "v"}, 3)
    assert copy.etag != source.etag
    uploads.delete("a")
    assert uploads.get("b") == b"123"
    assert uploads.copy("b", "b").etag != copy.etag
    assert uploads.get("b") == b"123"


def test_a_copy_works_where_the_file_system_has_no_links(uploads: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    uploads.put("a", b"123")
    monkeypatch.setattr(os, "link", refuse)
    uploads.copy("a", "b")
    assert uploads.get("b") == b"123"


def test_a_large_stream_takes_little_memory(uploads: Bucket) -> None:
    import tracemalloc

    class Endless(io.RawIOBase):
        left = 64 << 20

        def read(self, size: int = -1) -> bytes:
            size = min(size if size >= 0 else self.left, self.left)
            self.left -= size
            return bytes(size)

    tracemalloc.start()
    data: Any = Endless()
    uploads.put("big", data)
    file: BinaryIO
    with uploads.open("big") as file:
        total = sum(len(chunk) for chunk in iter(lambda: file.read(1 << 16), b""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 64 << 20
    assert peak < 8 << 20


KEYS = st.text(st.sampled_from("ab/.é￿𐀀\U0010ffff\ud7ff\ue000"), min_size=1, max_size=4).filter(
    lambda k: k not in (".", "..")
)


def test_behaves_like_a_dict_sorted_by_code_points(uploads: Bucket, store: Store) -> None:
    class Model(RuleBasedStateMachine):
        @initialize()
        def empty(self) -> None:
            store.reset()
            self.model: dict[str, bytes] = {}

        @rule(key=KEYS, data=st.binary(max_size=5))
        def put(self, key: str, data: bytes) -> None:
            uploads.put(key, data)
            self.model[key] = data

        @rule(key=KEYS, data=st.binary(max_size=5))
        def put_if_absent(self, key: str, data: bytes) -> None:
            if key in self.model:
                with pytest.raises(Conflict):
                    uploads.put(key, data, if_absent=True)
            else:
                uploads.put(key, data, if_absent=True)
                self.model[key] = data

        @rule(key=KEYS)
        def delete(self, key: str) -> None:
            uploads.delete(key)
            self.model.pop(key, None)

        @rule(key=KEYS, to=KEYS)
        def copy(self, key: str, to: str) -> None:
            if key in self.model:
                uploads.copy(key, to)
                self.model[to] = self.model[key]
            else:
                with pytest.raises(NotFound):
                    uploads.copy(key, to)

        @rule(prefix=st.one_of(st.just(""), KEYS), size=st.integers(1, 4))
        def list_by_pages(self, prefix: str, size: int) -> None:
            cursor, found = None, []
            while True:
                page = uploads.list(prefix).page(size, cursor)
                found += [info.key for info in page.items]
                cursor = page.cursor
                if cursor is None:
                    break
                assert len(page.items) == size
            assert found == sorted(key for key in self.model if key.startswith(prefix))

        @invariant()
        def same(self) -> None:
            if hasattr(self, "model"):
                assert {info.key: uploads.get(info.key) for info in uploads.list()} == self.model
                assert files(store) == len(self.model)

    run_state_machine_as_test(Model, settings=settings(max_examples=25, stateful_step_count=15, deadline=None))


@pytest.mark.parametrize("cursor", ["rubbish", "ä", "W10=", "bnVsbA==", "eyJhIjoxfQ=="])
def test_a_cursor_that_is_none_is_refused(uploads: Bucket, cursor: str) -> None:
    with pytest.raises(ValueError, match="the cursor is none of this listing"):
        uploads.list().page(cursor=cursor)


def test_a_cursor_of_another_listing_is_refused(uploads: Bucket) -> None:
    for key in ("a1", "a2", "b1"):
        uploads.put(key, b"")
    cursor = uploads.list("a").page(1).cursor
    assert cursor is not None
    assert [info.key for info in uploads.list("a").page(1, cursor).items] == ["a2"]
    for other, given in ((uploads.list("b"), cursor), (uploads.list("a"), cursor[:-4] + "AAA=")):
        with pytest.raises(ValueError, match="the cursor is none of this listing"):
            other.page(1, given)


class TestSignedUrl:
    def test_leads_to_the_running_server(self, uploads: Bucket, store: Store) -> None:
        run = {"pid": os.getpid(), "storage": "http://127.0.0.1:4711"}
        (store.folder / "run.json").write_text(json.dumps(run))
        for method, url in (
            ("GET", uploads.sign_get("a/ü")),
            ("PUT", uploads.sign_put("a/ü", content_type="image/png", max_bytes=5)),
        ):
            base, _, query = url.partition("?")
            assert base == "http://127.0.0.1:4711/_faasbridge/blobs/uploads/a/%C3%BC"
            from urllib.parse import parse_qsl

            signed = verify(
                signing_secret(store), method, base[21:], dict(parse_qsl(query)), {"content-type": "image/png"}, 0
            )
            assert (signed.bucket, signed.key) == ("uploads", "a/ü")
            assert signed.max_bytes == (5 if method == "PUT" else None)

    @pytest.mark.parametrize("run", [None, "", "[]", "{}", '{"pid": 4194305, "storage": "http://127.0.0.1:1"}'])
    def test_needs_one(self, uploads: Bucket, store: Store, run: str | None) -> None:
        if run is not None:
            (store.folder / "run.json").write_text(run)
        with pytest.raises(FaaSBridgeError, match=r"none runs on .*: start it with `faasbridge dev`"):
            uploads.sign_get("key")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("a.JPG", "image/jpeg"),
        ("a.b/c", "application/octet-stream"),
        ("x.tar.gz", "application/gzip"),
        ("json", "application/octet-stream"),
        ("a/.json", "application/json"),
        ("a.", "application/octet-stream"),
    ],
)
def test_the_content_type_comes_from_the_suffix(key: str, kind: str) -> None:
    assert media_type(key) == kind
