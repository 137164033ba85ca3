"""The audit log, batches and files of the record at their bounds, by its parts alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import msgspec
import pytest
import zstandard

from inwit.errors import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    UnknownUriError,
)
from inwit.runtime.project import Project
from inwit.runtime.store import (
    audit,
    batches,
    codec,
    connection,
    recovery,
    schema,
)
from inwit.runtime.store.database import Database
from inwit.runtime.store.expand import About
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from tests.runtime.store.rows import custom, end, recording, start, whole


def handles(path: Path) -> int:
    """How many open files of this process are this one or lie beside it."""
    names = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            names.append(str(one.readlink()))
        except FileNotFoundError:  # the one that lists them
            continue
    return sum(name.startswith(str(path)) for name in names)


# Texts and details of the audit log


@pytest.mark.parametrize(
    ("given", "kept"),
    [("x" * 500, "x" * 500), ("x" * 501, "x" * 500), ("a\udc80", "a\\udc80"), (7, "7")],
)
def test_a_text_of_the_log_has_five_hundred_characters_at_most(given: Any, kept: str) -> None:
    assert audit._text(given) == kept


@pytest.mark.parametrize(("many", "is_cut"), [(16_384 - 8, False), (16_384 - 7, True)])
def test_details_are_whole_up_to_sixteen_kibibytes(many: int, is_cut: bool) -> None:
    found = msgspec.json.decode(audit._told({"n": "x" * many}, None))

    assert ("cut" in found) is is_cut
    if is_cut:
        assert (len(found["cut"]), found["length"]) == (8_192, 16_385)


def test_numbers_of_other_scripts_are_no_head_of_the_log() -> None:
    with pytest.raises(StoreError, match="is damaged: it has 31 bytes"):
        audit._loaded(b"x" * 31)
    with pytest.raises(StoreError, match="is damaged: it has 33 bytes"):
        audit._loaded(b"x" * 33)
    with pytest.raises(Exception, match="is no head of the log"):
        audit.parse_head("١:" + "0" * 64)


def test_who_asks_for_rows_of_the_log_is_given_a_hundred(place: Project) -> None:
    log = Database.of(place)
    with log.transaction(durable=False) as held:
        for number in range(101):
            audit._append(held, ("ada", "act", str(number), "done"), {})

    assert [one.seq for one in audit.rows(log)] == list(range(1, 101))
    assert [one.seq for one in audit.latest(log)] == list(range(101, 1, -1))
    head = audit.head(log)
    assert head is not None and str(head) == f"101:{head.hash}" and len(head.hash) == 64
    for asked in (place, log, SimpleNamespace(database=log)):
        assert audit.head(asked) == head
    assert audit.verify(log, expected=audit.Head(seq=100, hash=audit.rows(log)[-1].hash)).is_intact
    found = audit.verify(log, expected=audit.Head(seq=100, hash=head.hash))
    assert (found.fault, found.at_seq, found.entries) == (
        "The head that was noted, 100, is not in the chain.", 101, 101,
    )  # fmt: skip
    log.close()


def test_a_fault_names_the_entry_that_shows_it(place: Project) -> None:
    log = Database.of(place)
    for number in range(3):
        audit.append(log, actor="ada", action="act", target=str(number), outcome="done")
    log.write(lambda held: held.execute("UPDATE audit SET seq = 9 WHERE seq = 3"))

    found = audit.verify(log)

    assert (found.fault, found.at_seq, found.entries) == ("Entry 3 is missing: 9 follows.", 9, 2)
    assert log.read(audit.verify) == found
    log.close()


def test_an_entry_goes_with_its_transaction(place: Project) -> None:
    log = Database.of(place)
    with pytest.raises(ValueError, match="stop"), log.transaction() as held:
        audit.append(log, actor="ada", action="act", target="inner", outcome="done")
        audit.append(held, actor="ada", action="act", target="inner", outcome="done")
        raise ValueError("stop")

    assert audit.rows(log) == []
    row = audit.append(
        place, actor="ada", action="act", target="t", outcome="done", details={"a": 1}
    )
    assert audit.rows(log) == [row]
    assert (row.seq, row.actor, row.action, row.target, row.outcome, row.details) == (
        1, "ada", "act", "t", "done", {"a": 1},
    )  # fmt: skip
    log.close()


def test_details_are_plain_however_they_are_given() -> None:
    found = audit._plain({1: [None, True, 2, 1.5, "t"], "s": ({1}, frozenset({2})), "o": Path("x")})

    assert found == {"1": [None, True, 2, 1.5, "t"], "s": [[1], [2]], "o": "x"}
    assert audit._plain(float("inf")) == "inf"
    assert audit.canonical({"b": "é", "a": 1}) == '{"a":1,"b":"\\u00e9"}'


# Batches


def test_there_is_no_last_event_where_the_last_commit_was_let_go(
    journal: Journal, store: Store
) -> None:
    for name in ("aaaa1", "aaaa2"):
        journal.begin(whole(name))
        journal.flush()
    last = store.last()
    assert last is not None and last[1].execution_id == "aaaa2"

    store.write(lambda held: held.execute("DELETE FROM batches WHERE execution = 'aaaa2'"))

    assert store.last() is None
    assert {event.execution_id for _, event in store.tail(0)} == {"aaaa1"}


def test_a_position_is_a_batch_and_a_place_in_it(journal: Journal, store: Store) -> None:
    assert store.position() == 0
    assert store.last() is None
    journal.begin(whole("aaaa1", visits=1))
    journal.flush()
    journal.begin(whole("aaaa2", visits=0))
    journal.flush()

    found = store.tail(0)

    numbers = [position >> 20 for position, _ in found]
    first, second = min(numbers), max(numbers)
    assert [position for position, event in found if event.execution_id == "aaaa1"] == [
        (first << 20) + place for place in range(1, 7)
    ]
    assert store.position() == (second << 20) + (1 << 20) - 1
    assert store.last() == found[-1]
    for asked in range(1, len(found)):
        after, _ = found[asked - 1]
        assert store.tail(after) == found[asked:]
        assert store.tail(after, 1) == found[asked : asked + 1]
    assert store.tail(store.position()) == []


def test_a_tail_is_read_in_parts(
    journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rec = recording("aaaa1")
    journal.begin(rec)
    start(rec)
    for number in range(6):
        custom(rec, number)
        custom(rec, -number)
        journal.flush()
    end(rec)
    journal.flush()
    whole_tail = store.tail(0)
    assert [event.seq for _, event in whole_tail] == list(range(1, 15))

    for part in (1, 2, 3):
        monkeypatch.setattr(batches, "_PART", part)
        for many in range(len(whole_tail)):
            after = whole_tail[many][0]
            assert store.tail(after) == whole_tail[many + 1 :]
            assert store.tail(after, 3) == whole_tail[many + 1 : many + 4]
    assert [event.seq for event in store.events("aaaa1", after=3)] == list(range(4, 15))
    assert [store.event("aaaa1", seq).seq for seq in range(1, 15)] == list(range(1, 15))


def test_an_event_that_is_not_there_is_told_with_the_last(journal: Journal, store: Store) -> None:
    journal.begin(whole("aaaa1", visits=0))
    journal.flush()

    for seq in (0, 3):
        with pytest.raises(UnknownUriError) as raised:
            store.event("aaaa1", seq)
        assert raised.value.hint == "Its last event is 2."
        assert f"execution://aaaa1/events/{seq}" in str(raised.value)


def test_what_an_unknown_execution_s_events_have_in_common_is_its_id(
    journal: Journal, store: Store
) -> None:
    journal.begin(whole("aaaa1", thread_id="t", parent_id="p"))
    journal.flush()

    found, known = store.database.read(
        lambda held: (
            batches.Batches(held, store.redactor).about("none"),
            batches.Batches(held, store.redactor).about("aaaa1"),
        )
    )

    assert found == About(execution_id="none")
    assert known == About(
        execution_id="aaaa1", graph_name="planted", graph_version="v1", thread_id="t",
        parent_execution_id="p",
    )  # fmt: skip


def test_a_big_value_that_is_gone_is_said_to_be(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec, {"big": "b" * 9_000, "small": "s"})
    end(rec)
    journal.begin(rec)
    journal.flush()
    [(digest,)] = store.read("SELECT digest FROM blobs")
    assert store.blob(digest) == "b" * 9_000
    assert store.state_at("aaaa1") == {"big": "b" * 9_000, "small": "s"}

    store.write(lambda held: held.execute("DELETE FROM blobs"))

    assert store.state_at("aaaa1") == {"big": f"<blob {digest} is gone>", "small": "s"}
    with pytest.raises(UnknownUriError, match=f"blob:{digest}"):
        store.blob(digest)


# How values are packed


@pytest.mark.parametrize(("size", "is_packed"), [(1_023, False), (1_024, True)])
def test_a_kibibyte_is_packed_smaller(size: int, is_packed: bool) -> None:
    data = b"x" * size

    found = codec.Encoder().compress(data)

    assert (found != data) is is_packed
    assert codec.decompress(b"\x91" + data) == b"\x91" + data
    if is_packed:
        assert codec.decompress(found) == data


@pytest.mark.parametrize(("plain", "is_packed"), [(60, False), (140, False), (400, True)])
def test_what_gets_hardly_smaller_stays_as_it_is(plain: int, is_packed: bool) -> None:
    import random

    data = random.Random(1).randbytes(2_000 - plain) + b"x" * plain
    smaller = zstandard.ZstdCompressor(level=1).compress(data)
    assert (len(smaller) < 1_800) is is_packed

    assert codec.Encoder().compress(data) == (smaller if is_packed else data)


def test_files_say_what_they_always_said() -> None:
    ext = msgspec.msgpack.Ext

    assert codec.decode(msgspec.msgpack.encode([ext(100, b"ab")]), str.upper) == ["AB"]
    assert codec.digest_of(b"inwit") == "e5dacc7d6f83159de75ed9ef9c557736"
    assert codec.sayable("a\udc80é") == "a?é"
    assert codec.sayable(b"\x80") == b"\x80"


def test_texts_up_to_a_quarter_of_a_blob_are_not_looked_into() -> None:
    blobs: codec.Blobs = {}
    short, long = "x" * 1_024, "x" * 1_025

    assert codec.split(short, blobs) is short
    assert codec.split(long, blobs) == msgspec.Raw(msgspec.msgpack.encode(long))
    for value in (b"x" * 4_096, msgspec.Raw(b"x" * 4_096), msgspec.msgpack.Ext(1, b"x" * 4_096)):
        assert codec.split(value, blobs) is value
    assert blobs == {}


# Files


def test_the_file_s_writer_is_set_up_as_said(tmp_path: Path) -> None:
    path = tmp_path / "r.db"

    held = connection.open_writer(path)

    asked = ("journal_mode", "synchronous", "journal_size_limit", "temp_store", "auto_vacuum", "busy_timeout")  # fmt: skip
    assert [held.pragma(name) for name in asked] == ["wal", 1, 64 * 1024 * 1024, 2, 2, 5_000]
    held.execute("CREATE TABLE t (n)")
    assert path.stat().st_mode & 0o777 == 0o600
    reader = connection.open_reader(path)
    assert [reader.pragma(name) for name in ("temp_store", "busy_timeout")] == [2, 5_000]
    assert connection.query(reader, "SELECT 1 UNION SELECT 2") == [(1,), (2,)]
    reader.close()
    held.close()
    assert handles(path) == 0
    in_memory = connection.open_writer(connection.IN_MEMORY)
    in_memory.close()
    assert not Path(":memory:").exists()


@pytest.mark.parametrize("opens", [connection.open_writer, connection.open_reader])
def test_a_file_that_cannot_be_used_is_let_go_of(opens: Any, tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    path.write_bytes(b"no database at all" * 100)

    with pytest.raises(apsw.Error) as raised:
        opens(path)

    assert raised.traceback
    assert handles(path) == 0


def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    path.touch(0o640)
    path.chmod(0o640)

    connection._create_private(path)
    connection._create_private(tmp_path / "none" / "r.db")

    assert path.stat().st_mode & 0o777 == 0o640
    assert handles(path) == 0


@pytest.mark.parametrize(
    ("extended", "kind"),
    [
        (apsw.SQLITE_IOERR_WRITE, StoreFullError), (apsw.SQLITE_IOERR_FSYNC, StoreFullError),
        (apsw.SQLITE_IOERR_DIR_FSYNC, StoreFullError), (apsw.SQLITE_IOERR_TRUNCATE, StoreFullError),
        (apsw.SQLITE_IOERR_SHMSIZE, StoreFullError),
        (apsw.SQLITE_IOERR_SHORT_READ, StoreCorruptError),
        (apsw.SQLITE_IOERR_CORRUPTFS, StoreCorruptError),
        (apsw.SQLITE_IOERR_DATA, StoreCorruptError), (apsw.SQLITE_IOERR_LOCK, StoreError),
    ],
)  # fmt: skip
def test_a_fault_of_the_disk_is_told_by_what_failed(
    extended: int, kind: type[StoreError], tmp_path: Path
) -> None:
    error = apsw.IOError("disk I/O error.")
    vars(error)["extendedresult"] = extended

    with pytest.raises(StoreError) as raised, connection.store_errors(tmp_path / "r.db"):
        raise error

    assert type(raised.value) is kind
    assert raised.value.__cause__ is error
    assert "error.." not in str(raised.value)


def test_who_waits_too_long_is_told_how_long(place: Project, tmp_path: Path) -> None:
    found = connection.typed(apsw.BusyError("busy"), tmp_path / "r.db")

    assert str(found) == str(StoreLockedError(tmp_path / "r.db", 5.0))
    assert connection.typed(apsw.SQLError("odd."), tmp_path / "r.db").args[0].endswith("odd.")


def test_a_database_holds_its_file_until_it_is_closed(place: Project) -> None:
    found = Database.of(place)
    found.write(lambda _: None)
    assert found._synchronous == "FULL"
    found.write(lambda held: held.pragma("synchronous"), durable=False)
    assert found.write(lambda held: held.pragma("synchronous"), durable=False) == 1
    assert found.write(lambda held: held.pragma("synchronous")) == 2
    unread = found.read(lambda held: held.execute("SELECT 1 UNION SELECT 2"))
    written = found.write(lambda held: held.cursor())
    written.execute("SELECT 1 UNION SELECT 2")
    assert handles(place.database) >= 2
    assert handles(place.folder / "lock") == 1

    found.close()

    assert unread is not None
    assert handles(place.folder) == 0
    assert found.read(lambda held: held.pragma("user_version")) == len(schema.MIGRATIONS)
    assert Database.of(place) is found
    found.close()
    assert handles(place.folder) == 0


def test_a_transaction_is_undone_whole_and_the_next_one_begins(place: Project) -> None:
    found = Database.of(place)
    found.declare("room", ("CREATE TABLE things (n INTEGER)",))

    with pytest.raises(ValueError, match="stop"), found.transaction() as held:
        held.execute("INSERT INTO things VALUES (1)")
        raise ValueError("stop")
    with pytest.raises(StoreError), found.transaction() as held:
        held.execute("INSERT INTO things VALUES (2)")
        held.execute("no SQL at all")
    found.write(lambda held: held.execute("INSERT INTO things VALUES (3)"))

    assert found.read(lambda held: held.execute("SELECT n FROM things").fetchall()) == [(3,)]
    found.declare("room", ("CREATE TABLE things (n INTEGER)",))
    assert found.generation == 1
    found.close()


def test_a_file_in_another_place_is_opened_anew(place: Project) -> None:
    found = Database.of(place)
    found.declare("room", ("CREATE TABLE things (n INTEGER)",))
    found.write(lambda held: held.execute("INSERT INTO things VALUES (1)"))
    found.read(lambda held: held.pragma("user_version"))
    count = "SELECT count(*) FROM things"
    for name in ("inwit.db", "inwit.db-wal", "inwit.db-shm"):
        (place.folder / name).rename(place.folder / f"old-{name}")

    found.write(lambda _: None)

    assert found.generation == 2
    assert found.read(lambda held: held.execute(count).fetchall()) == [(0,)]
    assert handles(place.folder / "old-inwit.db") == 0
    found.close()


def test_a_project_without_a_record_is_read_as_empty(place: Project) -> None:
    found = Database.of(place)

    for _ in range(2):
        assert found.read(lambda held: held.execute("SELECT count(*) FROM graphs").fetchall()) == [(0,)]  # fmt: skip
    assert not place.database.exists()
    assert found._readers == []


def test_an_older_file_is_brought_to_this_version_by_who_reads_it(place: Project) -> None:
    place.ensure()
    held = connection.open_writer(place.database)
    held.execute(schema.MIGRATIONS[0])
    held.execute("PRAGMA user_version = 1")
    held.close()
    found = Database.of(place)

    version = found.read(lambda held: held.pragma("user_version"))

    assert version == len(schema.MIGRATIONS)
    assert found.read(lambda held: held.pragma("application_id")) == 0x696E7774
    found.close()
    assert handles(place.folder) == 0


def test_a_page_that_is_bad_is_noticed_and_the_file_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.db"
    held = apsw.Connection(str(path))
    held.execute("CREATE TABLE t (n)")
    assert recovery.is_whole(path)
    asked: list[int] = []

    class Impatient(apsw.Connection):
        def set_busy_timeout(self, milliseconds: int, /) -> None:
            asked.append(milliseconds)

    with monkeypatch.context() as patched:
        patched.setattr(apsw, "Connection", Impatient)
        held.execute("BEGIN EXCLUSIVE")
        with pytest.raises(apsw.BusyError):
            recovery.is_whole(path)
    held.close()
    assert asked == [1_000]
    assert handles(path) == 0
    path.write_bytes(b"no database at all" * 100)

    assert not recovery.is_whole(path)
    assert handles(path) == 0


def test_an_empty_record_is_told_of_where_it_lies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.db"
    recovery.say_if_empty(path)
    path.write_text("x")
    recovery.say_if_empty(path)
    assert capsys.readouterr().err == ""
    path.write_text("")

    recovery.say_if_empty(path)

    assert capsys.readouterr().err == (
        f"inwit: the record {path} is empty: what it held, if anything, is gone. "
        f"A new one is begun in it.\n"
    )


def test_all_that_belongs_to_a_damaged_file_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.db"
    monkeypatch.setattr(recovery, "is_whole", lambda _: False)  # SQLite removes a log of noise
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").write_bytes(b"no database at all" * 100)

    target = recovery.move_aside(path)

    assert target is not None
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_file()) == sorted(
        f"{target.name}{suffix}" for suffix in ("", "-wal", "-shm")
    )


def test_a_log_that_was_never_begun_is_whole(place: Project) -> None:
    held = apsw.Connection(":memory:")

    for found in (audit.verify(place), audit._verify(held, folder=None, expected=None)):
        assert (found.is_intact, found.entries, found.head, found.fault) == (True, 0, None, "")
    assert not (place.folder / audit.KEY).exists()
    held.close()
    Database.of(place).close()
