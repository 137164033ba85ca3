"""`inwit ask --verify` and `--propose`: a change really tried, and made a plan of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

LETTERS = """
import time
from typing import TypedDict

from inwit import StateGraph


class State(TypedDict, total=False):
    text: str
    words: int
    mark: str


def count(state: State) -> dict:
    time.sleep(0.01)
    return {"words": len(state["text"].split())}


def mark(state: State) -> dict:
    time.sleep(0.01)
    return {"mark": "long" if state["words"] > 3 else "short"}


def build():
    graph = StateGraph(State)
    graph.add_node("count", count, pure=True)
    graph.add_node("mark", mark, pure=True)
    graph.set_entry_point("count").add_edge("count", "mark").set_finish_point("mark")
    return graph.compile(name="letters")
"""


@pytest.fixture
def written(inwit: Any, project: Path) -> None:
    (project / "letters.py").write_text(LETTERS)
    for text in ("a b", "a b", "a b c d"):
        said = inwit("run", "letters.py:build", "--input", f'{{"text": "{text}"}}', "--json")
        assert said.code == 0, said.err


def test_a_what_if_is_tried_by_running_the_file_that_the_graph_is_written_in(
    inwit: Any, written: None
) -> None:
    said = inwit("ask", "What if count were cached?", "--graph", "letters", "--verify", "--json")

    tried = said.json["data"]["verification"]
    assert said.code == 0
    assert tried["tried"] and tried["n"] == 3 and tried["same_state"] == 3
    assert tried["not_run"] == []


def test_a_graph_whose_file_is_gone_is_not_tried_and_said_so(
    inwit: Any, written: None, project: Path
) -> None:
    (project / "letters.py").unlink()

    said = inwit("ask", "What if count were cached?", "--graph", "letters", "--verify", "--json")

    assert said.code == 0 and said.json["data"]["feasible"] is True
    assert said.json["data"]["verification"]["tried"] is False
    assert "cannot be run" in said.err


def test_an_intervention_becomes_a_plan(inwit: Any, written: None) -> None:
    said = inwit(
        "ask", "How can I make it faster?", "--graph", "letters", "--propose", "1", "--json"
    )

    assert said.code == 0, said.err
    shown = inwit("self-improve", "show", said.json["plan"], "--json")
    assert shown.json["status"] == "proposed" and "letters" in shown.json["title"]


def test_an_intervention_that_is_not_there_is_refused(inwit: Any, written: None) -> None:
    said = inwit("ask", "How can I make it faster?", "--graph", "letters", "--propose", "99")

    assert said.code != 0 and "No intervention 99" in said.err
