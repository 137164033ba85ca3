"""A project of three graphs: parcels that are weighed and cleared, invoices that are read, a letter a day."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TypedDict

from inwit import END, START, CompiledGraph, RetryPolicy, Send, StateGraph
from inwit.runtime.context import Context
from tests.introspection.chosen import Clock

COUNTRIES = ("DE", "BR", "FR", "JP", "DE")
VENDORS = ("Acme", "Hydra", "Acme", "Umlaut", "Globex", "Acme", "Locked", "Globex", "Hydra", "Acme")
UNWEIGHED, SHAKY = (7, 19), 5


class CustomsError(Exception):
    """Papers are missing."""


class Parcel(TypedDict, total=False):
    country: str
    carrier: str
    number: int
    weight: float
    label: str


class Invoice(TypedDict, total=False):
    path: str
    vendor: str
    lines: list[str]
    amounts: Annotated[list[float], operator.add]
    verdict: str


class Line(TypedDict):
    item: str


class Day(TypedDict, total=False):
    day: str
    letter: str


def call(ctx: Context, clock: Clock, model: str, tokens: int, ms: float, usd: float) -> None:
    """Call a scripted model."""
    said = {"call_id": f"{model}-{ctx.node}", "model": model, "provider": "scripted"}
    ctx.emit("llm_started", **said, input=[{"role": "user", "content": "read it"}])
    clock.takes(ms)
    used = {"input_tokens": tokens, "output_tokens": tokens // 10, "cost_usd": usd}
    ctx.emit("llm_completed", **said, output="so", **used)


def _weighing(clock: Clock) -> Callable[..., Any]:
    tried: list[int] = []

    def weigh(state: Parcel) -> dict[str, Any]:
        """Put it on the scales."""
        clock.takes(6)
        tried.append(state["number"])
        is_shaky = state["number"] == SHAKY and tried.count(SHAKY) == 1
        if is_shaky or state["number"] in UNWEIGHED:
            raise ConnectionError("the scales hung up")
        return {"weight": 1.5}

    return weigh


def parcels(clock: Clock) -> CompiledGraph[Parcel]:
    """Weigh (falls back to an estimate) → customs → handover."""

    def estimate(state: Parcel) -> dict[str, Any]:
        """Guess the weight."""
        clock.takes(1)
        return {"weight": 1.0}

    def customs(state: Parcel) -> dict[str, Any]:
        """Check the papers."""
        clock.takes(30 if state["country"] == "BR" else 5)
        if state["country"] == "BR" and state["number"] % 4 == 0:
            raise CustomsError(f"no papers for parcel {state['number']}")
        return {}

    def handover(state: Parcel) -> dict[str, Any]:
        """Hand it to the carrier."""
        clock.takes(3)
        return {"label": f"L{state['number']}"}

    graph = StateGraph(Parcel)
    policy = RetryPolicy(max_attempts=2, initial_interval=0.001, jitter=False)
    graph.add_node("weigh", _weighing(clock), retry_policy=policy, fallback=estimate)
    graph.add_node(customs).add_node(handover)
    graph.add_edge(START, "weigh").add_edge("weigh", "customs")
    graph.add_edge("customs", "handover").add_edge("handover", END)
    return graph.compile(name="parcels")


def invoices(clock: Clock) -> CompiledGraph[Invoice]:
    """Dig → read (once a line, a small model) → judge (a large model) → book, or park."""

    def dig(state: Invoice) -> dict[str, Any]:
        """Decode the document."""
        clock.takes(5)
        if state["vendor"] == "Umlaut":
            b"stra\xdfe".decode("utf-8")
        return {"lines": ["pens", "paper"]}

    def read(state: Line, ctx: Context) -> dict[str, Any]:
        """Read one line."""
        call(ctx, clock, "mini-1", 400, 9, 0.0004)
        return {"amounts": [10.0]}

    def judge(state: Invoice, ctx: Context) -> dict[str, Any]:
        """Judge the invoice."""
        call(ctx, clock, "grand-2", 300, 25, 0.02)
        return {"verdict": "odd" if state["vendor"] == "Hydra" else "fine"}

    def book(state: Invoice) -> dict[str, Any]:
        """Write it into the ledger."""
        clock.takes(4)
        if state["vendor"] == "Locked":
            raise PermissionError("the ledger is locked")
        return {}

    def park(state: Invoice) -> dict[str, Any]:
        """Put it aside."""
        clock.takes(1)
        return {}

    graph = StateGraph(Invoice).set_node_defaults(thread=False)  # lines are read in their order
    for node in (dig, read, judge, book, park):
        graph.add_node(node)
    graph.add_edge(START, "dig")
    graph.add_conditional_edges("dig", each_line, ["read"])
    graph.add_edge("read", "judge")
    graph.add_conditional_edges("judge", verdict, {"odd": "park", "fine": "book"})
    graph.add_edge("book", END).add_edge("park", END)
    return graph.compile(name="invoices")


def each_line(state: Invoice) -> list[Send]:
    return [Send("read", {"item": one}) for one in state["lines"]]


def verdict(state: Invoice) -> str:
    return state["verdict"]


def letters(clock: Clock) -> CompiledGraph[Day]:
    """Write the letter of a day, by a small model."""

    def compose(state: Day, ctx: Context) -> dict[str, Any]:
        """Write the letter."""
        call(ctx, clock, "mini-1", 5000, 60, 0.005)
        return {"letter": "so it was"}

    graph = StateGraph(Day)
    graph.add_node(compose).add_edge(START, "compose").add_edge("compose", END)
    return graph.compile(name="letters")


def run(clock: Clock) -> None:
    """Thirty parcels, twenty invoices, three letters; the letters are last."""
    first, second, third = parcels(clock), invoices(clock), letters(clock)
    for number in range(1, 31):
        clock.takes(1000)
        country, carrier = COUNTRIES[number % 5], ("Swift", "Tortoise")[number % 2]
        with suppress(CustomsError):
            first.invoke({"country": country, "carrier": carrier, "number": number})
    for number in range(1, 21):
        clock.takes(1000)
        vendor = VENDORS[number % 10]
        with suppress(UnicodeDecodeError, PermissionError):
            second.invoke({"path": f"/in/{vendor.lower()}-{number}.pdf", "vendor": vendor})
    for number in range(1, 4):
        clock.takes(1000)
        third.invoke({"day": f"2026-11-{10 + number}"})
