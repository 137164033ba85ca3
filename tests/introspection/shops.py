"""A shop whose orders drift, a crew that commands its ways, clerks whom people answer, and a lab."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TypedDict

from inwit import (
    END,
    START,
    Command,
    CompiledGraph,
    InMemoryCheckpointer,
    RetryPolicy,
    StateGraph,
    interrupt,
)
from inwit.runtime.context import Context
from tests.introspection.chosen import Clock


class Order(TypedDict, total=False):
    country: str
    number: int
    goods: list[str]
    card: str
    total: float
    way: str
    packed: bool


class CardError(Exception):
    """The bank refused a card."""


def _roomy(state: Order) -> dict[str, Any]:
    """Pack an order."""
    return {"packed": True}


def _careful(state: Order) -> dict[str, Any]:
    """Pack an order with care."""
    return {"packed": bool(state)}


def shop(
    clock: Clock, *, slow_ms: float = 2, pack: Callable[[Order], dict[str, Any]] = _roomy
) -> CompiledGraph[Order]:
    """Price → charge → (dear: express | cheap: post) → pack."""

    def price(state: Order) -> dict[str, Any]:
        """Add up what is ordered."""
        clock.takes(12 if state["country"] == "BR" else 5)
        return {"total": 2.5 * len(state["goods"])}

    def charge(state: Order) -> dict[str, Any]:
        """Charge the card."""
        clock.takes(3)
        if state["card"] == "bad":
            raise CardError(f"refused for {state['country']}")
        return {}

    def express(state: Order) -> dict[str, Any]:
        """Send it at once."""
        clock.takes(6)
        return {"way": "express"}

    def post(state: Order) -> dict[str, Any]:
        """Send it by post."""
        clock.takes(4)
        return {"way": "post"}

    def packs(state: Order) -> dict[str, Any]:
        clock.takes(slow_ms)
        return pack(state)

    graph = StateGraph(Order)
    for node in (price, charge, express, post):
        graph.add_node(node)
    graph.add_node("pack", pack if slow_ms == 2 else packs)
    graph.add_edge(START, "price").add_edge("price", "charge")
    graph.add_conditional_edges("charge", dear, {"dear": "express", "cheap": "post"})
    graph.add_edge("express", "pack").add_edge("post", "pack").add_edge("pack", END)
    return graph.compile(name="shop", metadata={"slo": {"success": 0.5, "p95_ms": 5, "joy": 1}})


def dear(state: Order) -> str:
    return "dear" if state["total"] > 10 else "cheap"


def order(
    app: CompiledGraph[Any], number: int, country: str, goods: int, card: str = "good"
) -> None:
    """Order so many goods; what fails is on record."""
    given = {"country": country, "number": number, "goods": ["tea"] * goods, "card": card}
    with suppress(CardError):
        app.invoke(given, {"metadata": {"customer": f"c{number % 3}"}}, thread_id=f"order-{number}")


def steady(clock: Clock) -> CompiledGraph[Order]:
    """Forty orders: those of BR take longer, and more of their cards are refused."""
    app = shop(clock)
    for number in range(1, 41):
        clock.takes(50)
        country = "BR" if number % 3 == 0 else "DE"
        is_bad = (country == "BR" and number % 2 == 0) or number == 20
        order(app, number, country, 2 + number % 2, "bad" if is_bad else "good")
    return app


def drifted(clock: Clock) -> CompiledGraph[Order]:
    """Since the 41st of 60 orders they come from FR, are larger, and go by express; then an edit."""
    app = shop(clock)
    for number in range(1, 61):
        clock.takes(50)
        if number <= 40:
            order(app, number, "DE" if number % 8 else "FR", 2 + number % 3)
        else:
            order(app, number, "FR" if number % 8 else "DE", 6 + number % 4)
    return app


def edited(clock: Clock) -> CompiledGraph[Order]:
    """Twelve orders before pack was written anew, and six since, which take longer."""
    app = shop(clock)
    for number in range(1, 13):
        clock.takes(50)
        order(app, number, "DE", 3)
    clock.takes(500)
    app = shop(clock, slow_ms=40, pack=_careful)
    for number in range(13, 19):
        clock.takes(50)
        order(app, number, "DE", 3)
    return app


class Work(TypedDict, total=False):
    text: str
    rounds: int
    done: Annotated[list[str], operator.add]


def lead(state: Work):  # nothing says where its commands lead
    """Say who works next."""
    way = ("write", "check", "end")[state.get("rounds", 0)]
    goto = END if way == "end" else way
    return Command(goto=goto, update={"rounds": state.get("rounds", 0) + 1})


def crew(clock: Clock) -> CompiledGraph[Work]:
    """A lead commands its ways; two nodes run side by side, one of them with a limit of its own."""

    def write(state: Work, ctx: Context) -> dict[str, Any]:
        """Write."""
        clock.takes(30)
        return {"done": ["written"]}

    def check(state: Work) -> dict[str, Any]:
        """Check."""
        clock.takes(10)
        if "bad" in state["text"]:
            raise ValueError("not well written")
        return {"done": ["checked"]}

    graph = StateGraph(Work)
    graph.add_node(lead)
    graph.add_node("write", write, max_concurrency=1)
    graph.add_node("check", check)
    graph.add_edge(START, "lead").add_edge("write", "lead").add_edge("check", "lead")
    app = graph.compile(name="crew", checkpointer=InMemoryCheckpointer())
    for place, text in enumerate(("one", "two", "three", "bad", "five")):
        clock.takes(100)
        with suppress(ValueError):
            app.invoke({"text": text}, thread_id=f"crew-{place}")
    return app


class Claim(TypedDict, total=False):
    text: str
    amount: int
    said: str
    noted: bool


def begins(state: Claim) -> str:
    return "small" if state["amount"] < 10 else "large"


def clerks(clock: Clock) -> CompiledGraph[Claim]:
    """Claims begin at one of two nodes; large ones ask a person, some of whom have answered."""

    def note(state: Claim) -> dict[str, Any]:
        """Note it."""
        clock.takes(2)
        return {"noted": True}

    def judge(state: Claim) -> dict[str, Any]:
        """Ask a person."""
        clock.takes(3)
        return {"said": interrupt({"question": f"Pay {state['amount']}?", "risk": "high"})}

    def write(state: Claim) -> dict[str, Any]:
        """Write a letter."""
        clock.takes(5)
        return {"text": f"{state['text']}: {state.get('said', 'noted')}"}

    graph = StateGraph(Claim)
    for node in (note, judge, write):
        graph.add_node(node)
    graph.add_conditional_edges(START, begins, {"small": "note", "large": "judge"})
    graph.add_edge("note", "write").add_edge("judge", "write").add_edge("write", END)
    app = graph.compile(name="clerks", checkpointer=InMemoryCheckpointer())
    for place, amount in enumerate((5, 50, 60, 70, 7, 80)):
        clock.takes(1000)
        app.invoke({"text": f"claim {place}", "amount": amount}, thread_id=f"claim-{place}")
        if amount in (50, 60, 70):
            clock.takes(3000)
            app.invoke(Command(resume="no" if amount == 60 else "yes"), thread_id=f"claim-{place}")
    return app


class Study(TypedDict, total=False):
    text: str
    size: int
    rounds: int
    found: str
    kept: str


def meter(name: str) -> str:
    """Read a meter."""
    return f"{name}: 7"


def lab(clock: Clock) -> CompiledGraph[Study]:
    """Ask (a model, the same twice) → look (a tool, in a loop) → weigh (falls back) → end; thirty executions."""
    tried: list[str] = []

    def ask(state: Study, ctx: Context) -> dict[str, Any]:
        """Ask a model."""
        new = {f"m{n}": {"role": "user", "content": f"{state['text']} {n}"} for n in range(8)}
        told = {"messages": ["m-1", *new], "new_messages": {"m-1": "be brief", **new}}
        for call in ("one", "two"):
            said = {"call_id": f"{call}-{len(tried)}", "model": "gpt-4o", "provider": "scripted"}
            ctx.emit("llm_started", **said, **told)
            clock.takes(4 * state["size"])
            used = {"input_tokens": 100 * state["size"], "output_tokens": 20}
            ctx.emit("llm_completed", **said, output="so", cost_usd=0.001 * state["size"], **used)
        return {"rounds": 0, "left": "out"}

    def look(state: Study, ctx: Context) -> dict[str, Any]:
        """Look at the meter."""
        clock.takes(3)
        ctx.tool(meter, name="north")
        return {"rounds": state["rounds"] + 1, "found": "7"}

    def weigh(state: Study) -> dict[str, Any]:
        """Weigh what was found."""
        tried.append(state["text"])
        clock.takes(6)
        if state["text"] == "torn":
            raise ValueError("the paper is torn")
        if state["text"] == "shaky" and tried.count("shaky") < 3:
            raise ConnectionError("the scales shook")
        return {"kept": state["found"]}

    def guess(state: Study) -> dict[str, Any]:
        """Guess instead."""
        clock.takes(1)
        return {"kept": "about 7"}

    graph = StateGraph(Study)
    graph.add_node(ask).add_node(look)
    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False)
    graph.add_node("weigh", weigh, retry_policy=policy, fallback=guess)
    graph.add_edge(START, "ask").add_edge("ask", "look")
    graph.add_conditional_edges("look", looked, {"again": "look", "done": "weigh"})
    graph.add_edge("weigh", END)
    slo = {"success": 1, "cost_usd": 0.01, "p50_ms": 10_000}
    app = graph.compile(name="lab", metadata={"slo": slo, "description": "Weighs what is found"})
    texts = {20: "torn", 23: "shaky", 26: "long " * 9}
    for number in range(30):
        clock.takes(100)
        size = 9 if number == 28 else 2 + number % 3
        app.invoke(
            {"text": texts.get(number, f"note {number}"), "size": size}, thread_id=f"lab-{number}"
        )
    return app


def looked(state: Study) -> str:
    return "again" if state["rounds"] < (6 if "long" in state["text"] else 3) else "done"
