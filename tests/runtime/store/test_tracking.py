"""What is counted of an execution while its rows pass, to every figure."""

from __future__ import annotations

import logging
import os
from typing import Any

import msgspec
import pytest

from inwit.events import Failure
from inwit.runtime.record import APPLY, END, ENTER, EVENT, EXIT, START, VISIT, Recording
from inwit.runtime.serial import freeze_delta, pack
from inwit.runtime.store import intake
from inwit.runtime.store.codec import BLOB, Encoder, decode, decompress, digest_of, split
from inwit.runtime.store.entry import Entry, fill, gap_row
from inwit.runtime.store.intake import Intake
from inwit.runtime.store.rollups import MINUTE_NS, Cell, Cells, Rollups
from inwit.runtime.store.tracking import NOTHING, Track
from inwit.runtime.views import bucket, bucket_ms, quantile_ms
from tests.runtime.store.rows import recording as made

BIG = "x" * 5_000


def recording(**options: Any) -> Recording:
    rec = made("e1", **options)
    rec.anchor_ns = 0
    return rec


def track(rec: Recording | None = None) -> Track:
    return Track(rec or recording(), "g", "v", Rollups())


def visit(entry: int, node: str = "a", number: int = 1, *, t0: int = 100, t1: int = 150,
          update: Any = None, edges: Any = ("b",), checkpoint: Any = None) -> tuple[Any, ...]:  # fmt: skip
    return (VISIT, entry, entry + 1, node, number, 1, t0, t1, update, edges, checkpoint)


def event(seq: int, name: str, t: int = 200, node: Any = "a", **fields: Any) -> tuple[Any, ...]:
    return (EVENT, seq, t, name, node, 1, 1, fields)


def counted(found: Track) -> dict[str, tuple[int, int, int, int]]:
    """Of each node: how many, of how many nanoseconds in all, failed, tried again."""
    _, rows = found.rollups.take()
    return {
        row[2]: (sum(msgspec.msgpack.decode(row[4], type=dict[int, int]).values()), *row[5:])
        for row in rows
    }


def test_a_whole_execution_is_counted() -> None:
    found = track()

    found.take_in([
        (START, 1, 50, {"n": 0}),
        visit(2, update={"n": 1}),
        visit(6, "b", t0=160, t1=200, edges=("x", "y"), checkpoint=("c", 1)),
        (END, 11, 250, "completed", {"n": 1}, None, "", None),
    ])  # fmt: skip

    assert (found.taken, found.top, found.count) == (0, 11, 11)
    assert (found.iteration, found.status, found.current_node) == (2, "completed", None)
    assert (found.started_t, found.last_t, found.keys) == (50, 250, {"n"})
    assert found.end == (END, 11, 250, "completed", {"n": 1}, None, "", None)
    assert found.sums is NOTHING
    assert counted(found) == {"a": (1, 50, 0, 0), "b": (1, 40, 0, 0), "": (1, 200, 0, 0)}


def test_a_visit_in_parts_counts_as_a_whole_one_does() -> None:
    whole, parts = track(), track()

    whole.take_in([(START, 1, 50, {}), visit(2, update={"n": 1}, checkpoint=("c", 1))])
    parts.take_in([
        (START, 1, 50, {}),
        (ENTER, 2, "a", 1, 1, 100),
        (EXIT, 3, "a", 1, 1, 100, 150),
        (APPLY, 4, "a", 1, 1, 150, {"n": 1}, ("b",), ("c", 1)),
    ])  # fmt: skip

    for one in (whole, parts):
        assert (one.taken, one.top, one.count, one.iteration) == (0, 6, 6, 1)
        assert (one.current_node, one.last_t, one.opened) == ("a", 150, {})
        assert counted(one) == {"a": (1, 50, 0, 0)}


def test_what_goes_on_elsewhere_begins_with_its_lowest_seq() -> None:
    found = track()

    found.take_in([event(40, "custom"), visit(30, "b")])

    assert (found.taken, found.top, found.count) == (29, 40, 4)
    assert found.started_t is None


