"""Repeat one seed of the simulation, and tell all of its story.

python -m tests.runtime.simulation.repeat SEED [steps|dataflow] [InMemoryCheckpointer|SqliteCheckpointer]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from inwit import InMemoryCheckpointer, SqliteCheckpointer
from inwit.runtime.checkpoints import Checkpoint, Checkpointer
from tests.runtime.simulation.simulate import BrokenPromiseError, simulate
from tests.runtime.simulation.world import THREAD, World


def tell(world: World) -> None:
    """Print what happened in a process, and what is kept after it."""
    sys.stdout.write("".join(f"  {line}\n" for line in world.story))
    for row in world.kept.load(THREAD):
        if isinstance(row, Checkpoint):
            following = ", ".join(task.name for task in row.next)
            text = f"checkpoint of step {row.step}; next {following or 'nothing'}; {row.joins}"
        else:
            text = f"{row.kind} {row.task} {row.key!r}"
        sys.stdout.write(f"    {row.seq:4} {text}\n")
    world.story.clear()


def main(seed: str, scheduling: str = "steps", kind: str = "InMemoryCheckpointer") -> None:
    """Run one seed again."""
    os.environ["INWIT_OFF"] = "1"
    make: Callable[[], Checkpointer] = InMemoryCheckpointer
    with tempfile.TemporaryDirectory() as folder:
        if kind == SqliteCheckpointer.__name__:
            make = partial(SqliteCheckpointer, Path(folder) / "own.db")
        try:
            seen = simulate(int(seed), make, tell=tell, scheduling=scheduling)
        except BrokenPromiseError as error:
            sys.exit(str(error))
    sys.stdout.write(f"It kept its promises: {dict(seen)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
