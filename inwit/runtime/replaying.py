"""Replaying, for a compiled graph; what does it is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inwit.runtime.replay import Replay


class Replaying:
    """A graph whose executions can be run again from their record."""

    def replay(
        self: Any, execution_id: str, *, run: Iterable[str] | None = None, live: bool = False,
        aside: bool = False, onward: bool = False, config: Mapping[str, Any] | None = None,
        context: Any = None,
    ) -> Replay:  # fmt: skip
        """Run a recorded execution again on its input, and name where it first diverges.

        Nothing is recorded, saved or retried. Nodes that reach outside (models, tools, graphs
        within, and those declared ``side_effects=True``) return what the record has; all others run
        again, with the record's clock and chance where they take them from ``ctx.now()`` and
        ``ctx.random()``. Subgraphs are executions of their own, to be replayed by their own graph.

        Args:
            run: The nodes to run again; the others return what the record has. () runs none.
            live: Let a node that runs again make calls which the record has no answer to.
            aside: Compare what the nodes of `run` give, but go on with what the record has.
            onward: Run also the nodes whose input has become another one.
            config: What is to be another than in the record.
            context: What ``runtime.context`` is to be; without it, what the record has.

        Raises:
            UnknownExecutionError: There is none.
            UnreplayableError: Its record is not whole, or it is another graph's.
        """
        from inwit.runtime.replay import play

        return play(
            self, execution_id, run=run, live=live, aside=aside, onward=onward, config=config,
            context=context,
        )  # fmt: skip

    async def areplay(self: Any, execution_id: str, **options: Any) -> Replay:
        """Replay without holding the event loop; see `replay`."""
        import asyncio

        found: Replay = await asyncio.to_thread(self.replay, execution_id, **options)
        return found
