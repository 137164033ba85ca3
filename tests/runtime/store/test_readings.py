"""What readers of the record are given, held to what it is by hand or by trying all there is."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from inwit.errors import MalformedInputError, UnknownExecutionError
from inwit.events import Event
from inwit.runtime.project import Project, Retention
from inwit.runtime.record import APPLY, ENTER, EVENT, EXIT, START, VISIT
from inwit.runtime.store import codec, retention
from inwit.runtime.store.database import Database
from inwit.runtime.store.fold import Batch, apply_update, changes_of, state_after
from inwit.runtime.store.forms import INSIDE, PLAIN, is_clean
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from inwit.runtime.store.retention import Keeper
from tests.runtime.store.rows import end, recording, start, visit, whole
from tests.runtime.store.test_redact import SECRETS

# Forms of secrets

NAMED = (
    "Authorization: Bearer abcdef123456", "authorization='Digest  hunter22'", "bearer a1B2c3D4e5",
    "Basic QWxhZGRpbjpvcGVu", "postgres://ada:hunter22@db/x", "a+b.c-d://x:yz@", "://ada:pw@",
    "Cookie: session=hunter22", "set-cookie:abcd", "password=hunter22", "PWD='hunter22'",
    'api-key: "hunter22"', "API_KEY=hunter22xyz", "access-key=abc", "client_secret='hunter22'",
    "secret: 'abcd'", "my_token=abc", 'passphrase="abcd"', "passwd=a",
    "https://hooks.slack.com/services/T0/B1", "SG." + "a" * 16 + "." + "b" * 16,
    "gsk_" + "a1" * 10, "hf-" + "a1" * 10, "r8_" + "a1" * 10, "npm_" + "a1" * 10,
    "glpat-" + "a1" * 8, "pypi-" + "a1" * 8, "rk_live_" + "a1" * 5, "gho_" + "a1" * 10,
)  # fmt: skip
HARMLESS = (
    "",
    "key",
    "a://b",
    "x@y",
    "key = value",
    "pass: on",
    "bearer of news",
    "A",
    "eyJ",
    "sk-",
)
AROUND = ("{}", "x{}", "_{}", " {} ", "x:{}", "eyJ sk- {}", "é{}", "{}é", "ſ {}", "İ{}", "://{}@")


@pytest.mark.parametrize("form", AROUND)
def test_a_quick_look_says_what_all_forms_say(form: str) -> None:
    for piece in (*SECRETS.values(), *NAMED, *HARMLESS):
        for text in {piece, piece.upper(), piece.lower(), piece[:-1], piece.replace("s", "ſ")}:
            said = form.format(text)
            found = any(one.search(said) for one in (PLAIN, *(one for _, one in INSIDE)))
            assert is_clean(said) is not found, said


# Changes of the state

PATCH = [{"op": "add", "path": "/e", "value": 5}]
ROWS: list[tuple[Any, list[tuple[int, Any]]]] = [
    ((START, 1, 0, {"a": 1}), [(1, {"a": 1})]),
    ((START, 1, 0, None), []),
    ((VISIT, 2, 3, "n", 1, 1, 0, 1, {"b": 2}, [], None), [(4, {"b": 2})]),
    ((VISIT, 2, 3, "n", 1, 1, 0, 1, {}, [], None), []),
    ((ENTER, 5, "n", 2, 1, 0), []),
    ((EXIT, 6, "n", 2, 1, 0, 1), []),
    ((APPLY, 7, "n", 2, 1, 0, {"c": 3}, [], None), [(7, {"c": 3})]),
    ((APPLY, 7, "n", 2, 1, 0, None, [], None), []),
    ((EVENT, 8, 0, "custom", None, None, None, {"patch": PATCH}), []),
    ((EVENT, 9, 0, "state_changed", None, None, None, {"patch": PATCH}), [(9, PATCH)]),
    ((EVENT, 9, 0, "state_changed", None, None, None, None), [(9, [])]),
]


@pytest.mark.parametrize(("row", "changes"), ROWS)
def test_a_row_tells_its_changes_each_at_its_event(row: Any, changes: Any) -> None:
    assert changes_of(row) == changes


@pytest.mark.parametrize(
    ("seq", "keys"),
    [(0, ""), (1, "a"), (3, "a"), (4, "ab"), (6, "ab"), (7, "abc"), (8, "abc"), (9, "abce"),
     (None, "abce")],
)  # fmt: skip
def test_the_state_after_an_event_is_of_all_before_it(seq: int | None, keys: str) -> None:
    batches: list[Batch] = [([row for row, _ in ROWS], 1, 0, 0)]

    assert "".join(state_after(batches, seq)) == keys


def test_an_update_takes_the_place_of_what_was() -> None:
    state: dict[str, Any] = {"a": 1, "b": 2}

    apply_update(state, {"a": [3]})

    assert state == {"a": [3], "b": 2}


def test_what_is_big_is_named_wherever_it_lies_and_comes_back() -> None:
    blobs: codec.Blobs = {}
    big = "b" * 40_000
    value = {
        "a": [big, 1, ("s", {"t": (big,)})],
        "raw": msgspec.Raw(msgspec.msgpack.encode([big])),
        "n": big.encode(),
    }

    found = codec.split(value, blobs)

    assert len(msgspec.msgpack.encode(found)) < 1000 and len(blobs) == 3
    assert found["a"][1] == 1 and found["a"][2][0] == "s"
    assert found["a"][0] == found["a"][2][1]["t"][0]
    assert codec.split({"a": [1, "s"]}, blobs) == {"a": [1, "s"]}


# Lists


def test_lists_give_what_going_through_all_gives(journal: Journal, store: Store) -> None:
    graphs, statuses = ("one", "two"), ("completed", "failed", "cancelled")
    for number, (name, ended) in enumerate(itertools.product(graphs, statuses * 2)):
        rec = recording(f"{number:04}aaaa", name, version=f"v{number % 2}")
        start(rec)
        end(rec, ended)
        journal.begin(rec)
    journal.flush()
    everything = store.executions(limit=100).items

    asked: list[Any] = [None, *statuses, ("completed", "failed"), ("failed",)]
    of: list[str | None] = [None, *graphs]
    for graph, version, status in itertools.product(of, (None, "v1"), asked):
        wanted = (status,) if isinstance(status, str) else status
        ids = [
            one.execution_id for one in everything
            if graph in (None, one.graph_name) and version in (None, one.graph_version)
            and (wanted is None or one.status in wanted)
        ]  # fmt: skip
        assert _paged(store, graph=graph, version=version, status=status) == (ids, len(ids))


def _paged(store: Store, **wanted: Any) -> tuple[list[str], int]:
    """All ids, read in pages of two, and the total that the last page tells."""
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = store.executions(limit=2, cursor=cursor, **wanted)
        assert 0 < len(page.items) <= 2 or not ids
        ids += [one.execution_id for one in page.items]
        cursor = page.cursor
        if cursor is None:
            return ids, page.total_count


def test_a_page_of_nothing_has_a_total_and_no_cursor(journal: Journal, store: Store) -> None:
    journal.begin(whole("aaaa1"))
    journal.flush()

    for limit in (0, -3):
        page = store.executions(limit=limit)
        assert (page.items, page.total_count, page.cursor) == ((), 1, None)


def test_who_names_several_executions_is_told_which(journal: Journal, store: Store) -> None:
    names = [f"abcd{number}" for number in range(8)]
    for name in names:
        journal.begin(whole(name, visits=0))
    journal.flush()

    with pytest.raises(UnknownExecutionError) as raised:
        store.execution("abcd")

    told = [name for name in names if name in f"{raised.value} {raised.value.hint}"]
    assert len(told) >= 2
    with pytest.raises(UnknownExecutionError):
        store.execution("abc")
    assert store.execution("abcd3").execution_id == "abcd3"


@pytest.mark.parametrize("cursor", ["bjE", "bi0x", "bg", "eDE"])
def test_a_cursor_is_a_letter_and_digits(store: Store, cursor: str) -> None:
    if cursor == "bjE":
        assert store.executions(cursor=cursor).items == ()
    else:
        with pytest.raises(MalformedInputError):
            store.executions(cursor=cursor)


def test_figures_of_latency_are_found_by_all_that_is_asked(journal: Journal, store: Store) -> None:
    for number, (name, kind) in enumerate(itertools.product(("one", "two"), ("v1", "v2"))):
        rec = recording(f"aaaa{number}", name, version=kind)
        start(rec)
        visit(rec, "work", 1, took_ns=2_000_000)
        visit(rec, "rest", 1, took_ns=3_000_000)
        end(rec)
        journal.begin(rec)
    journal.flush()
    everything = store.latencies()

    sums: dict[str, float] = {}
    for one in everything:
        sums[one.node] = sums.get(one.node, 0) + one.total_ms
    assert sums["work"] == pytest.approx(8) and sums["rest"] == pytest.approx(12)
    nodes: list[str | None] = [None, "work", "", "none"]
    for graph, version, node in itertools.product([None, "one"], [None, "v2"], nodes):
        assert store.latencies(graph, version, node) == [
            one for one in everything
            if graph in (None, one.graph_name) and version in (None, one.graph_version)
            and node in (None, one.node)
        ]  # fmt: skip
    first = min(one.minute for one in everything)
    assert store.latencies(since_minute=first) == everything


def test_followers_hear_of_executions_and_of_the_project(journal: Journal, store: Store) -> None:
    heard: list[Event] = []
    journal.subscribe(heard.extend)

    journal.begin(whole("aaaa1"))
    journal.emit("plan_changed", plan_id="p", status="proposed", actor="ada")
    journal.flush()

    assert heard == [event for _, event in store.tail(0)]
    assert [event.type for event in heard if event.type == "plan_changed"]


def test_measurements_are_kept_by_name_kind_and_labels(journal: Journal, store: Store) -> None:
    for labels in ({}, {"a": "1"}, {"a": "2"}, {"a": "1"}):
        store.record_metric("docs", 2.0, "counter", labels)
    store.record_metric("wait", 3.0, "gauge", {})
    store.record_metric("wait", 1.0, "gauge", {})
    store.record_metric("took", -1.0, "histogram", {})
    journal.flush()

    docs = store.metrics("docs")
    assert [(one["labels"], one["value"], one["count"]) for one in docs] == [
        ({"a": "1"}, 4.0, 2), ({"a": "2"}, 2.0, 1), ({}, 2.0, 1),
    ]  # fmt: skip
    [wait], [took] = store.metrics("wait"), store.metrics("took")
    assert (wait["value"], wait["count"], "counts" in wait) == (1.0, 2, False)
    assert (took["counts"], took["value"]) == ({0: 1}, -1.0)


# The lock


def test_who_writes_holds_the_projects_lock_and_lets_go_of_it(place: Project) -> None:
    place.ensure()
    database = Database.of(place)
    file = os.open(place.folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)

    try:
        for _ in ("opens the file", "has it open"):
            with database.transaction(durable=False), pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)
        database.close()


# What is let go, and when

OLD_NS = 31 * 86_400 * 10**9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that a keeper sees."""
    now = SimpleNamespace(s=1000.0, time_ns=time.time_ns)
    now.monotonic = lambda: now.s
    monkeypatch.setattr(retention, "time", now)
    return now


