"""Random graphs whose nodes read only what their ancestors wrote: series, branches, loops, packets."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import inwit
from tests.runtime.simulation.shapes import Choose, fold_digest

Pause = Callable[[], float]


class Planned(TypedDict, total=False):
    """What such graphs keep: what each visit has seen, and a key for each node."""

    log: Annotated[list[str], operator.add]
    digest: Annotated[int, fold_digest]
    seen: Annotated[dict[str, int], operator.or_]


class Plan:
    """Writes one graph from blocks that each have a first and a last node."""

    def __init__(self, choose: Choose, pause: Pause) -> None:
        self.choose, self.pause = choose, pause
        self.graph = inwit.StateGraph(Planned)
        self.count = 0

    def whole(self) -> Any:
        """Write the graph."""
        first, last = self.block(3, ())
        self.graph.set_entry_point(first)
        self.graph.set_finish_point(last)
        return self.graph

    def block(self, depth: int, ancestors: tuple[str, ...]) -> tuple[str, str]:
        """Write a block; `ancestors` are the nodes whose keys its first node reads."""
        kinds: tuple[Any, ...] = (self.leaf, self.series, self.fork, self.loop, self.fan)
        kind = kinds[0] if depth == 0 else kinds[self.choose(len(kinds))]
        found: tuple[str, str] = kind(depth, ancestors)
        return found

    def leaf(self, depth: int, ancestors: tuple[str, ...]) -> tuple[str, str]:
        """One node."""
        name = self.node(ancestors)
        return name, name

    def node(self, ancestors: tuple[str, ...], **options: Any) -> str:
        """Add a node that tells what it reads of its ancestors, and of the packet it is sent."""
        self.count += 1
        # Names that do not follow the order in which nodes are made.
        name = f"{'zyxwvutsrqponmlkjihgfedcba'[self.count * 7 % 26]}{self.count}"
        pause = self.pause

        def update(state: Any) -> dict[str, Any]:
            seen = state.get("seen", {})
            total = sum(seen.get(one, 0) for one in ancestors)
            text = f"{name}:{total}:{seen.get(name, 0)}:{state.get('packet', '')}"
            return {
                "log": [text],
                "digest": sum(map(ord, text)) % 9973,
                "seen": {name: seen.get(name, 0) + total + 1},
            }

        async def later(state: Any) -> dict[str, Any]:
            if delay_s := pause():
                await asyncio.sleep(delay_s)
            return update(state)

        self.graph.add_node(name, later if self.choose(4) else update, thread=False, **options)
        return name

    def series(self, depth: int, ancestors: tuple[str, ...]) -> tuple[str, str]:
        """Two or three blocks, one after another."""
        first, last = self.block(depth - 1, ancestors)
        for _ in range(1 + self.choose(2)):
            begin, end = self.block(depth - 1, (last,))
            self.graph.add_edge(last, begin)
            last = end
        return first, last

    def fork(self, depth: int, ancestors: tuple[str, ...]) -> tuple[str, str]:
        """Several blocks side by side, between a node that parts and one that joins."""
        first = self.node(ancestors)
        parts = [self.block(depth - 1, (first,)) for _ in range(2 + self.choose(2))]
        last = self.node(tuple(end for _, end in parts))
        for begin, _ in parts:
            self.graph.add_edge(first, begin)
        self.graph.add_edge([end for _, end in parts], last)
        return first, last

    def loop(self, depth: int, ancestors: tuple[str, ...]) -> tuple[str, str]:
        """A block that is gone through a few times, as a node at its end counts."""
        first = self.node(ancestors)
        begin, end = self.block(depth - 1, (first,))
        last = self.node((end,))
        turns = 1 + self.choose(3)
        self.graph.add_edge(first, begin)
        self.graph.add_edge(end, last)
        log: dict[str, int] = {}

        def again(state: Any) -> str:
            count = sum(one.startswith(f"{last}:") for one in state["log"])
            return "again" if count < turns else "on"

        after = self.node((last,))
        self.graph.add_conditional_edges(last, again, {"again": begin, "on": after})
        del log
        return first, after

    def fan(self, depth: int, ancestors: tuple[str, ...]) -> tuple[str, str]:
        """Packets to one node, and one that runs after all of them."""
        first, worker = self.node(ancestors), self.node(())
        count = 1 + self.choose(3)

        def spread(state: Any) -> list[Any]:
            return [inwit.Send(worker, {"packet": f"p{number}"}) for number in range(count)]

        self.graph.add_conditional_edges(first, spread, [worker])
        last = self.node((worker,))
        self.graph.add_edge(worker, last)
        return first, last
