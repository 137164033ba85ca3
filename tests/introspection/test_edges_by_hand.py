"""Parts of answers at their edges, on made records: depths, splits, plans that are listed, calls that failed."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from inwit import events
from inwit.events import Event
from inwit.introspection.analyses import (
    ami,
    children,
    differences,
    edited,
    failed_alike,
    failure_chain,
    planned,
    slow_inputs,
    slow_many,
    suspects,
    unused,
)
from inwit.introspection.attributes import Called
from inwit.introspection.claims import Draft, Ref
from inwit.introspection.scene import Scene
from inwit.introspection.schedule import Schedule, Task
from inwit.plans import Plan
from inwit.runtime.views import Execution
from tests.introspection.test_told_by_hand import AT, plan, ran, said, scene, visited


class Within:
    """A record in which each execution called the next one, down to a depth."""

    def __init__(self, depth: int) -> None:
        self.line = [ran(number) for number in range(depth + 1)]

    def executions(self, *, parent_id: str, **_: Any) -> Any:
        at = [one.execution_id for one in self.line].index(parent_id)
        return SimpleNamespace(items=self.line[at + 1 : at + 2])

    def events(self, execution_id: str, *, types: Sequence[str]) -> list[Event]:
        return [events.ExecutionStarted(execution_id=execution_id, seq=1, ts=AT, graph_name="shop")]


@pytest.mark.parametrize("depth", [0, 1, 2, 5, 6, 9])
def test_what_is_within_is_looked_into_to_a_depth_of_five(depth: int) -> None:
    record = Within(depth)
    asked = scene(store=record)

    found = children.events(asked, record.line[0], ("execution_started",))

    def is_seen(goal: Execution) -> bool:
        return children.any_within(asked, record.line[0], lambda one: one is goal)

    seen = [at for at, goal in enumerate(record.line) if is_seen(goal)]

    assert [one.execution_id for one in found] == [f"e{at}" for at in range(min(depth, 5) + 1)]
    assert seen == list(range(min(depth, 5) + 1))


def plans(*ones: Plan) -> Any:
    told = SimpleNamespace(text="which plans are there")
    return SimpleNamespace(
        words="which plans are there", says=lambda pattern: False, query=told, named=lambda _: [],
        store=list(ones),
    )  # fmt: skip


@pytest.mark.parametrize("number", [0, 1, 2, 3, 8, 9])
def test_two_plans_are_told_and_eight_listed(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned, "plans", lambda store: store)
    monkeypatch.setattr(planned, "_status", lambda _: None)
    every = [plan(id=f"ab{at}", title=f"Plan {at}", status="proposed") for at in range(number)]

    draft = planned.answer(cast("Scene", plans(*every)))

    assert [one["uri"] for one in draft.data["results"]] == [
        f"plan://ab{at}" for at in range(number)
    ]
    texts = said(draft)
    if not number:
        assert texts[0].startswith("No plan is on record")
        return
    assert texts[0] == f"{number} plan{'s' if number > 1 else ''}:"
    assert len(draft.claims[0].refs) == min(number, 8)
    listed = [text for text in texts if text.endswith("(shop, proposed).")]
    assert listed == [f"Plan {at} (shop, proposed)." for at in range(min(number, 8))]
    assert sum(text.startswith("Why: ") for text in texts) == (number if number <= 2 else 0)


def edit(node: str, at: str) -> Any:
    return SimpleNamespace(node=node, at=at)


@pytest.mark.parametrize(
    ("started", "edits", "now", "before"),
    [
        ("321", ["2"], "32", "1"), ("321", ["4"], None, None), ("321", ["0"], None, None),
        ("54321", ["3", "4"], "54", "3"), ("54321", ["2", "4"], "54", "32"),
        ("5421", ["3", "3"], "54", "21"), ("541", ["2", "3"], "54", "1"), ("54321", [], None, None),
    ],
)  # fmt: skip
def test_since_an_edit_is_judged_beside_the_code_before_it(
    started: str, edits: list[str], now: str | None, before: str | None
) -> None:
    found = [ran(int(at), started_at=at) for at in started]
    kept = [edit(f"n{at}", at) for at in edits]
    asked = scene("is it slower since the last edit", store=SimpleNamespace(edits=lambda _: kept))

    parts = edited.split(asked, "shop", found)

    if now is None:
        assert parts is None
        return
    assert parts is not None
    assert "".join(one.started_at for one in parts[0]) == now
    assert "".join(one.started_at for one in parts[1]) == before
    assert [one.at for one in parts[2]] == [at for at in edits if at == edits[-1]]
    assert edited.split(scene("is it slow"), "shop", found) is None


def failure(kind: str) -> events.Failure:
    return events.Failure(type=kind, message="m", code="")


@pytest.mark.parametrize(
    ("change", "is_alike"),
    [
        ({}, True), ({"error_node": "send"}, False), ({"status": "cancelled"}, False),
        ({"error": failure("KeyError")}, False), ({"error": None}, False),
    ],
)  # fmt: skip
def test_failures_are_alike_by_node_status_and_kind(change: Any, is_alike: bool) -> None:
    told: dict[str, Any] = {"status": "failed", "error_node": "ask", "error": failure("OSError")}

    assert failed_alike._is_alike(ran(1, **(told | change)), ran(2, **told)) is is_alike
    assert failed_alike._is_alike(ran(1, status="failed"), ran(2, status="failed"))


def node_failed(seq: int, node: str, kind: str, visit: int = 1, attempt: int = 1) -> Event:
    return events.NodeFailed(
        execution_id="e1", seq=seq, ts=AT, node=node, visit=visit, attempt=attempt, error=failure(kind)
    )  # fmt: skip


def test_a_chain_is_of_the_visit_that_ended_with_the_execution_s_error() -> None:
    every = [
        node_failed(1, "ask", "OSError"), node_failed(2, "ask", "KeyError", visit=2),
        node_failed(3, "send", "KeyError"), node_failed(4, "ask", "Zero", visit=3),
    ]  # fmt: skip

    def chain(**more: Any) -> list[int]:
        one = ran(1, status="failed", **more)
        asked = scene(events=lambda _: every, store=SimpleNamespace(events=lambda *_a, **_k: every))
        return [event.seq for event in failure_chain.failures(asked, one)]

    assert chain(error_node="ask", error=failure("KeyError")) == [2]
    assert chain(error_node="ask", error=failure("OSError")) == [1]
    assert chain(error_node="send", error=failure("KeyError")) == [3]
    assert chain(error_node="ask", error=failure("Other")) == [4]
    assert chain(error_node="none", error=failure("KeyError")) == []


@pytest.mark.parametrize(
    ("share", "others", "is_told"),
    [(60, 10, True), (40, 14, True), (40, 15, True), (40, 16, False), (30, 10, False)],
)
def test_a_difference_is_told_from_a_quarter_on(share: int, others: int, is_told: bool) -> None:
    def side(number: int) -> list[Called]:
        return [
            Called(f"u{at}", {"kind": "bad" if at < number else "good"}, {}) for at in range(100)
        ]

    found = differences.differences(side(share), side(others))

    assert bool(found) is is_told
    if is_told:
        assert (found[0].attribute, found[0].bad, found[0].good) == ("kind", share, others)
        assert found[0].p == pytest.approx(1 / (differences.ROUNDS + 1))


def judged(before: str, last: list[float], apart: tuple[int, int]) -> tuple[str, list[str]]:
    draft = Draft(data={"verdicts": [{"verdict": before}]})
    ami._say_apart(draft, last, apart, str, [Ref(uri="graph://shop/metrics")])
    return draft.data["verdicts"][0]["verdict"], said(draft)


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [("usual", "unknown", True), ("worse", "worse", False), ("better", "better", True),
     ("unknown", "unknown", True)],
)  # fmt: skip
def test_what_is_said_already_is_not_said_of_the_last_again(
    before: str, after: str, is_told: bool
) -> None:
    higher = judged(before, [5.0, 6.0, 5.5, 1.0, 2.0, 1.5], (3, 3))

    assert higher[0] == after
    assert bool(higher[1]) is is_told
    if is_told:
        assert higher[1] == [
            (
                "The last 3 are all above the 3 before them, 5.5 at the median against 1.5: too few to"
                " call it a change."
            )
        ]
    assert judged("better", [1.0, 2.0, 1.5, 5.0, 6.0, 5.5], (3, 3)) == ("better", [])
    assert judged("worse", [1.0, 2.0, 1.5, 5.0, 6.0, 5.5], (3, 3))[1][0].startswith(
        "The last 3 are all below the 3 before them"
    )


@pytest.mark.parametrize(
    ("now", "was", "since"),
    [
        ([20.0] * 20, [10.0] * 60, 20),
        ([10.0] * 20, [10.0] * 60, None), ([20.0] * 10, [20.0] * 20 + [10.0] * 60, None),
    ],
)  # fmt: skip
def test_a_change_counts_that_came_among_the_last(
    now: list[float], was: list[float], since: int | None
) -> None:
    spread_out = [one + 0.01 * (at % 7) for at, one in enumerate(now + was)]

    found = ami._changed_within(spread_out[: len(now)], spread_out[len(now) :])

    assert found is None if since is None else found is not None and abs(found - since) <= 2


def shape(*tasks: tuple[str, int, tuple[int, ...]]) -> Schedule:
    made = tuple(
        Task(index=at, visit=visited(node, number), start=0.0, duration=1.0, follows=list(follows))
        for at, (node, number, follows) in enumerate(tasks)
    )
    return Schedule(execution=ran(), tasks=made, tail=0.0, total=1.0)


def test_visits_ran_in_one_step_that_follow_the_same() -> None:
    found = unused._steps(
        shape(
            ("plan", 1, ()), ("ask", 1, (0,)), ("ask", 2, (0,)), ("ask", 3, (2,)), ("send", 1, (0,))
        )
    )

    assert found == {"plan": 1, "ask": 2, "send": 1}


@pytest.mark.parametrize(
    ("took", "slow"),
    [
        ([10.0] * 5, 0), ([10.0] * 4 + [99.0], 0), ([10.0] * 5 + [99.0], 1), ([10.0] * 5 + [15.0], 0),
        ([10.0] * 5 + [15.1], 1), ([10.0] * 3 + [99.0] * 3, 0),
    ],
)  # fmt: skip
def test_slow_ones_are_parted_from_six_executions_on(took: list[float], slow: int) -> None:
    found = slow_many._parted([ran(at, duration_ms=one) for at, one in enumerate(took)])

    assert [len(side) for side in found] == [slow, len(took) - slow]


def test_sizes_are_those_before_a_node_s_first_visit() -> None:
    def task(at: int, node: str, update: Any, number: int = 1) -> Task:
        return Task(index=at, visit=visited(node, number, update=update), start=0.0, duration=1.0)

    tasks = (
        task(0, "plan", {"text": "four", "n": 3}), task(1, "ask", {"late": "x" * 9}),
        task(2, "plan", {"text": "longer"}, 2),
    )  # fmt: skip
    made = Schedule(execution=ran(), tasks=tasks, tail=0.0, total=3.0)
    called = Called("u", {}, {"words": 7.0})

    before_ask = slow_inputs.sizes(called, made, "ask")

    assert before_ask["words"] == 7.0
    assert before_ask["state.text"] == 4
    assert "state.late" not in before_ask
    assert slow_inputs.sizes(called, made, "plan") == {"words": 7.0}
    assert called.sizes == {"words": 7.0}


@pytest.mark.parametrize(("number", "usual", "often"), [(4, [1] * 40, True), (1, [1] * 40, False),
                                                        (2, [], False)])  # fmt: skip
def test_visits_are_more_than_usual_where_few_had_as_many(
    number: int, usual: list[int], often: bool
) -> None:
    assert suspects._is_more_often(number, usual) is often
