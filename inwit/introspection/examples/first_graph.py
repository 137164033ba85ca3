"""Write a graph: add nodes, connect them by edges, compile, invoke.

add a node to a graph, define a graph, create a graph, build, entry point, finish point, run, hello
"""

from typing import TypedDict

from inwit import StateGraph


class State(TypedDict):
    question: str
    answer: str


def plan(state: State) -> dict[str, object]:
    """Decide what to look for."""
    return {"question": state["question"].strip("?")}


def reply(state: State) -> dict[str, object]:
    """Write the answer."""
    return {"answer": f"About {state['question']}: it depends."}


graph = StateGraph(State)
graph.add_node("plan", plan)
graph.add_node("reply", reply)
graph.add_edge("plan", "reply")
graph.set_entry_point("plan")
graph.set_finish_point("reply")
app = graph.compile(name="assistant")
print(app.invoke({"question": "rain?"})["answer"])
