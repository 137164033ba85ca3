"""What every graph of a project can be asked, whichever framework runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal

from inwit.runtime import companion
from inwit.runtime.companion import HelpLevel
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.project import Project

if TYPE_CHECKING:
    from inwit.answers import Answer
    from inwit.events import Event
    from inwit.runtime.store.journal import Journal


class Answering:
    """A graph that can look into itself: it has a name, a project and a manifest."""

    name: str
    project: Project
    journal: Journal | None

    def manifest(self) -> GraphManifest:
        """What is known of the graph without running it."""
        raise NotImplementedError

    def ask(
        self, question: str, *, level: str | None = None, execution_id: str | None = None,
        verify: bool = False, conversation_id: str | None = None,
    ) -> Answer:  # fmt: skip
        """Ask about this graph, its executions, the platform or the network, in plain language.

        What happened before the question is seen by it. With `verify` a what-if is really tried,
        by running nodes that are declared pure again on recorded inputs. Questions of one
        `conversation_id` may lean on the one before ("and the time before?").
        """
        return companion.introspection().ask(
            self.project, question, graph=self.name, level=level, execution_id=execution_id,
            verify=verify, conversation_id=conversation_id,
        )  # fmt: skip

    async def aask(
        self, question: str, *, level: str | None = None, execution_id: str | None = None,
        verify: bool = False, conversation_id: str | None = None,
    ) -> Answer:  # fmt: skip
        """Ask without holding the event loop; see `ask`."""
        return await asyncio.to_thread(
            lambda: self.ask(
                question, level=level, execution_id=execution_id, verify=verify,
                conversation_id=conversation_id,
            )
        )  # fmt: skip

    def introspect(self) -> Any:
        """Facts of this graph: ``.architecture()``, ``.capabilities()``, ``.nodes()`` and more."""
        return companion.introspection().introspect(self)

    def platform(self) -> dict[str, Any]:
        """Facts of the platform that the graph runs on."""
        return companion.introspection().platform(self)

    def unified_introspection(self) -> dict[str, Any]:
        """Facts of all four levels."""
        return companion.introspection().unified(self)

    def metrics(self) -> dict[str, Any]:
        """Counts and latencies measured over the recorded executions."""
        return companion.introspection().metrics(self)

    def performance(self) -> dict[str, Any]:
        """How this graph does against its own history."""
        return companion.introspection().performance(self)

    def live_executions(self) -> list[dict[str, Any]]:
        """The executions that run now, in any process of the project."""
        return companion.introspection().live_executions(self)

    def generate_help(self, level: HelpLevel = HelpLevel.BRIEF) -> str:
        """Help for the users of a program built on this graph, from its manifest."""
        return companion.introspection().help(self, level)

    def resolve(self, uri: str) -> Any:
        """What the uri of an evidence names."""
        return companion.introspection().resolve(self.project, uri)

    async def subscribe(self, execution_id: str | None = None) -> AsyncIterator[Event]:
        """Follow the events of this graph's executions in this process, as they become durable."""
        if self.journal is None:
            return
        from inwit.runtime.subscribe import follow

        async for event in follow(self.journal, self.name, execution_id):
            yield event

    async def flush(self) -> None:
        """Return when everything emitted so far is durable.

        Raises:
            StoreError: It cannot be made durable.
        """
        if self.journal is not None:
            await self.journal.aflush()

    def serve(
        self,
        port: int = 8765,
        *,
        host: str = "127.0.0.1",
        token: str | None = None,
        background: bool = False,
        allow_write: bool = False,
        tools: Literal["run"] | None = None,
        confirm: bool = True,
    ) -> Any:
        """Serve the project of this graph; see ``inwit serve``.

        With `allow_write` clients may run and steer graphs, each time confirmed unless `confirm` is
        False; ``tools="run"`` offers each graph as a tool. With `background` it serves in a daemon
        thread, and what is returned has a `url` and a ``stop()``.
        """
        return companion.server().serve(
            self.project, host=host, port=port, token=token, background=background,
            allow_write=allow_write, tools=tools, confirm=confirm,
        )  # fmt: skip