def test_what_is_in_a_batch_already_is_not_counted_again() -> None:
    found = track()
    found.take_in([(START, 1, 50, {}), (ENTER, 2, "a", 1, 1, 100)])
    found.taken, found.count = 2, 0

    found.take_in([visit(2, t0=999)])

    assert (found.top, found.count, found.opened) == (4, 2, {})
    assert counted(found) == {"a": (1, 50, 0, 0)}
    found.take_in([(APPLY, 2, "a", 1, 1, 150, {"n": 1}, (), None)])
    assert (found.top, found.count) == (4, 2)


def test_a_visit_that_fails_and_is_tried_again_counts_once() -> None:
    found = track()

    found.take_in([
        (START, 1, 50, {}),
        (ENTER, 2, "a", 1, 1, 100),
        event(3, "node_failed", 130),
        event(4, "retry_scheduled", 140),
        visit(5, t0=145, t1=160),
    ])  # fmt: skip

    assert (found.iteration, found.sums.retries, found.failing) == (1, 1, {})
    assert counted(found) == {"a": (1, 60, 0, 1)}


@pytest.mark.parametrize("is_whole", [False, True])
def test_a_failed_visit_that_ends_well_after_all_counts_once(is_whole: bool) -> None:
    found = track()
    ended = visit(4, t1=160) if is_whole else (EXIT, 4, "a", 1, 1, 100, 160)

    found.take_in([
        (START, 1, 50, {}), (ENTER, 2, "a", 1, 1, 100), event(3, "node_failed", 130), ended,
    ])  # fmt: skip

    assert (found.iteration, found.failing) == (1, {})
    assert counted(found) == {"a": (2, 90, 1, 0)}


def test_a_visit_that_fails_twice_is_one_visit() -> None:
    found = track()

    found.take_in([
        (START, 1, 50, {}), event(2, "node_failed", 130), event(3, "node_failed", 140),
        event(4, "retry_scheduled", 150, node="other"),
        (END, 5, 200, "failed", None, Failure(type="E", message="m"), "", "a"),
    ])  # fmt: skip

    assert (found.iteration, found.failing) == (1, {("a", 1): 140})
    assert (found.status, found.current_node) == ("failed", None)
    assert counted(found) == {"a": (2, 0, 2, 0), "other": (0, 0, 0, 1), "": (1, 150, 1, 0)}


@pytest.mark.parametrize(
    ("status", "node", "whole"), [("paused", "a", 0), ("waiting_for_input", "a", 0), ("cancelled", None, 1)]
)  # fmt: skip
def test_an_execution_that_waits_is_not_over(status: str, node: Any, whole: int) -> None:
    found = track()

    found.take_in([(START, 1, 50, {}), (END, 2, 200, status, {}, None, "", "a")])

    assert (found.status, found.current_node) == (status, node)
    assert ("" in counted(found)) is bool(whole)


def test_an_end_without_its_beginning_is_not_timed() -> None:
    found = track()

    found.take_in([(END, 7, 200, "completed", {}, None, "", None)])

    assert (found.taken, found.top, found.count) == (6, 7, 1)
    assert counted(found) == {}


def test_calls_are_summed() -> None:
    found = track()

    found.take_in([
        (START, 1, 50, {}),
        event(2, "llm_completed", input_tokens=3, output_tokens=4, cost_usd=0.5),
        event(3, "llm_completed", input_tokens=None, output_tokens=5, cost_usd=0.25),
        event(4, "llm_completed", input_tokens=1),
        event(5, "llm_completed", error={"type": "E"}),
        event(6, "tool_started"),
        event(7, "tool_started"),
        event(8, "custom"),
        event(9, "status_changed", status="paused"),
        event(10, "status_changed"),
        event(11, "state_changed", patch=[{"path": "/k/0"}, {"path": "/m"}]),
    ])  # fmt: skip

    sums = found.sums
    assert (sums.llm_calls, sums.tool_calls, sums.retries) == (4, 2, 0)
    assert (sums.input_tokens, sums.output_tokens, sums.cost_usd) == (4, 9, 0.75)
    assert (sums.unpriced_calls, found.status, found.keys) == (1, "paused", {"k", "m"})
    assert (found.top, found.count, found.last_t) == (11, 11, 200)


