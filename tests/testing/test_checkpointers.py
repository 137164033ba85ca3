"""The suite for checkpointers: it passes one that is right, and notices each way to be wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from inwit import Checkpoint, InMemoryCheckpointer
from inwit.errors import ThreadTakenError
from inwit.runtime.checkpoints import Row
from inwit.testing import NonconformingError, checkpointer_suite

_shared: dict[str, Any] = {}
_lock = threading.RLock()


class Plain:
    """Keeps rows in lists, without a thought of speed: right, so that subclasses can be wrong."""

    def __init__(self, name: str) -> None:
        self.logs: dict[tuple[str, str], list[Row]] = _shared.setdefault(name, {})

    def put(self, rows: Sequence[Row]) -> None:
        with _lock:
            memory, kept = InMemoryCheckpointer(), self.log(rows[0])
            if kept:
                memory.put([whole_at(kept[-1])])
            memory.put(rows)
            self.logs.setdefault((rows[0].thread_id, rows[0].ns), []).extend(rows)

    def log(self, row: Row) -> list[Row]:
        return self.logs.get((row.thread_id, row.ns), [])

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        memory = InMemoryCheckpointer()
        rows = self.logs.get((thread_id, ns), [])
        if rows:
            memory.put(rows)
        return memory.load(thread_id, checkpoint_id, ns=ns)

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        rows = self.logs.get((thread_id, ns), [])
        return [row for row in rows[::-1] if isinstance(row, Checkpoint)][:limit]

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        rows = self.logs.get((thread_id, ns), [])
        return rows[-1].seq if rows else 0

    def delete_thread(self, thread_id: str) -> None:
        for log in [log for log in self.logs if log[0] == thread_id]:
            del self.logs[log]

    def prune(self, thread_id: str, *, keep: int) -> None:
        for log in [log for log in self.logs if log[0] == thread_id]:
            kept = self.history(thread_id, keep, ns=log[1])
            first = self.load(thread_id, kept[-1].checkpoint_id, ns=log[1])[0].seq
            self.logs[log] = [row for row in self.logs[log] if row.seq >= first]

    def threads(self) -> Sequence[str]:
        return sorted({thread_id for thread_id, _ in self.logs})


def whole_at(row: Row) -> Checkpoint:
    return Checkpoint(
        thread_id=row.thread_id, ns=row.ns, seq=row.seq, checkpoint_id="", execution_id="", step=0,
        ts_ns=0, update={}, state={},
    )  # fmt: skip


class WithoutFence(Plain):
    def put(self, rows: Sequence[Row]) -> None:
        self.logs.setdefault((rows[0].thread_id, rows[0].ns), []).extend(rows)


class Overwriting(Plain):
    def put(self, rows: Sequence[Row]) -> None:
        try:
            super().put(rows)
        except ThreadTakenError:
            log = self.log(rows[0])
            log[:] = [row for row in log if row.seq < rows[0].seq]
            log.extend(rows)


class HalfPutting(Plain):
    def put(self, rows: Sequence[Row]) -> None:
        last = self.last_seq(rows[0].thread_id, ns=rows[0].ns)
        new = [row for row in rows if row.seq > last]
        if new:
            super().put(new)
        if len(new) < len(rows):
            raise ThreadTakenError(rows[0].thread_id, rows[0].ns, rows[0].seq)


class WithHoles(Plain):
    def put(self, rows: Sequence[Row]) -> None:
        last = self.last_seq(rows[0].thread_id, ns=rows[0].ns)
        if rows[0].seq <= last:
            raise ThreadTakenError(rows[0].thread_id, rows[0].ns, rows[0].seq)
        self.logs.setdefault((rows[0].thread_id, rows[0].ns), []).extend(rows)


class BeginningAtOneOnly(Plain):
    def put(self, rows: Sequence[Row]) -> None:
        if rows[0].seq > 1 and not self.log(rows[0]):
            raise ThreadTakenError(rows[0].thread_id, rows[0].ns, rows[0].seq)
        super().put(rows)


class Racing(Plain):
    def put(self, rows: Sequence[Row]) -> None:
        last = self.last_seq(rows[0].thread_id, ns=rows[0].ns)
        if rows[0].seq <= last:
            raise ThreadTakenError(rows[0].thread_id, rows[0].ns, rows[0].seq)
        time.sleep(0.001)  # others come in between
        if rows[0].seq != last + 1:
            super().put(rows)
        else:
            self.logs.setdefault((rows[0].thread_id, rows[0].ns), []).extend(rows)


class LoadingEverything(Plain):
    def load(self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = "") -> Any:
        return (
            self.logs.get((thread_id, ns), [])
            if super().load(thread_id, checkpoint_id, ns=ns)
            else []
        )


class LoadingNoPending(Plain):
    def load(self, *args: Any, **options: Any) -> Any:
        return [row for row in super().load(*args, **options) if isinstance(row, Checkpoint)]


class LoadingTheNewestForAnyName(Plain):
    def load(self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = "") -> Any:
        return super().load(thread_id, checkpoint_id, ns=ns) or super().load(thread_id, ns=ns)


class OldestFirst(Plain):
    def history(self, thread_id: str, limit: int | None = None, *, ns: str = "") -> Any:
        return super().history(thread_id, ns=ns)[::-1][:limit]


class WithoutLimit(Plain):
    def history(self, thread_id: str, limit: int | None = None, *, ns: str = "") -> Any:
        return super().history(thread_id, limit or None, ns=ns)


class CountingCheckpointsOnly(Plain):
    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        found = self.history(thread_id, 1, ns=ns)
        return found[0].seq if found else 0


class DeletingTheGraphItselfOnly(Plain):
    def delete_thread(self, thread_id: str) -> None:
        self.logs.pop((thread_id, ""), None)


class DeletingByPrefix(Plain):
    def delete_thread(self, thread_id: str) -> None:
        for log in [log for log in self.logs if log[0].startswith(thread_id)]:
            del self.logs[log]


class PruningWhatIsNeeded(Plain):
    def prune(self, thread_id: str, *, keep: int) -> None:
        for log in [log for log in self.logs if log[0] == thread_id]:
            kept = self.history(thread_id, keep, ns=log[1])
            self.logs[log] = [row for row in self.logs[log] if row.seq >= kept[-1].seq]


class NeverPruning(Plain):
    def prune(self, thread_id: str, *, keep: int) -> None:
        pass


class Unsorted(Plain):
    def threads(self) -> Any:
        return super().threads()[::-1]


class Mixing(Plain):
    """Takes a namespace for a part of the thread's name."""

    def load(self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = "") -> Any:
        return super().load(thread_id, checkpoint_id, ns=ns) or super().load(
            thread_id, checkpoint_id
        )


