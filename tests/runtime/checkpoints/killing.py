"""Campaigns of kills: a writer is killed at random instants, and nothing acknowledged may be lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inwit.runtime.checkpoints.base import Checkpointer
from tests.runtime.checkpoints.nursery import THREADS, WRITER, open_saver
from tests.runtime.checkpoints.servers import wait_until

ROOT = Path(__file__).parents[3]
FRESH_EVERY = 10
"""Kills after which the threads begin anew, so that looking at all rows stays quick."""


@contextmanager
def nursery(backend: str, place: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.runtime.checkpoints.nursery", backend, place]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "INWIT_OFF": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def kill_one(process: subprocess.Popen[str], kind: str, chance: random.Random) -> list[list[str]]:
    """Let one live until it has told some things and a moment longer; all that it told."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{kind}\n")
    told: list[list[str]] = []
    pid, left = 0, chance.randrange(16)
    while True:
        words = process.stdout.readline().split()
        assert words, "The nursery has ended."
        if words[0] == "born":
            pid = int(words[1])
        elif words[0] == "ended":
            return told
        else:
            told.append(words)
        if len(told) >= left and pid:
            time.sleep(chance.random() * 0.003)  # the instant is what chance decides
            os.kill(pid, signal.SIGKILL)
            pid = 0


def campaign(backend: str, place: str, kills: int, seed: int) -> int:
    """Kill writers one after another and look at what is kept each time; how many rows there were.

    A writer begins where the one before was killed, so that a row that was half kept would show.
    """
    chance, count = random.Random(seed), 0
    reader = open_saver(backend, place)
    acknowledged: dict[tuple[str, int], int] = {}
    with nursery(backend, place) as process:
        for number in range(kills):
            if number % FRESH_EVERY == 0:
                acknowledged.clear()
                for thread_id in reader.threads():
                    reader.delete_thread(thread_id)
            for _, thread_id, seq, pid in kill_one(process, "rows", chance):
                assert (thread_id, int(seq)) not in acknowledged, f"Row {seq} was kept twice."
                acknowledged[thread_id, int(seq)] = int(pid)
                count += 1
            settle(backend, place)
            check(reader, acknowledged)
    reader.close()  # type: ignore[attr-defined] # as both of them
    return count


def resume_campaign(backend: str, place: str, kills: int, seed: int) -> int:
    """Kill graphs one after another, each resuming the one before; how many steps were run.

    With durability ``sync`` a step that begins acknowledges the one before: only the step that ran
    last may run again.
    """
    chance, count, last = random.Random(seed), 0, -1
    with nursery(backend, place) as process:
        for number in range(kills):
            if number % FRESH_EVERY == 0:
                last = -1
            told = kill_one(process, f"steps t{number // FRESH_EVERY}", chance)
            settle(backend, place)
            for at, (_, n) in enumerate(told):
                may_repeat = at == 0 and last >= 0
                assert int(n) == last + 1 or (may_repeat and int(n) == last), (
                    f"After step {last} came step {n}."
                )
                last = int(n)
            count += len(told)
    return count


def settle(backend: str, place: str) -> None:
    """Wait until a server has finished, or undone, what the killed writer had sent it."""
    if backend != "postgres":
        return
    import psycopg

    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    with psycopg.connect(place, autocommit=True) as connection:
        wait_until(lambda: connection.execute(sql, (WRITER,)).fetchone() == (0,), "The last commit")


def check(reader: Checkpointer, acknowledged: dict[tuple[str, int], int]) -> None:
    """Every acknowledged row is there, written by who was told so; and no row is missing between."""
    kept: dict[tuple[str, int], int] = {}
    for thread_id in (f"t{n}" for n in range(THREADS)):
        for row in reader.history(thread_id):
            kept[thread_id, row.seq] = int(row.checkpoint_id.partition("-")[0])
        seqs = [row.seq for row in reader.load(thread_id)]
        if seqs:
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert reader.last_seq(thread_id) == (seqs[-1] if seqs else 0)
    lost = {place: pid for place, pid in acknowledged.items() if kept.get(place) != pid}
    assert not lost, f"Acknowledged and lost: {lost}"