def test_a_big_label_alone_leaves_its_row() -> None:
    found = track()
    rows: list[Any] = [visit(1, update={"n": 1}, edges=(("b", BIG, {"r": 1}, ""),))]

    found.take_in(rows)

    digest = digest_of(pack(BIG))
    held = msgspec.msgpack.Ext(BLOB, digest.encode())
    assert found.blobs == {digest: pack(BIG)}
    assert rows == [visit(1, update={"n": 1}, edges=[["b", held, {"r": 1}, ""]])]


def test_big_values_leave_the_rows() -> None:
    found = track()
    small = {"n": 1, "t": "short"}
    rows: list[Any] = [
        (START, 1, 50, {"big": BIG}),
        visit(2, update={"b": BIG, "c": 1}, edges=("x", ("b", BIG, {"r": 1}, ""))),
        visit(8, update=small, edges=(("b", "yes", {"r": 1}, ""),)),
        (APPLY, 12, "a", 1, 1, 150, small, (("b", "no", {"r": BIG}, ""),), None),
        (APPLY, 14, "a", 1, 1, 150, {"b": BIG}, ("x",), None),
        (APPLY, 16, "a", 1, 1, 150, {"n": 2}, ("x",), None),
        (EVENT, 18, 200, "custom", "a", 1, 1, {"name": "note", "data": BIG}),
        (EVENT, 19, 200, "custom", None, None, None, None),
        (END, 20, 250, "completed", {"big": BIG}, None, "", None),
    ]
    before = list(rows)

    found.take_in(rows)

    digest = digest_of(pack(BIG))
    held = msgspec.msgpack.Ext(BLOB, digest.encode())
    assert found.blobs == {digest: pack(BIG)}
    assert rows[0][3] == {"big": held}
    assert (rows[1][8], rows[1][9]) == ({"b": held, "c": 1}, ["x", ["b", held, {"r": 1}, ""]])
    assert rows[2] == before[2]
    assert rows[3][6:] == (small, [["b", "no", {"r": held}, ""]], None)
    assert rows[4][6:] == ({"b": held}, ("x",), None)
    assert (rows[5], rows[7]) == (before[5], before[7])
    assert rows[6][7] == {"name": "note", "data": held}
    assert rows[8][4:] == ({"big": held}, None, "", None)


def test_the_first_items_of_a_new_list_are_the_list() -> None:
    found = track()
    rows: list[Any] = [
        (START, 1, 50, {"old": [0]}),
        visit(2, update={"old": freeze_delta([1]), "new": freeze_delta([1])}),
        visit(6, number=2, update={"new": freeze_delta([2])}),
    ]

    found.take_in(rows)

    assert rows[1][8] == {"old": freeze_delta([1]), "new": msgspec.Raw(freeze_delta([1]).data)}
    assert rows[2][8] == {"new": freeze_delta([2])}
    assert found.keys == {"old", "new"}


def test_an_odd_row_is_told_of_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    found = track()
    odd = (VISIT, 2, 3, "a")
    rows: list[Any] = [(START, 1, 50, {}), odd, visit(4), odd, (99,), visit(7)]

    with caplog.at_level(logging.WARNING, "inwit"):
        found.take_in(rows)

    assert [one.getMessage() for one in caplog.records] == [
        f"inwit: warning: an odd row was recorded: {odd!r}",
        f"inwit: warning: an odd row was recorded: {odd!r}",
        "inwit: warning: an odd row was recorded: (99,)",
    ]
    assert all(one.exc_info for one in caplog.records)
    assert (found.top, found.count, found.iteration) == (9, 7, 2)
    assert rows[1] == odd


