"""A world in which random graphs run: nodes that sleep, fail, ask and pay, and who watches them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import inwit
from inwit.runtime.checkpoints import Checkpoint, Checkpointer, Row
from inwit.runtime.context import Context, current
from inwit.runtime.progress import in_step
from inwit.runtime.record import Recording
from inwit.runtime.visits import Visit
from tests.runtime.simulation.building import connect, returned
from tests.runtime.simulation.shapes import Shape, State, targets

THREAD = "thread"
RETRY = inwit.RetryPolicy(initial_interval=0.1, max_attempts=4, jitter=False)


class FatalError(Exception):
    """What ends an execution."""


@dataclass(slots=True, kw_only=True)
class Habits:
    """How one node behaves besides what it returns."""

    sleeps: tuple[float, ...]
    cleanup_s: float
    transient: int
    fatal: int
    questions: int
    payments: int


@dataclass(slots=True, kw_only=True)
class World:
    """What is outside of the runtime: it goes on when a process dies."""

    shape: Shape
    kept: Checkpointer
    habits: dict[str, Habits]
    faults: list[str] = field(default_factory=list)
    """What must not have happened."""
    failures: Counter[str] = field(default_factory=Counter)
    paid: dict[str, int] = field(default_factory=dict)
    """Payments, by what they are for; with the number of times that they were made."""
    acknowledged: set[str] = field(default_factory=set)
    """Payments of which the node was told that they are made."""
    completed: set[str] = field(default_factory=set)
    """Visits of nodes that have returned, and that nothing made undone."""
    durable: set[str] = field(default_factory=set)
    """Visits that the disk says are done: these nothing makes undone."""
    story: list[str] = field(default_factory=list)
    """What the running process did."""
    step: int = 0
    """The newest step whose checkpoint is on the disk."""

    def written(self, rows: Sequence[Row]) -> None:
        """Note what the disk has taken."""
        for row in rows:
            if isinstance(row, Checkpoint):
                self.step = row.step
            elif row.kind == "done":
                self.durable.add(in_step_once(row.task, self.step + 1))


class Process:
    """One process's share of the world; dead from one moment on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.is_dead = False
        self.active = 0
        self.completed: set[str] = set()
        self.entered: Counter[tuple[str, str]] = Counter()
        """Calls of nodes, by execution and node."""
        self.ledger = Ledger()

    def fault(self, text: str) -> None:
        """Note what must not happen; what a dead process does is nothing."""
        if not self.is_dead:
            self.world.faults.append(text)

    def tell(self, text: str) -> None:
        """Note what happens, for who repeats it."""
        self.world.story.append(f"{text}, after the kill" if self.is_dead else text)

    def app(self, checkpointer: Any, **options: Any) -> Any:
        """The graph as this process compiles it."""
        shape = self.world.shape
        graph = inwit.StateGraph(State)
        for name in shape.names:
            function = self.later(name) if name in shape.are_async else self.plain(name)
            graph.add_node(
                name, function, defer=name in shape.deferred, retry_policy=RETRY, thread=False,
                destinations=tuple(targets(shape.commands.get(name, ()))) or None,
            )  # fmt: skip
        connect(shape, graph, inwit)
        app = graph.compile(checkpointer, name="world", validate=False, **options)
        app.journal = self.ledger  # type: ignore[assignment]
        return app

    def plain(self, name: str) -> Any:
        """A sync node."""

        def node(state: Any, ctx: Context) -> Any:
            self.look(name, ctx)
            self.fail(name)
            self.ask(name)
            self.complete(name)
            return returned(self.world.shape, name, state, inwit)

        return node

    def later(self, name: str) -> Any:
        """An async node."""
        habits = self.world.habits[name]

        async def node(state: Any, ctx: Context) -> Any:
            self.look(name, ctx)
            self.active += 1
            try:
                for sleep_s in habits.sleeps:
                    await asyncio.sleep(sleep_s)
                for number in range(habits.payments):
                    await self.pay(ctx, f"{identity(name)} {number}")
                self.fail(name)
                self.ask(name)
                await asyncio.sleep(0)
                update = returned(self.world.shape, name, state, inwit)
            finally:
                try:
                    await asyncio.sleep(habits.cleanup_s)
                finally:
                    self.active -= 1
            self.complete(name)
            return update

        return node

    def complete(self, name: str) -> None:
        """Note that a node returns."""
        self.tell(f"{identity(name)} returns")
        if not self.is_dead:
            self.completed.add(identity(name))
            self.world.completed.add(identity(name))

    def undo(self) -> None:
        """Let what this process did be undone: it was killed, or its disk took nothing."""
        self.world.completed -= self.completed

    def look(self, name: str, ctx: Context) -> None:
        """See that the node was not done already, by what is durable or by what it knows itself."""
        self.entered[ctx.execution_id, name] += 1
        who, number = identity(name), step_of(ctx)
        self.tell(f"{who} begins")
        if who in self.world.completed:
            self.fault(f"{who} has returned, and runs again")
        if who in self.world.durable:
            self.fault(f"{who} runs again, and was saved as done")
        if self.world.step >= number:
            self.fault(f"{name} runs in step {number}, and step {self.world.step} is saved")

    def fail(self, name: str) -> None:
        """Fail as often as the node does, over all its attempts and processes."""
        who, habits = identity(name), self.world.habits[name]
        count = self.world.failures[who]
        if not self.is_dead:
            self.world.failures[who] += 1
        if count < habits.transient:
            raise ConnectionError(who)
        if count < habits.transient + habits.fatal:
            raise FatalError(who)

    def ask(self, name: str) -> None:
        """Ask, and see that each answer belongs to its question."""
        for number in range(self.world.habits[name].questions):
            question = f"{identity(name)} {number}"
            answer = inwit.interrupt(question)
            if answer != answer_to(question):
                self.fault(f"{question} was answered by {answer}")

    async def pay(self, ctx: Context, what: str) -> None:
        """Do once what must not be done twice."""

        def charge() -> str:
            if not self.is_dead:
                self.world.paid[what] = self.world.paid.get(what, 0) + 1
                if what in self.world.acknowledged:
                    self.fault(f"{what} is paid again")
            return what

        found = await ctx.step("pay", charge)
        if found != what:
            self.fault(f"{what} was given the receipt of {found}")
        if not self.is_dead:
            self.world.acknowledged.add(what)


