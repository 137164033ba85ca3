"""What if, really tried: predictions held against re-executions, and nothing impure is run."""

from __future__ import annotations

import asyncio
import operator
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Annotated, Any, TypedDict

import pytest

from inwit import CachePolicy, CompiledGraph, InMemoryCache, RetryPolicy, Send, StateGraph
from inwit.answers import Answer
from inwit.runtime.context import Context
from tests.introspection.chosen import sleeping_at_once
from tests.introspection.planting import evidence_holds


@pytest.fixture(autouse=True)
def _slept(project: Path) -> Iterator[None]:
    with sleeping_at_once():
        yield


class Letter(TypedDict, total=False):
    text: str
    web: str
    docs: str
    log: str
    sent: str


ran: Counter[str] = Counter()


async def clean(state: Letter) -> dict[str, Any]:
    ran["clean"] += 1
    await asyncio.sleep(0.004)
    return {"text": state["text"].strip()}


async def web(state: Letter) -> dict[str, Any]:
    ran["web"] += 1
    await asyncio.sleep(0.02)
    return {"web": "web " + state["text"]}


async def docs(state: Letter) -> dict[str, Any]:
    ran["docs"] += 1
    await asyncio.sleep(0.08 if "long" in state["text"] else 0.015)
    return {"docs": "docs " + state["text"]}


async def audit(state: Letter) -> dict[str, Any]:
    ran["audit"] += 1
    await asyncio.sleep(0.008)
    return {"log": state["text"]}


async def send(state: Letter) -> dict[str, Any]:
    ran["send"] += 1
    await asyncio.sleep(0.01)
    return {"sent": state["web"] + state["docs"]}


NODES = (clean, web, docs, audit, send)


def letters(texts: tuple[str, ...] = ("a", "b", "a")) -> CompiledGraph[Letter]:
    """Clean → web → docs → audit → send, of which all but send are pure, with executions."""
    graph = StateGraph(Letter)
    policy = RetryPolicy(max_attempts=2, initial_interval=0.001, jitter=False)
    for node in NODES:
        graph.add_node(node, pure=node is not send, retry_policy=policy)
    graph.set_entry_point("clean")
    for one, two in pairwise(NODES):
        graph.add_edge(one.__name__, two.__name__)
    graph.set_finish_point("send")
    app = graph.compile(name="letters")
    for index in range(8):
        app.invoke({"text": texts[index % len(texts)]})
    return app


def tried(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = answer.data["verification"]
    return found


@pytest.mark.parametrize(
    ("question", "same"),
    [
        ("What if web and docs ran in parallel?", 8),
        ("What if audit were removed?", 8),
        ("What if docs were cached?", 8),
        ("What if at most 1 branch ran at once?", 8),
        ("What if web were tried only once?", 8),
    ],
)
def test_a_prediction_is_held_against_real_executions(
    project: Path, question: str, same: int
) -> None:
    app = letters()
    ran.clear()

    answer = app.ask(question, verify=True)

    assert tried(answer)["n"] == 8 and tried(answer)["same_state"] == same
    assert tried(answer)["error"] < 0.01
    assert ran["web"] == 16 and ran["send"] == 0
    assert evidence_holds(answer)


def test_nodes_that_a_decision_leads_to_are_tried_beside_each_other(project: Path) -> None:
    graph = StateGraph(Letter)
    for node in NODES:
        graph.add_node(node, pure=True)
    graph.set_entry_point("clean")
    graph.add_conditional_edges("clean", lambda state: "go", {"go": "web", "stop": "send"})
    graph.add_edge("web", "docs").add_edge("docs", "audit").add_edge("audit", "send")
    graph.set_finish_point("send")
    app = graph.compile(name="decided")
    for _ in range(4):
        app.invoke({"text": "a"})

    answer = app.ask("What if web and docs ran in parallel?", verify=True)

    assert answer.data["feasible"] is True
    assert tried(answer)["n"] == 4 and tried(answer)["same_state"] == 4
    assert tried(answer)["real"]["point"] < tried(answer)["unchanged"]["point"]


def test_a_time_out_that_is_met_is_tried_until_it_fails(project: Path) -> None:
    app = letters(("a", "b", "a", "long"))

    answer = app.ask("What if docs had a time-out of 40 ms?", verify=True)

    assert answer.data["share_failing"] == 0.25 and answer.data["share_meeting"] == 0.25
    assert tried(answer)["failed"] in (1, 2) and tried(answer)["same_state"] == 6


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("What if send were cached?", "send is not declared pure"),
        ("What if web were twice as fast?", "in its code"),
    ],
)
def test_what_may_not_be_run_is_not_tried_and_said_so(
    project: Path, question: str, reason: str
) -> None:
    app = letters()
    ran.clear()

    answer = app.ask(question, verify=True)

    assert tried(answer)["tried"] is False and reason in tried(answer)["reason"]
    assert "It was not tried" in answer.text
    assert not ran


