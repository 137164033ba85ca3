"""What upper rooms do for a compiled graph, found by name when first asked for.

`runtime` imports nothing above itself; it owns these protocols, and the rooms that keep them are
named here.
"""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from inwit.answers import Answer
from inwit.errors import NotInThisVersionError

if TYPE_CHECKING:
    from inwit.runtime.answering import Answering
    from inwit.runtime.project import Project


class HelpLevel(StrEnum):
    """How much of a graph its help tells."""

    BRIEF = "brief"
    MORE = "more"
    IMPLEMENTATION = "implementation"


class Companion(Protocol):
    """What `inwit.introspection.companion` offers."""

    def ask(
        self,
        project: Project,
        question: str,
        *,
        graph: str | None = None,
        level: str | None = None,
        execution_id: str | None = None,
        verify: bool = False,
        conversation_id: str | None = None,
    ) -> Answer: ...

    def introspect(self, app: Answering) -> Any:
        """An object with ``architecture()``, ``capabilities()``, … that return plain dicts."""

    def platform(self, app: Answering) -> dict[str, Any]: ...

    def unified(self, app: Answering) -> dict[str, Any]: ...

    def help(self, app: Answering, level: HelpLevel) -> str: ...

    def handle_help(self, app: Answering, argv: list[str]) -> bool:
        """Print the help that `argv` asks for; False when it asks for none."""

    def resolve(self, project: Project, uri: str) -> Any: ...

    def live_executions(self, app: Answering) -> list[dict[str, Any]]: ...

    def packages(self, project: Project) -> Any:
        """The packages at hand: an object with ``search``, ``list`` and ``get``."""

    def plans(self, project: Project) -> list[dict[str, Any]]:
        """The project's plans."""

    def metrics(self, app: Answering) -> dict[str, Any]: ...

    def performance(self, app: Answering) -> dict[str, Any]: ...


class Server(Protocol):
    """What `inwit.server.companion` offers."""

    def serve(
        self, project: Project, *, host: str, port: int, token: str | None, background: bool,
        allow_write: bool, tools: Literal["run"] | None, confirm: bool,
    ) -> Any:  # fmt: skip
        """Serve `project`, with `background` in a daemon thread; returns a handle to stop it."""


def introspection() -> Companion:
    """The introspection room."""
    return cast(Companion, _room("inwit.introspection.companion", "Introspection"))


def server() -> Server:
    """The server room."""
    return cast(Server, _room("inwit.server.companion", "The host"))


def _room(name: str, feature: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name != name:
            raise
        raise NotInThisVersionError(feature) from exc
