"""Stream what happens while a graph runs: app.stream with a stream_mode.

streaming, stream events, updates, values, progress, live, astream, subscribe
"""

from typing import TypedDict

from inwit import StateGraph


class State(TypedDict):
    text: str


graph = StateGraph(State)
graph.add_node("draft", lambda state: {"text": "draft"})
graph.add_node("polish", lambda state: {"text": f"polished {state['text']}"})
graph.add_edge("draft", "polish")
graph.set_entry_point("draft")
graph.set_finish_point("polish")
for update in graph.compile(name="writer").stream({"text": ""}, stream_mode="updates"):
    print(update)
