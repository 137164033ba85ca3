"""Whatever is recorded, and wherever commits cut it, readers get the same gapless events."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import jsonpatch
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from inwit.events import Event
from inwit.runtime.record import APPLY, END, ENTER, EVENT, EXIT, START, VISIT, Recording
from inwit.runtime.serial import freeze, freeze_delta
from inwit.runtime.store import codec
from inwit.runtime.store.expand import About, Expander
from inwit.runtime.store.fold import Folder, state_after
from inwit.runtime.store.intake import Intake
from inwit.runtime.store.redact import Unredacted
from inwit.runtime.views import Visit

values = st.one_of(
    st.none(), st.integers(-(1 << 70), 1 << 70), st.text(max_size=20), st.booleans(),
    st.lists(st.integers(), max_size=3), st.just("big" * 1500), st.just([0] * 5000),
)  # fmt: skip
updates = st.one_of(st.none(), st.dictionaries(st.sampled_from(["a", "b/c"]), values, max_size=2))
steps = st.lists(
    st.tuples(
        st.sampled_from(["visit", "noisy", "parallel", "retry", "cut", "running"]), updates,
        st.booleans(), st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


class Producer:
    """Writes steps as the engine does; `cuts` says at each step whether the journal looks in."""

    def __init__(self, intake: Intake, *, with_cuts: bool) -> None:
        self.rec = Recording("e", "g", lambda: "v", None, None, 0)
        self._intake = intake
        self._with_cuts = with_cuts
        self._t = 0
        self._visits = 0

    def run(self, given: list[Any]) -> None:
        self._row(START, self._tick(), {"log": freeze([])})
        self._intake.new.append(self.rec)
        for kind, update, has_delta, has_checkpoint in given:
            frozen = None if update is None else {k: freeze(v) for k, v in update.items()}
            if frozen and has_delta:
                frozen["log"] = frozen["first"] = freeze_delta(["item"])
            self._step(kind, frozen, ("c", 1) if has_checkpoint else None)
        self._row(END, self._tick(), "completed", None, None, "", None)
        self.rec.current = None
        self.rec.is_done = True
        self._intake.collect_all()

    def _tick(self) -> int:
        self._t += 1000
        return self._t

    def _row(self, kind: int, *rest: Any) -> None:
        self.rec.seq += 1
        self.rec.rows.append((kind, self.rec.seq, *rest))

    def _event(self, type_name: str, visit: int, fields: dict[str, Any]) -> None:
        self._row(EVENT, self._tick(), type_name, "s", visit, 1, fields)

    def _look(self) -> None:
        if self._with_cuts:
            self._intake.collect_all()

    def _step(self, kind: str, update: Any, checkpoint: Any) -> None:
        rec, edges = self.rec, ("n", ("m", "yes", {"a": 1}, "why"))
        if kind == "cut":
            return self._look()
        self._visits += 1
        number = self._visits
        if kind == "parallel":
            t0 = self._tick()
            for node in ("p", "q"):
                self._row(ENTER, node, number, 1, t0)
            self._look()
            for node in ("q", "p"):
                self._row(EXIT, node, number, 1, t0, self._tick())
            self._look()
            rec.rows.append(
                (APPLY, rec.seq + 1, "p", number, 1, self._t, update, edges, checkpoint)
            )
            rec.seq += bool(update) + 2 + (checkpoint is not None)
            return None
        entry, t0, attempt = rec.seq + 1, self._tick(), 1
        rec.seq += 1
        rec.current = (entry, "s", number, 1, t0)
        if kind == "running":
            self._look()
        if kind == "noisy":
            self._event("custom", number, {"name": "x", "data": update})
            self._look()
        if kind == "retry":
            self._look()
            rec.current = None
            rec.rows.append((ENTER, entry, "s", number, 1, t0))
            self._event("retry_scheduled", number, {"delay_ms": 1.0, "max_attempts": 3})
            entry, t0, attempt = rec.seq + 1, self._tick(), 2
            rec.seq += 1
            rec.current = (entry, "s", number, 2, t0)
            self._look()
        seq = rec.seq + 1
        rec.rows.append(
            (VISIT, entry, seq, "s", number, attempt, t0, self._tick(), update, edges, checkpoint)
        )
        rec.seq = seq + bool(update) + 2 + (checkpoint is not None)
        return None


def written(given: list[Any], *, with_cuts: bool) -> Intake:
    intake = Intake()
    Producer(intake, with_cuts=with_cuts).run(given)
    return intake


def batches(intake: Intake) -> Iterator[tuple[list[Any], int, int, int]]:
    blobs = {digest: data for entry in intake.entries for digest, data in entry.blobs.items()}

    def find(digest: str) -> Any:
        return codec.decode(codec.decompress(blobs[digest]), find)

    for entry in intake.entries:
        rows = codec.decode(codec.decompress(entry.data), find)
        yield Unredacted().value(rows), entry.first_seq, entry.last_seq, entry.anchor_ns


def events(intake: Intake) -> list[Event]:
    expander = Expander(About(execution_id="e"))
    return [
        event for rows, first, _, anchor in batches(intake)
        for event in expander.expand(rows, first, anchor)
    ]  # fmt: skip


def visits(intake: Intake) -> list[Visit]:
    return Folder(About(execution_id="e")).visits(batches(intake))


@settings(deadline=None, max_examples=150)
@given(steps)
def test_commits_may_cut_the_rows_anywhere(given: list[Any]) -> None:
    whole, cut = written(given, with_cuts=False), written(given, with_cuts=True)

    expected = without_times(events(whole))
    got = without_times(events(cut))

    assert [event["seq"] for event in got] == list(range(1, len(got) + 1))
    assert got == expected
    assert msgspec.to_builtins(visits(cut)) == msgspec.to_builtins(visits(whole))
    assert state_after(batches(cut), None) == state_after(batches(whole), None)
    firsts = [(entry.first_seq, entry.last_seq) for entry in cut.entries]
    assert all(one[1] + 1 == two[0] for one, two in pairwise(firsts))


def without_times(found: list[Event]) -> list[dict[str, Any]]:
    """The time when a running node was entered is the same in both; so is all else."""
    return [{**msgspec.to_builtins(event), "type": event.type} for event in found]


@settings(deadline=None, max_examples=100)
@given(steps)
def test_replaying_the_patches_gives_the_state(given: list[Any]) -> None:

    intake = written(given, with_cuts=True)
    state: Any = {"log": []}
    for event in events(intake):
        if event.type == "state_changed":
            patch = msgspec.to_builtins(event)["patch"]
            state = jsonpatch.apply_patch(state, patch)

    assert state == state_after(batches(intake), None)


@settings(deadline=None, max_examples=50)
@given(steps)
def test_every_visit_has_its_entry_and_its_exit_among_the_events(given: list[Any]) -> None:
    intake = written(given, with_cuts=True)
    by_seq = {event.seq: event for event in events(intake)}

    for visit in visits(intake):
        assert by_seq[visit.entry_seq].type == "node_entered"
        assert visit.exit_seq is not None
        assert by_seq[visit.exit_seq].type == "node_exited"
        assert visit.edge_seq is None or by_seq[visit.edge_seq].type == "edge_taken"
        assert visit.status == "completed"