def keeper_of(place: Project, limits: Retention | None) -> Keeper:
    keeper = Keeper(place)
    keeper._limits = limits
    return keeper


def note(keeper: Keeper, *sizes: int) -> None:
    entries: list[Any] = [SimpleNamespace(size=size) for size in sizes]
    keeper.count(entries)


def fill(store: Store, *, many: int, ago_ns: int = OLD_NS, first: int = 0) -> None:
    """Finished executions that ended so long ago."""
    ended_ns = time.time_ns() - ago_ns
    store.write(
        lambda connection: connection.executemany(
            "INSERT INTO executions (id, graph, version, process, status, started_ns, last_ns,"
            " ended_ns, iteration, last_seq, reason, llm_calls, tool_calls, retries, input_tokens,"
            " output_tokens) VALUES (?1, 'g', 'v', 1, 'completed', ?2, ?2, ?2, 0, 0, '', 0, 0, 0, 0, 0)",
            [(f"{number:08}", ended_ns) for number in range(first, first + many)],
        )
    )


def counted(store: Store) -> int:
    return int(store.read("SELECT count(*) FROM executions")[0][0])


@pytest.mark.parametrize(
    ("limits", "many", "size", "is_small"),
    [
        (None, 0, 0, True),
        (Retention(executions=5000), 50, 0, False),
        (Retention(executions=5000), 51, 0, True),
        (Retention(executions=5001), 60, 0, False),
        (Retention(executions=1), 1, 0, True),
        (Retention(size_bytes=64 << 20), 1, 671_088, False),
        (Retention(size_bytes=64 << 20), 1, 671_089, True),
        (Retention(size_bytes=(64 << 20) + 1), 1, 1 << 40, False),
        (Retention(executions=5000, size_bytes=1000), 51, 11, True),
    ],
)
def test_small_limits_are_held_at_once_when_a_hundredth_was_written(
    place: Project, limits: Retention | None, many: int, size: int, is_small: bool
) -> None:
    keeper = keeper_of(place, limits)
    note(keeper, *[0] * (many - 1), *[size] * bool(many))

    assert keeper._is_small() is is_small


