"""Ask a person in a node, and resume the thread with the answer: interrupt and Command(resume=…).

human in the loop, interrupt, approval, approve, reject, resume a thread, answer a question, waiting, pause,
Command resume, continue after approval, review
"""

from typing import TypedDict

from inwit import Command, SqliteCheckpointer, StateGraph, interrupt


class State(TypedDict, total=False):
    text: str
    sent: bool


graph = StateGraph(State)
graph.add_node("approve", lambda state: {"sent": interrupt({"send this?": state["text"]})})
graph.set_entry_point("approve")
graph.set_finish_point("approve")
app = graph.compile(name="mail", checkpointer=SqliteCheckpointer("threads.db"))
waiting = app.invoke({"text": "Dear Ada"}, thread_id="mail-1")
print(waiting["__interrupt__"][0].value)
# Later, also in another process; `inwit executions list` names what waits.
print(app.invoke(Command(resume=True), thread_id="mail-1"))
