"""Give your program a --help written from its graph: inwit.handle_help and app.generate_help.

help, usage, generate help, handle_help, command line of a graph
"""

from typing import TypedDict

import inwit
from inwit import HelpLevel, StateGraph


class State(TypedDict):
    n: int


graph = StateGraph(State)
graph.add_node("double", lambda state: {"n": state["n"] * 2})
graph.set_entry_point("double")
graph.set_finish_point("double")
app = graph.compile(name="doubler")
print(app.generate_help(HelpLevel.MORE))
print(inwit.handle_help(app, ["--help"]))
