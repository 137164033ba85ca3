"""A town hall of which there is more of everything than an answer tells: a case of each limit."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TypedDict

from inwit import (
    END,
    START,
    CachePolicy,
    Command,
    CompiledGraph,
    InMemoryCache,
    InMemoryCheckpointer,
    RetryPolicy,
    StateGraph,
    interrupt,
)
from inwit.runtime.context import Context
from tests.introspection.chosen import Clock

DESKS = ("tax", "permit", "parking", "waste", "school", "birth", "trees", "noise", "water", "roads")
"""The ways of one decision, each of them a node."""


class PaperError(Exception):
    """A paper is missing."""


class StampError(Exception):
    """A stamp is missing."""


ERRORS = (PaperError, StampError, ValueError, KeyError, OSError, RuntimeError, TypeError)


class Case(TypedDict, total=False):
    text: str
    kind: str
    amount: int
    rounds: int
    log: Annotated[list[str], operator.add]
    street: str
    house: int
    owner: str
    phone: str
    since: str
    plot: str
    fee: float
    stamp: str
    letter: str


def _register(name: str) -> Callable[[int], str]:
    def look_up(number: int) -> str:
        if name == "deeds" and number > 8:
            raise LookupError(f"no deed {number}")
        return f"{name} {number}"

    look_up.__name__ = look_up.__qualname__ = name
    return look_up


REGISTERS = tuple(
    _register(one)
    for one in (
        "deeds",
        "plots",
        "phones",
        "owners",
        "streets",
        "fees",
        "stamps",
        "letters",
        "maps",
        "pipes",
    )
)


def sort(state: Case) -> dict[str, Any]:
    """Find the desk of a case."""
    return {"rounds": 0, "house": state["amount"] % 7, "street": "Elm"}


def desk_of(state: Case) -> str:
    return state["kind"]


def onwards(state: Case) -> str:
    if state["rounds"] < (14 if "long" in state["text"] else 2):
        return "again"
    return "person" if state["amount"] > 100 else "done"


def decide(state: Case) -> Command[Any]:
    """Ask the mayor."""
    said = interrupt({"question": f"Grant {state['amount']}?", "street": state["street"]})
    return Command(goto="file" if said == "yes" else END, update={"stamp": str(said)})


def _desk(name: str, clock: Clock) -> Callable[..., Any]:
    def work(state: Case) -> dict[str, Any]:
        clock.takes(2 + DESKS.index(name))
        if "bad" in state["text"]:
            kind = ERRORS[state["amount"] % 7]
            raise kind(f"case {state['amount']} of {name} is bad")
        return {"log": [name], "fee": 1.5 * state["amount"]}

    work.__name__ = name
    return work


def _looking(clock: Clock) -> Callable[..., Any]:
    tried: list[int] = []

    def look(state: Case, ctx: Context) -> dict[str, Any]:
        """Look into the registers."""
        tried.append(state["amount"])
        if "shaky" in state["text"] and tried.count(state["amount"]) % 2:
            clock.takes(3)
            raise ConnectionError("the register shook")
        for number, one in enumerate(REGISTERS):
            clock.takes(1 + number / 4)
            with suppress(LookupError):
                ctx.tool(one, number=state["amount"] % 11 + state["rounds"] % 2)
        for number in range(1 + ("talk" in state["text"]) * 7):
            said = {"call_id": f"c{len(tried)}-{number}", "model": f"talker-{number % 8}"}
            given = [{"role": "user", "content": f"{state['text']} {number}"}]
            ctx.emit("llm_started", provider="scripted", input=given, **said)
            clock.takes(5 + number)
            used = {"input_tokens": 10 * (number + 1), "output_tokens": 3, "cost_usd": 0.001}
            ctx.emit("llm_completed", provider="scripted", output=f"so {number}", **said, **used)
        return {"rounds": state["rounds"] + 1, "owner": f"owner {state['amount'] % 3}"}

    return look


def filed(state: Case) -> dict[str, Any]:
    """File it."""
    return {"letter": f"Dear {state['owner']}", "phone": "7", "plot": "A", "since": "May"}


def hall(clock: Clock, *, name: str = "hall") -> CompiledGraph[Case]:
    """Sort → one of ten desks → look (again and again) → decide, or file."""
    graph = StateGraph(Case)
    graph.add_node(sort, cache_policy=CachePolicy(ttl=600))
    graph.add_edge(START, "sort")
    graph.add_conditional_edges("sort", desk_of, {one: one for one in DESKS})
    for one in DESKS:
        graph.add_node(one, _desk(one, clock))
        graph.add_edge(one, "look")
    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False)
    graph.add_node("look", _looking(clock), retry_policy=policy)
    graph.add_conditional_edges(
        "look", onwards, {"again": "look", "person": "decide", "done": "file"}
    )
    graph.add_node("decide", decide, destinations=("file", END))
    graph.add_node("file", filed)
    graph.add_edge("file", END)
    return graph.compile(name=name, checkpointer=InMemoryCheckpointer(), cache=InMemoryCache())


def case(app: CompiledGraph[Any], text: str, kind: str, amount: int, thread: str) -> None:
    """Hand a case in; what fails is on record."""
    with suppress(Exception):
        app.invoke({"text": text, "kind": kind, "amount": amount}, thread_id=thread)


def offices(clock: Clock) -> None:
    """Thirteen graphs more: each had seven versions, and ran as often as its number says."""
    for number in range(13):
        for version in range(7 if number == 0 else 1):
            graph = StateGraph(Case)
            names = [f"step{place}" for place in range(1 + number % 9 + version)]
            for place, one in enumerate(names):

                def step(state: Case, ms: int = place + number) -> dict[str, Any]:
                    clock.takes(ms)
                    return {"rounds": ms}

                graph.add_node(one, step)
                graph.add_edge(names[place - 1] if place else START, one)
            clock.takes(10)
            app = graph.compile(name=f"office{number}")
            if number % 3 == 1:
                app.invoke({"rounds": 0})


def town(clock: Clock) -> CompiledGraph[Case]:
    """Fifty cases: bad ones in seven ways, long ones, shaky ones, and twelve that wait for the mayor."""
    offices(clock)
    app = hall(clock)
    for number in range(30):
        clock.takes(100)
        text = {3: "long", 7: "shaky long", 11: "talk", 15: "talk long"}.get(number, "plain")
        case(app, text, DESKS[number % 10], number, f"case-{number % 12}")
    for number in range(9):
        clock.takes(100)
        case(app, "bad", DESKS[number % 4], number, f"bad-{number}")
        case(app, "shaky", "tax", 40 + number, f"shaky-{number}")
    for number in range(17):
        clock.takes(1000)
        case(app, "dear", DESKS[number % 3], 200 + number, f"dear-{number}")
        if number < 6:
            clock.takes(500)
            app.invoke(Command(resume="no" if number == 4 else "yes"), thread_id=f"dear-{number}")
    return app
