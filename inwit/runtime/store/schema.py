"""The tables of the record, and how a file is brought to this version of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from inwit.errors import StoreVersionError
from inwit.runtime.store import edits, forgotten

APPLICATION_ID = 0x696E7774

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE rooms (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;

    CREATE TABLE graphs (
        name TEXT NOT NULL, version TEXT NOT NULL, file TEXT NOT NULL, manifest BLOB NOT NULL,
        registered_ns INTEGER NOT NULL, seen_ns INTEGER NOT NULL, seen INTEGER NOT NULL,
        PRIMARY KEY (name, version)
    ) WITHOUT ROWID;

    CREATE TABLE executions (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        graph TEXT NOT NULL, version TEXT NOT NULL, thread TEXT, parent TEXT,
        process INTEGER NOT NULL, status TEXT NOT NULL,
        started_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, ended_ns INTEGER, duration_ns INTEGER,
        current_node TEXT, iteration INTEGER NOT NULL, last_seq INTEGER NOT NULL,
        error TEXT, error_node TEXT, reason TEXT NOT NULL,
        llm_calls INTEGER NOT NULL, tool_calls INTEGER NOT NULL, retries INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost_usd REAL
    );
    CREATE INDEX executions_by_graph ON executions (graph, number);
    CREATE INDEX executions_by_thread ON executions (thread, number) WHERE thread IS NOT NULL;
    CREATE INDEX executions_by_parent ON executions (parent, number) WHERE parent IS NOT NULL;
    CREATE INDEX executions_open ON executions (status, process)
        WHERE status IN ('running', 'paused', 'waiting_for_input');

    -- One execution's rows of one commit. (execution, first_seq) is the fence against a second
    -- writer; the row's number is its place in the order of the whole record, never used twice.
    CREATE TABLE batches (
        number INTEGER PRIMARY KEY AUTOINCREMENT, execution TEXT NOT NULL,
        first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, anchor_ns INTEGER NOT NULL,
        rows BLOB NOT NULL, UNIQUE (execution, first_seq)
    );

    CREATE TABLE blobs (digest TEXT PRIMARY KEY, content BLOB NOT NULL);
    CREATE TABLE blob_uses (
        digest TEXT NOT NULL, execution TEXT NOT NULL, PRIMARY KEY (digest, execution)
    ) WITHOUT ROWID;
    CREATE INDEX blob_uses_by_execution ON blob_uses (execution);

    CREATE TABLE latencies (
        graph TEXT NOT NULL, version TEXT NOT NULL, node TEXT NOT NULL, minute INTEGER NOT NULL,
        process INTEGER NOT NULL, counts BLOB NOT NULL, total_ns INTEGER NOT NULL,
        failed INTEGER NOT NULL, retries INTEGER NOT NULL,
        PRIMARY KEY (graph, version, node, minute, process)
    ) WITHOUT ROWID;
    CREATE INDEX latencies_by_minute ON latencies (minute);

    CREATE TABLE processes (
        id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, started TEXT NOT NULL, boot TEXT NOT NULL,
        beat_ns INTEGER NOT NULL, beat_monotonic_ns INTEGER NOT NULL
    );

    CREATE TABLE metrics (
        name TEXT NOT NULL, kind TEXT NOT NULL, labels TEXT NOT NULL, value REAL NOT NULL,
        count INTEGER NOT NULL, counts BLOB NOT NULL, updated_ns INTEGER NOT NULL,
        PRIMARY KEY (name, kind, labels)
    ) WITHOUT ROWID;
    """,
    # An execution that was given no thread is its own, which its id finds.
    """
    DROP INDEX executions_by_thread;
    CREATE INDEX executions_by_thread ON executions (thread, number)
        WHERE thread IS NOT NULL AND thread <> id;
    """,
    # The few that did not go well are found among the many that did.
    """
    CREATE INDEX executions_by_status ON executions (status, number) WHERE status <> 'completed';
    """,
    # A sum of costs is a lower bound while some calls have no price.
    """
    ALTER TABLE executions ADD COLUMN unpriced_calls INTEGER NOT NULL DEFAULT 0;
    """,
    # Those of one graph among them.
    """
    CREATE INDEX executions_by_graph_and_status ON executions (graph, status, number)
        WHERE status <> 'completed';
    """,
    forgotten.MIGRATION,
    edits.MIGRATION,
)


def migrate(connection: apsw.Connection, path: object) -> None:
    """Bring the core tables of an open file to this version.

    Raises:
        StoreVersionError: The file was written by a newer inwit.
    """
    found = _version(connection)
    if found > len(MIGRATIONS):
        raise StoreVersionError(path, found, len(MIGRATIONS))
    if found == len(MIGRATIONS):
        return
    with connection:
        for script in MIGRATIONS[found:]:
            connection.execute(script)
        connection.execute(
            f"PRAGMA user_version = {len(MIGRATIONS)}; PRAGMA application_id = {APPLICATION_ID}"
        )


def is_migrated(connection: apsw.Connection, path: object) -> bool:
    """Whether the file has this version's tables.

    Raises:
        StoreVersionError: The file was written by a newer inwit.
    """
    found = _version(connection)
    if found > len(MIGRATIONS):
        raise StoreVersionError(path, found, len(MIGRATIONS))
    return found == len(MIGRATIONS)


def migrate_room(
    connection: apsw.Connection, path: object, room: str, migrations: Sequence[str]
) -> None:
    """Bring the tables that another room contributes to their version. Needs a transaction.

    Raises:
        StoreVersionError: The file was written by a newer inwit.
    """
    # All of them: a statement that is not read to its end keeps a migration from dropping tables.
    rows: list[Any] = connection.execute(
        "SELECT version FROM rooms WHERE name = ?", (room,)
    ).fetchall()
    found = rows[0][0] if rows else 0
    if found > len(migrations):
        raise StoreVersionError(path, found, len(migrations), room=room)
    for script in migrations[found:]:
        connection.execute(script)
    if found < len(migrations):
        connection.execute("INSERT OR REPLACE INTO rooms VALUES (?, ?)", (room, len(migrations)))


def _version(connection: apsw.Connection) -> int:
    return int(connection.pragma("user_version"))
