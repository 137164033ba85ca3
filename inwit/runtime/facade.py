"""What callers of LangGraph's compiled graphs ask them beside running."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from inwit.errors import InvalidLimitError, UnknownKeyError

if TYPE_CHECKING:
    from inwit.runtime.drawing import Graph

O = TypeVar("O")  # noqa: E741 - the output's type


@dataclass(frozen=True)
class GraphOutput(Generic[O]):
    """What `invoke(..., version="v2")` gives: the result, and apart from it what it waits for."""

    value: O
    interrupts: tuple[Any, ...] = ()

    @classmethod
    def of(cls, result: Any, made: type | None = None) -> GraphOutput[Any]:
        """Part a result from what it waits for; it is an object of its class, where that can be."""
        if not isinstance(result, Mapping):
            return GraphOutput(result)
        value = {key: one for key, one in result.items() if key != "__interrupt__"}
        return GraphOutput(typed(value, made), tuple(result.get("__interrupt__", ())))

    def __getitem__(self, key: str) -> Any:
        """A key of the result, as the first version has it."""
        return self._plain()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._plain()

    def _plain(self) -> dict[str, Any]:
        found: Any = self.value
        plain = dict(found) if isinstance(found, Mapping) else dict(vars(found))
        return {**plain, "__interrupt__": self.interrupts} if self.interrupts else plain


def typed(values: Any, made: type | None) -> Any:
    """An object of a state's class, of a dataclass or a pydantic model; else the values as they are.

    Raises:
        ValidationError: pydantic's, where the model refuses them.
    """
    is_class = hasattr(made, "model_fields") or hasattr(made, "__dataclass_fields__")
    if made is None or not is_class or not isinstance(values, Mapping):
        return values
    return made(**values)


class Facade:
    """The small questions, answered from what the graph was compiled of."""

    def get_name(self: Any, suffix: str | None = None, *, name: str | None = None) -> str:
        """The graph's name, or another, with a suffix."""
        return f"{name or self.name}{suffix or ''}"

    def get_graph(
        self: Any,
        config: Any = None,  # noqa: ARG002 - LangGraph's
        *,
        xray: int | bool = False,
    ) -> Graph:
        """The graph to draw, such as ``get_graph().draw_mermaid()``.

        With `xray` its subgraphs are opened; a number says how deep.
        """
        from inwit.runtime.drawing import of_app

        return of_app(self, xray)

    async def aget_graph(self: Any, config: Any = None, *, xray: int | bool = False) -> Graph:
        """The graph to draw; see `get_graph`."""
        graph: Graph = self.get_graph(config, xray=xray)
        return graph

    async def aget_subgraphs(self: Any, **options: Any) -> AsyncIterator[tuple[str, Any]]:
        """See `get_subgraphs`."""
        for found in self.get_subgraphs(**options):
            yield found

    def astream_events(
        self: Any, input: Any, config: Any = None, *, version: str = "v2", **options: Any
    ) -> AsyncIterator[Any]:
        """What langchain-core tells of a call and of all that it calls, as it happens.

        `version` is "v1" or "v2"; `options` are those of langchain-core's `Runnable.astream_events`,
        and of `astream`. Langchain-core must be installed.
        """
        events: AsyncIterator[Any] = self.as_runnable().astream_events(
            input, config, version=version, **options
        )
        return events

    def as_runnable(self: Any) -> Any:
        """This graph as a part of langchain-core's chains, which must be installed."""
        from inwit.runtime.capture.langchain_runnable import as_runnable

        return as_runnable(self)

    def __or__(self, other: Any) -> Any:
        return self.as_runnable() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.as_runnable()

    @property
    def nodes(self: Any) -> dict[str, Any]:
        """The nodes by name, the start among them, as they were added."""
        return {"__start__": None, **self.builder.nodes}

    @property
    def stream_mode(self) -> str:
        """What `stream` gives unless it is asked otherwise."""
        return "updates"

    @property
    def cache(self: Any) -> Any:
        """The cache that it was compiled with."""
        return self.options.cache

    @property
    def context_schema(self: Any) -> Any:
        """The class of what `invoke(..., context=…)` takes."""
        return self.options.context_schema

    def copy(self: Any, update: Mapping[str, Any] | None = None) -> Any:
        """The same graph again, with another name, config or store where `update` says so.

        Raises:
            UnknownKeyError: `update` names something else.
        """
        changes = dict(update or {})
        check_keys([*changes], ("name", "config", "store", "checkpointer", "cache"))
        config = changes.pop("config", None)
        made = self._without(**changes)
        made.config = self.config if config is None else config
        return made

    def _limit_of(self: Any, config: Mapping[str, Any]) -> int:
        """How many steps a call may take.

        Raises:
            InvalidLimitError: None at all, or it is no number.
        """
        given = config.get("recursion_limit", self._recursion_limit)
        try:
            limit = int(given)
        except (TypeError, ValueError, OverflowError):
            raise InvalidLimitError("recursion_limit", given) from None
        if limit < 1:
            raise InvalidLimitError("recursion_limit", given)
        return limit


def check_keys(keys: str | Sequence[str] | None, known: Any) -> None:
    """Refuse keys that are not known.

    Raises:
        UnknownKeyError: It names the first.
    """
    for key in (keys,) if isinstance(keys, str) else keys or ():
        if key not in known:
            raise UnknownKeyError(key, known)


__all__ = ["Facade", "GraphOutput", "check_keys", "typed"]
