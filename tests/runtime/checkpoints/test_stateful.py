"""Checkpointers against a dict: whatever is done in whatever order, both say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from inwit.errors import ThreadGapError, ThreadTakenError
from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Row, is_whole
from inwit.testing.rows import checkpoint, pending, put, shown
from tests.runtime.checkpoints.backends import BACKENDS

Log = tuple[str, str]
THREADS = st.sampled_from(["a", "a/b"])
SPACES = st.sampled_from(["", "sub:1"])
KINDS = st.lists(st.sampled_from(["whole", "delta", "pending"]), min_size=1, max_size=4)
EXAMPLES = {"memory": 60, "own file": 25, "s3": 4, "dynamodb": 4}
"""How many; a server's are dearer. Others have 10."""


class Model:
    """What the protocol says, done with a dict and no thought of speed."""

    def __init__(self) -> None:
        self.logs: dict[Log, list[Row]] = {}

    def refusal(self, rows: list[Row]) -> type[Exception] | None:
        kept = self.logs.get((rows[0].thread_id, rows[0].ns), [])
        last = kept[-1].seq if kept else 0
        if rows[0].seq <= last:
            return ThreadTakenError
        may_begin = not kept and is_whole(rows[0])
        return None if rows[0].seq == last + 1 or may_begin else ThreadGapError

    def put(self, rows: list[Row]) -> None:
        self.logs.setdefault((rows[0].thread_id, rows[0].ns), []).extend(rows)

    def load(self, log: Log, checkpoint_id: str | None) -> list[Row]:
        rows = self.logs.get(log, [])
        at = [n for n, row in enumerate(rows) if isinstance(row, Checkpoint)]
        named = [n for n in at if checkpoint_id in (None, rows[n].checkpoint_id)]
        if not named:
            return []
        wholes = [n for n in at if n <= named[-1] and is_whole(rows[n])]
        end = next((n for n in at if n > named[-1]), len(rows))
        return rows[wholes[-1] : end] if wholes else []

    def history(self, log: Log) -> list[Checkpoint]:
        return [row for row in self.logs.get(log, [])[::-1] if isinstance(row, Checkpoint)]

    def prune(self, log: Log, keep: int) -> None:
        kept = self.history(log)[:keep]
        if kept and (needed := self.load(log, kept[-1].checkpoint_id)):
            self.logs[log] = self.logs[log][self.logs[log].index(needed[0]) :]


class Machine(RuleBasedStateMachine):
    """Does the same to a checkpointer and to the model."""

    make: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.saver: Checkpointer = type(self).make(f"machine-{uuid4().hex[:12]}")
        self.model = Model()

    def teardown(self) -> None:
        self.saver.close()  # type: ignore[attr-defined] # as every one of ours

    @rule(thread=THREADS, ns=SPACES, kinds=KINDS, offset=st.sampled_from([0] * 8 + [-1, 1]))
    def append(self, thread: str, ns: str, kinds: list[str], offset: int) -> None:
        first = max(self.saver.last_seq(thread, ns=ns) + 1 + offset, 1)
        rows = [row_of(kind, first + n, thread, ns) for n, kind in enumerate(kinds)]
        # What a log begins with is whole; the engine puts nothing else there.
        if not self.model.logs.get((thread, ns)) and not is_whole(rows[0]):
            rows[0] = row_of("whole", first, thread, ns)
        refusal = self.model.refusal(rows)
        if refusal is None:
            put(self.saver, rows)
            self.model.put(rows)
        else:
            with pytest.raises(refusal):
                put(self.saver, rows)

    @rule(thread=THREADS, keep=st.integers(1, 4))
    def prune(self, thread: str, keep: int) -> None:
        self.saver.prune(thread, keep=keep)
        for log in list(self.model.logs):
            if log[0] == thread:
                self.model.prune(log, keep)

    @rule(thread=THREADS)
    def delete(self, thread: str) -> None:
        self.saver.delete_thread(thread)
        for log in list(self.model.logs):
            if log[0] == thread:
                del self.model.logs[log]

    @rule(thread=THREADS, ns=SPACES, at=st.integers(0, 20))
    def load_any(self, thread: str, ns: str, at: int) -> None:
        history = self.model.history((thread, ns))
        if history:
            name = history[at % len(history)].checkpoint_id
            assert shown(self.saver.load(thread, name, ns=ns)) == shown(
                self.model.load((thread, ns), name)
            )

    @invariant()
    def newest_states_and_threads_are_the_same(self) -> None:
        assert list(self.saver.threads()) == sorted({log[0] for log in self.model.logs})
        for (thread, ns), rows in self.model.logs.items():
            assert self.saver.last_seq(thread, ns=ns) == rows[-1].seq
            assert shown(self.saver.load(thread, ns=ns)) == shown(
                self.model.load((thread, ns), None)
            )
            self.check_history(thread, ns)

    def check_history(self, thread: str, ns: str) -> None:
        """A backend may keep more than it was told to, if all that it lists can be restored."""
        found, wanted = self.saver.history(thread, ns=ns), self.model.history((thread, ns))
        assert shown(found[: len(wanted)]) == shown(wanted)
        for extra in found[len(wanted) :]:
            rows = self.saver.load(thread, extra.checkpoint_id, ns=ns)
            assert is_whole(rows[0]) and extra.seq in [row.seq for row in rows]


def row_of(kind: str, seq: int, thread: str, ns: str) -> Row:
    if kind == "pending":
        return pending(seq, thread_id=thread, ns=ns)
    name = f"c{seq}-{uuid4().hex[:6]}"
    return checkpoint(seq, thread_id=thread, ns=ns, whole=kind == "whole", name=name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_does_what_a_dict_would(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    make = staticmethod(BACKENDS[backend](request, tmp_path))
    machine = type("Machine", (Machine,), {"make": make})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES.get(backend, 10),
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
