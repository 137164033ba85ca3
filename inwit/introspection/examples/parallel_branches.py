"""Run nodes at the same time: add_parallel_edges fans out, add_edge with a list joins.

parallel branches, fan-out, concurrent nodes, join, map reduce, reducer, merge, async
"""

import asyncio
import operator
from typing import Annotated, TypedDict

from inwit import StateGraph


class State(TypedDict):
    query: str
    hits: Annotated[list[str], operator.add]


def plan(state: State) -> dict[str, object]:
    return {"query": state["query"].lower()}


async def web(state: State) -> dict[str, object]:
    await asyncio.sleep(0.01)
    return {"hits": [f"web: {state['query']}"]}


async def docs(state: State) -> dict[str, object]:
    await asyncio.sleep(0.01)
    return {"hits": [f"docs: {state['query']}"]}


def join(state: State) -> dict[str, object]:
    return {"query": f"{state['query']} ({len(state['hits'])} hits)"}


graph = StateGraph(State)
for node in (plan, web, docs, join):
    graph.add_node(node)
graph.set_entry_point("plan")
graph.add_parallel_edges("plan", ["web", "docs"])
graph.add_edge(["web", "docs"], "join")
graph.set_finish_point("join")
print(graph.compile(name="finder").invoke({"query": "Rain", "hits": []}))
