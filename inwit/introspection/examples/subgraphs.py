"""Use a graph as a node of another graph: add_node with a compiled graph.

subgraph, subgraphs, nested graph, graph within a graph, compose graphs, graph as a node, multi-agent, reuse a graph
"""

from typing import TypedDict

from inwit import START, StateGraph


class State(TypedDict, total=False):
    text: str


inner = StateGraph(State)
inner.add_node("shout", lambda state: {"text": state["text"].upper()})
inner.add_edge(START, "shout")

outer = StateGraph(State)
outer.add_node("team", inner.compile(name="shouting"))
outer.add_edge(START, "team")
print(outer.compile(name="letters").invoke({"text": "hello"}))
