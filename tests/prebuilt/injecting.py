"""Tools that ask for what a graph fills. Their annotations are values, not texts."""

from collections.abc import Callable
from typing import Annotated, Any

from langchain_core.tools import InjectedToolCallId

Function = Callable[..., Any]


def injecting(of: Any) -> list[Function]:
    state_of: Any = of.tools.InjectedState
    store_of: Any = of.tools.InjectedStore
    runtime_of: Any = of.tools.ToolRuntime

    def whole(n: int, state: Annotated[Any, state_of]) -> str:
        """Read the whole state."""
        return f"{n} {state['mood'] if isinstance(state, dict) else state.mood}"

    def made(n: int, state: Annotated[Any, state_of()]) -> str:
        """Read the whole state by a mark that was made."""
        return f"{n} {type(state).__name__}"

    def key(n: int, mood: Annotated[str, state_of("mood")]) -> str:
        """Read one key."""
        return f"{n} {mood}"

    def optional(n: int, mood: Annotated[str, state_of("weather")] = "fair") -> str:
        """Read a key that may be missing."""
        return f"{n} {mood}"

    def said(first: Annotated[list[Any], state_of("messages")]) -> str:
        """Read the messages."""
        return str(len(first))

    def stored(n: int, store: Annotated[Any, store_of()]) -> str:
        """Read the store."""
        return f"{n} {store.get(('facts',), 'sky').value['colour']}"

    async def around(n: int, runtime: runtime_of) -> str:
        """Read what is around."""
        names = sorted(one.name for one in runtime.tools)[:2]
        return (
            f"{n} {runtime.tool_call_id} {runtime.context} {type(runtime.state).__name__} {names}"
        )

    def called(n: int, id: Annotated[str, InjectedToolCallId]) -> str:
        """Read the call's id."""
        return f"{n} {id}"

    return [whole, made, key, optional, said, stored, around, called]


def mover(give: Callable[[str], Any]) -> Function:
    """A tool that gives what `give` makes of the call's id."""

    def move(id: Annotated[str, InjectedToolCallId]) -> Any:
        """Move."""
        return give(id)

    return move
