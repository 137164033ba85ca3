"""A program whose graph emits events at a steady rate, for readers elsewhere.

    python benchmarks/server_events.py RATE SECONDS

prints how many it emitted.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TypedDict

from inwit import END, START, StateGraph


class State(TypedDict, total=False):
    rate: float
    seconds: float


def emit(state: State, ctx: Any) -> State:
    """Emit until the time is over, each event when it is due."""
    begin = time.monotonic()
    for number in range(int(state["rate"] * state["seconds"])):
        due = begin + number / state["rate"]
        time.sleep(max(0.0, due - time.monotonic()))
        ctx.emit("custom", number=number)
    return {}


if __name__ == "__main__":
    graph = StateGraph(State)
    graph.add_node("emit", emit)
    graph.add_edge(START, "emit").add_edge("emit", END)
    app = graph.compile(name="beacon")
    app.invoke({"rate": float(sys.argv[1]), "seconds": float(sys.argv[2])})
    print(json.dumps({"emitted": int(float(sys.argv[1]) * float(sys.argv[2]))}))
