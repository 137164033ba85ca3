"""The scheduler beside a slow one that is obviously right, and beside LangGraph itself."""

from __future__ import annotations

import asyncio
from typing import Any

import langgraph.errors
import langgraph.graph
import langgraph.types
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import inwit
from inwit.errors import GraphRecursionError, InvalidUpdateError
from tests.runtime.simulation import reference
from tests.runtime.simulation.building import build
from tests.runtime.simulation.reference import Outcome, TooBigError
from tests.runtime.simulation.shapes import FIRST, Sent, Shape, make_shape


@pytest.fixture(autouse=True)
def without_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INWIT_OFF", "1")


@st.composite
def shapes(draw: Any) -> Shape:
    return make_shape(lambda n: draw(st.integers(0, n - 1)))


class LangGraph:
    StateGraph = langgraph.graph.StateGraph
    Command = langgraph.types.Command
    Send = langgraph.types.Send


def expected(shape: Shape) -> Outcome:
    try:
        return reference.run(shape)
    except TooBigError:
        assume(False)
        raise


def outcome(app: Any, thread_id: str | None = None) -> Outcome:
    config: dict[str, Any] = {"recursion_limit": 25}
    if thread_id is not None:
        config["configurable"] = {"thread_id": thread_id}
    try:
        state = asyncio.run(app.ainvoke({"log": []}, config))
    except (GraphRecursionError, langgraph.errors.GraphRecursionError):
        return Outcome("recursion", {})
    except (InvalidUpdateError, langgraph.errors.InvalidUpdateError):
        return Outcome("conflict", {})
    return Outcome(None, {**FIRST, **state})


def blocking_outcome(app: Any) -> Outcome:
    try:
        return Outcome(None, {**FIRST, **app.invoke({"log": []})})
    except GraphRecursionError:
        return Outcome("recursion", {})
    except InvalidUpdateError:
        return Outcome("conflict", {})


def same(one: Outcome, other: Outcome) -> bool:
    return one.error == other.error and (one.error is not None or one.state == other.state)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(shapes(), st.booleans())
def test_random_graphs_end_as_the_reference_says(shape: Shape, is_saved: bool) -> None:
    wanted = expected(shape)
    app = build(shape, inwit).compile(name="random", validate=False)

    found = outcome(app, "t" if is_saved else None)

    assert same(found, wanted), (found, wanted)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(shapes())
def test_random_graphs_end_alike_without_an_event_loop(shape: Shape) -> None:
    wanted = expected(shape)
    app = build(shape, inwit).compile(name="random", validate=False)

    found = blocking_outcome(app)

    assert same(found, wanted), (found, wanted)


def is_told_apart(shape: Shape) -> bool:
    """Whether LangGraph means something else: it runs a deferred node beside what was sent."""
    sends = any(
        isinstance(way, Sent)
        for ways in (*shape.routers.values(), *shape.commands.values())
        for step in ways
        for way in step
    )
    return bool(shape.deferred) and sends


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(shapes())
def test_random_graphs_end_as_in_langgraph(shape: Shape) -> None:
    expected(shape)
    assume(not is_told_apart(shape))
    app = build(shape, inwit).compile(name="random", defaults="langgraph", validate=False)
    other = build(shape, LangGraph).compile()

    found, wanted = outcome(app), outcome(other)

    assert same(found, wanted), (found, wanted)
