"""Events of buckets, tables and schedules: who is told of what, and with which facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ..events import BlobEvent, Change, Tick
from ..testing.cloud import Cloud
from .app import drops, files, watched
from .harness import Suite, journal_of
from .tables import AWKWARD, same


class Cases(Suite):
    # Buckets

    def test_a_written_object_is_an_event(self, cloud: Cloud) -> None:
        info = drops.put("some/where.bin", b"12345")
        cloud.settle(self.harness.settle_s)
        (row,) = journal_of(cloud, "see_all")
        assert (row["bucket"], row["key"], row["size"], row["kind"]) == ("drops", "some/where.bin", 5, "create")
        assert row["etag"] == info.etag
        assert row["event_id"]

    @pytest.mark.parametrize("key", ["in/a.txt", "in/Grüße 🎉/a b+c%41.txt", "in/.txt", "in/x.txt.txt"])
    def test_prefix_and_suffix_choose(self, cloud: Cloud, key: str) -> None:
        drops.put(key, b"text")
        cloud.settle(self.harness.settle_s)
        assert [row["key"] for row in journal_of(cloud, "take_text")] == [key]
        assert [row["key"] for row in journal_of(cloud, "see_all")] == [key]

    @pytest.mark.parametrize(
        "key", ["out/a.txt", "in/a.TXT", "in/a.txt.jpg", "In/a.txt", "xin/a.txt", "in/atxt", "a.txt", "in/%.txt2"]
    )
    def test_what_does_not_fit_prefix_and_suffix_is_no_event(self, cloud: Cloud, key: str) -> None:
        drops.put(key, b"text")
        cloud.settle(self.harness.settle_s)
        assert journal_of(cloud, "take_text") == []
        assert [row["key"] for row in journal_of(cloud, "see_all")] == [key]

    def test_every_overwrite_is_an_event_of_its_own(self, cloud: Cloud) -> None:
        etags = [drops.put("a", str(i) * (i + 1)).etag for i in range(3)]
        cloud.settle(self.harness.settle_s)
        rows = journal_of(cloud, "see_all")
        assert sorted(row["size"] for row in rows) == [1, 2, 3]
        assert {row["etag"] for row in rows} == set(etags)
        assert len({row["event_id"] for row in rows}) == 3
        assert {row["kind"] for row in rows} == {"create"}

    def test_a_copy_is_an_event(self, cloud: Cloud) -> None:
        drops.put("a", b"1")
        drops.copy("a", "in/b.txt")
        cloud.settle(self.harness.settle_s)
        assert sorted(row["key"] for row in journal_of(cloud, "see_all")) == ["a", "in/b.txt"]
        assert [row["key"] for row in journal_of(cloud, "take_text")] == ["in/b.txt"]

    def test_a_signed_put_is_an_event(self, cloud: Cloud) -> None:
        from .buckets import fetch

        assert fetch("PUT", drops.sign_put("in/a.txt"), b"12").status < 300
        cloud.settle(self.harness.settle_s)
        assert [(row["key"], row["size"]) for row in journal_of(cloud, "take_text")] == [("in/a.txt", 2)]

    def test_a_deleted_object_is_an_event_where_there_was_one(self, cloud: Cloud) -> None:
        for key in ("in/a", "out/a"):
            drops.put(key, b"1")
        drops.delete("in/a")
        drops.delete("out/a")
        drops.delete("in/a")
        drops.delete("in/none")
        cloud.settle(self.harness.settle_s)
        (row,) = journal_of(cloud, "see_gone")
        assert (row["bucket"], row["key"], row["kind"], row["size"]) == ("drops", "in/a", "delete", 0)

    def test_what_was_not_written_is_no_event(self, cloud: Cloud) -> None:
        from ..errors import Conflict

        drops.put("a", b"1")
        with pytest.raises(Conflict):
            drops.put("a", b"2", if_absent=True)
        files.put("in/a.txt", b"another bucket")
        cloud.settle(self.harness.settle_s)
        assert len(journal_of(cloud, "see_all")) == 1
        assert journal_of(cloud, "take_text") == []

    def test_a_redelivered_blob_event_keeps_its_id(self, cloud: Cloud) -> None:
        drops.put("fail/once", b"1")
        cloud.settle(self.harness.settle_s)
        rows = journal_of(cloud, "see_all")
        assert [row["attempt"] for row in rows] == [1, 2]
        assert len({row["event_id"] for row in rows}) == 1
        assert len({row["etag"] for row in rows}) == 1

    def test_a_blob_event_that_cannot_be_handled_is_a_dead_letter(self, cloud: Cloud) -> None:
        drops.put("fail/always", b"123")
        cloud.settle(self.harness.settle_s)
        letters: list[Any] = cloud.dead_letters("see_all")
        (event,) = letters
        assert isinstance(event, BlobEvent)
        assert (event.bucket, event.key, event.size, event.kind) == ("drops", "fail/always", 3, "create")
        assert event.id == journal_of(cloud, "see_all")[0]["event_id"]

    # Tables

    def test_insert_update_and_delete_are_changes_with_old_and_new(self, cloud: Cloud) -> None:
        first = {"id": "1", "part": "a", "n": 1}
        watched.put(first)
        second = watched.update("1", "a", increment={"n": 1}, set={"more": [1.0, b"x"]})
        third = {"id": "1", "part": "a"}
        watched.put(third)
        watched.delete("1", "a")
        cloud.settle(self.harness.settle_s)
        rows = journal_of(cloud, "watch")
        changes = [(row["kind"], row["old"], row["new"]) for row in rows]
        for change in (
            ("insert", None, first),
            ("update", first, second),
            ("update", second, third),
            ("delete", third, None),
        ):
            assert sum(same(list(change), list(got)) for got in changes) == 1
        assert len(changes) == 4
        assert {(row["table"], row["key"]) for row in rows} == {("watched", "1")}
        assert len({row["event_id"] for row in rows}) == 4

    def test_old_and_new_are_exact(self, cloud: Cloud) -> None:
        row = {"id": "1", "part": "a", "values": AWKWARD}
        watched.put(row)
        watched.delete("1", "a")
        cloud.settle(self.harness.settle_s)
        changes = {change["kind"]: change for change in journal_of(cloud, "watch")}
        assert same(changes["insert"]["new"], row)
        assert same(changes["delete"]["old"], row)

    def test_what_changed_nothing_is_no_change(self, cloud: Cloud) -> None:
        from ..errors import Conflict

        watched.delete("1", "a")
        watched.put({"id": "1", "part": "a"})
        with pytest.raises(Conflict):
            watched.put({"id": "1", "part": "a", "n": 1}, if_absent=True)
        with pytest.raises(Conflict):
            watched.update("1", "a", set={"n": 1}, if_match={"n": 5})
        cloud.settle(self.harness.settle_s)
        assert [row["kind"] for row in journal_of(cloud, "watch")] == ["insert"]

    def test_a_row_over_an_expired_one_is_an_insert(self, cloud: Cloud) -> None:
        watched.put({"id": "1", "part": "a", "n": 1}, expires_at=datetime.now(UTC) - timedelta(seconds=5))
        cloud.settle(self.harness.settle_s)
        watched.put({"id": "1", "part": "a", "n": 2})
        cloud.settle(self.harness.settle_s)
        last = [row for row in journal_of(cloud, "watch") if row["new"] and row["new"].get("n") == 2]
        assert [(row["kind"], row["old"]) for row in last] == [("insert", None)]

    def test_a_redelivered_change_keeps_its_id(self, cloud: Cloud) -> None:
        watched.put({"id": "1", "part": "a", "order": {"do": "fail", "until": 3}})
        cloud.settle(self.harness.settle_s)
        rows = journal_of(cloud, "watch")
        assert [row["attempt"] for row in rows] == [1, 2, 3]
        assert len({row["event_id"] for row in rows}) == 1

    def test_a_change_that_cannot_be_handled_is_a_dead_letter(self, cloud: Cloud) -> None:
        watched.put({"id": "1", "part": "a", "order": {"do": "reject", "why": "not this one"}})
        cloud.settle(self.harness.settle_s)
        letters: list[Any] = cloud.dead_letters("watch")
        (change,) = letters
        assert isinstance(change, Change)
        assert (change.table, change.key, change.kind, change.old) == ("watched", "1", "insert", None)
        assert change.new == {"id": "1", "part": "a", "order": {"do": "reject", "why": "not this one"}}
        assert "not this one" in change.native.reason

    # Schedules, and handlers by hand

    def test_a_tick_knows_its_time_in_its_zone(self, cloud: Cloud) -> None:
        time = datetime(2024, 7, 1, 3, 30, tzinfo=ZoneInfo("Europe/Berlin"))
        assert cloud.invoke("nightly", Tick(time, late_s=1.5, id="tick-1")) is None
        (row,) = journal_of(cloud, "nightly")
        assert (row["event_id"], row["late_s"]) == ("tick-1", 1.5)
        assert row["scheduled_for"] == time
        assert row["scheduled_for"].utcoffset() == timedelta(hours=2)

    def test_any_handler_can_be_invoked_with_an_event(self, cloud: Cloud) -> None:
        drops.put("in/a.txt", b"text")
        cloud.settle(self.harness.settle_s)
        cloud.invoke("take_text", BlobEvent("drops", "in/a.txt", size=4, id="by-hand"))
        assert "by-hand" in {row["event_id"] for row in journal_of(cloud, "take_text")}
        cloud.invoke("watch", Change("watched", "1", "delete", old={"id": "1", "part": "a"}, id="by-hand"))
        assert "by-hand" in {row["event_id"] for row in journal_of(cloud, "watch")}
