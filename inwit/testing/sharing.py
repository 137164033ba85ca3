"""Checks of two checkpointers on one storage, as two processes have them."""

from __future__ import annotations

from inwit.errors import ThreadGapError, ThreadTakenError
from inwit.testing.appending import expect_refusal, race
from inwit.testing.checkpointers import Place, expect_equal
from inwit.testing.rows import checkpoint, deltas, pending, put, seqs, shown


def what_is_durable_is_seen_by_another_process(place: Place) -> None:
    """As soon as it was acknowledged."""
    here, there = place.open(), place.open()
    rows = [checkpoint(1), pending(2), *deltas(3, 3)]

    put(here, rows)

    expect_equal(shown(there.load("t")), shown(rows), "load")
    expect_equal(seqs(there.history("t")), [3, 1], "history")
    expect_equal(there.last_seq("t"), 3, "last_seq")
    expect_equal(list(there.threads()), ["t"], "threads")


def a_second_process_is_fenced_off(place: Place) -> None:
    """Whoever goes on with what it read last learns that another did."""
    here, there = place.open(), place.open()
    put(here, [checkpoint(1)])
    put(there, deltas(2, 2))

    expect_refusal(here, [checkpoint(2, name="mine"), pending(3)], ThreadTakenError, "a late row")

    expect_equal(seqs(here.load("t")), [1, 2], "what is kept")
    put(here, deltas(3, 3))
    expect_refusal(there, deltas(3, 3), ThreadTakenError, "the other's late row")
    put(there, deltas(4, 4))
    expect_equal(seqs(here.load("t")), [1, 2, 3, 4], "both took turns")


def a_thread_that_was_deleted_meanwhile_is_not_continued(place: Place) -> None:
    """Its next row would stand alone."""
    here, there = place.open(), place.open()
    put(here, [checkpoint(1), *deltas(2, 3)])

    there.delete_thread("t")

    expect_refusal(here, deltas(4, 4), ThreadGapError, "a row of a deleted thread")
    expect_equal(list(here.threads()), [], "threads")


def what_one_process_pruned_is_gone_for_all(place: Place) -> None:
    """And what is kept can be read by all."""
    here, there = place.open(), place.open()
    for seq in range(1, 6):
        put(here, [checkpoint(seq)])

    there.prune("t", keep=1)

    expect_equal(seqs(here.history("t")), [5], "history")
    expect_equal(seqs(here.load("t")), [5], "load")
    put(here, deltas(6, 6))
    expect_equal(seqs(there.load("t")), [5, 6], "after another row")


def one_of_several_processes_wins(place: Place) -> None:
    """Each row of a thread is written once, by whichever process."""
    race([place.open() for _ in range(4)])


CHECKS = (
    what_is_durable_is_seen_by_another_process,
    a_second_process_is_fenced_off,
    a_thread_that_was_deleted_meanwhile_is_not_continued,
    what_one_process_pruned_is_gone_for_all,
    one_of_several_processes_wins,
)
