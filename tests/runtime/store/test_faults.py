"""What goes wrong with the disk: nothing that was acknowledged is lost, and the program runs on."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec
import pytest

from inwit.errors import (
    StoreCorruptError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreVersionError,
)
from inwit.events import Failure, Gap
from inwit.runtime.project import Project
from inwit.runtime.store import connection as connections
from inwit.runtime.store import database, intake
from inwit.runtime.store.backup import back_up
from inwit.runtime.store.database import Database
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from inwit.runtime.store.watch import Watcher
from tests.runtime.store.processes import line, writer
from tests.runtime.store.rows import end, recording, start, visit, whole

ROOT = Path(__file__).parents[3]


@contextmanager
def no_room(place: Project) -> Iterator[None]:
    """Let the file grow no further, as on a full disk."""
    with Database.of(place).transaction() as connection:
        before = connection.pragma("max_page_count")
        connection.pragma("max_page_count", connection.pragma("page_count"))
    yield
    with Database.of(place).transaction() as connection:
        connection.pragma("max_page_count", before)


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[None]:
    """Hold the file exclusively from elsewhere."""
    code = (
        "import apsw, sys; c = apsw.Connection(sys.argv[1]); c.execute('BEGIN EXCLUSIVE');"
        "print('held', flush=True); sys.stdin.read(1)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield
        finally:
            holder.communicate(b"x")


def test_a_full_disk_is_told_to_who_waits_and_recording_goes_on_when_there_is_room(
    place: Project, journal: Journal, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    journal.begin(whole("aaaa1"))
    journal.flush()
    with no_room(place):
        for number in range(300):
            journal.begin(whole(f"bbbb{number}", visits=20))
        with pytest.raises(StoreFullError):
            journal.flush()
        failed = journal.submit(lambda c: c.execute("CREATE TABLE t AS SELECT randomblob(99999)"))
        assert isinstance(failed.exception(10), StoreFullError)
        with pytest.raises(StoreFullError):
            journal.flush()
        assert store.execution("aaaa1").iteration == 3

    journal.flush()

    assert store.executions(status="completed").total_count == 301
    assert len(store.events("bbbb299")) == 82
    assert caplog.text.count("There is no room") == 1


def test_what_did_not_fit_into_memory_is_a_gap(
    place: Project, journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short = recording("aaaa1"), whole("bbbb1", visits=5)
    start(long)
    visit(long, "work", 1, {"n": 1})
    journal.begin(long)
    journal.flush()
    with no_room(place):
        monkeypatch.setattr("inwit.runtime.store.journal.WAIT_S", 0.02)
        monkeypatch.setattr(intake, "BACKLOG_BYTES", 0)
        visit(long, "work", 2, {"n": 2})
        journal.begin(short)
        with pytest.raises(StoreFullError):
            for _ in range(500):
                visit(long, "work", 3, {"n": 3})
                journal.submit(lambda c: c.execute("CREATE TABLE x AS SELECT randomblob(99999)"))
                journal.full_wait(long)
                journal.flush()
        journal.full_wait(long)
        monkeypatch.setattr(intake, "BACKLOG_BYTES", 1 << 20)
    visit(long, "work", 4, {"n": 4})
    end(long)
    journal.flush()

    events = store.events("aaaa1")
    gap = next(event for event in events if isinstance(event, Gap))
    after = [event.seq for event in events if event.seq > gap.seq]
    assert (gap.seq, gap.lost_from) == (6, 6)
    assert after == list(range(gap.lost_to + 1, long.seq + 1))
    assert store.execution("aaaa1").status == "completed"
    assert [event.type for event in store.events("bbbb1")] == ["gap", "execution_completed"]
    assert store.execution("bbbb1").iteration == 5


def test_a_limit_on_file_sizes_is_a_full_disk(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import resource, signal, sys
        from inwit.errors import StoreFullError
        from inwit.runtime.project import Project
        from inwit.runtime.store.journal import Journal
        from tests.runtime.store.rows import whole
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal = Journal.of(Project.find())
        journal.begin(whole("aaaa1")); journal.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        for number in range(2000):
            journal.begin(whole(f"bbbb{number}", visits=50))
        try:
            journal.flush()
        except StoreFullError as error:
            print(error.code)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.flush()
    """)
    environment = {**os.environ, "INWIT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "store.full\n"), done.stderr
    assert done.stderr.count("\n") == 1
    project = Project(root=tmp_path, folder=tmp_path / "home")
    assert Store.of(project).executions(status="completed").total_count == 2001


def test_a_locked_file_is_waited_for_and_then_told(
    place: Project, journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_MS", 100)
    journal.begin(whole("aaaa1"))
    journal.flush()
    with locked_by_another_process(place.database):
        journal.begin(whole("bbbb1"))
        with pytest.raises(StoreLockedError):
            journal.flush()
        with pytest.raises(StoreLockedError):
            store.write(lambda connection: connection.execute("DELETE FROM executions"))
        assert store.executions().total_count == 1

    journal.flush()

    assert store.execution("bbbb1").status == "completed"


def test_a_damaged_file_is_moved_aside_named_and_kept(
    place: Project, journal: Journal, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    open_one = recording("cccc1")
    start(open_one)
    visit(open_one, "work", 1)
    journal.begin(open_one)
    journal.begin(whole("aaaa1"))
    journal.flush()
    journal.register(lambda: (_ for _ in ()).throw(RuntimeError("no manifest")))
    Database.of(place).close()
    damage(place.database)

    journal.begin(whole("bbbb1"))
    visit(open_one, "work", 2)
    end(open_one)
    flush_twice(journal)

    kept = list(place.folder.glob("inwit.db.damaged-*"))
    assert [path.suffix for path in kept if not path.name.endswith(("-wal", "-shm"))] != []
    assert capfd.readouterr().err.count("inwit.db.damaged-") == 1
    assert store.execution("bbbb1").status == "completed"
    events = store.events("cccc1")
    assert events[0].type == "gap"
    assert events[-1].type == "execution_completed"


def test_pages_damaged_under_open_connections_cost_no_event_that_comes_later(
    place: Project, journal: Journal, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(200):
        journal.begin(whole(f"aaaa{number}", visits=30))
    journal.flush()
    connection = apsw.Connection(str(place.database))
    connection.execute("SELECT count(*) FROM executions")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()
    with place.database.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(place.database.stat().st_size - 8192))
    Database.of(place).close()

    for number in range(200):
        journal.begin(whole(f"bbbb{number}", visits=30))
    flush_twice(journal)

    assert len(list(place.folder.glob("inwit.db.damaged-*"))) >= 1
    assert store.executions(status="completed").total_count >= 200
    assert len(store.events("bbbb199")) == 122


def test_a_file_that_is_cut_to_nothing_while_all_have_it_open_is_moved_aside_with_its_log(
    project: Path, place: Project, journal: Journal, store: Store
) -> None:
    journal.begin(whole("aaaa1"))
    journal.flush()
    log = Path(f"{place.database}-wal").stat().st_size
    with writer("endless", "child1") as process:
        line(process)
        line(process)  # Before it tells of the second commit, it has opened all that it reads by.
        assert store.execution("aaaa1").iteration == 3
        os.truncate(place.database, 0)

        journal.begin(whole("bbbb1"))
        flush_twice(journal)
        assert store.execution("bbbb1").status == "completed"
        seen = max((one.last_seq for one in store.executions(status="running").items), default=0)
        while int(line(process)) <= seen:
            pass

    kept = list(place.folder.glob("inwit.db.damaged-*-wal"))
    assert len(kept) == 1
    assert kept[0].stat().st_size >= log > 0


def test_who_looks_for_changes_leaves_the_log_of_a_file_that_is_cut_to_nothing(
    place: Project, tmp_path: Path
) -> None:
    record = Database.of(place)
    record.write(lambda connection: connection.execute("CREATE TABLE own (x)"))
    log = Path(f"{place.database}-wal")
    size = log.stat().st_size
    os.truncate(place.database, 0)
    watcher = Watcher(place.database)

    seen = watcher.version()
    with pytest.raises(StoreCorruptError, match="cut to nothing"):
        back_up(place, tmp_path / "kept")

    assert log.stat().st_size == size > 0
    record.write(lambda connection: connection.execute("CREATE TABLE own (x)"))
    assert watcher.version() != seen
    assert len(list(place.folder.glob("inwit.db.damaged-*-wal"))) == 1
    watcher.close()
    record.close()


def test_a_damaged_file_stays_where_it_is_while_another_process_writes(
    place: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Database.of(place)
    log.write(lambda _: None)
    log.close()
    damage(place.database)
    inode = place.database.stat().st_ino
    monkeypatch.setattr(database, "BUSY_MS", 1)

    with (place.folder / "lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        with pytest.raises(StoreLockedError):
            log.recover()
        assert place.database.stat().st_ino == inode

    log.recover()
    assert not place.database.exists()
    log.close()


def test_two_processes_recover_a_damaged_file_once(
    project: Path, place: Project, journal: Journal, store: Store
) -> None:
    with writer("endless", "child1") as process:
        line(process)
        damage(place.database)
        Database.of(place).close()
        journal.begin(whole("aaaa1"))
        flush_twice(journal)
        while not store.executions(status="running").items:
            line(process)
        seen = store.execution("child1").last_seq
        while (acknowledged := int(line(process))) <= seen:
            pass
        events = store.events("child1", limit=3)
        assert store.event("child1", acknowledged).seq == acknowledged

    kept = [p.name for p in place.folder.glob("inwit.db.damaged-*") if p.suffix[1:3] == "da"]
    assert len(kept) == 1
    assert events[0].type == "gap"
    assert store.execution("aaaa1").status == "completed"


def test_texts_with_halves_of_characters_are_recorded(journal: Journal, store: Store) -> None:
    half = "\ud800"
    rec = recording("aaaa1", graph=f"graph{half}")
    start(rec, {f"key{half}": f"value{half}"})
    visit(rec, f"node{half}", 1, {"text": half})
    end(rec, "failed", Failure(type="E", message=half))
    journal.begin(rec)
    journal.begin(whole("bbbb1"))
    journal.flush()

    assert store.execution("bbbb1").status == "completed"
    assert store.execution("aaaa1").graph_name == "graph?"
    assert msgspec.json.encode(store.events("aaaa1"))


def test_an_odd_row_harms_no_other(
    journal: Journal, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    rec = recording("aaaa1")
    start(rec)
    rec.add_event("state_changed", None, None, None, {"patch": [7]})
    rec.add_event("llm_completed", None, None, None, {"input_tokens": "many"})
    rec.add_event("no_such_type", "x", 1, 1, {"a": 1})
    end(rec)
    journal.begin(rec)
    journal.begin(whole("bbbb1"))
    journal.flush()

    assert store.execution("bbbb1").status == "completed"
    assert [event.seq for event in store.events("aaaa1")] == [1, 2, 3, 4, 5]
    assert "odd row" in caplog.text


def damage(path: Path) -> None:
    """Overwrite the middle of the file."""
    with path.open("r+b") as file:
        file.seek(0)
        file.write(b"this was a database" + bytes(4096))
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def flush_twice(journal: Journal) -> None:
    """The first flush may meet the damage; what it holds is kept and written next."""
    try:
        journal.flush()
    except StoreCorruptError:
        journal.flush()


def test_a_writer_notices_that_its_file_was_moved(
    place: Project, journal: Journal, store: Store
) -> None:
    journal.begin(whole("aaaa1"))
    journal.flush()
    moved = place.folder / "elsewhere.db"
    for suffix in ("-wal", "-shm", ""):
        Path(f"{place.database}{suffix}").rename(f"{moved}{suffix}")

    journal.begin(whole("bbbb1"))
    journal.flush()

    assert [one.execution_id for one in store.executions().items] == ["bbbb1"]


def test_a_garbage_file_is_met_by_readers_too(place: Project, store: Store) -> None:
    place.database.write_bytes(b"garbage" * 5000)

    assert store.executions().items == ()
    assert list(place.folder.glob("inwit.db.damaged-*")) != []


def test_a_newer_file_is_refused(place: Project, journal: Journal, store: Store) -> None:
    connection = apsw.Connection(str(place.database))
    connection.pragma("user_version", 999)
    connection.close()

    with pytest.raises(StoreVersionError, match="999"):
        store.executions()
    journal.begin(whole("aaaa1"))
    with pytest.raises(StoreVersionError):
        journal.flush()


def test_a_newer_room_is_refused(store: Store, journal: Journal) -> None:
    store.declare("room", ("CREATE TABLE one (x)", "CREATE TABLE two (x)"))

    with pytest.raises(StoreVersionError, match="room"):
        store.declare("room", ("CREATE TABLE one (x)",))


def test_a_folder_that_cannot_be_made_gives_one_warning_and_the_program_runs_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INWIT_HOME", str(tmp_path / "file" / "under"))
    journal = Journal.of(Project.find())

    for number in range(20):
        journal.begin(whole(f"aaaa{number}"))
    with pytest.raises(StoreReadOnlyError):
        journal.flush()
    journal.close()

    assert caplog.text.count("cannot be written") == 1
    assert Store.of(Project.find()).executions().items == ()


def test_a_stuck_disk_holds_no_producer_for_ever(
    place: Project, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inwit.runtime.store.journal.WAIT_S", 0.2)
    monkeypatch.setattr(intake, "BACKLOG_BYTES", 0)
    held, entered = threading.Event(), threading.Event()

    def hang(_: apsw.Connection) -> None:
        entered.set()
        held.wait(10)

    journal.submit(hang)
    entered.wait(30)
    rec = recording("aaaa1")
    start(rec)
    journal.begin(rec)
    before = time.monotonic()

    journal.full_wait(rec)

    took_s = time.monotonic() - before
    held.set()
    assert 0.2 <= took_s < 9
    assert len(rec.rows) == 0


def test_the_record_is_its_owners_alone_in_a_folder_that_all_may_enter(project: Path) -> None:
    place = Project.find()
    place.folder.chmod(0o755)

    with Database.of(place).transaction() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS rows (a)")
        modes = {path.name: path.stat().st_mode & 0o777 for path in place.folder.glob("inwit.db*")}

    assert set(modes.values()) == {0o600} and "inwit.db-wal" in modes


def test_a_file_that_was_cut_to_nothing_while_it_was_closed_is_named(
    place: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    Database.of(place).close()
    place.database.parent.mkdir(parents=True, exist_ok=True)
    place.database.write_bytes(b"")

    with Database.of(place).transaction():
        pass

    said = capsys.readouterr().err
    assert str(place.database) in said
    assert "is empty" in said
    with Database.of(place).transaction():
        pass
    assert capsys.readouterr().err == ""


def test_a_record_that_is_begun_gives_no_warning(
    place: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with Database.of(place).transaction():
        pass

    assert capsys.readouterr().err == ""
