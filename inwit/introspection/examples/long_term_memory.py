"""Remember something across threads: a store, given to compile and asked for by a node.

memory, long-term memory, remember, store, InMemoryStore, across threads, user preferences, facts about a user, put, search
"""

from typing import Any, TypedDict

from inwit import START, InMemoryStore, StateGraph


class State(TypedDict, total=False):
    user: str
    says: str
    known: list[str]


def remember(state: State, *, store: Any) -> dict[str, object]:
    place = ("memories", state["user"])
    store.put(place, state["says"], {"text": state["says"]})
    return {"known": [item.value["text"] for item in store.search(place)]}


graph = StateGraph(State)
graph.add_node("remember", remember)
graph.add_edge(START, "remember")
app = graph.compile(name="remembering", store=InMemoryStore())
app.invoke({"user": "ada", "says": "I like tea"}, thread_id="monday")
print(app.invoke({"user": "ada", "says": "I am vegetarian"}, thread_id="friday")["known"])
