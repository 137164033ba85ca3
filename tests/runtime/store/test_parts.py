"""Parts of the record by themselves: the audit log's rows, files in the way, what is read."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from inwit.errors import (
    MalformedInputError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
)
from inwit.runtime.project import Project
from inwit.runtime.record import APPLY, END, ENTER, EVENT, EXIT, START, VISIT
from inwit.runtime.serial import Delta
from inwit.runtime.store import (
    audit,
    connection,
    database,
    recovery,
)
from inwit.runtime.store.batches import Batches
from inwit.runtime.store.database import Database
from inwit.runtime.store.expand import About
from inwit.runtime.store.fold import Folder, _apply_op, apply_update
from inwit.runtime.store.heartbeat import started_of
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from inwit.runtime.store.redact import _is_card
from inwit.runtime.store.schema import migrate
from tests.runtime.store.rows import custom, end, recording, start, whole

# The audit log


def test_an_audit_entry_needs_a_transaction(place: Project) -> None:
    held = apsw.Connection(":memory:")

    with pytest.raises(RuntimeError, match="An audit entry needs an open transaction"):
        audit._append(held, ("a", "b", "c", "d"), {})
    held.close()


def test_a_log_without_a_file_has_rows_and_is_found_whole() -> None:
    held = apsw.Connection(":memory:")
    migrate(held, ":memory:")
    assert audit._rows(held, after=0, limit=9) == audit._latest(held, limit=9, before=None) == []
    assert (list(audit._stored(held)), audit._head(held)) == ([], None)

    with held:
        held.execute("SELECT 1")
        for number in range(3):
            audit._append(held, ("ada", "act", f"t{number}", "done"), {"odd": {1, 2}, "n": float("nan"), "path": Path("x")})  # fmt: skip

    first, second, third = audit._rows(held, after=0, limit=9)
    assert [one.seq for one in audit._latest(held, limit=2, before=None)] == [3, 2]
    assert [one.seq for one in audit._latest(held, limit=2, before=3)] == [2, 1]
    assert [one.seq for one in audit._rows(held, after=1, limit=1)] == [2]
    assert (second.prev_hash, third.prev_hash) == (first.hash, second.hash)
    assert third.details == {"n": "nan", "odd": [1, 2], "path": "x"}
    assert audit._head(held) == audit.Head(seq=3, hash=third.hash)
    verdict = audit._verify(held, folder=None, expected=None)
    assert verdict.is_intact, verdict
    held.close()


@pytest.mark.parametrize(
    "text",
    ["", "1", "x:" + "0" * 64, "-1:" + "0" * 64, "1:abc", "²:" + "0" * 64, "1" * 16 + ":" + "0" * 64],
)  # fmt: skip
def test_what_is_no_head_of_the_log_is_refused(text: str) -> None:
    with pytest.raises(MalformedInputError, match="is no head of the log") as raised:
        audit.parse_head(text)

    assert raised.value.hint == "`inwit audit verify` prints one."


def test_a_head_is_read_however_it_is_written() -> None:
    assert audit.parse_head(f" {'1' * 15}:{'A' * 64}\n") == audit.Head(
        seq=int("1" * 15), hash="a" * 64
    )


def test_a_row_that_was_changed_is_shown_as_unreadable() -> None:
    found = audit._row((1, 2, "a", "b", "c", "d", "{no json", "before", "digest"))

    assert found.details == {"unreadable": "{no json"}
    assert (found.seq, found.ts_ns, found.actor, found.action, found.target, found.outcome) == (
        1, 2, "a", "b", "c", "d",
    )  # fmt: skip
    assert (found.prev_hash, found.hash) == ("before", "digest")


def test_a_key_of_another_length_is_damaged() -> None:
    with pytest.raises(StoreError, match="is damaged: it has 3 bytes") as raised:
        audit._loaded(b"abc")
    assert raised.value.hint == "Restore it."


def test_where_no_key_is_none_is_made_to_look(tmp_path: Path) -> None:
    assert audit._genesis(tmp_path, make=False) == ""
    assert [one.name for one in tmp_path.iterdir()] == ["home"]
    assert len(audit._genesis(None, make=False)) == 64


def test_long_details_are_cut_and_named_by_their_hash(tmp_path: Path) -> None:
    import hashlib
    import json

    whole_text = json.dumps({"n": "x" * 40_000}, separators=(",", ":"))
    found = json.loads(audit._told({"n": "x" * 40_000}, None))

    assert found == {
        "cut": whole_text[: audit.DETAILS_LIMIT // 2], "length": len(whole_text),
        "sha256": hashlib.sha256(whole_text.encode()).hexdigest(),
    }  # fmt: skip
    assert audit._told({"b": 1, "a": [True, None]}, None) == '{"a":[true,null],"b":1}'


# Files


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (apsw.BusyError("busy"), StoreLockedError),
        (apsw.LockedError("locked"), StoreLockedError),
        (apsw.FullError("full"), StoreFullError),
        (apsw.CorruptError("bad"), StoreCorruptError),
        (apsw.NotADBError("bad"), StoreCorruptError),
        (apsw.ReadOnlyError("ro"), StoreReadOnlyError),
        (apsw.CantOpenError("no"), StoreReadOnlyError),
        (apsw.PermissionsError("no"), StoreReadOnlyError),
        (apsw.SQLError("odd."), StoreError),
    ],
)
def test_what_sqlite_refuses_is_told_by_its_kind(
    error: apsw.Error, kind: Any, tmp_path: Path
) -> None:
    found = connection.typed(error, tmp_path / "r.db")

    assert type(found) is kind
    assert str(tmp_path / "r.db") in str(found)
    assert ".." not in str(found)
    assert type(connection.typed(apsw.IOError("odd"), tmp_path)) is StoreReadOnlyError


def test_a_record_that_nothing_can_be_written_beside_is_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a b?.db"
    writer = apsw.Connection(str(path))
    writer.execute("CREATE TABLE t (n); INSERT INTO t VALUES (7)")
    writer.close()
    prepare, asked = connection._prepare_reader, []

    def refuses_first(held: apsw.Connection) -> None:
        asked.append(1)
        if len(asked) == 1:
            raise apsw.CantOpenError("no -shm can be made here")
        prepare(held)

    monkeypatch.setattr(connection, "_prepare_reader", refuses_first)
    reader = connection.open_reader(path)

    assert connection.query(reader, "SELECT n FROM t WHERE n = :n", {"n": 7}) == [(7,)]
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("DELETE FROM t")
    reader.close()


def test_a_reader_of_no_database_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    path.write_bytes(b"no database at all" * 100)

    with pytest.raises(apsw.NotADBError):
        connection.open_reader(path)


def test_a_file_is_moved_aside_only_where_it_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.db"
    assert recovery.move_aside(path) is None
    apsw.Connection(str(path)).execute("CREATE TABLE t (n)")
    assert recovery.move_aside(path) is None
    assert capsys.readouterr().err == ""

    path.write_bytes(b"no database at all" * 100)
    first = recovery.move_aside(path)

    assert first is not None
    assert first.name.startswith("r.db.damaged-2")
    assert not path.exists()
    assert capsys.readouterr().err == (
        f"inwit: the record was damaged. It is kept as {first}, and a new one is begun.\n"
    )


def test_damaged_files_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "strftime", lambda *_: "NOW")
    path = tmp_path / "r.db"
    names = []
    for _ in range(3):
        found = recovery._free_name(path)
        names.append(found.name)
        found.touch()

    assert names == ["r.db.damaged-NOW", "r.db.damaged-NOW-2", "r.db.damaged-NOW-3"]
    monkeypatch.setattr(Path, "exists", lambda _: True)
    assert recovery._free_name(path).name == f"r.db.damaged-NOW-{os.getpid()}"


def test_a_file_that_was_cut_is_known_by_what_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    assert not recovery.is_emptied(path)
    path.touch()
    assert not recovery.is_emptied(path)
    (tmp_path / "r.db-shm").touch()
    assert recovery.is_emptied(path)
    assert recovery.is_whole(path) is False
    path.write_bytes(b"x")
    assert not recovery.is_emptied(path)


def test_work_that_meets_a_damaged_file_is_done_once_more(place: Project) -> None:
    found = Database.of(place)
    tries: list[int] = []

    def work(held: apsw.Connection) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise apsw.CorruptError("a page is bad")
        return held.changes()

    assert found.write(work) == 0
    assert found.read(lambda _: len(tries)) == 2
    found.close()


def test_a_lock_that_cannot_be_had_is_told_of(
    place: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Database.of(place)
    (place.folder / "lock").mkdir()
    with pytest.raises(StoreReadOnlyError, match="lock"):
        found.write(lambda _: None)
    (place.folder / "lock").rmdir()
    found.write(lambda _: None)

    def is_held(_: int, kind: int) -> None:
        raise BlockingIOError

    monkeypatch.setattr(database, "BUSY_MS", 1)
    monkeypatch.setattr(fcntl, "flock", is_held)
    with pytest.raises(StoreLockedError):
        found._flock(fcntl.LOCK_SH)
    monkeypatch.undo()
    found.close()


def test_what_cannot_be_looked_at_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Path) -> Any:
        raise OSError(errno.EIO, "the disk is broken")

    assert database._inode_of(tmp_path / "none") is None
    assert database._inode_of(tmp_path / "none" / "x") is None
    file = tmp_path / "f"
    file.touch()
    assert database._inode_of(file / "x") is None
    assert database._inode_of(file) == (file.stat().st_dev, file.stat().st_ino, True)
    file.write_text("x")
    assert database._inode_of(file) == (file.stat().st_dev, file.stat().st_ino, False)
    monkeypatch.setattr(Path, "stat", fails)
    with pytest.raises(StoreReadOnlyError, match="the disk is broken"):
        database._inode_of(file)


def test_a_reader_meets_a_file_that_was_cut(place: Project, monkeypatch: Any) -> None:
    found = Database.of(place)
    found.write(lambda _: None)
    monkeypatch.setattr(connection, "is_emptied", lambda _: True)

    with pytest.raises(StoreCorruptError, match="it was cut to nothing"):
        found._take_reader((0, 0, False))
    found.close()


def test_a_process_is_known_by_when_it_began() -> None:
    own = started_of(os.getpid())

    assert own and own.isdigit()
    assert started_of(2**22 + 1) is None


# What is read


def test_patches_of_our_own_are_applied() -> None:
    state: dict[str, Any] = {"n": 1, "l": [1], "t": "x", "a/b~c": 1}

    _apply_op(state, {"op": "remove", "path": "/n"})
    _apply_op(state, {"op": "remove", "path": "/gone"})
    _apply_op(state, {"op": "add", "path": "/l/-", "value": 2})
    _apply_op(state, {"op": "add", "path": "/t/-", "value": 3})
    _apply_op(state, {"op": "add", "path": "/a~1b~0c", "value": 4})
    _apply_op(state, {"op": "add", "path": "/l/0/x", "value": 5})
    apply_update(state, {"new": Delta([1]), "p": 2})

    assert state == {"l": [1, 2], "t": [3], "a/b~c": 4, "new": [1], "p": 2}


def test_visits_are_folded_of_whole_rows_and_of_parts() -> None:
    failure = {"type": "E", "code": "", "message": "m", "hint": ""}
    rows: list[Any] = [
        (START, 1, 0, {}),
        (VISIT, 2, 3, "a", 1, 1, 10, 2_000_010, {"n": 1}, ["b"], None),
        (ENTER, 6, "b", 1, 1, 3_000_000),
        (APPLY, 5, "nobody", 1, 1, 9, {"x": 1}, [], None),
        (EVENT, 7, 4_000_000, "node_failed", "b", 1, 1, {"error": failure}),
        (EVENT, 8, 4_100_000, "retry_scheduled", "b", 1, 1, {"delay_ms": 1}),
        (ENTER, 9, "b", 1, 2, 5_000_000),
        (EVENT, 10, 5_100_000, "llm_started", "b", 1, 2, {}),
        (EVENT, 11, 5_200_000, "tool_started", "b", 1, 2, {}),
        (EXIT, 12, "b", 1, 2, 5_000_000, 6_000_000),
        (APPLY, 13, "b", 1, 2, 6_000_000, {"n": 2}, ["c"], None),
        (ENTER, 15, "c", 1, 1, 7_000_000),
        (END, 16, 8_000_000, "cancelled", None, None, "stop", "c"),
    ]

    first, second, third = Folder(About(execution_id="e")).visits([(rows, 1, 16, 0)])

    assert (first.node, first.status, first.duration_ms, first.entry_seq) == (
        "a",
        "completed",
        2.0,
        2,
    )
    assert (second.node, second.status, second.attempts, second.entry_seq) == (
        "b",
        "completed",
        2,
        6,
    )
    assert (third.node, third.status) == ("c", "failed")
    assert Folder(About(execution_id="e")).visits([]) == []


@pytest.mark.parametrize(
    ("text", "is_card"),
    [
        ("4111 1111 1111 1111", True), ("4111 1111 1111 1112", False), ("378282246310005", True),
        ("0000000000000000", False), ("4222222222222", True), ("422222222222", False),
        ("6304000000000000", True), ("6011000000000000009", False), ("401234567899", False), ("4012345678909", True),
        ("4012345678901234565", True), ("40123456789012345673", False), ("41111111111111111111", False),
    ],
)  # fmt: skip
def test_a_card_is_known_by_its_sum(text: str, is_card: bool) -> None:
    assert _is_card(text) is is_card


def test_batches_are_read_in_parts(journal: Journal, store: Store) -> None:
    from inwit.runtime.store import batches

    rec = recording("many1")
    journal.begin(rec)
    start(rec)
    for number in range(5):
        custom(rec, number)
        journal.flush()
    end(rec)
    journal.flush()
    kept, batches._PART = batches._PART, 2  # type: ignore[misc]
    try:
        found = store.database.read(
            lambda held: [one[1:3] for one in Batches(held, store.redactor).of("many1")]
        )
        later = store.database.read(
            lambda held: [one[1:3] for one in Batches(held, store.redactor).of("many1", 4)]
        )
    finally:
        batches._PART = kept  # type: ignore[misc]

    assert found == [(1, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7)]
    assert later == [(5, 5), (6, 6), (7, 7)]


def test_only_the_last_executions_visits_are_held(
    journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inwit.runtime.store import reader

    monkeypatch.setattr(reader, "_CACHED", 2)
    for name in ("aaaa1", "bbbb2", "cccc3"):
        journal.begin(whole(name, visits=1))
    journal.flush()

    for name in ("aaaa1", "bbbb2", "cccc3"):
        assert [one.node for one in store.visits(name)] == ["work"]

    assert len(store._folded) == 2


def test_waiting_for_a_change_sweeps_while_it_waits(
    store: Store, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inwit.runtime.store import reader

    journal.begin(whole("aaaa1"))
    journal.flush()
    monkeypatch.setattr(reader, "_SWEEP_S", 0.001)
    swept: list[int] = []
    monkeypatch.setattr(store, "_close_lost", lambda: swept.append(1))
    since = store.data_version()

    assert store.wait_change(0.02, since) == since
    assert swept
    assert store.wait_change(0.0, since - 1) == since
