"""A project with three graphs that have run, for clients to ask about.

    python benchmarks/context_world.py FOLDER

prints the ids that the tasks name, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TypedDict

from inwit import END, START, Command, StateGraph, interrupt


class Order(TypedDict, total=False):
    tenant: str
    amount: float
    total: float
    receipt: str


class Research(TypedDict, total=False):
    question: str
    found: list[str]
    rounds: int
    answer: str


class Letter(TypedDict, total=False):
    to: str
    text: str
    sent: bool


def validate(state: Order) -> Order:
    """Refuse orders without an amount."""
    if state["amount"] <= 0:
        raise ValueError(f"the amount must be positive, not {state['amount']}")
    return {}


def price(state: Order) -> Order:
    """Add the tax."""
    time.sleep(0.004)
    return {"total": round(state["amount"] * 1.2, 2)}


def charge(state: Order) -> Order:
    """Charge the customer's card."""
    if state["tenant"] == "acme":
        raise PermissionError("card declined by the bank")
    time.sleep(0.001)
    return {"receipt": f"r-{state['tenant']}"}


def ship(state: Order) -> Order:
    """Hand the parcel over."""
    return {}


def plan(state: Research) -> Research:
    """Decide what to look for."""
    return {"rounds": 0, "found": []}


def search(state: Research) -> Research:
    """Find passages."""
    time.sleep(0.002)
    return {"rounds": state["rounds"] + 1, "found": [*state["found"], f"p{state['rounds']}"]}


def enough(state: Research) -> str:
    """Search until three passages are there."""
    return "more" if len(state["found"]) < 3 else "done"


def write(state: Research) -> Research:
    """Write the answer from the passages."""
    return {"answer": f"{state['question']}: {len(state['found'])} passages"}


def draft(state: Letter) -> Letter:
    """Write the letter."""
    return {"text": f"Dear {state['to']}"}


def approve(state: Letter) -> Letter:
    """Ask a person whether the letter may go."""
    return {"sent": bool(interrupt({"question": "Send it?", "text": state["text"]}))}


def _orders() -> Any:
    graph = StateGraph(Order)
    for name, node in (
        ("validate", validate),
        ("price", price),
        ("charge", charge),
        ("ship", ship),
    ):
        graph.add_node(name, node, side_effects=name == "charge")
    graph.add_edge(START, "validate").add_edge("validate", "price").add_edge("price", "charge")
    graph.add_edge("charge", "ship").add_edge("ship", END)
    return graph.compile(name="orders")


def _research() -> Any:
    graph = StateGraph(Research)
    graph.add_node("plan", plan).add_node("search", search).add_node("write", write)
    graph.add_edge(START, "plan").add_edge("plan", "search").add_edge("write", END)
    graph.add_conditional_edges("search", enough, {"more": "search", "done": "write"})
    return graph.compile(name="research")


def _letters() -> Any:
    graph = StateGraph(Letter)
    graph.add_node("draft", draft).add_node("approve", approve)
    graph.add_edge(START, "draft").add_edge("draft", "approve").add_edge("approve", END)
    return graph.compile(name="letters")


def _run_long() -> str:
    """An execution of more than 10,000 events."""
    graph = StateGraph(Research)
    graph.add_node("search", lambda state: {"rounds": state["rounds"] + 1})
    graph.add_edge(START, "search")
    graph.add_conditional_edges(
        "search",
        lambda state: "more" if state["rounds"] < 3_000 else "done",
        {"more": "search", "done": END},
    )
    app = graph.compile(name="marathon")
    app.invoke({"rounds": 0}, {"recursion_limit": 4_000})
    return str(app.last_execution_id)


def make() -> dict[str, str]:
    """Run the graphs in the project of the working directory; give the ids that tasks name."""
    orders, research, letters = _orders(), _research(), _letters()
    ids = {}
    for number in range(40):
        tenant = "acme" if number % 8 == 5 else f"shop{number % 5}"
        with contextlib.suppress(PermissionError):
            orders.invoke({"tenant": tenant, "amount": 10.0 + number})
        ids["declined" if tenant == "acme" else "paid"] = orders.last_execution_id
    with contextlib.suppress(ValueError):
        orders.invoke({"tenant": "shop1", "amount": -1.0})
    ids["refused"] = orders.last_execution_id
    for number in range(10):
        research.invoke({"question": f"What is {number}?"})
    ids["research"] = research.last_execution_id
    ids["long"] = _run_long()
    letters.invoke({"to": "Ada"}, thread_id="ada")
    letters.invoke(Command(resume=True), thread_id="ada")
    letters.invoke({"to": "Grace"}, thread_id="grace")
    ids["waiting"] = letters.last_execution_id
    return ids


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    (folder / ".inwit").mkdir(exist_ok=True)
    print(json.dumps(make()))