def test_an_impure_node_that_would_be_given_something_else_ends_the_trial(project: Path) -> None:
    class Count(TypedDict, total=False):
        n: int
        total: int

    async def draw(state: Count) -> dict[str, Any]:
        ran["draw"] += 1
        return {"n": ran["draw"]}

    async def book(state: Count) -> dict[str, Any]:
        ran["book"] += 1
        return {"total": state["n"]}

    graph = StateGraph(Count)
    graph.add_node("draw", draw, pure=True)
    graph.add_node("book", book)
    graph.set_entry_point("draw").add_edge("draw", "book").set_finish_point("book")
    app = graph.compile(name="draws")
    ran.clear()
    for _ in range(3):
        app.invoke({})

    answer = app.ask("What if draw were tried only once?", verify=True)

    assert tried(answer)["tried"] is False and "given something else" in tried(answer)["reason"]
    assert ran["book"] == 3


def test_without_being_asked_nothing_is_tried(project: Path) -> None:
    app = letters()
    ran.clear()

    answer = app.ask("What if docs were cached?")

    assert "verification" not in answer.data and not ran


class Fan(TypedDict, total=False):
    items: list[int]
    out: Annotated[list[int], operator.add]


def fan() -> CompiledGraph[Fan]:
    async def begin(state: Fan) -> dict[str, Any]:
        return {}

    async def work(state: Fan) -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"out": [1]}

    graph = StateGraph(Fan)
    graph.add_node("begin", begin)
    graph.add_node("work", work)
    graph.set_entry_point("begin")
    graph.add_conditional_edges(
        "begin", lambda state: [Send("work", {"items": [i]}) for i in state["items"]], ["work"]
    )
    return graph.compile(name="fan")


def test_another_concurrency_is_predicted_as_it_turns_out(project: Path) -> None:
    app = fan()
    for _ in range(6):
        app.invoke({"items": [*range(6)]})

    answer = app.ask("What if max_concurrency were 2?")

    began_ns = time.monotonic_ns()
    app.invoke({"items": [*range(6)]}, {"max_concurrency": 2})
    took = (time.monotonic_ns() - began_ns) / 1e6
    assert answer.data["predicted"]["point"] == pytest.approx(took, rel=0.01)
    assert answer.data["predicted"]["point"] > 2 * answer.data["baseline"]["point"]


class Gate(TypedDict, total=False):
    x: int


def gated(width: int, name: str) -> CompiledGraph[Gate]:
    async def before(state: Gate) -> dict[str, Any]:
        await asyncio.sleep(0.005)
        return {}

    async def call(state: Gate) -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {}

    graph = StateGraph(Gate)
    graph.add_node("before", before)
    graph.add_node("call", call, max_concurrency=width)
    graph.set_entry_point("before").add_edge("before", "call").set_finish_point("call")
    return graph.compile(name=name)


async def crowd(app: CompiledGraph[Any], number: int, given: Any = None) -> list[float]:
    async def one() -> float:
        began_ns = time.monotonic_ns()
        await app.ainvoke(given or {"x": 1})
        return (time.monotonic_ns() - began_ns) / 1e6

    return list(await asyncio.gather(*(one() for _ in range(number))))


def test_a_limit_of_a_node_is_predicted_as_it_turns_out(project: Path) -> None:
    asyncio.run(crowd(gated(4, "warm"), 4))
    app = gated(4, "gate")
    asyncio.run(crowd(app, 24))

    answer = app.ask("What if call had a max_concurrency of 2?")

    really = median(asyncio.run(crowd(gated(2, "narrow"), 24)))
    assert answer.data["predicted"]["point"] == pytest.approx(really, rel=0.01)