class Ledger:
    """Takes rows as the journal does, and keeps them."""

    def __init__(self) -> None:
        self.recordings: list[tuple[Recording, int, list[Any]]] = []

    def begin(self, recording: Recording) -> None:
        """Follow an execution; a graph that goes on with one begins after its last seq."""
        self.recordings.append((recording, _first_seq(recording), []))

    def take(self, recording: Recording) -> None:
        """Take what an execution has."""
        for known, _, rows in self.recordings:
            if known is recording:
                rows.extend(recording.rows)
                recording.rows.clear()

    def full_wait(self, recording: Recording) -> None:
        self.take(recording)

    async def afull_wait(self, recording: Recording) -> None:
        await asyncio.sleep(0)
        self.take(recording)

    def flush(self) -> None:
        for recording, _, _ in self.recordings:
            self.take(recording)

    async def aflush(self) -> None:
        await asyncio.sleep(0.001)
        self.flush()


def _first_seq(recording: Recording) -> int:
    return int(recording.rows[0][1]) if recording.rows else recording.seq + 1


def identity(name: str) -> str:
    """The running visit, by the same name in whatever process makes it."""
    ctx = current()
    assert ctx is not None
    return in_step_once(ctx.key or name, step_of(ctx))


def in_step_once(key: str, step: int) -> str:
    """A task's name with its step, which it may have already."""
    return key if ":" in key else in_step(key, step)


def step_of(ctx: Context) -> int:
    """The number of the step that a visit belongs to, counted over the whole thread."""
    execution = ctx.execution
    return execution.base + (ctx.depth if isinstance(ctx, Visit) else execution.steps)


def answer_to(question: str) -> str:
    """The only right answer."""
    return f"answer to {question}"


def make_habits(shape: Shape, draw: random.Random) -> dict[str, Habits]:
    """Draw how the nodes behave; most have few bad habits."""

    def seldom(most: int) -> int:
        return draw.randint(1, most) if draw.random() < 0.2 else 0

    return {
        name: Habits(
            sleeps=tuple(draw.uniform(0, 1) for _ in range(draw.randrange(3))),
            cleanup_s=draw.choice((0.0, 0.0, 0.3)),
            transient=seldom(2) if name in shape.are_async else 0,
            fatal=seldom(1),
            questions=seldom(2),
            payments=seldom(2),
        )
        for name in shape.names
    }
