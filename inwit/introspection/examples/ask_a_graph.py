"""Ask a graph about itself: app.ask answers in plain language, with evidence.

ask questions, introspect, explain an execution, tracing, trace saving, evidence, why, self-knowledge
"""

from typing import TypedDict

from inwit import StateGraph


class State(TypedDict):
    n: int


graph = StateGraph(State)
graph.add_node("double", lambda state: {"n": state["n"] * 2})
graph.set_entry_point("double")
graph.set_finish_point("double")
app = graph.compile(name="doubler")
app.invoke({"n": 21})
answer = app.ask("What comes after double?")
print(answer.text)
for evidence in answer.evidence:
    print(evidence.uri, evidence.quote)
