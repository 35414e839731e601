"""What a Store does when the machine fails it: deaths of processes, full disks, folders it cannot use."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from faasbridge import App, BlobEvent, Change, ConfigError, FaaSBridgeError, Message, Throttled
from faasbridge.codec import loads
from faasbridge.drivers import Binding
from faasbridge.local import database, schema
from faasbridge.local.drivers.bucket import BucketDriver
from faasbridge.local.drivers.table import TableDriver
from faasbridge.local.state import make_folder
from faasbridge.local.store import Store, shared

WRITER = """
import sys
from faasbridge.drivers import Binding
from faasbridge.local.drivers.bucket import BucketDriver
from faasbridge.local.drivers.queue import QueueDriver
from faasbridge.local.drivers.table import TableDriver

folder, start = sys.argv[1], int(sys.argv[2])
bucket = BucketDriver(Binding("local", "app", "dev", "bucket", "uploads", {}, folder))
table = TableDriver(Binding("local", "app", "dev", "table", "rows", {"key": "id"}, folder))
queue = QueueDriver(Binding("local", "app", "dev", "queue", "jobs", {}, folder))
for i in range(start, start + 100_000):
    bucket.put(f"{i}", (b"%d," % i for _ in range(2000)), None, {}, False, None)
    bucket.put("same", b"%d," % i * 2000, None, {}, False, None)
    table.put({"id": f"{i}", "n": i}, False, None, None)
    table.update("counter", None, {}, {"n": 1}, [], None)
    queue.send(b"%d" % i, {}, 0)
    print(i, flush=True)
"""


def bucket(folder: Path, name: str = "uploads") -> BucketDriver:
    return BucketDriver(Binding("local", "app", "dev", "bucket", name, {}, str(folder)))


def table(folder: Path) -> TableDriver:
    return TableDriver(Binding("local", "app", "dev", "table", "rows", {"key": "id"}, str(folder)))


def watched() -> App:
    app = App("app")

    @app.bucket("uploads").on_create
    def created(event: BlobEvent) -> None: ...

    @app.table("rows", key="id").on_change
    def changed(change: Change) -> None: ...

    @app.queue("jobs").on_message
    def work(message: Message) -> None: ...

    return app


def test_kill_9_of_a_writer_loses_nothing_acknowledged_and_leaves_nothing_half(tmp_path: Path) -> None:
    store = shared(tmp_path)
    store.subscribe(watched().spec())
    table(tmp_path).put({"id": "counter"}, False, None, None)
    acknowledged: list[int] = []
    for round_ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(round_ * 100_000)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        for _ in range(5 + round_ * 7):
            acknowledged.append(int(writer.stdout.readline()))
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()

    objects, rows = bucket(tmp_path), table(tmp_path)
    store.sweep_orphans(min_age_s=0)
    listed = {info.key: info for info in objects.list("", 1000, None).items}
    assert len(list((tmp_path / "blobs").iterdir())) == len(listed)
    for key, info in listed.items():  # the ones that were not acknowledged as well
        text = objects.get(key)
        number = text.split(b",")[0]
        assert text == number + b"," + text[len(number) + 1 :]
        assert text == (number + b",") * 2000
        assert len(text) == info.size
        assert key in ("same", number.decode())
    events = [loads(d.event) for inbox in store.handled() for d in store.ready(inbox, 100_000, 1e12, ())]
    created = [event["key"] for event in events if event["kind"] == "blob"]
    changed = [event["key"] for event in events if event["kind"] == "change"]
    sent = [int(event["body"]) for event in events if event["kind"] == "message"]
    for i in acknowledged:
        assert str(i) in listed
        assert rows.get(str(i), None) == {"id": str(i), "n": i}
        assert created.count(str(i)) == changed.count(str(i)) == sent.count(i) == 1
    assert set(created) == set(listed), "an object without its event, or an event without its object"
    counted = rows.get("counter", None)
    assert counted is not None
    assert counted["n"] == changed.count("counter") - 1 >= len(acknowledged)
    assert store.read().execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()


RACER = """
import sys
from faasbridge import Conflict
from faasbridge.drivers import Binding
from faasbridge.local.drivers.bucket import BucketDriver
from faasbridge.local.drivers.table import TableDriver

