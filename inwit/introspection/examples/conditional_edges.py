"""Route on the state: add_conditional_edges calls a function whose value chooses the next node.

conditional edges, conditional route, branch, loop back, decision, router, cycle, if else
"""

from typing import TypedDict

from inwit import END, StateGraph


class State(TypedDict):
    tries: int


def search(state: State) -> dict[str, object]:
    return {"tries": state["tries"] + 1}


def enough(state: State) -> str:
    return "done" if state["tries"] >= 3 else "again"


graph = StateGraph(State)
graph.add_node("search", search)
graph.set_entry_point("search")
graph.add_conditional_edges("search", enough, {"again": "search", "done": END})
app = graph.compile(name="searcher")
print(app.invoke({"tries": 0}))