def test_a_crowd_is_predicted_by_declared_limits_as_it_turns_out(project: Path) -> None:
    app = gated(4, "gate")
    for _ in range(4):
        asyncio.run(crowd(app, 6))

    answer = app.ask("What if 40 executions ran at once?")

    really = median(asyncio.run(crowd(gated(4, "crowded"), 40)))
    assert answer.data["predicted"]["point"] == pytest.approx(really, rel=0.01)
    assert evidence_holds(answer)


def test_a_crowd_without_a_limit_is_not_predicted(project: Path) -> None:
    app = letters()

    answer = app.ask("What if 50 users asked at once?")

    assert answer.data["feasible"] is False and "no node declares a limit" in answer.data["reason"]


def test_a_crowd_that_is_on_record_is_told_as_it_was(project: Path) -> None:
    app = letters()
    asyncio.run(crowd(app, 6, {"text": "long"}))

    answer = app.ask("What if 6 executions ran at once?")

    assert answer.data["feasible"] is True
    assert (answer.data["n"], answer.data["reason"]) == (6, "recorded under such a load")
    assert answer.data["predicted"]["point"] > 1.5 * answer.data["baseline"]["point"]
    assert "While about 6 executions of letters ran at once" in answer.text
    assert evidence_holds(answer)


class Chat(TypedDict, total=False):
    reply: str


def chatting(model: str, tokens: int = 1000) -> CompiledGraph[Chat]:
    async def reply(state: Chat, ctx: Context) -> dict[str, Any]:
        call = {"call_id": "c", "model": model, "provider": "scripted"}
        ctx.emit("llm_started", **call)
        ctx.emit("llm_completed", **call, input_tokens=tokens, output_tokens=100)
        return {"reply": "yes"}

    graph = StateGraph(Chat)
    graph.add_node("reply", reply)
    graph.set_entry_point("reply").set_finish_point("reply")
    return graph.compile(name="chat")


def test_another_model_is_priced_by_recorded_tokens_and_the_tables_date(project: Path) -> None:
    app = chatting("gpt-4o")
    for _ in range(7):
        app.invoke({})

    answer = app.ask("What if reply used claude-haiku-4-5?")

    assert answer.data["predicted"]["point"] == pytest.approx((1000 * 1 + 100 * 5) / 1e6)
    assert answer.data["price_date"] and answer.data["price_date"] in answer.text
    assert answer.data["time"] is None and "would take is unknown" in answer.text
    assert evidence_holds(answer)


@pytest.mark.parametrize(
    ("question", "model"),
    [
        ("What if reply used gpt-4o-mini instead of gpt-4o?", "gpt-4o-mini"),
        ("What if gpt-4o were replaced by gpt-4o-mini?", "gpt-4o-mini"),
        ("What if we switched from gpt-4o to gpt-4o-mini?", "gpt-4o-mini"),
        ("What if reply used gpt-4o-mini and not gpt-4o?", "gpt-4o-mini"),
        ("What if reply used gpt-4o?", "gpt-4o"),
        ("What if reply used a cheaper model instead of gpt-4o?", ""),
        ("What if reply used claude instead of gpt-4o?", ""),
    ],
)
def test_the_model_that_is_priced_is_never_the_one_that_is_to_go(
    project: Path, question: str, model: str
) -> None:
    app = chatting("gpt-4o")
    app.invoke({})

    answer = app.ask(question)

    assert answer.data["change"]["model"] == model
    assert answer.data["feasible"] is bool(model)
    assert evidence_holds(answer)


def test_a_model_without_a_price_is_unknown(project: Path) -> None:
    app = chatting("gpt-4o")
    app.invoke({})

    answer = app.ask("What if reply used mega-model-9?")

    assert answer.data["feasible"] is False and answer.data["predicted"] is None
    assert "mega-model-9" in answer.text and "unknown" in answer.text


def test_a_cache_that_is_taken_away_costs_what_it_saved(project: Path) -> None:
    async def load(state: Letter) -> dict[str, Any]:
        await asyncio.sleep(0.03)
        return {"web": state["text"]}

    graph = StateGraph(Letter)
    graph.add_node("load", load, cache_policy=CachePolicy())
    graph.set_entry_point("load").set_finish_point("load")
    app = graph.compile(name="kept", cache=InMemoryCache())
    for index in range(8):
        app.invoke({"text": "ab"[index % 2]})

    answer = app.ask("What if the cache of load were removed?")

    assert answer.data["hits"] == 6
    assert answer.data["predicted"]["point"] > 29 > answer.data["baseline"]["point"]
