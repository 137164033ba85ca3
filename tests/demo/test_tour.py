"""The demo, over a small example in place of the librarian."""

import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import pytest

from inwit import answers
from inwit.demo.tour import tour
from inwit.introspection import Introspector
from inwit.runtime.project import Project

EVALUATE = '''
from typing import TypedDict

from inwit import END, StateGraph


class State(TypedDict):
    wanted: int
    notes: list[str]


def search(state):
    """Look for one more note."""
    return {"notes": [*state["notes"], "found"]}


def enough(state):
    return "done" if len(state["notes"]) >= state["wanted"] else "again"


def evaluate(tell):
    graph = StateGraph(State)
    graph.add_node("search", search)
    graph.set_entry_point("search")
    graph.add_conditional_edges("search", enough, {"again": "search", "done": END})
    app = graph.compile(name="seeker")
    for wanted in range(1, 25):
        app.invoke({"wanted": wanted % 4 + 1, "notes": []})
        tell("asking", wanted, 24)
    return {"recall_at_5": 1.0, "mrr": 1.0, "n": 24}
'''


def once(root: Path, *, as_json: bool) -> str:
    """What a tour prints in a project of its own."""
    (root / ".inwit").mkdir()
    (root / "evaluate.py").write_text(EVALUATE)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.chdir(root)
        patch.syspath_prepend(str(root))
        tour(root, graph="seeker", as_json=as_json)
    sys.modules.pop("evaluate")
    return printed.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tour")


@pytest.fixture(scope="module")
def shown(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(once(root, as_json=True))
    return found


def test_the_tour_asks_on_every_level_and_with_every_intent(shown) -> None:
    given = shown["questions"]["answers"]

    assert {answer["level"] for answer in given} == {*answers.LEVELS} - {"none"}
    assert {answer["intent"] for answer in given} == {*answers.INTENTS} - {"none"}


def test_every_answer_of_the_tour_has_evidence_that_resolves(shown, root) -> None:
    introspector = Introspector.of(Project.find(root))

    for answer in shown["questions"]["answers"]:
        assert answer["evidence"], answer["question"]
        for one in answer["evidence"]:
            introspector.resolve(one["uri"])


def test_the_tour_visits_the_host_as_a_browser_and_as_a_client(shown) -> None:
    host = shown["host"]

    assert host["routes"]["/mcp/about"]["name"] == "seeker"
    assert host["routes"]["/mcp/architecture"]["graph"]["has_cycles"] is True
    assert host["routes"]["/mcp/live/executions"]["total_count"] == 24
    assert len(host["replies"]) == 2
    assert len(host["tools"]) <= 8


def test_the_daemon_finds_nothing_in_healthy_traces(shown) -> None:
    assert shown["daemon"]["plans"] == []
    assert shown["daemon"]["looked_at"]["executions"] == 24


def test_each_client_is_told_how_to_connect(shown) -> None:
    assert {*shown["clients"]} >= {"claude-code", "claude-desktop", "cursor", "vscode"}


def test_the_host_is_gone_afterwards(shown, root) -> None:
    assert not (root / ".inwit" / "host.json").exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{shown['host']['url']}/healthz", trust_env=False)


def test_a_person_reads_what_happens(tmp_path) -> None:
    told = once(tmp_path, as_json=False)

    assert "? Why did search run 4 times?" in told
    assert "GET /mcp/about: 200" in told
    assert "inwit mcp config claude-code" in told