def test_nothing_is_let_go_where_nothing_was_written(
    place: Project, store: Store, clock: SimpleNamespace
) -> None:
    fill(store, many=4)
    keeper = keeper_of(place, Retention())

    keeper.enforce(store.database, is_awaited=False)

    assert (counted(store), keeper.due_s) == (4, None)


@pytest.mark.parametrize(
    ("is_awaited", "passes_s", "kept"),
    [(False, 0.0, 4), (False, 0.99, 4), (False, 1.0, 0), (True, 1.0, 4), (True, 5.99, 4), (True, 6.0, 0)],
)  # fmt: skip
def test_large_limits_are_held_once_a_second_and_later_while_somebody_waits(
    place: Project,
    store: Store,
    clock: SimpleNamespace,
    is_awaited: bool,
    passes_s: float,
    kept: int,
) -> None:
    keeper = keeper_of(place, Retention())
    note(keeper, 1)
    keeper.enforce(store.database, is_awaited=False)
    fill(store, many=4)
    note(keeper, 1)
    clock.s += passes_s

    keeper.enforce(store.database, is_awaited=is_awaited)

    assert counted(store) == kept
    assert keeper.due_s == (pytest.approx(max(1.0 - passes_s, 0.02)) if kept else None)


def test_large_limits_are_held_in_steps_with_a_moment_between_for_others(
    place: Project, store: Store, clock: SimpleNamespace
) -> None:
    keeper = keeper_of(place, Retention())
    fill(store, many=1100)
    note(keeper, 1)

    left = []
    while keeper.due_s is not None:
        assert keeper.due_s == pytest.approx(0.02)
        keeper.enforce(store.database, is_awaited=False)
        left.append(counted(store))

    assert left == [600, 100, 0]


