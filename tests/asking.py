"""A graph that asks a person, for tests of what comes from outside."""

from typing import Any, TypedDict

from inwit import END, START, CompiledGraph, StateGraph, interrupt


class State(TypedDict, total=False):
    n: int
    approved: bool


def asking(checkpointer: Any = None) -> CompiledGraph[Any]:
    """One node that waits for a yes or no."""

    def approve(state: State) -> State:
        return {"approved": interrupt("Send it?", schema={"type": "boolean"})}

    graph = StateGraph(State)
    graph.add_node("approve", approve)
    graph.add_edge(START, "approve")
    graph.add_edge("approve", END)
    return graph.compile(name="asking", checkpointer=checkpointer)