folder, me = sys.argv[1:]
bucket = BucketDriver(Binding("local", "app", "dev", "bucket", "uploads", {}, folder))
table = TableDriver(Binding("local", "app", "dev", "table", "rows", {"key": "id"}, folder))
print("there", flush=True)
sys.stdin.readline()
for i in range(100):
    for attempt in (
        lambda: bucket.put(f"{i}", me.encode(), None, {}, True, None),
        lambda: table.put({"id": f"{i}", "by": me}, True, None, None),
    ):
        try:
            attempt()
            print("won", flush=False)
        except Conflict:
            print("lost", flush=False)
    table.update("counter", None, {}, {"n": 1}, [], None)
    while True:
        version = table.get("versioned", None)["v"]
        try:
            table.update("versioned", None, {"v": version + 1}, {}, [], {"v": version})
            break
        except Conflict:
            pass
"""


def test_of_racing_processes_one_wins_and_no_increment_is_lost(tmp_path: Path) -> None:
    rows = table(tmp_path)
    rows.put({"id": "counter"}, False, None, None)
    rows.put({"id": "versioned", "v": 0}, False, None, None)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name in ("a", "b")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == b"there\n"
    outputs: list[bytes] = []
    readers = [threading.Thread(target=lambda r=racer: outputs.append(r.communicate(b"go\n")[0])) for racer in racers]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert [racer.returncode for racer in racers] == [0, 0]
    first, second = (output.split() for output in outputs)
    assert all({x, y} == {b"won", b"lost"} for x, y in zip(first, second, strict=True))
    assert rows.get("counter", None) == {"id": "counter", "n": 200}
    assert rows.get("versioned", None) == {"id": "versioned", "v": 200}
    shared(tmp_path).close()


FULL_DISK = """
import os, subprocess, sys
from faasbridge import FaaSBridgeError
from faasbridge.drivers import Binding
from faasbridge.local.drivers.bucket import BucketDriver
from faasbridge.local.drivers.queue import QueueDriver
from faasbridge.local.store import shared

folder = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], check=True)
store = shared(folder)
bucket = BucketDriver(Binding("local", "app", "dev", "bucket", "uploads", {}, folder))
queue = QueueDriver(Binding("local", "app", "dev", "queue", "jobs", {}, folder))
bucket.put("kept", b"x" * 100_000, None, {}, False, None)
try:
    bucket.put("big", (b"x" * 100_000 for _ in range(1000)), None, {}, False, None)
except FaaSBridgeError as error:
    print("put:", error)
assert len(os.listdir(folder + "/blobs")) == 1
sent = 0
try:
    while True:
        queue.send(b"x" * 10_000, {}, 0)
        sent += 1
except FaaSBridgeError as error:
    print("send:", error)
assert sent > 50
assert store.pending(["queue:jobs"]) == {"queue:jobs": sent}
assert bucket.get("kept") == b"x" * 100_000
subprocess.run(["mount", "-o", "remount,size=20m", folder], check=True)
queue.send(b"again", {}, 0)
bucket.put("big", b"y" * 5_000_000, None, {}, False, None)
assert store.pending(["queue:jobs"]) == {"queue:jobs": sent + 1}
store.close()
print("went on")
"""


def unshare(*command: str) -> list[str]:
    return ["unshare", "-m" if os.geteuid() == 0 else "-rm", *command]


def may_mount() -> bool:
    try:
        return (
            subprocess.run(
                unshare("mount", "-t", "tmpfs", "tmpfs", "/mnt"), capture_output=True, check=False
            ).returncode
            == 0
        )
    except FileNotFoundError:
        return False


needs_mount = pytest.mark.skipif(not may_mount(), reason="this user may not mount a file system of its own (unshare)")


@needs_mount
def test_a_full_disk_stores_nothing_says_so_and_is_over_once_there_is_space(tmp_path: Path) -> None:
    run = subprocess.run(
        unshare(sys.executable, "-c", FULL_DISK, str(tmp_path)), capture_output=True, text=True, check=False
    )
    said = f"the disk is full at {tmp_path}: nothing was stored; free space and try again"
    assert run.stdout.splitlines() == [f"put: {said}", f"send: {said}", "went on"], run.stderr


def test_a_database_that_may_not_grow_stores_nothing_and_says_so(tmp_path: Path) -> None:
    store = shared(tmp_path)
    store.read().execute(f"PRAGMA max_page_count = {store.read().execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(FaaSBridgeError, match=r"the disk is full at .* free space and try again"):
        table(tmp_path).put({"id": "big", "data": "x" * 100_000}, False, None, None)
    with pytest.raises(FaaSBridgeError, match="the disk is full"):
        bucket(tmp_path).put("k" * 900, b"x", None, {f"m{i}": "x" * 1000 for i in range(100)}, False, None)
    assert store.is_empty()
    assert list((tmp_path / "blobs").iterdir()) == []
    store.close()


def test_a_database_locked_for_long_asks_for_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.05)
    store, other = Store(tmp_path), sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Throttled, match=r"the state at .* was locked"), store.transaction():
        pass
    other.execute("ROLLBACK")
    other.close()
    with store.transaction() as db:
        store.enqueue(db, "queue:jobs", Message(b"x", id="a"))
    store.close()


class TestFolderThatCannotBeUsed:
    def test_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match=r"cannot be written to .*Not a directory.*FAASBRIDGE_STATE"):
            Store(tmp_path / "file" / "dev")

    @needs_mount
    def test_read_only(self, tmp_path: Path) -> None:
        Store(tmp_path / "old").close()
        script = f"""
