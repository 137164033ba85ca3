"""Go back to an old checkpoint, change the state there, and run on: get_state_history, update_state.

time travel, rewind, go back, fork, branch off, history, old checkpoint, replay from, change the past, edit the state,
update_state, get_state_history, undo
"""

from typing import TypedDict

from inwit import START, StateGraph


class State(TypedDict, total=False):
    topic: str
    joke: str


graph = StateGraph(State)
graph.add_node("topic", lambda state: {"topic": "socks"})
graph.add_node("joke", lambda state: {"joke": f"a joke about {state['topic']}"})
graph.add_edge(START, "topic").add_edge("topic", "joke")
app = graph.compile(name="teller")
thread = {"configurable": {"thread_id": "one"}}
app.invoke({}, thread)
before_joke = next(one for one in app.get_state_history(thread) if one.next == ("joke",))
fork = app.update_state(before_joke.config, {"topic": "chickens"})
print(app.invoke(None, fork)["joke"])