def test_small_limits_are_held_whole_while_somebody_waits(
    place: Project, store: Store, clock: SimpleNamespace
) -> None:
    keeper = keeper_of(place, Retention(executions=10))
    fill(store, many=1100, ago_ns=0)
    note(keeper, 1)

    keeper.enforce(store.database, is_awaited=True)

    assert counted(store) == 10 and keeper.due_s is None
    assert store.executions(limit=1).items[0].execution_id == "00001099"


def test_one_that_is_dated_back_does_not_take_fresh_ones_along(
    place: Project, store: Store, clock: SimpleNamespace
) -> None:
    fill(store, many=2)
    fill(store, many=2, ago_ns=0, first=2)
    fill(store, many=2, ago_ns=1000 * OLD_NS, first=4)
    keeper = keeper_of(place, Retention())
    note(keeper, 1)

    while keeper.due_s is not None:
        keeper.enforce(store.database, is_awaited=False)

    kept = [row[0] for row in store.read("SELECT id FROM executions ORDER BY number")]
    assert kept == [f"{number:08}" for number in (2, 3, 4, 5)]


def test_what_goes_on_is_kept_and_does_not_count_as_over(
    place: Project, store: Store, clock: SimpleNamespace
) -> None:
    fill(store, many=6)
    store.write(
        lambda connection: connection.execute(
            "UPDATE executions SET status = 'paused' WHERE id IN ('00000001', '00000004')"
        )
    )
    keeper = keeper_of(place, Retention(executions=3, days=1000.0))
    note(keeper, 1)

    keeper.enforce(store.database, is_awaited=True)

    kept = [row[0] for row in store.read("SELECT id FROM executions ORDER BY number")]
    assert kept == ["00000001", "00000004", "00000005"]


def test_a_file_that_is_too_large_shrinks_by_all_that_is_needed_at_once(
    place: Project, journal: Journal, store: Store, clock: SimpleNamespace
) -> None:
    chance = random.Random(1)
    for number in range(40):
        rec = recording(f"aaaa{number:02}")
        start(rec, {"noise": chance.randbytes(50_000)})
        end(rec)
        journal.begin(rec)
    journal.flush()
    keeper = keeper_of(place, Retention(size_bytes=1_000_000))
    note(keeper, 1 << 20)

    keeper.enforce(store.database, is_awaited=True)

    used = store.database.read(retention._used_bytes)
    assert 800_000 < used <= 1_000_000
    assert store.executions(limit=1).items[0].execution_id == "aaaa39"


def test_what_grows_slowly_is_looked_through_every_ten_minutes(
    place: Project, store: Store, clock: SimpleNamespace
) -> None:
    keeper = keeper_of(place, Retention())

    def look(passes_s: float) -> tuple[int, int]:
        """How many dead processes and orphans are left, of one more each."""
        clock.s += passes_s
        store.write(
            lambda connection: (
                connection.execute("DELETE FROM processes; DELETE FROM batches"),
                connection.execute(
                    "INSERT INTO processes (id, pid, started, boot, beat_ns, beat_monotonic_ns)"
                    " VALUES (99, 1, '', '', 0, 0)"
                ),
                connection.execute(
                    "INSERT INTO blob_uses (execution, digest) VALUES ('gone' || ?, 'd')",
                    (clock.s,),
                ),
            )
        )
        before = store.read("SELECT count(*) FROM blob_uses")[0][0]
        note(keeper, 1)
        keeper.enforce(store.database, is_awaited=False)
        return (
            store.read("SELECT count(*) FROM processes WHERE id = 99")[0][0],
            int(store.read("SELECT count(*) FROM blob_uses")[0][0] == before),
        )

    assert [look(s) for s in (2, 56, 4, 541, 62, 540)] == [
        (0, 1), (1, 1), (1, 0), (0, 1), (1, 0), (0, 1),
    ]  # fmt: skip
