from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Inwit

ASKING = """
from typing import TypedDict

from inwit import END, START, SqliteCheckpointer, StateGraph, interrupt


class State(TypedDict, total=False):
    approved: bool


def approve(state: State) -> State:
    return {"approved": interrupt("Send it?", schema={"type": "boolean"})}


graph = StateGraph(State)
graph.add_node("approve", approve)
graph.add_edge(START, "approve")
graph.add_edge("approve", END)
app = graph.compile(name="asking", checkpointer=SqliteCheckpointer("threads.db"))
"""


def test_an_execution_that_waits_is_answered_from_the_terminal(inwit: Inwit, project: Path) -> None:
    (project / "asking.py").write_text(ASKING)
    execution_id = inwit("run", "asking.py:app", "--json").json["execution_id"]

    refused = inwit("executions", "resume", execution_id, "--value", "perhaps")
    answered = inwit("executions", "resume", execution_id, "--value", "true", "--json")
    shown = inwit("executions", "show", execution_id, "--json")

    assert (refused.code, "does not" in refused.err or "is refused" in refused.err) == (1, True)
    assert answered.code == 0, answered.err
    assert answered.json["outcome"] == "done"
    assert shown.json["status"] == "completed"


def test_an_execution_is_cancelled_from_the_terminal_once(inwit: Inwit, project: Path) -> None:
    (project / "asking.py").write_text(ASKING)
    execution_id = inwit("run", "asking.py:app", "--json").json["execution_id"]

    first = inwit("executions", "cancel", execution_id, "--json")
    again = inwit("executions", "cancel", execution_id, "--json")
    refused = inwit("executions", "pause", execution_id)
    unknown = inwit("executions", "pause", "nobody")

    assert [first.json["outcome"], again.json["outcome"]] == ["done", "unchanged"]
    assert (refused.code, unknown.code) == (1, 3)
    assert "cancelled" in refused.err
