"""The two libraries under comparison, each as one namespace of the names that a graph is written with."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "langgraph.graph": "StateGraph START END MessagesState add_messages",
    "langgraph.graph.message": "REMOVE_ALL_MESSAGES push_message",
    "langgraph.types": (
        "Send Command interrupt Interrupt RetryPolicy CachePolicy TimeoutPolicy StateSnapshot"
        " PregelTask StateUpdate Overwrite GraphOutput StreamWriter StreamMode Durability"
    ),
    "langgraph.errors": (
        "GraphRecursionError InvalidUpdateError GraphInterrupt EmptyInputError NodeError"
        " NodeTimeoutError ParentCommand GraphBubbleUp NodeInterrupt GraphDrained"
    ),
    "langgraph.config": "get_config get_store get_stream_writer",
    "langgraph.runtime": "Runtime get_runtime RunControl",
    "langgraph.func": "entrypoint task",
    "langgraph.managed": "IsLastStep RemainingSteps",
    "langgraph.checkpoint.memory": "InMemorySaver MemorySaver",
    "langgraph.store.memory": "InMemoryStore",
    "langgraph.store.base": "BaseStore Item",
    "langgraph.cache.memory": "InMemoryCache",
    "langgraph.prebuilt": (
        "ToolNode tools_condition create_react_agent InjectedState InjectedStore ToolRuntime"
    ),
}


class Library:
    """A library's public names as attributes; what it lacks is an AttributeError."""

    def __init__(self, name: str, homes: dict[str, str]) -> None:
        self.library_name = name
        self._homes = {n: home for home, names in homes.items() for n in names.split()}

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._homes[name]), name)

    def __repr__(self) -> str:
        return self.library_name


LANGGRAPH = Library("langgraph", _HOMES)
INWIT = Library("inwit", {"inwit": " ".join(_HOMES.values())})


class _AsLanggraph(Library):
    """Ours, where every graph is compiled with ``defaults="langgraph"``."""

    @property
    def StateGraph(self) -> Any:  # noqa: N802 - the name under comparison
        class StateGraph(INWIT.StateGraph):  # type: ignore[misc, name-defined]
            def compile(self, checkpointer: Any = None, **options: Any) -> Any:
                return super().compile(checkpointer, defaults="langgraph", **options)

        return StateGraph


AS_LANGGRAPH = _AsLanggraph("inwit by LangGraph's defaults", {"inwit": " ".join(_HOMES.values())})
