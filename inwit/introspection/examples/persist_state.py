"""Persist the state to SQLite and continue a thread: give a checkpointer and a thread_id.

persist state, sqlite, checkpointer, resume from a checkpoint, save, memory, thread, conversation,
continue later, durable, get_state
"""

from typing import TypedDict

from inwit import SqliteCheckpointer, StateGraph


class State(TypedDict):
    count: int


graph = StateGraph(State)
graph.add_node("add", lambda state: {"count": state.get("count", 0) + 1})
graph.set_entry_point("add")
graph.set_finish_point("add")
app = graph.compile(name="counter", checkpointer=SqliteCheckpointer("checkpoints.db"))
app.invoke({"count": 1}, thread_id="ada")
print(app.get_state({"configurable": {"thread_id": "ada"}}).values)
