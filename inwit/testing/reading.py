"""Checks of what a checkpointer gives back."""

from __future__ import annotations

from inwit.runtime.checkpoints.base import Checkpoint, Pending, Row, Task
from inwit.runtime.serial import thaw
from inwit.testing.checkpointers import Place, expect, expect_equal
from inwit.testing.rows import (
    VALUES,
    checkpoint,
    deltas,
    pending,
    put,
    put_each,
    seqs,
    shown,
    values_of,
)


def an_unknown_thread_is_empty(place: Place) -> None:
    """Nothing is raised, and nothing appears by reading."""
    saver = place.open()

    expect_equal(list(saver.load("t")), [], "load")
    expect_equal(list(saver.load("t", "c1")), [], "load of a named checkpoint")
    expect_equal(list(saver.history("t")), [], "history")
    expect_equal(saver.last_seq("t"), 0, "last_seq")
    expect_equal(list(saver.threads()), [], "threads")
    saver.delete_thread("t")
    saver.prune("t", keep=1)


def rows_come_back_as_they_were_put(place: Place) -> None:
    """Every field of both kinds of row, and values of every type."""
    saver = place.open()
    rows: list[Row] = [
        checkpoint(1, values=VALUES),
        pending(2, value=list(VALUES.values())),
    ]
    put(saver, rows)

    found = saver.load("t")

    expect_equal([type(row) for row in found], [Checkpoint, Pending], "the kinds of rows")
    expect_equal(shown(found), shown(rows), "the rows")
    first, second = found
    assert isinstance(first, Checkpoint) and isinstance(second, Pending)  # noqa: PT018
    expect_equal(values_of(first.state or {}), VALUES | {"log": [1]}, "the state")
    expect_equal(thaw(second.value), list(VALUES.values()), "the pending value")
    expect_equal(first.metadata, {"user": "ada", "tags": ["a", ("b", 2)]}, "the metadata")
    expect(all(isinstance(task, Task) for task in first.next), "next holds Tasks")
    expect_equal(thaw(first.next[1].arg), {"item": [1]}, "the input of a sent task")
    parts = [(task, values_of(update)) for task, update in first.parts or ()]
    expect_equal(parts[:1], [("plain", VALUES)], "what each task wrote")


def a_row_may_be_large(place: Place) -> None:
    """One of a megabyte."""
    saver = place.open()
    blob = bytes(range(256)) * 4096
    put(saver, [checkpoint(1, values={"blob": blob})])

    [first] = saver.load("t")

    assert isinstance(first, Checkpoint)
    expect(values_of(first.state or {})["blob"] == blob, "A value of 1 MiB comes back.")


def names_are_kept_apart(place: Place) -> None:
    """Names that contain each other, separators, or signs that storages give a meaning to."""
    saver = place.open()
    names = [
        "a",
        "a/b",
        "a:b",
        "a|b",
        "A",
        "a%",
        "a%2Fb",
        "a_b",
        "a.",
        "a~1",
        "a@b",
        "é",
        "x" * 200,
    ]
    spaces = ["a", "a:1", "a:1|b:2", "a/b", "é"]
    places = [*((name, "") for name in names), *(("a", ns) for ns in spaces)]
    for name, ns in places:
        put(saver, [checkpoint(1, thread_id=name, ns=ns, values={"at": [name, ns]})])

    expect_equal(list(saver.threads()), sorted(names), "threads")
    for name, ns in places:
        [row] = saver.load(name, ns=ns)
        expect_equal((row.thread_id, row.ns), (name, ns), "where a row belongs")
        expect_equal(seqs(saver.history(name, ns=ns)), [1], "history")


def loading_begins_with_the_newest_whole_checkpoint(place: Place) -> None:
    """What lies before it is not needed."""
    saver = place.open()
    put_each(saver, [checkpoint(1), *deltas(2, 4), checkpoint(5), *deltas(6, 7)])

    expect_equal(seqs(saver.load("t")), [5, 6, 7], "the newest")
    expect_equal(seqs(saver.load("t", "c7")), [5, 6, 7], "c7")
    expect_equal(seqs(saver.load("t", "c5")), [5], "c5")
    expect_equal(seqs(saver.load("t", "c4")), [1, 2, 3, 4], "c4")
    expect_equal(seqs(saver.load("t", "c1")), [1], "c1")
    expect_equal(seqs(saver.load("t", "c9")), [], "a checkpoint that is not there")
    expect_equal(seqs(saver.load("t", "c5", ns="other")), [], "another namespace")


