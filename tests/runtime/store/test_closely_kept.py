"""What rows become, and what is kept of them: each condition by a case on either side of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from inwit.events import Failure
from inwit.runtime.project import Project
from inwit.runtime.record import APPLY, END, ENTER, EVENT, EXIT, START, VISIT
from inwit.runtime.serial import Delta
from inwit.runtime.store import (
    commit,
    entry,
    expand,
)
from inwit.runtime.store.codec import Encoder
from inwit.runtime.store.database import Database
from inwit.runtime.store.expand import About, Expander
from inwit.runtime.store.fold import Folder
from inwit.runtime.store.heartbeat import Heart
from inwit.runtime.store.reader import Store
from inwit.runtime.store.rollups import Rollups
from inwit.runtime.store.tracking import Track
from inwit.runtime.views import Visit
from tests.runtime.store.rows import recording

ABOUT = About(execution_id="e", graph_name="g", graph_version="v")
MS = 1_000_000


# Rows to visits and events


def folded(*rows: Any, anchor_ns: int = 5 * MS) -> list[Visit]:
    return Folder(ABOUT).visits([(list(rows), 1, 99, anchor_ns)])


def a_visit(**fields: Any) -> Visit:
    given: dict[str, Any] = {
        "execution_id": "e", "graph_name": "g", "graph_version": "v", "node": "a", "visit": 1,
        "entry_seq": 2, "started_ns": 12 * MS,
    }  # fmt: skip
    return Visit(**{**given, **fields})


def test_a_visit_is_told_to_every_figure() -> None:
    failure = {"type": "E", "message": "m"}

    assert folded((VISIT, 2, 3, "a", 1, 1, 7 * MS, 10 * MS, {"n": 1}, ["b", ("c", "yes", {}, "")], None)) == [
        a_visit(
            exit_seq=3, edge_seq=5, duration_ms=3.0, status="completed", update={"n": 1},
            edges=({"target": "b"}, {"target": "c", "conditional": True, "label": "yes", "read": {}}),
        )
    ]  # fmt: skip
    assert folded((VISIT, 2, 3, "a", 1, 1, 7 * MS, 10 * MS, None, ["b"], None)) == [
        a_visit(exit_seq=3, edge_seq=4, duration_ms=3.0, status="completed", edges=({"target": "b"},))
    ]  # fmt: skip
    assert folded((ENTER, 2, "a", 1, 1, 7 * MS)) == [a_visit()]
    assert folded(
        (ENTER, 2, "a", 1, 1, 7 * MS),
        (EVENT, 3, 9 * MS, "node_failed", "a", 1, 1, {"error": failure}),
        (EVENT, 4, 9 * MS, "llm_completed", "a", 1, 1, {}),
        (EVENT, 5, 9 * MS, "tool_started", "a", 1, 1, {}),
        (EVENT, 6, 9 * MS, "tool_started", "a", 1, 1, {}),
        (EVENT, 6, 9 * MS, "tool_started", "a", 2, 1, {}),
    )[0] == a_visit(
        exit_seq=3, duration_ms=2.0, status="failed", error=Failure(type="E", message="m"),
        llm_calls=1, tool_calls=2,
    )  # fmt: skip


def test_a_visit_that_is_tried_again_began_with_its_first_attempt() -> None:
    [found] = folded(
        (ENTER, 2, "a", 1, 1, 7 * MS),
        (EVENT, 3, 9 * MS, "node_failed", "a", 1, 1, {"error": None}),
        (ENTER, 4, "a", 1, 3, 11 * MS),
        (EXIT, 5, "a", 1, 3, 11 * MS, 15 * MS),
        (APPLY, 6, "a", 1, 3, 15 * MS, None, ["b"], None),
    )

    assert found == a_visit(
        exit_seq=5, edge_seq=6, duration_ms=8.0, status="completed", attempts=3, retry_ms=4.0,
        error=Failure(type="Exception", message=""), edges=({"target": "b"},),
    )  # fmt: skip
    waits = folded(
        (ENTER, 2, "a", 1, 1, 7 * MS), (EVENT, 3, 9 * MS, "interrupt_raised", "a", 1, 1, {})
    )
    assert waits == [a_visit(exit_seq=3, duration_ms=2.0, status="interrupted")]
    [again] = folded(
        (EVENT, 3, 9 * MS, "node_failed", "a", 1, 2, {"error": None}),
        (ENTER, 4, "a", 1, 3, 11 * MS),
    )
    assert (again.status, again.duration_ms, again.exit_seq, again.entry_seq) == ("running", None, None, 3)  # fmt: skip
    [failed] = folded((EVENT, 3, 9 * MS, "node_failed", "a", 1, 4, None))
    assert (failed.attempts, failed.status, failed.error) == (4, "failed", Failure(type="Exception", message=""))  # fmt: skip


def test_what_a_node_wrote_before_its_own_row_does_not_date_it() -> None:
    [found] = folded(
        (EVENT, 3, 9 * MS, "llm_completed", "a", 1, 1, {}),
        (EXIT, 4, "a", 1, 1, 7 * MS, 10 * MS),
        (EVENT, 5, 9 * MS, "custom", "b", 1, 1, {}),
        (EVENT, 6, 9 * MS, "tool_started", None, None, None, {}),
        (APPLY, 7, "b", 1, 1, 9 * MS, {"x": 1}, [], None),
    )

    assert found == a_visit(
        entry_seq=3, exit_seq=4, duration_ms=3.0, status="completed", llm_calls=1
    )


@pytest.mark.parametrize(
    ("status", "failure", "reason", "error"),
    [
        ("failed", {"type": "E", "message": "m"}, "", Failure(type="E", message="m")),
        ("cancelled", None, "stop", Failure(type="Cancelled", message="stop")),
        ("cancelled", None, "", Failure(type="Cancelled", message="The execution was cancelled.")),
        ("completed", None, "", None),
        ("paused", None, "", None),
    ],
)
def test_what_runs_when_an_execution_ends_has_ended_with_it(
    status: str, failure: Any, reason: str, error: Failure | None
) -> None:
    found, done = folded(
        (ENTER, 2, "a", 1, 1, 7 * MS),
        (VISIT, 3, 4, "b", 1, 1, 7 * MS, 8 * MS, None, [], None),
        (END, 5, 9 * MS, status, None, failure, reason, "a"),
    )

    assert done.status == "completed"
    if error is None:
        assert found == a_visit()
    else:
        assert found == a_visit(duration_ms=2.0, status="failed", error=error)
    [late] = folded((ENTER, 2, "a", 1, 1, 7 * MS), (END, 5, 6 * MS, "failed", None, None, "", "a"))
    assert late.duration_ms == 0.0


def shown(*rows: Any, anchor_ns: int = 0, first: int = 1) -> list[dict[str, Any]]:
    events = Expander(ABOUT).expand(list(rows), first, anchor_ns)
    return [msgspec.to_builtins(event) for event in events]


def test_a_row_s_events_say_all_that_it_holds() -> None:
    place = {"execution_id": "e", "graph_name": "g", "graph_version": "v"}
    at = {"node": "a", "visit": 2, "attempt": 3, **place}
    ts = "1970-01-01T00:00:00.{:06}Z".format

    told = shown(
        (VISIT, 1, 2, "a", 2, 3, 1 * MS, 4 * MS, {"n": Delta([1, 2]), "a/~": 3},
         ["b", ("c", "yes", {"k": 1}, "why")], ("c1", 7)),
        anchor_ns=MS,
    )  # fmt: skip

    for event, fields in zip(
        told,
        [
            {"type": "node_entered", "seq": 1, "ts": ts(2000), **at},
            {"type": "node_exited", "seq": 2, "ts": ts(5000), "duration_ms": 3.0, **at},
            {"type": "state_changed", "seq": 3, "ts": ts(5000), **at, "patch": [
                {"op": "add", "path": "/n/-", "value": 1}, {"op": "add", "path": "/n/-", "value": 2},
                {"op": "add", "path": "/a~1~0", "value": 3},
            ]},
            {"type": "edge_taken", "seq": 4, "target": "b", **at},
            {"type": "edge_taken", "seq": 5, "target": "c", "conditional": True, "label": "yes",
             "read": {"k": 1}, "unread": "why", **at},
            {"type": "checkpoint_created", "seq": 6, "checkpoint_id": "c1", "step": 7, **at},
        ],
        strict=True,
    ):  # fmt: skip
        assert {**event, **fields} == event


def test_events_of_parts_are_those_of_the_whole() -> None:
    whole_ = shown((VISIT, 1, 2, "a", 2, 3, MS, 4 * MS, {"n": 1}, ["b"], ("c1", 7)))
    parts = shown(
        (ENTER, 1, "a", 2, 3, MS), (EXIT, 2, "a", 2, 3, MS, 4 * MS),
        (APPLY, 3, "a", 2, 3, 4 * MS, {"n": 1}, ["b"], ("c1", 7)),
    )  # fmt: skip

    assert parts == whole_
    assert shown((VISIT, 1, 2, "a", 2, 3, MS, 4 * MS, None, ["b"], None), first=2) == [
        whole_[1], {**whole_[3], "seq": 3},
    ]  # fmt: skip
    mixed = shown((ENTER, 3, "a", 1, 1, 0), (ENTER, 1, "b", 1, 1, 0), (ENTER, 0, "c", 1, 1, 0))
    assert [(event["seq"], event["node"]) for event in mixed] == [(1, "b"), (3, "a")]


def test_how_an_execution_began_and_ended_is_told() -> None:
    began = shown(
        (START, 1, 0, {"n": 1}, {"config": {"tags": ["x"]}, "context": 3}), (START, 2, 0, {"n": 2}),
        (START, 3, 0, None, {"context_type": "Person"}),
    )  # fmt: skip
    assert [(event.get("input"), event.get("config"), event.get("context")) for event in began] == [
        ({"n": 1}, {"tags": ["x"]}, 3), ({"n": 2}, None, None), (None, None, "Person"),
    ]  # fmt: skip
    ended = shown(
        (END, 1, MS, "completed", {"n": 1}, None, None, None),
        (END, 2, MS, "failed", None, {"type": "E"}, None, "a"),
        (END, 3, MS, "cancelled", None, None, "stop", "a"),
        (END, 4, MS, "paused", None, None, "wait", "a"),
    )
    assert [event["type"] for event in ended] == [
        "execution_completed", "execution_failed", "execution_cancelled", "status_changed",
    ]  # fmt: skip
    assert (ended[0]["output"], ended[0]["ts"]) == ({"n": 1}, "1970-01-01T00:00:00.001000Z")
    assert (ended[1]["error"]["type"], ended[1]["node"], ended[2]["reason"]) == ("E", "a", "stop")
    assert (ended[3]["status"], ended[3]["reason"], ended[3]["node"]) == ("paused", "wait", "a")


def test_an_event_that_does_not_fit_its_type_is_a_custom_one() -> None:
    place = {"execution_id": "e"}

    def made(name: str, **fields: Any) -> Any:
        return expand.event_of(name, place, 4, "now", fields)

    odd = made("nothing_known", a=1)
    assert (odd.type, odd.name, odd.data, odd.seq, odd.ts) == ("custom", "nothing_known", {"a": 1}, 4, "now")  # fmt: skip
    less = made("state_changed", extra=1)
    assert (less.type, less.name, less.data) == ("custom", "state_changed", {"extra": 1})
    more = made("node_failed", error={"type": "E", "message": 7, "odd": 1}, extra=1)
    assert (more.type, more.error) == ("node_failed", Failure(type="E", message="7"))
    call = made("tool_failed", error=None, tool="t", call_id="c")
    assert (call.type, call.error) == ("tool_failed", None)
    for given, found in (
        (None, ("Exception", "")), ("x", ("Exception", "x")), ({}, ("", "")),
        (Failure(type="E", message="m"), ("E", "m")), ({"type": None, "message": 0}, ("", "")),
    ):  # fmt: skip
        read = expand.failure_of(given)
        assert (read.type, read.message) == found


# Entries


def test_an_entry_s_row_holds_the_figures_of_its_execution() -> None:
    def row(*rows: Any, status: str = "completed") -> dict[str, Any]:
        rec = recording("e1")
        rec.anchor_ns = 1_000
        track = Track(rec, "g", "v", Rollups())
        given = list(rows)
        track.take_in(given)
        made = entry.Entry(track, 1, 2, given, Encoder())
        assert made.batch == ("e1", 1, 2, 1_000, made.data)
        assert (track.iteration, track.blobs, made.size) == (0, {}, len(made.data) * 2 + 500 + sum(map(len, made.blobs.values())))  # fmt: skip
        return dict(zip(entry.COLUMNS, made.row, strict=True))

    began: tuple[Any, ...] = (START, 1, 50, {})
    done = row(began, (END, 2, 80, "completed", {"big": "x" * 9_000}, None, None, None))
    assert [done[name] for name in ("started_ns", "last_ns", "ended_ns", "duration_ns", "reason")] == [
        1_050, 1_080, 1_080, 30, "",
    ]  # fmt: skip
    assert (done["error"], done["error_node"], done["id"], done["graph"]) == (None, None, "e1", "g")
    failed = row(began, (END, 2, 80, "failed", None, Failure(type="É", message="m"), "why", "a"))
    assert (msgspec.json.decode(failed["error"])["type"], "É" in failed["error"]) == ("É", True)
    assert (failed["error_node"], failed["reason"]) == ("a", "why")
    waits = row(began, (END, 2, 80, "paused", None, None, "", "a"))
    assert (waits["ended_ns"], waits["duration_ns"], waits["last_ns"]) == (None, None, 1_080)
    resumed = row((END, 2, 80, "completed", None, None, "", None))
    assert (resumed["started_ns"], resumed["ended_ns"], resumed["duration_ns"]) == (1_080, 1_080, None)  # fmt: skip


def test_what_was_lost_with_a_damaged_file_is_a_gap(place: Project) -> None:
    database = Database.of(place)
    rec = recording("e1")
    rec.anchor_ns = 0
    track = Track(rec, "g", "v", Rollups())

    def write(first: int, *suspects: str) -> list[Any]:
        rows = [(ENTER, first, "a", 1, 1, 70)]
        track.take_in(rows)
        made = [entry.Entry(track, first, first, rows, Encoder())]
        group = commit.Group(Heart(), made, [], [], [], set(suspects))
        with database.transaction(durable=False) as connection:
            group.write(connection)
        assert group.suspects == set()
        found = "SELECT first_seq, last_seq, anchor_ns FROM batches ORDER BY first_seq"
        return database.read(lambda held: held.execute(found).fetchall())

    assert write(5, "e1") == [(1, 4, 70), (5, 5, 0)]
    assert write(6, "e1") == [(1, 4, 70), (5, 5, 0), (6, 6, 0)]
    assert write(9) == [(1, 4, 70), (5, 5, 0), (6, 6, 0), (9, 9, 0)]
    assert write(11, "e1")[-2:] == [(10, 10, 70), (11, 11, 0)]
    [gap] = [event for event in Store.of(place).events("e1") if event.seq == 1]
    assert (gap.type, gap.lost_to) == ("gap", 4)  # type: ignore[attr-defined]
    database.close()


def test_what_is_looked_into_is_longer_than_a_quarter_of_a_blob() -> None:
    from inwit.runtime.store import tracking

    for many, is_small in ((1_023, True), (1_024, False)):
        assert tracking._is_small(("b", "x" * many, {}, None)) is is_small
        assert tracking._is_small(("b", "x" * (many - 9), None, "y" * 9)) is is_small
    assert tracking._is_small(("b", None, {"k": "x" * 1_025}, None)) is False
    for many, is_big in ((1_024, False), (1_025, True)):
        for value in (
            "x" * many,
            b"x" * many,
            msgspec.Raw(b"x" * many),
            msgspec.msgpack.Ext(1, b"x" * many),
        ):
            assert tracking._may_be_big({"a": 1, "k": value}) is is_big
    values: list[Any] = [None, [], {}, {"k": []}, {"k": None}]
    assert [tracking._may_be_big(one) for one in values] == [False, True, False, True, False]
    assert tracking._first_seq([(START, 7, 0, {}), (ENTER, 2, "a", 1, 1, 0)]) == 1
    assert tracking._first_seq([(ENTER, 7, "a", 1, 1, 0), (ENTER, 2, "a", 1, 1, 0)]) == 2


def test_a_try_that_comes_in_the_next_minute_is_counted_there() -> None:
    rec = recording("e1")
    rec.anchor_ns = 0
    minute = 60_000_000_000
    rollups = Rollups()
    track = Track(rec, "g", "v", rollups)

    track.take_in([
        (START, 1, 50, {}), (EVENT, 2, minute - 1, "node_failed", "a", 1, 1, {}),
        (EVENT, 3, minute, "retry_scheduled", "a", 1, 1, {}),
        (EVENT, 4, 2 * minute, "node_failed", "a", 1, 2, {}),
    ])  # fmt: skip

    _, rows = rollups.take()
    told = sorted((row[3], row[6], row[7]) for row in rows)
    assert told == [(0, 1, 0), (1, 0, 1), (2, 1, 0)]
