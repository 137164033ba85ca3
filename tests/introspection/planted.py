"""Graphs with people, maps, commands, caches, tools, budgets and graphs within, and what is true of them."""

from __future__ import annotations

import operator
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
    Send,
    StateGraph,
    interrupt,
)
from inwit.runtime.context import Context


class Order(TypedDict):
    item: str
    euros: int
    approved: bool


def price(state: Order) -> dict[str, Any]:
    return {"euros": 40}


def sign(state: Order) -> dict[str, Any]:
    asked = {"question": f"Pay {state['euros']} EUR for {state['item']}?", "risk": "high"}
    return {"approved": interrupt(asked, schema=bool)}


def pay(state: Order) -> dict[str, Any]:
    return {}


def is_signed(state: Order) -> str:
    return "yes" if state["approved"] else "no"


def ordering(name: str = "orders", **options: Any) -> CompiledGraph[Order]:
    """Price → sign (asks a person) → (yes: pay | no: end)."""
    graph = StateGraph(Order)
    for node in (price, sign, pay):
        graph.add_node(node)
    graph.add_edge(START, "price")
    graph.add_edge("price", "sign")
    graph.add_conditional_edges("sign", is_signed, {"yes": "pay", "no": END})
    graph.add_edge("pay", END)
    return graph.compile(name=name, checkpointer=InMemoryCheckpointer(), **options)


class Pages(TypedDict):
    urls: list[str]
    texts: Annotated[list[str], operator.add]


def crawling(name: str = "crawler") -> CompiledGraph[Pages]:
    """Split → (Send: fetch once per url) → merge, which commands notify."""

    def split(state: Pages) -> dict[str, Any]:
        return {}

    def sends(state: Pages) -> list[Send]:
        return [Send("fetch", {"url": url}) for url in state["urls"]]

    def fetch(state: dict[str, Any]) -> dict[str, Any]:
        return {"texts": [state["url"].upper()]}

    def merge(state: Pages) -> Command[Any]:
        return Command(goto="notify", update={"texts": ["end"]})

    def notify(state: Pages) -> dict[str, Any]:
        return {}

    graph = StateGraph(Pages)
    graph.add_node(split)
    graph.add_node(fetch)
    graph.add_node("merge", merge, destinations=("notify",))
    graph.add_node(notify)
    graph.add_edge(START, "split")
    graph.add_conditional_edges("split", sends, ["fetch"])
    graph.add_edge("fetch", "merge")
    graph.add_edge("notify", END)
    return graph.compile(name=name)


class Letter(TypedDict):
    text: str


def translating(name: str = "translator") -> CompiledGraph[Letter]:
    """Detect → render, which fails for the word snow."""

    def detect(state: Letter) -> dict[str, Any]:
        return {"text": state["text"].strip()}

    def render(state: Letter) -> dict[str, Any]:
        if state["text"] == "snow":
            raise ValueError("no word for snow")
        return {"text": state["text"] + "!"}

    graph = StateGraph(Letter)
    graph.add_node(detect)
    graph.add_node(render)
    graph.add_edge(START, "detect")
    graph.add_edge("detect", "render")
    graph.add_edge("render", END)
    return graph.compile(name=name)


def writing(name: str = "letters") -> CompiledGraph[Letter]:
    """Open → translate, which is the graph `translator`."""
    graph = StateGraph(Letter)
    graph.add_node("open", lambda state: {"text": state["text"] + " "})
    graph.add_node("translate", translating())
    graph.add_edge(START, "open")
    graph.add_edge("open", "translate")
    graph.add_edge("translate", END)
    return graph.compile(name=name)


class Count(TypedDict):
    n: int


def caching(name: str = "squares") -> CompiledGraph[Count]:
    """Square, whose results are cached."""
    graph = StateGraph(Count)
    graph.add_node("square", lambda state: {"n": state["n"] ** 2}, cache_policy=CachePolicy())
    graph.add_edge(START, "square")
    graph.add_edge("square", END)
    return graph.compile(name=name, cache=InMemoryCache())


def spending(steps: int, name: str = "spender") -> CompiledGraph[Count]:
    """Turn → turn → …, until its budget of steps runs out."""
    graph = StateGraph(Count)
    graph.add_node("turn", lambda state: {"n": state["n"] + 1})
    graph.add_edge(START, "turn")
    graph.add_conditional_edges("turn", lambda state: state["n"] < 100, {True: "turn", False: END})
    return graph.compile(name=name, budget=Budget(steps=steps))


def weather(city: str) -> str:
    if city == "Atlantis":
        raise LookupError("no such city")
    return f"rain in {city}"


def clock(zone: str) -> str:
    return f"noon in {zone}"


class Trip(TypedDict):
    cities: list[str]
    told: list[str]


def guiding(name: str = "guide") -> CompiledGraph[Trip]:
    """Agent, which calls the tool weather for each city, and clock once."""

    def agent(state: Trip, ctx: Context) -> dict[str, Any]:
        told = [ctx.tool(weather, city=city) for city in state["cities"]]
        return {"told": [*told, ctx.tool(clock, zone="UTC")]}

    graph = StateGraph(Trip)
    graph.add_node(agent)
    graph.add_edge(START, "agent")
    graph.add_edge("agent", END)
    return graph.compile(name=name)