def what_is_pending_ends_before_the_next_checkpoint(place: Place) -> None:
    """Pending rows belong to the checkpoint that they follow."""
    saver = place.open()
    put(saver, [checkpoint(1)])
    put(saver, [pending(2), pending(3)])
    put(saver, [*deltas(4, 4), pending(5)])

    expect_equal(seqs(saver.load("t", "c1")), [1, 2, 3], "c1 with what is pending after it")
    expect_equal(seqs(saver.load("t", "c4")), [1, 2, 3, 4, 5], "c4")
    expect_equal(seqs(saver.load("t")), [1, 2, 3, 4, 5], "the newest")


def history_is_newest_first(place: Place) -> None:
    """Checkpoints only, as many as are asked for."""
    saver = place.open()
    put_each(saver, [checkpoint(1), pending(2), *deltas(3, 4), checkpoint(5), pending(6)])

    expect_equal(seqs(saver.history("t")), [5, 4, 3, 1], "all")
    expect_equal(seqs(saver.history("t", 2)), [5, 4], "two")
    expect_equal(seqs(saver.history("t", limit=99)), [5, 4, 3, 1], "more than there are")
    expect_equal(seqs(saver.history("t", limit=0)), [], "none")
    expect_equal(saver.last_seq("t"), 6, "last_seq counts pending rows")


def a_long_thread_is_read_whole(place: Place) -> None:
    """More rows than one page of any storage's answers."""
    saver = place.open()
    put(saver, [checkpoint(1)])
    for first in range(2, 1202, 100):
        put(saver, deltas(first, first + 99))

    expect_equal(seqs(saver.load("t")), list(range(1, 1202)), "load")
    expect_equal(seqs(saver.load("t", "c600")), list(range(1, 601)), "a named one")
    expect_equal(len(saver.history("t")), 1201, "history")


def deleting_a_thread_leaves_the_others(place: Place) -> None:
    """All its namespaces go; it may begin anew."""
    saver = place.open()
    for name in ("a", "a/b", "b"):
        for ns in ("", "sub:1"):
            put(saver, [checkpoint(1, thread_id=name, ns=ns), pending(2, thread_id=name, ns=ns)])

    saver.delete_thread("a")

    expect_equal(list(saver.threads()), ["a/b", "b"], "threads")
    for ns in ("", "sub:1"):
        expect_equal(seqs(saver.load("a", ns=ns)), [], "the deleted thread")
        expect_equal(saver.last_seq("a", ns=ns), 0, "its last_seq")
        expect_equal(seqs(saver.load("a/b", ns=ns)), [1, 2], "another thread")
    put(saver, [checkpoint(1, thread_id="a", values={"n": "new"})])
    [row] = saver.load("a")
    assert isinstance(row, Checkpoint)
    expect_equal(thaw(row.update["n"]), "new", "a thread that begins anew")


def pruning_keeps_what_the_newest_need(place: Place) -> None:
    """In every namespace; what is listed afterwards can be restored, and the log goes on."""
    saver = place.open()
    for ns in ("", "sub:1"):
        rows = [checkpoint(1, ns=ns), *deltas(2, 3, ns=ns), checkpoint(4, ns=ns)]
        put_each(saver, [*rows, *deltas(5, 6, ns=ns), checkpoint(7, ns=ns), pending(8, ns=ns)])

    saver.prune("t", keep=2)

    for ns in ("", "sub:1"):
        expect_equal(seqs(saver.load("t", ns=ns)), [7, 8], "the newest")
        expect_equal(seqs(saver.load("t", "c6", ns=ns)), [4, 5, 6], "the last but one")
        expect_equal(seqs(saver.load("t", "c3", ns=ns)), [], "one that was pruned")
        expect_equal(seqs(saver.history("t", ns=ns)), [7, 6, 5, 4], "history")
        expect_equal(saver.last_seq("t", ns=ns), 8, "last_seq")
        put(saver, deltas(9, 9, ns=ns))
        expect_equal(seqs(saver.load("t", ns=ns)), [7, 8, 9], "after another row")


def pruning_to_more_than_there_is_changes_nothing(place: Place) -> None:
    """Nor does it touch other threads."""
    saver = place.open()
    put_each(saver, [checkpoint(1), *deltas(2, 3)])
    put_each(saver, [checkpoint(1, thread_id="other"), checkpoint(2, thread_id="other")])

    saver.prune("t", keep=10)
    saver.prune("t", keep=1)

    expect_equal(seqs(saver.load("t")), [1, 2, 3], "the thread")
    expect_equal(seqs(saver.history("other")), [2, 1], "another thread")


CHECKS = (
    an_unknown_thread_is_empty,
    rows_come_back_as_they_were_put,
    a_row_may_be_large,
    names_are_kept_apart,
    loading_begins_with_the_newest_whole_checkpoint,
    what_is_pending_ends_before_the_next_checkpoint,
    history_is_newest_first,
    a_long_thread_is_read_whole,
    deleting_a_thread_leaves_the_others,
    pruning_keeps_what_the_newest_need,
    pruning_to_more_than_there_is_changes_nothing,
)
