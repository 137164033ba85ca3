"""A program that writes to the record until it is killed. It prints what was acknowledged."""

from __future__ import annotations

import sys
import time

from inwit.runtime.project import Project
from inwit.runtime.store.journal import Journal
from tests.runtime.store.rows import end, recording, start, visit, whole


def say(what: object) -> None:
    """Tell the test."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def executions(name: str, many: int) -> None:
    """Write whole executions and flush after each few."""
    journal = Journal.of(Project.find())
    for number in range(many):
        journal.begin(whole(f"{name}-{number}", visits=3))
        if number % 10 == 9:
            journal.flush()
            say(number)


def endless(name: str) -> None:
    """Write one execution without an end; print the seqs that were acknowledged."""
    journal = Journal.of(Project.find())
    rec = recording(name)
    start(rec)
    journal.begin(rec)
    number = 0
    while True:
        for _ in range(7):
            number += 1
            visit(rec, "work", number, {"n": number, "text": "x" * 50})
        if len(rec.rows) > 4000:
            journal.full_wait(rec)
        acknowledged = rec.seq
        journal.flush()
        say(acknowledged)


def waiting(name: str) -> None:
    """Begin an execution and an interrupted one, say so, and hang in a node."""
    journal = Journal.of(Project.find())
    paused = recording(f"{name}-paused")
    start(paused)
    end(paused, "waiting_for_input")
    journal.begin(paused)
    rec = recording(name)
    start(rec)
    rec.seq = 2
    rec.current = (2, "hang", 1, 1, time.monotonic_ns())
    journal.begin(rec)
    journal.flush()
    say("ready")
    sys.stdin.readline()
    rec.current = None
    visit(rec, "hang", 1)
    end(rec)
    journal.flush()
    say("written")


def exiting(name: str) -> None:
    """Write and leave it to the interpreter's end to make it durable."""
    Journal.of(Project.find()).begin(whole(name))


if __name__ == "__main__":
    {
        "executions": lambda: executions(sys.argv[2], int(sys.argv[3])),
        "endless": lambda: endless(sys.argv[2]),
        "waiting": lambda: waiting(sys.argv[2]),
        "exiting": lambda: exiting(sys.argv[2]),
    }[sys.argv[1]]()