import subprocess
from pathlib import Path
from faasbridge import ConfigError
from faasbridge.local.store import Store
folder = Path({str(tmp_path)!r})
subprocess.run(["mount", "--bind", folder, folder], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
for name in ("new", "old"):
    try:
        store = Store(folder / name)
        with store.transaction():
            pass
    except ConfigError as error:
        print(error)
"""
        run = subprocess.run(unshare(sys.executable, "-c", script), capture_output=True, text=True, check=False)
        lines = run.stdout.splitlines()
        assert len(lines) == 2, run.stderr
        assert all("cannot be written to" in line and str(tmp_path) in line for line in lines)

    def test_of_a_newer_version(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        with store.transaction() as db:
            db.execute("PRAGMA user_version = 99")
        store.close()
        with pytest.raises(
            ConfigError, match=r"written by a newer FaaSBridge \(state version 99, this one reads \d+\): upgrade, or"
        ):
            Store(tmp_path)

    def test_with_something_else_for_a_database(self, tmp_path: Path) -> None:
        (tmp_path / "state.db").write_bytes(b"this is no database " * 100)
        with pytest.raises(ConfigError, match=r"state\.db is damaged .*: remove .* to start afresh"):
            Store(tmp_path)

    def test_removed_while_it_is_open(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "state")
        for path in (tmp_path / "state").glob("state.db*"):
            path.unlink()
        faults: list[BaseException] = []

        def use() -> None:
            try:
                store.read()
            except FaaSBridgeError as error:
                faults.append(error)

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        assert "cannot be opened any more" in str(faults[0])
        assert not (tmp_path / "state" / "state.db").exists()
        store.close()


def test_an_older_state_is_migrated_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).close()
    scripts = (*schema.MIGRATIONS, "CREATE TABLE later (a);\nINSERT INTO later VALUES (1)")
    monkeypatch.setattr(database, "MIGRATIONS", scripts)
    for _ in range(2):
        store = Store(tmp_path)
        assert store.read().execute("SELECT a FROM later").fetchall() == [(1,)]
        assert store.read().execute("PRAGMA user_version").fetchone() == (len(scripts),)
        store.close()


def test_processes_may_make_a_state_at_the_same_time(tmp_path: Path) -> None:
    script = "import sys; from faasbridge.local.store import Store; sys.stdin.readline(); Store(sys.argv[1]).close()"
    makers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(6)
    ]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write(b"\n")
        maker.stdin.flush()
    assert [maker.communicate()[1] for maker in makers] == [b""] * 6


def test_the_sweep_takes_old_files_without_an_object_only(tmp_path: Path) -> None:
    store, objects = shared(tmp_path), bucket(tmp_path)
    objects.put("kept", b"x", None, {}, False, None)
    (tmp_path / "blobs" / "orphan").write_bytes(b"half")
    assert store.sweep_orphans() == 0
    os.utime(tmp_path / "blobs" / "orphan", (0, 0))
    assert store.sweep_orphans() == 1
    assert objects.get("kept") == b"x"
    store.close()


def test_reset_leaves_no_file_and_no_row(tmp_path: Path) -> None:
    store = shared(tmp_path)
    store.subscribe(watched().spec())
    bucket(tmp_path).put("a", b"x", None, {}, False, None)
    table(tmp_path).put({"id": "a"}, False, None, None)
    assert not store.is_empty()
    store.reset()
    assert store.is_empty()
    assert list((tmp_path / "blobs").iterdir()) == []
    assert store.handled() == {"function:created", "function:changed", "queue:jobs"}
    store.close()


@pytest.mark.parametrize("make", [Store, make_folder])
def test_other_users_of_the_machine_cannot_look_into_the_state(tmp_path: Path, make: Callable[[Path], object]) -> None:
    folder = tmp_path / "state" / "dev"
    made = make(folder)
    if isinstance(made, Store):
        made.close()
    assert folder.stat().st_mode & 0o777 == 0o700
