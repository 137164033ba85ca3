"""Identifiers are new ones, whatever a program does to chance."""

from __future__ import annotations

import random
from multiprocessing import get_context
from pathlib import Path
from typing import TypedDict

import pytest

from inwit import RetryPolicy, StateGraph
from inwit.errors import MalformedIdError
from inwit.ids import check_id, new_id
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store


class State(TypedDict):
    n: int


def draw(state: State) -> dict[str, float]:
    return {"n": random.random()}


def test_a_program_that_seeds_chance_loses_no_execution(project: Path) -> None:
    graph = StateGraph(State)
    graph.add_node("draw", draw)
    graph.set_entry_point("draw")
    graph.set_finish_point("draw")
    app = graph.compile(name="drawing")

    drawn = []
    for _ in range(3):
        random.seed(7)
        drawn.append(app.invoke({"n": 0})["n"])

    Journal.of(Project.find()).flush()
    assert Store.of(Project.find()).executions().total_count == 3
    assert drawn == [random.Random(7).random()] * 3


def test_the_wait_before_a_retry_draws_nothing_from_a_seeded_program() -> None:
    random.seed(7)
    RetryPolicy().delay_s(1)

    assert random.random() == random.Random(7).random()


def test_a_forked_process_makes_identifiers_of_its_own() -> None:
    with get_context("fork").Pool(2) as pool:
        made = pool.starmap(new_id, [()] * 20, chunksize=10)

    assert len({*made, *(new_id() for _ in range(20))}) == 40


@pytest.mark.parametrize("value", ["", "../x", "a/../b", "a b", "-a", "a" * 201, "a\n", "ä"])
def test_what_can_be_no_identifier_is_refused(value: str) -> None:
    with pytest.raises(MalformedIdError):
        check_id("thread", value)
