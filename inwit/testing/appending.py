"""Checks of how a checkpointer appends: in order, all or none, and never twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from inwit.errors import ThreadGapError, ThreadTakenError
from inwit.runtime.checkpoints.base import Checkpointer, Row
from inwit.testing.checkpointers import NonconformingError, Place, expect, expect_equal
from inwit.testing.rows import PATIENCE_S, checkpoint, deltas, pending, put, seqs, shown


def expect_refusal(saver: Checkpointer, rows: list[Row], kind: type[Exception], what: str) -> None:
    """Put rows that have to be refused."""
    try:
        put(saver, rows)
    except kind:
        return
    except Exception as exc:
        raise NonconformingError(f"{what}: expected {kind.__name__}, found {exc!r}.") from exc
    raise NonconformingError(f"{what}: expected {kind.__name__}, but it was accepted.")


def a_row_that_is_there_is_refused(place: Place) -> None:
    """Even the same one, and wherever its place is."""
    saver = place.open()
    rows = [checkpoint(1), *deltas(2, 3)]
    put(saver, rows)

    expect_refusal(saver, [checkpoint(3, name="other")], ThreadTakenError, "the newest again")
    expect_refusal(saver, [checkpoint(1, name="other")], ThreadTakenError, "the first again")
    expect_refusal(saver, [rows[2]], ThreadTakenError, "the very same row")

    expect_equal(shown(saver.load("t")), shown(rows), "what is kept")


def a_refused_put_leaves_nothing(place: Place) -> None:
    """All of its rows or none."""
    saver = place.open()
    put(saver, [checkpoint(1), *deltas(2, 2)])

    late: list[Row] = [checkpoint(2, name="other"), pending(3), checkpoint(4, name="last")]
    expect_refusal(saver, late, ThreadTakenError, "rows of which the first is there")

    expect_equal(saver.last_seq("t"), 2, "last_seq")
    expect_equal(seqs(saver.load("t")), [1, 2], "load")
    expect_equal(seqs(saver.load("t", "last")), [], "a refused checkpoint")
    put(saver, [pending(3)])
    expect_equal(seqs(saver.load("t")), [1, 2, 3], "after the next row")


def a_row_without_its_predecessor_is_refused(place: Place) -> None:
    """A log with a hole would give a wrong state."""
    saver = place.open()
    put(saver, [checkpoint(1)])

    expect_refusal(saver, deltas(3, 3), ThreadGapError, "a row after a hole")
    expect_refusal(saver, [checkpoint(3)], ThreadGapError, "a whole checkpoint after a hole")
    expect_refusal(saver, deltas(2, 2, thread_id="new"), ThreadGapError, "a log's first row")
    expect_refusal(saver, [pending(7, thread_id="new")], ThreadGapError, "a pending first row")

    expect_equal(seqs(saver.load("t")), [1], "the thread")
    expect_equal(list(saver.threads()), ["t"], "a refused row makes no thread")


def an_empty_log_may_begin_with_any_whole_checkpoint(place: Place) -> None:
    """So that a tier or a copy need not hold what was pruned elsewhere."""
    saver = place.open()

    put(saver, [checkpoint(41), pending(42)])
    put(saver, deltas(43, 43))

    expect_equal(seqs(saver.load("t")), [41, 42, 43], "load")
    expect_equal(saver.last_seq("t"), 43, "last_seq")
    expect_refusal(saver, [checkpoint(40)], ThreadTakenError, "a row before its beginning")


def many_rows_are_put_at_once(place: Place) -> None:
    """Hundreds, in one call."""
    saver = place.open()
    rows: list[Row] = [checkpoint(1), *deltas(2, 400)]

    put(saver, rows)

    expect_equal(shown(saver.load("t")), shown(rows), "the rows")


def rows_keep_the_order_in_which_they_were_put(place: Place) -> None:
    """Without waiting for the one before."""
    saver = place.open()
    rows: list[Row] = [checkpoint(1), *deltas(2, 60), checkpoint(61), *deltas(62, 120)]

    futures = [saver.put([row]) for row in rows]
    for future in futures:
        if future is not None:
            future.result(PATIENCE_S)

    expect_equal(saver.last_seq("t"), 120, "last_seq")
    expect_equal(len(saver.history("t")), 120, "history")
    expect_equal(seqs(saver.load("t")), list(range(61, 121)), "load")


def a_reader_sees_what_was_put_before(place: Place) -> None:
    """Also what is not durable yet."""
    saver = place.open()

    waiting = [saver.put([checkpoint(1)]), saver.put([pending(2)])]

    expect_equal(seqs(saver.load("t")), [1, 2], "load")
    expect_equal(saver.last_seq("t"), 2, "last_seq")
    expect(
        all(future is None or future.exception(PATIENCE_S) is None for future in waiting),
        "Both puts succeed.",
    )


def threads_are_written_side_by_side(place: Place) -> None:
    """By several threads of the program at once."""
    saver = place.open()

    def write(name: str) -> list[int]:
        for seq in range(1, 21):
            put(saver, [checkpoint(seq, thread_id=name, whole=seq % 5 == 1)])
        return seqs(saver.load(name))

    names = [f"t{n}" for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(write, names))

    expect_equal(found, [[16, 17, 18, 19, 20]] * 8, "what each wrote")
    expect_equal(list(saver.threads()), names, "threads")


def one_of_several_writers_wins(place: Place) -> None:
    """Each row of a thread is written once, whoever tries."""
    race([place.open()] * 6)


def race(savers: list[Checkpointer]) -> None:
    """Let several writers try the same rows, and see that each was accepted from one of them."""
    put(savers[0], [checkpoint(1)])

    def attempt(number: int, saver: Checkpointer) -> list[tuple[int, int]]:
        won = []
        for seq in range(2, 22):
            try:
                put(saver, [checkpoint(seq, whole=False, name=f"{number}-{seq}")])
                won.append((seq, number))
            except (ThreadTakenError, ThreadGapError):
                continue
        return won

    with ThreadPoolExecutor(len(savers)) as pool:
        tried = list(pool.map(attempt, range(len(savers)), savers))

    won = sorted(pair for pairs in tried for pair in pairs)
    rows = savers[0].load("t")
    kept = [(row.seq, int(row.checkpoint_id.partition("-")[0])) for row in rows[1:]]
    expect_equal(kept, won, "the rows that were acknowledged, and by whom")
    expect_equal([seq for seq, _ in won], list(range(2, len(won) + 2)), "their places")


CHECKS: tuple[Callable[[Place], Any], ...] = (
    a_row_that_is_there_is_refused,
    a_refused_put_leaves_nothing,
    a_row_without_its_predecessor_is_refused,
    an_empty_log_may_begin_with_any_whole_checkpoint,
    many_rows_are_put_at_once,
    rows_keep_the_order_in_which_they_were_put,
    a_reader_sees_what_was_put_before,
    threads_are_written_side_by_side,
    one_of_several_writers_wins,
)
