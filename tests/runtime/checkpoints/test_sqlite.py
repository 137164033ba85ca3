"""SQLite in particular: files of version 0.1, files of later versions, forks, group commit."""

from __future__ import annotations

import gc
import os
import stat
import threading
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from inwit import InMemoryCheckpointer, SqliteCheckpointer
from inwit.errors import StoreVersionError
from inwit.runtime.checkpoints.base import Checkpoint
from inwit.runtime.checkpoints.codec import decode, encode
from inwit.runtime.checkpoints.sqlite import _MIGRATIONS
from inwit.runtime.project import Project
from inwit.runtime.serial import freeze, freeze_delta
from inwit.runtime.store.database import Database
from inwit.testing.rows import VALUES, checkpoint, deltas, pending, put, seqs, values_of
from tests.runtime.checkpoints.graphs import counting
from tests.runtime.checkpoints.servers import wait_until


def old_row(step: int, *, thread_id: str = "t", following: tuple[str, ...] = ()) -> tuple[Any, ...]:
    """A row as version 0.1 wrote it: a whole state first, then what was appended."""
    state = {"n": 0, "log": freeze([])} if step == 0 else None
    update = {} if step == 0 else {"n": step, "log": freeze_delta([step - 1])}
    name = f"e:{step}"
    fields = [
        name,
        thread_id,
        "e",
        step,
        1_700_000_000_000_000_000 + step,
        following,
        update,
        state,
    ]
    return thread_id, name, int(state is not None), msgspec.msgpack.encode(fields)


def write_old(connection: apsw.Connection) -> None:
    sql = "INSERT INTO checkpoints (thread_id, checkpoint_id, has_state, data) VALUES (?, ?, ?, ?)"
    rows = [old_row(step, following=(f"n{step:02}",)) for step in range(3)]
    connection.executemany(sql, [*rows, old_row(0, thread_id="other")])


def old_file(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(_MIGRATIONS[0])
    write_old(connection)
    connection.execute("PRAGMA user_version = 1")
    connection.close()


def old_record() -> None:
    database = Database.of(Project.find())
    database.declare("checkpoints", _MIGRATIONS[:1])
    database.write(write_old)


@pytest.mark.parametrize("place", ["own file", "record"])
def test_a_thread_of_version_0_1_is_read_and_goes_on(
    place: str, project: Path, tmp_path: Path
) -> None:
    if place == "record":
        old_record()
        saver = SqliteCheckpointer()
    else:
        old_file(tmp_path / "old.db")
        saver = SqliteCheckpointer(tmp_path / "old.db")
    app, config = counting(saver), {"configurable": {"thread_id": "t"}}

    assert saver.threads() == ["other", "t"]
    assert [(row.seq, row.step) for row in saver.history("t")] == [(3, 2), (2, 1), (1, 0)]
    assert app.get_state(config).values == {"n": 2, "log": [0, 1]}
    assert app.get_state(config).next == ("n02",)
    assert app.invoke(None, config) == {"n": 3, "log": [0, 1, 2]}
    assert saver.last_seq("t") > 3


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    saver = SqliteCheckpointer(tmp_path / "own.db")
    put(saver, [checkpoint(1)])
    saver._file.submit(lambda file: file.execute("PRAGMA user_version = 99")).result()
    saver.close()

    with pytest.raises(StoreVersionError, match="version 99; this inwit knows 2"):
        SqliteCheckpointer(tmp_path / "own.db").load("t")


def test_what_is_put_together_is_committed_together(tmp_path: Path) -> None:
    saver = SqliteCheckpointer(tmp_path / "own.db")
    saver.setup()
    pages = saver._file.submit(lambda file: file.pragma("synchronous")).result()
    commits: list[int] = []

    def count() -> bool:
        commits.append(1)
        return False

    saver._file.submit(lambda file: file.set_commit_hook(count)).result()
    commits.clear()

    futures = [saver.put([checkpoint(1, thread_id=f"t{n}")]) for n in range(200)]
    for future in futures:
        future.result(30)

    assert pages == 2  # FULL
    assert len(commits) < 100


def test_a_forked_child_writes_and_harms_nothing_of_its_parents(tmp_path: Path) -> None:
    saver = SqliteCheckpointer(tmp_path / "own.db")
    put(saver, [checkpoint(1)])

    child = os.fork()
    if child == 0:
        try:
            put(saver, deltas(2, 2))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    put(saver, deltas(3, 3))

    assert status == 0
    assert seqs(saver.load("t")) == [1, 2, 3]


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    saver = SqliteCheckpointer(tmp_path / "deep" / "own.db")

    put(saver, [checkpoint(1)])

    files = (tmp_path / "deep").glob("own.db*")
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.parametrize("row", [checkpoint(7, values=VALUES), pending(8, value=VALUES)])
def test_a_row_survives_its_encoding(row: Any) -> None:
    again = decode(encode(row))

    assert encode(again) == encode(row)
    assert type(again) is type(row)
    if isinstance(again, Checkpoint):
        assert values_of(again.state or {}) == VALUES | {"log": [7]}


def test_metadata_that_cannot_be_kept_is_kept_by_its_name() -> None:
    row = msgspec.structs.replace(checkpoint(1), metadata={"lock": object()})

    found = decode(encode(row))

    assert isinstance(found, Checkpoint)
    assert found.metadata == {"lock": "<builtins.object>"}


def test_a_row_in_memory_costs_no_encoding() -> None:
    saver, row = InMemoryCheckpointer(), checkpoint(1)
    put(saver, [row])

    assert saver.load("t") == [row]
    assert saver.load("t")[0] is row


def test_a_file_that_nobody_holds_any_more_is_written_and_closed(tmp_path: Path) -> None:
    def is_closed() -> bool:
        opened = [os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()]
        names = [thread.name for thread in threading.enumerate()]
        return not any(str(tmp_path) in name for name in opened) and not any(
            "dropped-" in name for name in names
        )

    for number in range(20):
        SqliteCheckpointer(tmp_path / f"dropped-{number}.db").put([checkpoint(1), *deltas(2, 9)])
    gc.collect()

    wait_until(is_closed, "The end of all files")
    kept = [seqs(SqliteCheckpointer(tmp_path / f"dropped-{n}.db").load("t")) for n in range(20)]
    assert kept == [list(range(1, 10))] * 20
