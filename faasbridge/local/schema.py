"""The tables of `state.db`. A change is a new script at the end; `PRAGMA user_version` counts those that ran.

Text compares by its UTF-8 bytes, which is the order of code points. Times are seconds since 1970.
"""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE handlers (inbox TEXT PRIMARY KEY, ordered INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE subscriptions (
    resource_kind TEXT NOT NULL, resource TEXT NOT NULL, trigger TEXT NOT NULL, inbox TEXT NOT NULL,
    prefix TEXT NOT NULL, suffix TEXT NOT NULL,
    PRIMARY KEY (resource_kind, resource, trigger, inbox)
) WITHOUT ROWID;
CREATE TABLE schedules (name TEXT PRIMARY KEY, fired_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: a lease on a row that is gone must not hit another
    inbox TEXT NOT NULL, event_id TEXT NOT NULL, event TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    visible_at REAL NOT NULL, enqueued_at REAL NOT NULL,
    reason TEXT NOT NULL DEFAULT '', died_at REAL, origin_attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX inbox_by_time ON inbox (inbox, visible_at);
CREATE INDEX inbox_by_order ON inbox (inbox, id);
CREATE TABLE objects (
    bucket TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL, size INTEGER NOT NULL,
    content_type TEXT NOT NULL, metadata TEXT NOT NULL, modified REAL NOT NULL,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE UNIQUE INDEX objects_by_version ON objects (version);
CREATE TABLE items (
    name TEXT NOT NULL, key TEXT NOT NULL, sort TEXT NOT NULL, item TEXT NOT NULL, expires_at REAL,
    PRIMARY KEY (name, key, sort)
);
CREATE INDEX items_by_expiry ON items (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE indexed (
    name TEXT NOT NULL, field_index TEXT NOT NULL, index_key TEXT NOT NULL, index_sort TEXT NOT NULL,
    key TEXT NOT NULL, sort TEXT NOT NULL,
    PRIMARY KEY (name, field_index, index_key, index_sort, key, sort)
) WITHOUT ROWID;
CREATE INDEX indexed_by_row ON indexed (name, key, sort)
""",
)