def test_minutes_part_where_the_clock_says_so() -> None:
    rec = recording()
    rec.anchor_ns = MINUTE_NS - 120
    found = track(rec)

    found.take_in([
        (START, 1, 10, {}),
        visit(2, t0=50, t1=119),
        visit(5, number=2, t0=119, t1=120),
        event(8, "node_failed", 130, node="f"),
        (END, 9, MINUTE_NS + 120, "completed", {}, None, "", None),
    ])  # fmt: skip

    _, rows = found.rollups.take()
    assert sorted((row[2], row[3], row[5]) for row in rows) == [
        ("", 2, MINUTE_NS + 110), ("a", 0, 69), ("a", 1, 1), ("f", 1, 0),
    ]  # fmt: skip


def test_nothing_is_counted_where_metrics_are_off() -> None:
    rec = recording()
    rec.has_metrics = False
    found = track(rec)

    found.take_in([(START, 1, 10, {}), visit(2)])

    assert counted(found) == {}
    assert found.iteration == 1


# Histograms


@pytest.mark.parametrize("ns", [0, 1, 7, 8, 9, 15, 16, 17, 1000, 123_456_789, 10**12])
def test_a_bucket_s_middle_is_near_what_falls_into_it(ns: int) -> None:
    assert bucket_ms(bucket(ns)) * 1e6 == pytest.approx(ns, rel=0.07, abs=4)


def test_buckets_rise_with_what_falls_into_them() -> None:
    found = [bucket(ns) for ns in range(2_000)]

    assert found == sorted(found)
    assert len({bucket(ns) for ns in range(1024, 2048)}) == 8
    assert [bucket_ms(index) for index in (0, 8, 16, 24, 32, 39)] == [
        1e-6, 1e-6, 2e-6, 4e-6, 8.5e-6, 15.5e-6,
    ]  # fmt: skip


def test_durations_are_counted_together_as_they_are_one_by_one() -> None:
    durations = [0, 1, 7, 8, 15, 16, 17, 18, 19, 31, 32, 1000, 1001, 10**9, 10**9]
    one, other = Cell(), Cell()

    for ns in durations:
        one.add(ns)
    other.add_all(list(durations[::-1]))
    other.add_all([])

    assert (one.counts, one.total_ns) == (other.counts, other.total_ns)
    assert sum(one.counts.values()) == len(durations)


def test_a_failure_is_taken_back_once() -> None:
    cell = Cell()
    cell.add(100)
    cell.failed = 1

    cell.take_back(100)
    cell.take_back(100)

    assert (cell.counts, cell.total_ns, cell.failed) == ({bucket(100): 0}, 0, 0)


def test_what_could_not_be_written_is_taken_again_and_old_minutes_go() -> None:
    rollups = Rollups()
    rollups.at("g", "v", 1)["a"].append(100)
    keys, first = rollups.take()
    assert rollups.take() == (set(), [])

    rollups.give_back(keys)
    again, second = rollups.take()
    for minute in (2, 3):
        rollups.at("g", "v", minute)["a"].append(1)
        rollups.take()
    rollups.give_back(again)

    assert (keys, again) == ({("g", "v", 1)}, {("g", "v", 1)})
    assert first == second == [
        ("g", "v", "a", 1, msgspec.msgpack.encode({bucket(100): 1}), 100, 0, 0)
    ]  # fmt: skip
    assert rollups.take() == (set(), [])
    assert dict(Cells().take()) == {}


def test_quantiles_are_read_from_buckets() -> None:
    counts = {bucket(1_000_000): 9, bucket(64_000_000): 1}

    assert quantile_ms({}, 0.5) is None
    assert quantile_ms(counts, 0.0) == quantile_ms(counts, 0.9) == bucket_ms(bucket(1_000_000))
    assert quantile_ms(counts, 1.0) == bucket_ms(bucket(64_000_000))
    assert quantile_ms(counts, 0.95) == bucket_ms(bucket(1_000_000))


