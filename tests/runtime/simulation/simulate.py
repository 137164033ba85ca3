"""One seed: a random graph in a random world, run by one process after another until it is done."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

from inwit import Command
from inwit.errors import ExecutionCancelledError, InwitError, StoreError
from inwit.events import NodeEntered
from inwit.runtime.checkpoints import Checkpointer, InMemoryCheckpointer, fold, saving, split
from inwit.runtime.interrupts import still_waiting
from inwit.runtime.store.expand import About, Expander
from tests.runtime.simulation import reference, virtual
from tests.runtime.simulation.reference import TooBigError
from tests.runtime.simulation.shapes import FIRST, Shape, make_shape
from tests.runtime.simulation.virtual import Disk, WildClock
from tests.runtime.simulation.world import (
    THREAD,
    FatalError,
    Process,
    World,
    answer_to,
    make_habits,
)

MOST_PROCESSES = 80
PATIENCE_S = 600.0
"""Virtual seconds after which a process hangs."""


class BrokenPromiseError(AssertionError):
    """A seed found a fault."""


def shape_of(draw: random.Random, *, is_blind: bool) -> tuple[Shape, dict[str, Any]]:
    """Draw a graph that ends well, and the state it ends with."""
    while True:
        shape = make_shape(draw.randrange, is_blind=is_blind)
        try:
            wanted = reference.run(shape)
        except TooBigError:
            continue
        if wanted.error is None and len(wanted.state["log"]) > 1:
            return shape, wanted.state


def simulate(
    seed: int,
    make_checkpointer: Callable[[], Checkpointer] = InMemoryCheckpointer,
    tell: Callable[[World], None] = lambda world: None,
    **options: Any,
) -> Counter[str]:
    """Run one seed to its end, and count what happened.

    Raises:
        BrokenPromiseError: Something happened that must not; it says how to repeat it.
    """
    draw = random.Random(seed)
    clock = WildClock(random.Random(seed))
    with mock.patch.object(time, "time_ns", clock), mock.patch.object(saving, "time_ns", clock):
        shape, wanted = shape_of(draw, is_blind=options.get("scheduling") == "dataflow")
        world = World(shape=shape, kept=make_checkpointer(), habits=make_habits(shape, draw))
        world.story.append(f"{shape}"[:2000])
        seen = _live(world, wanted, draw, tell, options)
        if world.faults:
            raise BrokenPromiseError(_broken(seed, world, options))
        return seen


def _live(
    world: World, wanted: dict[str, Any], draw: random.Random, tell: Callable[[World], None],
    options: dict[str, Any],
) -> Counter[str]:  # fmt: skip
    """Let one process follow another until the graph is done, or a promise is broken."""
    seen: Counter[str] = Counter()
    options.setdefault("durability", draw.choice(("async", "sync", "exit")))
    is_volatile = draw.random() < 0.2 and isinstance(world.kept, InMemoryCheckpointer)
    """Whether checkpoints are kept by the process itself, which is never killed then."""
    for number in range(MOST_PROCESSES):
        is_calm = number > MOST_PROCESSES // 2
        process = _Run(world, draw, is_calm=is_calm, is_volatile=is_volatile, options=options)
        try:
            virtual.run(process.run())
        except virtual.DeadlockError:
            world.faults.append("it hangs, and cannot be cancelled")
        seen[process.outcome] += 1
        if process.outcome == "done" and process.state != wanted:
            world.faults.append(f"{process.state} is not {wanted}")
        world.story.append(f"{process.plan} process: {process.outcome}; {'; '.join(world.faults)}")
        tell(world)
        if world.faults or process.outcome == "done":
            return seen
    world.faults.append(f"it never ends: {dict(seen)}")
    return seen


def _broken(seed: int, world: World, options: dict[str, Any]) -> str:
    scheduling, kind = options.get("scheduling", "steps"), type(world.kept).__name__
    again = f"python -m tests.runtime.simulation.repeat {seed} {scheduling} {kind}"
    return f"seed {seed}: {'; '.join(world.faults)}\nTo repeat it: {again}"


class _Run:
    """One process from its start to its end, by itself or by a kill."""

    def __init__(
        self, world: World, draw: random.Random, *, is_calm: bool, is_volatile: bool,
        options: dict[str, Any],
    ) -> None:  # fmt: skip
        self.world, self.draw, self.options = world, draw, options
        self.process = Process(world)
        self.disk = Disk(world.kept, draw, failures=0.0 if is_calm else 0.03)
        self.outcome = ""
        self.state: dict[str, Any] = {}
        self.disk.on_written = world.written
        plans = ["calm", "cancel", "cancel twice", "stop"]
        if not is_volatile:
            plans += ["kill", "kill on put", "kill on put"]
        self.plan = "calm" if is_calm else draw.choice(plans)
        self.is_volatile = is_volatile
        self.task: asyncio.Task[Any] | None = None
        self.stopping: asyncio.Task[Any] | None = None
        self.failed = 0
        """Writes that had failed when the execution ended."""

    async def run(self) -> None:
        """Begin or go on, whichever it is, and see how that ends."""
        app = self.process.app(self.world.kept if self.is_volatile else self.disk, **self.options)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        self.task = loop.create_task(self._invoke(app))
        if self.draw.random() < 0.1:
            loop.call_later(self.draw.uniform(0, 4), loop.jump, self.draw.uniform(0, 100))
        if self.plan == "kill":
            loop.call_later(self.draw.uniform(0, 4), self._kill)
        elif self.plan == "kill on put":
            self._kill_on_put(self.draw.randrange(12))
        elif self.plan != "calm":
            loop.call_later(self.draw.uniform(0, 4), self._cancel, app)
        try:
            await asyncio.wait_for(asyncio.shield(self.task), PATIENCE_S)
        except (TimeoutError, virtual.DeadlockError):
            self.process.fault("it hangs")
        except BaseException as exc:  # noqa: BLE001 - it is looked at
            self._look_at(exc)
        else:
            self.outcome = "done" if "__interrupt__" not in self.task.result() else "waiting"
            self.state = {**FIRST, **self.task.result()}
        if self.process.is_dead:
            self.outcome = "killed"
        elif self.outcome:
            await self._leave()
        if self.disk.is_cut or self.disk.failed:
            self.process.undo()

    async def _invoke(self, app: Any) -> Any:
        config = {"configurable": {"thread_id": THREAD}}
        try:
            return await app.ainvoke(self._input(), config)
        finally:
            self.failed = self.disk.failed

    def _input(self) -> Any:
        rows = self.world.kept.load(THREAD)
        if not rows:
            return {"log": []}
        waiting = still_waiting(split(rows)[1])
        if not waiting or self.draw.random() < 0.1:
            return None
        asked = [one for one in waiting if len(waiting) == 1 or self.draw.random() < 0.7]
        answers = {one.id: answer_to(one.value) for one in asked or waiting}
        return Command(resume=answers)

    def _cancel(self, app: Any) -> None:
        """Cancel once, or once more while nodes clean up, or tell the thread's executions to stop."""
        assert self.task is not None
        if self.task.done():
            return
        loop = self.task.get_loop()
        if self.plan == "stop":
            self.stopping = loop.create_task(app.acancel(thread_id=THREAD))
        else:
            self.task.cancel()
        if self.plan == "cancel twice":
            loop.call_later(self.draw.uniform(0, 0.5), self.task.cancel)

    def _kill(self) -> None:
        """End the process as the system would: nothing it does from now on counts."""
        if self.task is not None and not self.task.done():
            self.process.is_dead = True
            self.disk.crash()
            self.task.cancel()

    def _kill_on_put(self, count: int) -> None:
        left = [count]

        def look() -> None:
            left[0] -= 1
            if left[0] < 0:
                self._kill()

        self.disk.on_put = look

    def _look_at(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError | ExecutionCancelledError):
            self.outcome = "cancelled"
        elif isinstance(error, FatalError | ConnectionError):
            self.outcome = "failed"
        elif isinstance(error, StoreError) or (
            isinstance(error, InwitError) and self.process.is_dead
        ):
            self.outcome = "no room"
        else:
            self.process.fault(f"{type(error).__name__}: {error}")
            if not self.process.is_dead:
                raise error

    async def _leave(self) -> None:
        """Look at what is left when an execution has ended by itself."""
        if self.stopping is not None:
            await self.stopping
        if self.process.active:
            self.process.fault(f"{self.process.active} nodes still clean up")
        self.disk.flush()
        if self.disk.failed > self.failed:
            self.outcome = "no room"  # The log says so: nobody waits for this write any more.
            is_hurried = self.plan == "cancel twice"  # Then it does not wait for the disk.
            if self.options["durability"] != "async" and not is_hurried:
                self.process.fault("something is written after the end")
        elif self.outcome == "done":
            self._see_that_it_is_kept()
        self.process.ledger.flush()
        entered: Counter[tuple[str, str | None]] = Counter()
        for recording, first, rows in self.process.ledger.recordings:
            events = Expander(About(execution_id=recording.execution_id)).expand(rows, first, 0)
            seqs = [event.seq for event in events]
            if seqs != list(range(first, first + len(seqs))):
                self.process.fault(f"the record has gaps: {seqs}")
            if rows and rows[-1][0] != 6:
                self.process.fault("the record has no end")
            entered.update(
                (recording.execution_id, event.node)
                for event in events
                if isinstance(event, NodeEntered)
            )
        self._compare(entered)

    def _see_that_it_is_kept(self) -> None:
        rows = self.world.kept.load(THREAD)
        if not rows or split(rows)[0].next or {**FIRST, **fold(rows)} != self.state:
            self.process.fault("it is done, and that is not kept")

    def _compare(self, entered: Counter[tuple[str, str | None]]) -> None:
        """Compare the record with what the nodes saw; it also tells of branches that were kept."""
        for one, count in self.process.entered.items():
            if entered[one] < count:
                self.process.fault(f"{one[1]} ran {count} times, the record says {entered[one]}")
