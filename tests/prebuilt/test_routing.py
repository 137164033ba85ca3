from __future__ import annotations

from typing import Any, TypedDict

import pytest

from inwit import END, START, StateGraph, policy_router, predicate_router, union_router
from inwit.errors import AgentDefinitionError
from inwit.prebuilt import Ruling
from tests.runtime.capture.record import recorded


class State(TypedDict, total=False):
    n: int
    by: str


def small(state: Any) -> bool:
    return bool(state["n"] < 10)


def even(state: Any) -> bool:
    return bool(state["n"] % 2 == 0)


async def slowly_even(state: Any) -> bool:
    return even(state)


def routed(route: Any, *, path_map: Any = None) -> Any:
    graph = StateGraph(State)
    graph.add_node("ask", lambda state: None)
    for name in ("small", "even", "other"):
        graph.add_node(name, lambda state: None)
    graph.add_edge(START, "ask").add_conditional_edges("ask", route, path_map)
    return graph.compile(name="routed", validate=path_map is not None)


def visited(app: Any, n: int) -> list[str]:
    return sorted(
        name
        for step in app.stream({"n": n}, stream_mode="updates")
        for name in step
        if name != "ask"
    )


@pytest.mark.parametrize("is_even", [even, slowly_even])
@pytest.mark.parametrize(
    ("n", "to"), [(2, ["small"]), (3, ["small"]), (12, ["even"]), (13, ["other"])]
)
def test_the_first_predicate_that_holds_leads(
    n: int, to: list[str], is_even: Any, project: Any
) -> None:
    app = routed(predicate_router({"small": small, "even": is_even}, default="other"))

    assert visited(app, n) == to


@pytest.mark.parametrize("is_even", [even, slowly_even])
@pytest.mark.parametrize(
    ("n", "to"), [(2, ["even", "small"]), (3, ["small"]), (12, ["even"]), (13, [])]
)
def test_a_union_leads_to_all_that_any_part_leads_to(
    n: int, to: list[str], is_even: Any, project: Any
) -> None:
    def again(state: Any) -> Any:
        return "small" if small(state) else None

    app = routed(union_router({"small": small, "even": is_even}, again))

    assert visited(app, n) == to


def test_a_router_of_parts_says_where_it_may_lead(project: Any) -> None:
    graph = StateGraph(State)
    for name in ("ask", "small", "other"):
        graph.add_node(name, lambda state: None)
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", predicate_router({"small": small}, default="other"))

    drawn = graph.compile(name="drawn").get_graph().draw_mermaid()

    assert "small" in drawn and "other" in drawn


class OfficeHours:
    """Lets nobody go to `even`, and sends large numbers elsewhere."""

    def rule(self, state: Any, proposed: list[Any]) -> Ruling | list[str] | None:
        if state["n"] > 100:
            return Ruling("other", "too large")
        return [one for one in proposed if one != "even"]


class Names:
    name = "no small ones"

    def rule(self, state: Any, proposed: list[Any]) -> Ruling | None:
        return Ruling([], "small") if proposed == ["small"] else None


ROUTE = union_router({"small": small, "even": even})


@pytest.mark.parametrize(("n", "to"), [(2, ["small"]), (12, []), (102, ["other"]), (13, [])])
def test_a_policy_filters_or_overrides_a_route(n: int, to: list[str], project: Any) -> None:
    app = routed(policy_router(ROUTE, OfficeHours()))

    assert visited(app, n) == to


def test_what_a_policy_did_is_in_the_decisions_record(project: Any) -> None:
    app = routed(policy_router(ROUTE, OfficeHours(), Names(), fallback="other"))

    app.invoke({"n": 2})

    decision = next(one for one in recorded(app, "edge_taken") if one["node"] == "ask")
    assert decision["target"] == "other"
    assert decision["read"]["policy"] == {
        "proposed": ["small", "even"],
        "chosen": ["other"],
        "rulings": [
            {"policy": "OfficeHours", "chosen": ["small"], "reason": ""},
            {"policy": "no small ones", "chosen": [], "reason": "small"},
        ],
    }


def test_a_policy_that_lets_a_route_stand_leaves_no_ruling(project: Any) -> None:
    async def route(state: Any) -> str:
        return "small"

    app = routed(policy_router(route, OfficeHours()), path_map=["small", "even", "other", END])

    app.invoke({"n": 3})

    decision = next(one for one in recorded(app, "edge_taken") if one["node"] == "ask")
    assert decision["target"] == "small"
    assert decision["read"]["policy"]["rulings"] == []


def test_what_cannot_rule_is_refused() -> None:
    with pytest.raises(AgentDefinitionError, match="no policy"):
        policy_router(ROUTE, object())  # type: ignore[arg-type]