# Encoding


@pytest.mark.parametrize("size", [0, 1, 1_000, 1_100, 60_000])
def test_a_batch_is_encoded_and_read_again(size: int) -> None:
    encoder = Encoder()
    rows = [(9, "x" * size)]

    data = encoder.encode(rows)

    plain = msgspec.msgpack.encode(rows)
    assert decompress(data) == plain
    assert (data == plain) is (len(plain) < 1024)
    noise = os.urandom(2_000)
    assert encoder.compress(noise) is noise


@pytest.mark.parametrize(
    ("value", "is_kept"),
    [
        ("x" * 1024, True), ("x" * 4093, True), ("x" * 4094, False), (b"x" * 4096, True),
        (b"x" * 4097, False), (msgspec.Raw(b"x" * 4096), True), (msgspec.Raw(b"x" * 4097), False),
        (msgspec.msgpack.Ext(1, b"x" * 4096), True), (msgspec.msgpack.Ext(1, b"x" * 4097), False),
        (7, True), (None, True),
    ],
)  # fmt: skip
def test_what_is_bigger_than_a_blob_s_least_is_kept_beside(value: Any, is_kept: bool) -> None:
    blobs: dict[str, bytes] = {}

    found = split([value, (value,)], blobs)

    assert len(blobs) == (not is_kept)
    if not is_kept:
        (digest,) = blobs
        assert found == [msgspec.msgpack.Ext(BLOB, digest.encode())] * 1 + [
            [msgspec.msgpack.Ext(BLOB, digest.encode())]
        ]
        packed = msgspec.msgpack.encode(found)
        assert decode(packed, lambda name: f"blob {name}") == [f"blob {digest}", [f"blob {digest}"]]


# What is taken in


def opened(*rows: Any, is_done: bool = False) -> tuple[Intake, Recording]:
    found, rec = Intake(), recording()
    rec.rows.extend(rows)
    rec.is_done = is_done
    found.new.append(rec)
    return found, rec


def read(entry: Entry) -> list[Any]:
    return list(msgspec.msgpack.decode(decompress(entry.data)))


def test_rows_wait_for_what_is_missing_until_the_end() -> None:
    found, rec = opened((START, 1, 50, {}), visit(5))

    found.collect_all()
    assert (found.entries, found.is_open, found.open_ids()) == ([], True, {"e1"})
    rec.rows.append((ENTER, 9, "b", 1, 1, 200))
    rec.is_done = True
    found.collect_all()

    (entry,) = found.entries
    gaps = [row for row in read(entry) if row[0] == EVENT]
    assert [row[7] for row in gaps] == [
        {"lost_from": 2, "lost_to": 4, "reason": "it was never recorded"},
        {"lost_from": 8, "lost_to": 8, "reason": "it was never recorded"},
    ]
    assert (entry.first_seq, entry.last_seq, found.is_open) == (1, 9, False)
    assert found.size == entry.size == len(entry.data) * 2 + 500
    found.written([entry])
    assert (found.entries, found.size) == ([], 0)


def test_gaps_that_touch_are_one() -> None:
    rows = [visit(3, update={"n": 1}), (APPLY, 9, "a", 1, 1, 1, None, ("b", "c"), ("c", 1))]

    assert fill(rows, 1, 14, 5) == [gap_row(1, 2, 5, "it was never recorded"),
        gap_row(7, 8, 5, "it was never recorded"), gap_row(12, 14, 5, "it was never recorded")]  # fmt: skip
    assert fill(rows, 3, 6, 5) == []
    assert gap_row(1, 2, 5, "why") == (
        EVENT, 1, 5, "gap", None, None, None, {"lost_from": 1, "lost_to": 2, "reason": "why"},
    )  # fmt: skip


