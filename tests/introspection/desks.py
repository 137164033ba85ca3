"""A support desk in several states of its record: new, with few executions, with many, within another graph."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Annotated, Any, TypedDict

from inwit import (
    END,
    START,
    Budget,
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


class Ticket(TypedDict, total=False):
    text: str
    customer: str
    topic: str
    amount: int
    rounds: int
    grade: float
    answer: str
    approved: bool
    notes: Annotated[list[str], operator.add]
    spare: str


class BillingError(Exception):
    """The ledger refused."""


def ledger(customer: str, clock: Clock) -> str:
    """Look a customer up."""
    clock.takes(8 if customer != "Quill" else 30)
    if customer == "Nobody":
        raise LookupError("no such customer: Nobody")
    return f"{customer} pays by card"


def _fetching(clock: Clock) -> Callable[..., Any]:
    calls: list[int] = []

    def fetch(state: Ticket, ctx: Context) -> dict[str, Any]:
        """Fetch what is known of the customer."""
        calls.append(1)
        if state["customer"] == "Flaky" and len(calls) % 2:
            clock.takes(5)
            raise ConnectionError("the ledger hung up")
        found = ctx.tool(ledger, customer=state["customer"], clock=clock)
        return {"notes": [found]}

    return fetch


def _drafting(clock: Clock, *, slow: bool, hold: Callable[[str], object]) -> Callable[..., Any]:
    def draft(state: Ticket, ctx: Context) -> dict[str, Any]:
        """Draft an answer."""
        tokens = 40 * len(state["text"].split())
        model = "gpt-4o" if slow else "gpt-4o-mini"
        call = {"call_id": f"c{state['rounds']}", "model": model, "provider": "scripted"}
        ctx.emit("llm_started", **call, input=[{"role": "user", "content": state["text"]}])
        hold(model)
        clock.takes((90 if slow else 40) + tokens / 20)
        if state["customer"] == "Wordless":
            ctx.emit("llm_failed", **call, error={"type": "TimeoutError", "message": "no word"})
            raise TimeoutError("the model said no word")
        dollars = tokens * (4e-6 if slow else 1e-6)
        cost = {} if state["customer"] == "Free" else {"cost_usd": dollars}
        used = {"input_tokens": tokens, "output_tokens": tokens // 4, **cost}
        ctx.emit("llm_completed", **call, output="so", **used)
        rounds = state["rounds"] + 1
        return {"rounds": rounds, "answer": f"{state['topic']} {rounds}", "grade": 0.5 * rounds}

    return draft


def _checking(clock: Clock) -> Callable[..., Any]:
    def check(state: Ticket) -> dict[str, Any]:
        """See whether the answer will do."""
        clock.takes(1)
        if state["customer"] == "Broken":
            try:
                raise KeyError("ledger")
            except KeyError as exc:
                raise BillingError(f"cannot bill {state['amount']} EUR") from exc
        return {}

    return check


def way(state: Ticket) -> str:
    if state["grade"] < (2 if state["customer"] == "Picky" else 1):
        return "again"
    return "ask" if state["amount"] > 100 else "done"


def approve(state: Ticket) -> Command[Any]:
    """Ask a person whether it may be sent."""
    said = interrupt({"question": f"Refund {state['amount']} EUR to {state['customer']}?"})
    return Command(goto="send" if said["yes"] else END, update={"approved": said["yes"]})


def desk(
    clock: Clock, *, name: str = "desk", slow: bool = False,
    hold: Callable[[str], object] = str, **options: Any,
) -> CompiledGraph[Ticket]:  # fmt: skip
    """Triage → fetch (a tool) → draft (a model) → check → (again: draft | ask: approve | done: send)."""

    def triage(state: Ticket) -> dict[str, Any]:
        """Find the topic of a ticket."""
        clock.takes(2)
        return {"topic": "billing" if "bill" in state["text"] else "other", "rounds": 0}

    def send(state: Ticket) -> dict[str, Any]:
        """Send the answer."""
        clock.takes(3)
        return {"notes": [f"sent {state['answer']}"]}

    def log(state: Ticket) -> dict[str, Any]:
        clock.takes(1)
        return {}

    graph = StateGraph(Ticket)
    graph.add_node(triage, cache_policy=CachePolicy(ttl=600))
    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False)
    graph.add_node("fetch", _fetching(clock), retry_policy=policy)
    graph.add_node("draft", _drafting(clock, slow=slow, hold=hold))
    graph.add_node("check", _checking(clock))
    graph.add_node("approve", approve, destinations=("send", END))
    graph.add_node(send)
    graph.add_edge(START, "triage").add_edge("triage", "fetch").add_edge("fetch", "draft")
    graph.add_edge("draft", "check")
    graph.add_conditional_edges("check", way, {"again": "draft", "ask": "approve", "done": "send"})
    if slow:
        graph.add_node(log)
        graph.add_edge("send", "log").add_edge("log", END)
    else:
        graph.add_edge("send", END)
    slo = {"success": 0.9, "p95_ms": 150, "cost_usd": 0.001, "tokens": 300, "window_days": 7}
    return graph.compile(
        name=name, checkpointer=InMemoryCheckpointer(), cache=InMemoryCache(),
        metadata={"slo": slo}, **options,
    )  # fmt: skip


def ticket(
    app: CompiledGraph[Any],
    customer: str,
    words: int,
    *,
    amount: int = 10,
    thread: str | None = None,
    **config: Any,
) -> None:
    """Hand one ticket in; what fails is on record."""
    text = " ".join(["bill" if amount % 20 else "hello", *["please"] * (words - 1)])
    given = {"text": text, "customer": customer, "amount": amount}
    with suppress(Exception):
        app.invoke(given, config, thread_id=thread or f"{customer.lower()}-{words}-{amount}")


def new(clock: Clock) -> CompiledGraph[Ticket]:
    """Compiled, and never run."""
    return desk(clock)


def few(clock: Clock) -> CompiledGraph[Ticket]:
    """Six executions: two failed in ways of their own, one asks a person, one was retried."""
    app = desk(clock)
    ticket(app, "Ada", 3)
    clock.takes(1000)
    ticket(app, "Nobody", 4)
    ticket(app, "Flaky", 5, thread="flaky")
    ticket(app, "Broken", 6)
    ticket(app, "Picky", 7, thread="picky")
    clock.takes(2000)
    ticket(app, "Ada", 8, amount=250, thread="refund")
    return app


def many(clock: Clock) -> CompiledGraph[Ticket]:
    """Fifty executions of two versions: the second is slower and dearer, and fails more often."""
    app = desk(clock)
    names = ("Ada", "Ben", "Cleo", "Dan", "Eve")
    for place in range(50):
        if place == 28:
            app = desk(clock, slow=True)
        clock.takes(100)
        ticket(
            app, names[place % 5], 3 + place * 7 % 5, amount=10 + place % 3, thread=f"t{place % 9}"
        )
        if place % 8 == 5:
            ticket(app, "Flaky", 4, thread="flaky")
        if place in (11, 31, 37, 43):
            ticket(app, ("Nobody", "Broken", "Wordless")[place % 3], 5)
        if place in (20, 40):
            ticket(app, names[place % 5], 6, amount=300, thread=f"refund-{place}")
            clock.takes(5000)
            said = {"yes": place == 20, "by": "mira@example.org"}
            with suppress(Exception):
                app.invoke(Command(resume=said), thread_id=f"refund-{place}")
    ticket(app, "Picky", 60, thread="long")
    return app


def spent(clock: Clock) -> CompiledGraph[Ticket]:
    """Executions that ran out of what they may spend: steps, tokens, money."""
    app = desk(clock, name="meter")
    ticket(app, "Ada", 4)
    ticket(app, "Picky", 9, budget=Budget(steps=5), thread="steps")
    ticket(app, "Free", 9, thread="free")
    ticket(app, "Picky", 30, budget=Budget(tokens=2500), thread="tokens")
    ticket(app, "Picky", 50, budget=Budget(cost_usd=0.004), thread="money")
    ticket(app, "Picky", 8, recursion_limit=4, thread="loop")
    return app


def within(clock: Clock) -> CompiledGraph[Ticket]:
    """A front office that runs the desk as a node of its own, and fails with it."""
    inner = desk(clock)

    def welcome(state: Ticket) -> dict[str, Any]:
        clock.takes(4)
        return {"notes": ["welcome"]}

    graph = StateGraph(Ticket)
    graph.add_node("welcome", welcome)
    graph.add_node("work", inner)
    graph.add_edge(START, "welcome").add_edge("welcome", "work").add_edge("work", END)
    app = graph.compile(name="office", checkpointer=InMemoryCheckpointer())
    ticket(app, "Ada", 3)
    ticket(app, "Nobody", 4)
    ticket(app, "Ben", 5)
    return app


def running(clock: Clock) -> CompiledGraph[Ticket]:
    """Three executions are over; a fourth is held up by its model, and has just been asked about."""
    app = desk(clock)
    for words in (3, 5, 4):
        ticket(app, "Ada", words)
    held, go_on = Event(), Event()

    def reached(model: str) -> None:
        held.set()
        go_on.wait(60)

    slow = desk(clock, hold=reached)
    thread = Thread(target=ticket, args=(slow, "Ben", 6), kwargs={"thread": "held"})
    thread.start()
    held.wait(60)
    clock.takes(400)
    clock.at_end.callback(thread.join)
    clock.at_end.callback(go_on.set)
    return slow
