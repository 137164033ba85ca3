"""Run a node once for each item, side by side, and join the results: Send, with a reducer.

map reduce, Send, fan out, fan-out, for each item, dynamic branches, worker, orchestrator, loop over a list, join results,
aggregate, reducer
"""

import operator
from typing import Annotated, TypedDict

from inwit import END, START, Send, StateGraph


class State(TypedDict, total=False):
    topics: list[str]
    jokes: Annotated[list[str], operator.add]


graph = StateGraph(State)
graph.add_node("plan", lambda state: {"topics": ["cats", "dogs"]})
graph.add_node("joke", lambda item: {"jokes": [f"a joke about {item['topic']}"]})
graph.add_edge(START, "plan")
graph.add_conditional_edges(
    "plan", lambda state: [Send("joke", {"topic": one}) for one in state["topics"]], ["joke"]
)
graph.add_edge("joke", END)
print(graph.compile(name="jokes").invoke({})["jokes"])
