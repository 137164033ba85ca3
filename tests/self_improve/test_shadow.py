"""Shadow replay and foretelling: what proves a plan, what refuses it, and what stays untouched."""

from __future__ import annotations

import time
from typing import Any, TypedDict

import pytest

from inwit import END, START, StateGraph
from inwit.errors import IllegalMoveError, InapplicableError, PrincipalError
from inwit.plans import Effect, Plan, Principal, Validation
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.self_improve.actions import Changes
from inwit.self_improve.deciding import decide
from inwit.self_improve.shadow import _by_limits, _reordered
from inwit.self_improve.validating import validate
from tests.self_improve.conftest import ADA, World, another_version, book, run, searcher
from tests.self_improve.traffic import execution, visit


class State(TypedDict, total=False):
    query: str
    left: str
    right: str
    charged: int
    answer: str


def plan_of(graph: str, *actions: dict[str, Any], name: str = "by-hand") -> Plan:
    return Plan(
        id=name, fingerprint=name, category="by_hand", graph_name=graph, title="A change",
        hypothesis="It helps.", evidence=(), baseline={}, candidate={}, confidence=0.5,
        effect=Effect(point=0, low=0, high=0, unit="none"), expected_gain=None, actions=actions,
        risk="", rollback="", validation=Validation(command="", expected=""),
    )  # fmt: skip


def configure(graph: str, node: str, **values: Any) -> dict[str, Any]:
    return {"type": "node_config", "graph": graph, "node": node, "set": values}


def proposed(*actions: dict[str, Any], graph: str = "searcher") -> Plan:
    kept = book().enter(plan_of(graph, *actions)).plan
    return validate(book(), kept.id)


def two(charges: list[str], *, pure: bool = False, handler: bool = False) -> Any:
    """Two nodes in a row that do not need each other, and one that charges a card."""
    ran: list[str] = []

    def left(state: State) -> dict[str, Any]:
        ran.append("left")
        time.sleep(0.003)
        return {"left": state["query"]}

    def right(state: State) -> dict[str, Any]:
        ran.append("right")
        time.sleep(0.003)
        return {"right": state["query"]}

    def charge(state: State) -> dict[str, Any]:
        if handler:
            raise ValueError("the card is refused")
        charges.append(state["query"])
        return {"charged": 1}

    def instead(state: State) -> dict[str, Any]:
        charges.append(state["query"])
        return {"charged": 2}

    graph = StateGraph(State)
    graph.add_node("left", left, pure=pure)
    graph.add_node("right", right)
    graph.add_node("charge", charge, fallback=instead if handler else None)
    graph.add_edge(START, "left")
    graph.add_edge("left", "right")
    graph.add_edge("right", "charge")
    graph.add_edge("charge", END)
    app: Any = graph.compile(name="two")
    for number in range(12):
        app.invoke({"query": f"q{number}"})
    app.ran = ran
    Journal.of(app.project).flush()
    return app


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("handler", [False, True])
def test_no_card_is_charged_by_a_replay_nor_by_what_takes_over(handler: bool) -> None:
    charges: list[str] = []
    app = two(charges, pure=True, handler=handler)
    app.ran.clear()

    found = proposed({"type": "parallel", "graph": "two", "nodes": ["left", "right"]}, graph="two")

    assert found.status == "validated"
    assert found.replay is not None
    assert found.replay["method"] == "graph and recorded outputs"
    assert found.replay["ran"] == ["left"]
    assert app.ran == ["left"] * 12
    assert len(charges) == 12
    assert found.expected_gain is not None
    assert found.expected_gain.point > 1


@pytest.mark.usefixtures("project")
def test_without_the_code_the_recorded_updates_prove_as_much() -> None:
    app = two([])
    project = app.project
    del app

    import gc

    gc.collect()
    found = proposed({"type": "parallel", "graph": "two", "nodes": ["left", "right"]}, graph="two")

    assert project == Project.find()
    assert found.status == "validated"
    assert found.replay is not None
    assert found.replay["method"] == "recorded updates"


