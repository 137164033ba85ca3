"""Graphs of many shapes on the real runtime, whose nodes do what a plan tells them.

The plan of an execution travels in a context variable: no state, config or name of the record
shows it. Nodes are written as source, so that what they read and write can be seen as in a program.
"""

from __future__ import annotations

import asyncio
import itertools
import linecache
import random
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from inwit import CompiledGraph, StateGraph

WORDS = (
    "fetch", "clean", "embed", "retrieve", "rank", "draft", "translate", "score_text", "enrich",
    "classify", "verify", "publish", "summarise", "extract", "resolve_names", "load_user",
    "price", "route_mail", "dedupe", "geocode", "transcribe", "redact", "tag", "merge_rows",
)  # fmt: skip
GRAPHS = ("checkout", "librarian", "invoices", "triage", "newsroom", "onboarding", "claims")
_numbers = itertools.count()


class PlantedError(ValueError):
    """An error that nothing retries by default."""


@dataclass(slots=True)
class Plan:
    """What one execution's nodes do."""

    ms: dict[str, float]
    sigma: float = 0.12
    dice: random.Random = field(default_factory=random.Random)
    raises: dict[str, tuple[type[Exception], int]] = field(default_factory=dict)
    """By node, the error and how many calls of it fail."""
    rounds: int = 1
    idle_rounds: int = 0
    """Rounds of a loop that change nothing."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """By node, what it gives instead of the usual."""
    scores: dict[str, float] = field(default_factory=dict)
    tools: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By node, the tools that it calls."""
    ways: dict[str, str] = field(default_factory=dict)
    tool_ms: dict[str, float] = field(default_factory=dict)
    contending: tuple[str, ...] = ()
    """Nodes that wait for one thing, so that two at a time take six times as long."""
    running: int = 0
    """How many of them run now."""
    ask: dict[str, Any] = field(default_factory=dict)
    """By node, what it has a model do."""

    def lasts(self, node: str) -> float:
        """The milliseconds of the next visit of a node."""
        return self.ms.get(node, 0.0) * self.dice.lognormvariate(0, self.sigma)

    def fail(self, node: str) -> None:
        """Raise where that is planned."""
        kind, left = self.raises.get(node, (PlantedError, 0))
        if left:
            self.raises[node] = (kind, left - 1)
            raise kind(f"{node} was given what it cannot read")


plan: ContextVar[Plan] = ContextVar("plan")
acted = itertools.count()
"""Counts what nodes do, in this process; `copy` reads it."""


async def act(node: str) -> None:
    """Take the planned time, and fail where that is planned."""
    next(acted)
    now = plan.get()
    now.running += node in now.contending
    await asyncio.sleep(now.lasts(node) / 1e3)
    if node in now.contending:
        await asyncio.sleep(now.lasts(node) / 1e3 * 5 * (now.running > 1))
        now.running -= 1
    now.fail(node)


def block(node: str) -> None:
    """The same, holding the thread."""
    next(acted)
    now = plan.get()
    time.sleep(now.lasts(node) / 1e3)
    now.fail(node)


def given(node: str, *values: Any) -> Any:
    """What a node gives: of equal values the same, or what the plan says."""
    now = plan.get()
    if node in now.outputs:
        made = now.outputs[node]
        return made(*values) if callable(made) else made
    return f"{node} of {'; '.join(str(value)[:40] for value in values)}"


_NODE = """
{is_async}def {name}(state{more}):
    {act}("{name}")
{body}    return {{{update}}}
"""


def node_of(
    name: str, reads: Sequence[str], writes: Sequence[str], *, is_sync: bool = False,
    body: str = "", more: str = "", update: str = "",
) -> Callable[..., Any]:  # fmt: skip
    """Write a node: it takes its planned time and writes keys made of those that it reads."""
    values = ", ".join([f'"{name}"', *(f'state.get("{key}")' for key in reads)])
    update = update or ", ".join(f'"{key}": given({values})' for key in writes)
    source = _NODE.format(
        is_async="" if is_sync else "async ", name=name, more=more, update=update,
        act="block" if is_sync else "await act",
        body="".join(f"    {line}\n" for line in body.splitlines()),
    )  # fmt: skip
    file = f"<planted {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"act": act, "block": block, "given": given, "plan": plan}
    exec(compile(source, file, "exec"), scope)
    made: Callable[..., Any] = scope[name]
    return made


def names(dice: random.Random, number: int) -> list[str]:
    """Different names of nodes."""
    return dice.sample(WORDS, number)


def graph_name(dice: random.Random) -> str:
    """A name of a graph that was not given before."""
    return f"{dice.choice(GRAPHS)}_{next(_numbers)}"


@dataclass(slots=True, kw_only=True)
class Shape:
    """A graph that can be compiled, and what its nodes usually take."""

    graph: StateGraph[Any]
    name: str
    usual: dict[str, float]
    nodes: list[str]
    """Those where a fault may be planted."""
    is_sync: bool = False
    decision: str = ""
    way: str = ""
    """The usual label of the decision."""
    inner: CompiledGraph[Any] | None = None
    twins: tuple[str, str] = ("", "")
    """Two nodes that follow each other."""
