"""Who is alive, histograms, secrets, lists: figures of the record at their bounds."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import msgspec
import pytest

from inwit.runtime.project import Project
from inwit.runtime.record import ENTER, VISIT
from inwit.runtime.store import (
    connection,
    edits,
    heartbeat,
    intake,
    redact,
    rollups,
    schema,
)
from inwit.runtime.store.database import Database
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from tests.runtime.store.rows import recording, start, visit, whole
from tests.runtime.store.test_bounds import handles
from tests.runtime.store.test_reader import manifest

# Who is alive


@pytest.mark.parametrize(("ago_s", "is_lost"), [(29.9, False), (30.0, False), (30.1, True)])
@pytest.mark.parametrize("boot", ["here", "elsewhere"])
def test_who_has_not_beaten_for_half_a_minute_is_lost(
    ago_s: float, is_lost: bool, boot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = SimpleNamespace(time_ns=lambda: 10**18, monotonic_ns=lambda: 10**15)
    monkeypatch.setattr(heartbeat, "time", now)
    monkeypatch.setattr(heartbeat, "place", lambda: "here")
    pid, ago = os.getpid(), int(ago_s * 1e9)
    began = heartbeat.started_of(pid) or ""
    never = -(10**18)
    beaten = (10**18 - ago, never) if boot == "elsewhere" else (never, 10**15 - ago)

    assert heartbeat.is_lost(pid, began, boot, *beaten) is is_lost
    if boot == "here":
        assert heartbeat.is_lost(pid, f"{began}0", boot, *beaten)
        assert heartbeat.is_lost(2**22 + 1, began, boot, *beaten)


def test_a_heart_beats_every_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(s=100.0)
    now.monotonic = lambda: now.s
    monkeypatch.setattr(heartbeat, "time", now)
    heart = heartbeat.Heart()

    due = [heart.is_due]
    heart.has_beaten()
    for second in (100.0, 104.99, 105.0):
        now.s = second
        due.append(heart.is_due)
    heart.has_beaten()
    heart.forget()
    due.append(heart.is_due)
    assert due == [True, False, False, True, True]
    assert 0 <= heart.id < 1 << 62
    assert heart.pid == os.getpid()


def test_when_a_process_began_is_read_behind_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = [f"f{number}" for number in range(3, 53)]
    for state, began in (("S", "f22"), ("Z", None), ("X", None)):
        text = f"12 (a) b) {' '.join([state, *fields[1:]])}\n"
        monkeypatch.setattr(Path, "read_text", lambda _, text=text: text)
        assert heartbeat.started_of(12) == began


def test_a_process_s_place_is_its_boot_and_its_space_of_ids() -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    assert heartbeat.place() == f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"


def test_executions_of_a_lost_process_end_where_they_were(journal: Journal, store: Store) -> None:
    running = recording("aaaa1")
    start(running)
    visit(running, "work", 1)
    journal.begin(running)
    journal.flush()
    store.write(
        lambda held: (
            held.execute(
                "UPDATE executions SET process = 77, last_ns = 5, started_ns = 2,"
                " current_node = 'work'"
            ),
            held.execute("INSERT INTO processes VALUES (77, 1, 'x', 'elsewhere', 9000000, 0)"),
        )
    )

    found = store.execution("aaaa1")

    assert (found.status, found.reason, found.last_seq) == ("failed", "host lost", 5)
    assert (found.duration_ms, found.current_node, found.error_node) == (8.999998, None, "work")
    assert found.ended_at == "1970-01-01T00:00:00.009000Z"
    assert found.error is not None and found.error.code == "execution.host_lost"
    assert found.error.message == "The process that ran it is gone."
    assert found.error.hint == "Resume its thread to go on from the last checkpoint."
    event = store.event("aaaa1", 5)
    assert (event.type, event.ts, event.node) == ("execution_failed", found.ended_at, "work")
    assert store.database.write(heartbeat.close_lost) == 0


# What waits to be written


@pytest.mark.parametrize(
    ("size", "many", "has_room"),
    [((64 << 20) - 1, 49_999, True), (64 << 20, 0, False), (0, 50_000, False)],
)
def test_there_is_room_for_sixty_four_mebibytes_of_fifty_thousand_batches(
    size: int, many: int, has_room: bool
) -> None:
    found = intake.Intake()
    found.size, found.entries = size, [None] * many  # type: ignore[list-item]

    assert found.has_room is has_room


def test_the_row_of_an_end_waits_until_its_execution_s_rows_are_there() -> None:
    rows: list[Any] = [
        (ENTER, 5, "a", 1, 1, 0), (6, 9, 0), (VISIT, 2, 3, "b", 1, 1, 0, 0),
    ]  # fmt: skip

    assert intake._holds(rows, 2)
    assert not intake._holds(rows, 5)
    assert intake._holds(rows[:2], 5)
    assert not intake._holds(rows[1:2], 9)


# Histograms and figures


def test_the_next_bucket_begins_where_this_one_ends() -> None:
    from inwit.runtime.views import bucket

    for ns in (*range(8, 600), 12_345, 999_999_999, (1 << 40) - 1, 1 << 40):
        after = rollups._next_bucket(ns)
        assert bucket(after) > bucket(ns) == bucket(after - 1), ns


def test_a_user_s_figures_hold_the_time_and_the_buckets(journal: Journal, store: Store) -> None:
    from inwit.runtime.views import bucket

    before = time.time_ns()
    for value in (0.25, 0.25, 2.0):
        store.record_metric("took", value, "histogram")
    store.record_metric("level", 0.5)
    journal.flush()

    [took], [level] = store.metrics("took"), store.metrics("level")
    assert took["counts"] == {bucket(250_000_000): 2, bucket(2_000_000_000): 1}
    assert (took["value"], took["count"], level["kind"]) == (2.5, 3, "gauge")
    assert before <= took["updated_ns"] <= time.time_ns()


def test_figures_of_two_processes_are_added(journal: Journal, store: Store) -> None:
    rows = [
        ("g", "v", "n", 7, msgspec.msgpack.encode({3: 2, 4: 0}), 5_000_000, 2, 3),
        ("g", "v", "n", 8, msgspec.msgpack.encode({3: 1}), 1_000_000, 0, 0),
    ]
    store.write(lambda held: rollups.write_latencies(held, 1, rows))
    others = [(*rows[0][:4], msgspec.msgpack.encode({3: 1, 5: 1}), *rows[0][5:]), rows[1]]
    store.write(lambda held: rollups.write_latencies(held, 2, others))
    rollups_of_text = [("g\udc80", *rows[0][1:])]
    store.write(lambda held: rollups.write_latencies(held, 1, rollups_of_text))

    first, second, odd = store.latencies()

    assert (first.minute, first.counts, first.total_ms) == (7, {3: 3, 5: 1}, 10.0)
    assert (first.failed, first.retries, second.failed, second.retries) == (4, 6, 0, 0)
    assert (second.minute, second.counts, odd.graph_name) == (8, {3: 2}, "g?")
    assert [one.minute for one in store.latencies(since_minute=8)] == [8]


def test_sums_of_minutes_that_were_let_go_add_up(store: Store) -> None:
    from inwit.runtime.store.forgotten import keep_latencies

    def add(minute: int) -> None:
        row = ("g", "v", "n", minute, msgspec.msgpack.encode({3: 2}), 5, 1, 0)
        store.write(lambda held: rollups.write_latencies(held, minute, [row]))

    for minutes in ((1, 2, 5), (3,)):
        for minute in minutes:
            add(minute)
        store.write(lambda held: keep_latencies(held, 5))
        store.write(lambda held: held.execute("DELETE FROM latencies WHERE minute < 5"))
    store.write(lambda held: keep_latencies(held, 5))

    kept = store.read("SELECT graph, node, counts, total_ns, failed FROM forgotten_latencies")
    assert [(*row[:2], rollups.counts_of(row[2]), *row[3:]) for row in kept] == [
        ("g", "n", {3: 6}, 15, 3)
    ]


# Edits


def test_a_hundred_codes_of_a_node_are_kept(store: Store) -> None:
    def compiled(at_ns: int, **versions: str) -> None:
        nodes = [{"name": name, "version": code} for name, code in versions.items()]
        found = SimpleNamespace(name="g", nodes=[SimpleNamespace(**one) for one in nodes])
        store.write(lambda held: edits.note(held, found, at_ns))  # type: ignore[arg-type]

    for number in range(103):
        compiled(number, c="", b="same", a=f"c{number}")
        compiled(number, a=f"c{number}")

    kept = store.read("SELECT node, since_ns FROM node_codes ORDER BY node, since_ns")
    assert kept == [*(("a", number) for number in range(3, 103)), ("b", 0)]
    assert [one.node for one in store.edits("g")] == ["a"] * 99
    assert store.edits("g")[0] == edits.Edit(graph="g", node="a", at="1970-01-01T00:00:00.000000Z")
    assert store.edits("none") == []


# Secrets


def test_a_secret_is_named_by_four_bytes_of_its_keyed_hash() -> None:
    from hashlib import blake2b

    asked: list[int] = []

    def find_key() -> bytes:
        asked.append(1)
        return b"k" * 80

    redactor = redact.Redactor(find_key)

    for secret, data in (("s", b"s"), (b"b", b"b"), ({"a": 1}, b'{"a":1}'), ("\udc80", b"?")):
        digest = blake2b(data, key=b"k" * 64, digest_size=4).hexdigest()
        assert redactor.hide("token", secret) == f"[redacted:token:{digest}]"
    assert asked == [1]


@pytest.mark.parametrize("value", [None, True, False, ""])
def test_nothing_is_hidden_where_nothing_is_held(value: Any) -> None:
    redactor = redact.Redactor(lambda: b"k")

    assert redactor.value({"password": value}) == {"password": value}
    assert redactor.value({"token": 7, "password": 7})["token"] == 7
    assert redactor.value({"password": 7})["password"].startswith("[redacted:password:")
    assert redactor.value({"token": "[redacted:token:x]"}) == {"token": "[redacted:token:x]"}
    assert redactor.value({"token": "[redacted:token:x] y"})["token"].startswith("[redacted:token:")
    assert redactor.value({"token": "[redacted:token:x] y"})["token"] != "[redacted:token:x] y"
    assert redactor.value({1: "a", "b": ("c", 2)}) == {1: "a", "b": ["c", 2]}


def test_what_is_redacted_is_not_redacted_again() -> None:
    redactor = redact.Redactor(lambda: b"k", "pii")
    text = "password='hunter22' of ada@example.com, card 4111 1111 1111 1111, bearer a1B2c3D4e5"

    once = redactor.text(text)

    assert once.count("[redacted:") == 4
    assert redactor.text(once) == once
    assert redactor.may_hold(b"")
    assert redact.Redactor(lambda: b"k").text("ada@example.com") == "ada@example.com"


# Migrations


def test_a_file_of_a_newer_inwit_is_refused(tmp_path: Path) -> None:
    from inwit.errors import StoreVersionError

    held = apsw.Connection(":memory:")
    schema.migrate(held, "m")
    assert schema.is_migrated(held, "m")
    many = len(schema.MIGRATIONS)
    held.pragma("user_version", many - 1)
    assert not schema.is_migrated(held, "m")
    held.pragma("user_version", many + 1)
    for looks in (schema.migrate, schema.is_migrated):
        with pytest.raises(StoreVersionError):
            looks(held, "m")
    with held:
        schema.migrate_room(held, "m", "room", ("CREATE TABLE r1 (n)",))
        schema.migrate_room(held, "m", "room", ("CREATE TABLE r1 (n)", "CREATE TABLE r2 (n)"))
        schema.migrate_room(held, "m", "room", ("CREATE TABLE r1 (n)", "CREATE TABLE r2 (n)"))
        assert connection.query(held, "SELECT * FROM rooms") == [("room", 2)]
        with pytest.raises(StoreVersionError, match="room"):
            schema.migrate_room(held, "m", "room", ("CREATE TABLE r1 (n)",))
    held.close()


# Lists


def test_who_asks_for_no_number_is_given_fifty_executions(journal: Journal, store: Store) -> None:
    for number in range(201):
        journal.begin(whole(f"{number:08}", visits=1))
    journal.flush()

    assert len(store.executions().items) == 50
    assert [one.execution_id for one in store.newest(2)] == ["00000200", "00000199"]
    visits = store.recent_visits("planted")
    assert [one.execution_id for one in visits] == [f"{number:08}" for number in range(1, 201)]
    assert store.recent_visits("planted", executions=0) == []
    assert len(store.tail(0)) == 1_000
    last = store.last_execution()
    assert last is not None and last.execution_id == "00000200"
    assert store.last_execution(graph="none") is None


def test_an_execution_is_found_by_four_of_its_digits(journal: Journal, store: Store) -> None:
    from inwit.errors import UnknownExecutionError

    journal.begin(whole("abcdef01", visits=0))
    journal.flush()

    assert store.execution("abcd").execution_id == "abcdef01"
    with pytest.raises(UnknownExecutionError):
        store.execution("abc")


def test_events_are_found_by_kind_and_node_up_to_a_number(journal: Journal, store: Store) -> None:
    journal.begin(whole("aaaa1", visits=3))
    journal.flush()

    def seqs(**asked: Any) -> list[int]:
        return [event.seq for event in store.events("aaaa1", **asked)]

    assert seqs() == list(range(1, 15))
    assert seqs(limit=2) == [1, 2]
    assert seqs(limit=0) == []
    assert seqs(after=12) == [13, 14]
    assert seqs(types=("node_entered",)) == [2, 6, 10]
    assert seqs(types=("node_entered",), limit=2, after=2) == [6, 10]
    assert seqs(node="work", limit=1, after=4) == [5]
    assert seqs(node="none") == []
    assert [one.visit for one in store.visits("aaaa1", "work")] == [1, 2, 3]
    assert store.visits("aaaa1", "none") == []


def test_graphs_are_found_by_name_and_by_the_beginning_of_their_version(
    journal: Journal, store: Store
) -> None:
    from inwit.errors import UnknownGraphError

    with pytest.raises(UnknownGraphError):
        store.graph()
    for name, version in (("one", "aa11"), ("two", "bb22"), ("one", "cc33")):
        journal.register(partial(manifest, name, version)).result(10)

    assert [(one.name, one.version) for one in store.graphs()] == [("one", "cc33"), ("two", "bb22")]
    assert [one.version for one in store.graphs("one", all_versions=True)] == ["cc33", "aa11"]
    assert store.graph().version == "cc33"
    assert store.graph("one").version == "cc33"
    assert store.graph("one", "aa").version == "aa11"
    unknown: list[tuple[str, str | None]] = [("none", None), ("one", "zz"), ("one", "")]
    for name, asked in unknown:
        with pytest.raises(UnknownGraphError):
            store.graph(name, asked)


def test_the_lock_is_not_waited_for_when_it_is_free(
    place: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleeps(_: float) -> None:
        raise AssertionError("it waited")

    monkeypatch.setattr(time, "sleep", sleeps)
    found = Database.of(place)
    found.write(lambda _: None)
    found.recover()

    assert handles(place.folder / "lock") == 1
    assert found.generation == 1
    found.close()