@pytest.mark.usefixtures("project")
def test_nodes_that_need_each_other_are_not_made_parallel() -> None:
    two([])

    found = proposed({"type": "parallel", "graph": "two", "nodes": ["left", "left"]}, graph="two")

    assert found.status == "proposed"
    assert found.replay is not None
    assert "cannot be applied" in found.replay["reason"]


def test_results_that_differ_for_equal_input_are_found_by_replaying(world: World) -> None:
    app = searcher(world)
    world_search = world.search
    counts = iter(range(10**6))
    app = searcher(world)
    world.search = lambda state: {**world_search(state), "hits": [str(next(counts))]}  # type: ignore[method-assign]
    app = searcher(world)
    run(app, 12, world)

    found = proposed(
        configure("searcher", "search", cache={"scope": "execution", "key": ["query"]})
    )

    assert found.status == "proposed"
    assert found.replay is not None
    assert found.replay["passed"] < found.replay["n"]
    assert found.replay["divergences"][0]["keys"] == ["hits"]
    assert "ended otherwise" in found.replay["reason"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"model": "smaller"}, "is not in the record"),
        ({"prompt": "Be brief."}, "is not in the record"),
        ({"timeout_s": 0.0001}, "ended otherwise"),
        ({"timeout_s": "soon"}, "is a number above 0"),
        ({"cache": {"scope": "galaxy"}}, "has a scope of"),
    ],
)
def test_what_cannot_be_proved_stays_a_hypothesis_that_nobody_can_approve(
    world: World, values: dict[str, Any], why: str
) -> None:
    run(searcher(world), 12, world)

    found = proposed(configure("searcher", "search", **values))

    assert found.status == "proposed"
    assert found.replay is not None
    assert found.replay["is_hypothesis"] is True
    assert why in found.replay["reason"]
    with pytest.raises(IllegalMoveError):
        decide(Project.find(), found.id, "approve", ADA)


def test_a_generous_time_out_is_proved_and_gains_nothing(world: World) -> None:
    run(searcher(world), 12, world)

    found = proposed(configure("searcher", "search", timeout_s=5))

    assert found.status == "validated"
    assert found.expected_gain is not None
    assert found.expected_gain.point == 0


def test_too_few_executions_prove_nothing(world: World) -> None:
    run(searcher(world), 3, world)

    found = proposed(configure("searcher", "search", timeout_s=5))

    assert found.status == "proposed"
    assert found.replay is not None
    assert "3 completed executions can be replayed" in found.replay["reason"]


def test_an_action_of_another_form_or_about_another_graph_changes_nothing(world: World) -> None:
    run(searcher(world), 12, world)
    odd = [
        {"type": "shell", "command": "reboot"},
        configure("another", "search", timeout_s=1),
        configure("searcher", "nowhere", timeout_s=1),
    ]

    for number, action in enumerate(odd):
        kept = book().enter(plan_of("searcher", action, name=f"odd-{number}")).plan
        found = validate(book(), kept.id) if number < 2 else kept
        assert found.status == "proposed"

    assert Store.of(Project.find()).graph("searcher").node_configs == {}