class LosingFields(Plain):
    def put(self, rows: Sequence[Row]) -> None:
        super().put([replace(row, owner="") for row in rows])


class Alone(Plain):
    """Does not show to one process what another did."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.logs = {}


WRONG = [
    WithoutFence, Overwriting, HalfPutting, WithHoles, BeginningAtOneOnly, Racing, LoadingEverything,
    LoadingNoPending, LoadingTheNewestForAnyName, OldestFirst, WithoutLimit, CountingCheckpointsOnly,
    DeletingTheGraphItselfOnly, DeletingByPrefix, PruningWhatIsNeeded, NeverPruning, Unsorted, Mixing,
    LosingFields, Alone,
]  # fmt: skip


def failures(kind: type[Plain]) -> list[str]:
    found = []
    for check in checkpointer_suite(kind):
        try:
            check()
        except NonconformingError:
            found.append(check.name)
        except Exception as exc:  # noqa: BLE001 - a backend may raise whatever it likes
            found.append(f"{check.name}: {exc!r}")
    return found


@pytest.mark.parametrize("kind", WRONG)
def test_the_suite_notices_a_checkpointer_that_is_wrong(kind: type[Plain]) -> None:
    assert failures(kind)


def test_the_suite_passes_one_that_is_simple_and_right() -> None:
    assert failures(Plain) == []


@pytest.mark.parametrize("check", checkpointer_suite(is_shared=False), ids=str)
def test_the_suite_passes_one_that_is_right(check: Any) -> None:
    check(lambda name: InMemoryCheckpointer())


def test_a_check_without_a_checkpointer_says_what_it_needs() -> None:
    with pytest.raises(TypeError, match="Give a checkpointer to check"):
        checkpointer_suite()[0]()


def test_the_suite_does_not_rest_on_assert() -> None:
    import subprocess
    import sys

    program = (
        "from inwit import InMemoryCheckpointer\n"
        "from inwit.testing import NonconformingError, checkpointer_suite\n"
        "class Wrong(InMemoryCheckpointer):\n"
        "    def last_seq(self, thread_id, *, ns=''): return 7\n"
        "try:\n"
        "    for check in checkpointer_suite(lambda name: Wrong(), is_shared=False): check()\n"
        "except NonconformingError as error: print(error)\n"
    )

    shown = subprocess.check_output([sys.executable, "-O", "-c", program], text=True)

    assert "last_seq: expected 0, found 7." in shown


def test_the_guide_shows_a_whole_backend_in_sixty_lines() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guide" / "persistence.md").read_text()
    program = page.partition("```python\nimport base64")[2].partition("```")[0]

    assert "class LogCheckpointer" in program
    assert len(program.splitlines()) <= 60
