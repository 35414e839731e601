"""The SQLite file under a `Store`: connections, short write transactions, the schema and its migrations."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from ..errors import ConfigError, FaaSBridgeError, Throttled
from .schema import MIGRATIONS

LOCK_TIMEOUT_S = 20.0
"""How long a writer waits for the others; each of them holds the lock for well under a millisecond."""

_OLDEST_SQLITE = (3, 37, 0)
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_NO_DATABASE = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


class _Connection(sqlite3.Connection):
    """Closed when its thread ends, which drops the last reference to it."""

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it could not be opened
            self.close()


class Database:
    """`state.db` in the folder of one app and stage. Thread-safe: a connection a thread.

    Raises ConfigError for a folder that cannot be written, a state of a newer version, and where there is none unless
    `create`.
    """

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            wanted = ".".join(map(str, _OLDEST_SQLITE))
            raise ConfigError(f"FaaSBridge needs SQLite {wanted} or later, this Python has {sqlite3.sqlite_version}")
        self.folder = Path(folder).absolute()
        self.closed = False
        self._file = self.folder / "state.db"
        self._local = threading.local()
        self._connections: WeakSet[_Connection] = WeakSet()
        try:
            if create:
                self.folder.mkdir(0o700, parents=True, exist_ok=True)
                (self.folder / "blobs").mkdir(exist_ok=True)
            elif not self._file.exists():
                raise ConfigError(f"there is no state at {self.folder}: start the app with `faasbridge dev` first")
            self._migrate(self._connect("rwc"))
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _READ_ONLY:
                raise self._unwritable(str(error)) from error
            if code in _NO_DATABASE:
                raise ConfigError(f"{self._file} is damaged ({error}): remove {self.folder} to start afresh") from error
            if fault := self.fault(error):
                raise fault from error
            raise

    def read(self) -> sqlite3.Connection:
        """This thread's connection; each statement sees what is committed."""
        try:
            return self._local.db  # type: ignore[no-any-return]
        except AttributeError:
            pass
        if self.closed:
            raise FaaSBridgeError(f"the state at {self.folder} was closed")
        try:
            return self._connect("rw")
        except sqlite3.OperationalError as error:
            raise FaaSBridgeError(f"the state at {self.folder} cannot be opened any more: {error}") from error

    def transaction(self) -> Transaction:
        """`with store.transaction() as db:` writes all or nothing, one writer at a time. Keep it short.

        Raises FaaSBridgeError when the disk is full, Throttled when others hold the lock for 20 seconds.
        """
        return Transaction(self)

    def data_version(self) -> int:
        """Changes when another connection (another thread's as well) has committed. Compare within one thread only."""
        return self.read().execute("PRAGMA data_version").fetchone()[0]  # type: ignore[no-any-return]

    def meta(self, name: str) -> str | None:
        row = self.read().execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def set_meta(self, name: str, value: str) -> None:
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Closes the connections of all threads."""
        self.closed = True
        self._local = threading.local()
        for db in list(self._connections):
            db.close()

    def fault(self, error: BaseException) -> FaaSBridgeError | None:
        """The fault behind an error of SQLite or the file system, where it is one of the machine's."""
        if isinstance(error, OSError):
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        elif isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", 0)
            if code & 0xFF == sqlite3.SQLITE_BUSY:
                return Throttled(f"the state at {self.folder} was locked for {LOCK_TIMEOUT_S:.0f} s: try again")
            full = code in _FULL or (code & 0xFF == sqlite3.SQLITE_IOERR and self._free_bytes() < 1 << 16)
        else:
            return None
        if not full:
            return None
        return FaaSBridgeError(f"the disk is full at {self.folder}: nothing was stored; free space and try again")

    def _free_bytes(self) -> int:
        stat = os.statvfs(self.folder)
        return stat.f_bavail * stat.f_frsize

    def _unwritable(self, why: str) -> ConfigError:
        return ConfigError(
            f"the app's state cannot be written to {self.folder} ({why}): "
            "make that folder writable, or set FAASBRIDGE_STATE to one that is"
        )

    def _connect(self, mode: str) -> sqlite3.Connection:
        db = sqlite3.connect(
            f"{self._file.as_uri()}?mode={mode}",
            uri=True,
            timeout=LOCK_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,  # close() closes those of other threads
            cached_statements=256,
            factory=_Connection,
        )
        # Safe against the death of any process; a power cut may cost the last moments, never the file.
        db.execute("PRAGMA synchronous = NORMAL")
        self._connections.add(db)
        self._local.db = db
        return db

    def _migrate(self, db: sqlite3.Connection) -> None:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            db.close()
            raise ConfigError(
                f"the state at {self.folder} was written by a newer FaaSBridge (state version {version}, "
                f"this one reads {len(MIGRATIONS)}): upgrade, or remove the folder"
            )
        if version == len(MIGRATIONS):
            return
        _use_wal(db)
        with self.transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been first
            for script in MIGRATIONS[version:]:
                for statement in script.split(";\n"):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


class Transaction:
    """BEGIN IMMEDIATE to COMMIT; any error rolls back."""

    __slots__ = ("_database", "_db")

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._db = db = self._database.read()
        try:
            db.execute("PRAGMA busy_timeout = 0")
            try:
                _begin(db)
            finally:
                db.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_S * 1000:.0f}")
        except sqlite3.Error as error:
            if fault := self._database.fault(error):
                raise fault from error
            raise
        return db

    def __exit__(self, kind: object, error: BaseException | None, traceback: Any) -> None:
        if error is None:
            try:
                self._db.execute("COMMIT")
                return
            except sqlite3.Error as failed:
                self._roll_back()
                if fault := self._database.fault(failed):
                    raise fault from failed
                raise
        self._roll_back()
        if fault := self._database.fault(error):
            raise fault from error

    def _roll_back(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # closed meanwhile, which rolls back too
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _begin(db: sqlite3.Connection) -> None:
    """Waits for the lock in even steps: SQLite's own grow to 100 ms, and who has waited for long hardly gets it."""
    deadline = 0.0
    while True:
        try:
            db.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            deadline = deadline or now + LOCK_TIMEOUT_S
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or now > deadline:
                raise
            time.sleep(0.001)


def _use_wal(db: sqlite3.Connection) -> None:
    """SQLite refuses at once, without its time-out, while another process does the same."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