def test_a_diff_is_written_for_review_and_counts_from_the_version_that_it_makes(
    world: World,
) -> None:
    app = searcher(world)
    run(app, 40, world)
    diff = "--- a/app.py\n+++ b/app.py\n@@ -1 +1 @@\n-x\n+y; import os\n"

    found = proposed({"type": "diff", "graph": "searcher", "file": "app.py", "diff": diff})
    with pytest.raises(PrincipalError):
        decide(Project.find(), found.id, "approve", Principal("client", "claude"))
    approved = decide(Project.find(), found.id, "approve", ADA)
    applied = decide(Project.find(), found.id, "apply", ADA)
    run(app, 5, world)
    nothing_yet = decide(Project.find(), found.id, "evaluate", ADA)
    world.seconds = 0.0
    run(another_version(world), 40, world)
    done = decide(Project.find(), found.id, "evaluate", ADA)

    assert found.status == "proposed"
    assert found.replay is not None
    assert "review the patch" in found.replay["reason"]
    assert [one.target for one in approved.history] == ["proposed", "validated", "approved"]
    assert applied.outcome is not None
    path = Project.find().folder / "patches" / f"{found.id}.patch"
    assert applied.outcome["patch"] == str(path)
    assert path.read_text() == diff
    assert nothing_yet.status == "in_progress"
    assert done.status == "implemented"
    assert done.outcome is not None
    assert done.outcome["executions"] == {"control": 40, "candidate": 40}
    assert done.outcome["measured"]["point"] > 1


def test_two_plans_are_not_tried_at_one_node_at_a_time(world: World) -> None:
    run(searcher(world), 12, world)
    cache = configure("searcher", "search", cache={"scope": "execution", "key": ["query"]})
    for name, action in (("one", cache), ("two", configure("searcher", "search", timeout_s=5))):
        kept = book().enter(plan_of("searcher", action, name=f"plan-{name}")).plan
        validate(book(), kept.id)
        decide(Project.find(), kept.id, "approve", ADA)

    decide(Project.find(), "plan-one", "apply", ADA)
    with pytest.raises(InapplicableError, match="on trial at 'search'"):
        decide(Project.find(), "plan-two", "apply", ADA)

    assert book().get("plan-two").status == "approved"


@pytest.mark.usefixtures("project")
def test_what_an_answer_proposes_is_a_plan_that_can_be_proved_and_applied() -> None:
    from inwit.introspection.proposing import propose

    app = two([])
    answer = app.ask("How can I make it faster?")
    kinds = [one["kind"] for one in answer.data["interventions"]]

    kept = propose(answer, 1 + kinds.index("parallel"), book(), actor="client")
    found = validate(book(), kept.id)
    decide(Project.find(), found.id, "approve", ADA)
    applied = decide(Project.find(), found.id, "apply", ADA, share=1)

    assert found.status == "validated"
    assert applied.status == "in_progress"
    app.invoke({"query": "once more"})
    [left, right, _] = Store.of(Project.find()).visits(_last(app))
    assert abs(left.started_ns - right.started_ns) < (left.duration_ms or 0) * 1e6


def _last(app: Any) -> str:
    Journal.of(app.project).flush()
    return str(app.last_execution_id)


def test_visits_that_would_not_end_within_changed_limits_are_named_with_them() -> None:
    of, n = execution(1), "search"
    changes = Changes(
        graph="flow", configs={n: {"timeout_s": 0.05, "retry_policy": {"max_attempts": 2}}}
    )
    visits = [
        visit(of, n, 0, 90.0), visit(of, n, 1, 50.0), visit(of, n, 2, 90.0, retry_ms=45.0),
        visit(of, n, 3, 9.0, attempts=3), visit(of, n, 4, 9.0, attempts=3, status="failed"),
        visit(of, n, 5, 9.0, attempts=2), visit(of, "rank", 6, 900.0),
    ]  # fmt: skip

    found = _by_limits(changes, visits)

    assert [(one["uri"], one["what"]) for one in found] == [
        (visits[0].uri, "it took 90.0 ms, and would have been ended at 50 ms"),
        (visits[3].uri, "it needed 3 attempts, and would have had 2"),
    ]


def test_of_nodes_that_become_parallel_the_second_may_come_first() -> None:
    of, changes = (
        execution(1),
        Changes(graph="flow", configs={"*": {"parallel": [("left", "right")]}}),
    )
    visits: Any = [visit(of, node, at, 1.0) for at, node in enumerate(["left", "right", "left"])]

    assert [one.node for one in _reordered(changes, visits)] == ["right", "left", "left"]