def test_what_a_fork_left_is_let_go() -> None:
    found, rec = Intake(), recording()
    rec.rows.append((START, 1, 50, {}))

    found.collect(rec)

    assert (list(rec.rows), found.entries) == ([], [])


def test_an_execution_that_is_over_is_let_go_by_its_producer_too() -> None:
    found, rec = opened((START, 1, 50, {}), (END, 2, 60, "completed", {}, None, "", None))
    assert found.recording("e1") is rec
    assert found.recording("e2") is None

    found.collect(rec)
    assert found.is_open is True
    rec.is_done = True
    found.collect(rec)

    assert (found.is_open, len(found.entries)) == (False, 1)


def test_a_visit_that_was_taken_in_is_not_taken_again_while_it_runs() -> None:
    found, rec = opened((START, 1, 50, {}))
    rec.current = (2, "a", 1, 1, 100)
    found.collect_all()
    assert [(entry.first_seq, entry.last_seq) for entry in found.entries] == [(1, 2)]

    rec.rows.append(event(4, "custom"))
    found.collect_all()
    assert len(found.entries) == 1
    rec.rows.append(event(3, "custom"))
    found.collect_all()

    assert [row[:2] for row in read(found.entries[1])] == [[EVENT, 4], [EVENT, 3]]


def test_nothing_more_is_written_of_a_fenced_execution() -> None:
    found, rec = opened((START, 1, 50, {}))
    found.collect_all()
    found.fence(["e1", "other"])

    rec.rows.append(visit(2))
    found.collect_all()

    assert len(found.entries) == 1


def test_what_has_no_room_is_a_gap_before_what_has(monkeypatch: pytest.MonkeyPatch) -> None:
    found, rec = opened((START, 1, 50, {}), visit(2))
    monkeypatch.setattr(intake, "BACKLOG_BYTES", 0)
    found.collect_all()
    rec.rows.append(visit(5, number=2, update={"b": BIG}))
    found.collect_all()
    assert (found.entries, found.gave_up) == ([], True)
    monkeypatch.setattr(intake, "BACKLOG_BYTES", 1 << 20)

    rec.rows.append(visit(9, number=3))
    found.collect_all()

    (entry,) = found.entries
    assert (entry.first_seq, entry.last_seq, entry.blobs) == (1, 11, {})
    assert [row[7] for row in read(entry) if row[0] == EVENT] == [
        {"lost_from": 1, "lost_to": 8, "reason": "the disk took nothing and the buffer was full"}
    ]


def test_an_end_is_kept_though_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    found, rec = opened((START, 1, 50, {}), visit(2))
    monkeypatch.setattr(intake, "BACKLOG_BYTES", 0)
    rec.rows.append((END, 5, 60, "failed", {"n": 1}, None, "because", "a"))
    rec.is_done = True

    found.collect_all()

    (entry,) = found.entries
    assert read(entry)[1] == [END, 5, 60, "failed", None, None, "because", "a"]
    assert (entry.first_seq, entry.last_seq) == (1, 5)


def test_an_end_alone_needs_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = opened((END, 5, 60, "failed", {"n": 1}, None, "because", "a"), is_done=True)
    monkeypatch.setattr(intake, "BACKLOG_BYTES", 0)

    found.collect_all()

    assert [row[0] for row in read(found.entries[0])] == [END]


def test_a_node_that_runs_is_in_the_record_before_it_is_done() -> None:
    found, rec = opened((START, 1, 50, {}))
    rec.current = (2, "a", 1, 1, 100)

    found.collect_all()
    found.collect_all()
    rec.rows.append(visit(2))
    rec.current = None
    found.collect_all()

    assert [[row[0] for row in read(one)] for one in found.entries] == [[START, ENTER], [VISIT]]
    assert [(one.first_seq, one.last_seq) for one in found.entries] == [(1, 2), (3, 4)]
