"""Schedules: an unchanged one simulates to what was recorded, whatever its shape."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inwit.introspection import schedule
from inwit.introspection.lineage import leads, writer
from inwit.introspection.stats import estimate, median_ranks, permutation_p
from inwit.runtime.views import Execution, Visit

START_NS = 1_700_000_000_000_000_000
WIDTH = st.lists(st.integers(1, 50), min_size=1, max_size=4)


def execution(total: float) -> Execution:
    return Execution(
        execution_id="e", graph_name="g", graph_version="v", status="completed",
        started_at="2023-11-14T22:13:20.000000Z", duration_ms=total, position=1,
    )  # fmt: skip


def recorded(steps: list[list[int]]) -> tuple[list[Visit], float]:
    """Visits of steps whose branches start together; each step waits for the whole one before."""
    visits: list[Visit] = []
    clock, seq = 0, 2
    for number, branches in enumerate(steps):
        names = [f"n{number}_{index}" for index in range(len(branches))]
        targets = (
            [f"n{number + 1}_{index}" for index in range(len(steps[number + 1]))]
            if number + 1 < len(steps)
            else ["__end__"]
        )
        entry, seq = seq, seq + len(branches)
        leave, seq = seq, seq + len(branches)
        for index, ms in enumerate(branches):
            edges = tuple({"target": target} for target in targets) if index == 0 else ()
            visits.append(
                Visit(
                    execution_id="e", graph_name="g", graph_version="v", node=names[index], visit=1,
                    entry_seq=entry + index, exit_seq=leave + index, edge_seq=seq + index * 10,
                    started_ns=START_NS + clock * 1_000_000, duration_ms=float(ms),
                    status="completed", edges=edges, update={"k": index},
                )
            )  # fmt: skip
        seq += 10 * len(branches)
        clock += max(branches)
    return visits, float(clock)


@given(st.lists(WIDTH, min_size=1, max_size=6))
def test_an_unchanged_schedule_takes_what_was_recorded(steps: list[list[int]]) -> None:
    visits, total = recorded(steps)

    made = schedule.build(execution(total), visits)

    assert made.simulate(lambda task: task.duration) == pytest.approx(total)


@given(st.lists(WIDTH, min_size=1, max_size=6), st.integers(1, 100))
def test_a_slower_node_delays_by_its_share_of_its_step(steps: list[list[int]], more: int) -> None:
    visits, total = recorded(steps)
    made = schedule.build(execution(total), visits)
    step = steps[-1]

    slower = made.simulate(
        lambda task: task.duration + (more if task.visit.node == f"n{len(steps) - 1}_0" else 0)
    )

    assert slower == pytest.approx(total - max(step) + max(step[0] + more, *step))


@given(st.lists(WIDTH, min_size=1, max_size=6))
def test_the_critical_path_is_as_long_as_the_execution(steps: list[list[int]]) -> None:
    visits, total = recorded(steps)

    path = schedule.build(execution(total), visits).critical_path()

    assert sum(task.duration for task in path) == pytest.approx(total)


def test_every_visit_of_a_step_waits_for_the_slowest_of_the_step_before() -> None:
    visits, total = recorded([[10, 40], [5]])
    made = schedule.build(execution(total), visits)

    faster = made.simulate(lambda task: 10 if task.visit.node == "n0_1" else task.duration)

    assert faster == pytest.approx(15)


def test_a_lead_is_used_by_one_visit_only() -> None:
    visits, _ = recorded([[1], [1], [1]])

    found = leads(visits)

    assert [lead.source.node for lead in found["n1_0", 1]] == ["n0_0"]
    assert found["n0_0", 1] == []
    assert writer(visits, "k", before_seq=visits[2].entry_seq) == visits[1]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_the_interval_encloses_the_median(values: list[float]) -> None:
    found = estimate(values)

    assert found.low <= found.point == median(values) <= found.high


def test_the_interval_has_the_level_that_it_claims() -> None:
    low, high = median_ranks(30)

    assert (low, high) == (10, 19)


def test_shuffling_finds_a_real_shift_and_no_other() -> None:
    same = [float(n % 7) for n in range(20)]

    assert permutation_p(same, [value + 50 for value in same]) <= 0.01
    assert permutation_p(same, same) > 0.5
