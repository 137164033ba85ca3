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
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def kill_one(process: subprocess.Popen[str], chance: random.Random) -> list[tuple[str, int, int]]:
    """Let one writer live until it has kept some rows and a moment longer; the rows that it kept."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("one\n")
    born = process.stdout.readline().split()
    pid, left = int(born[1]), chance.randrange(16)
    kept: list[tuple[str, int, int]] = []
    is_killed = False
    while True:
        if left <= 0 and not is_killed:
            time.sleep(chance.random() * 0.003)  # the instant is what chance decides
            os.kill(pid, signal.SIGKILL)
            is_killed = True
        words = process.stdout.readline().split()
        if words == ["ended"]:
            return kept
        assert words, "The nursery has ended."
        kept.append((words[1], int(words[2]), int(words[3])))
        left -= 1


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
            for thread_id, seq, pid in kill_one(process, chance):
                assert (thread_id, seq) not in acknowledged, f"Row {seq} was acknowledged twice."
                acknowledged[thread_id, seq] = pid
                count += 1
            settle(backend, place)
            check(reader, acknowledged)
    reader.close()  # type: ignore[attr-defined] # as both of them
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
