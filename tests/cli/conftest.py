"""A command line in this process, and a file with graphs to run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inwit.cli.main import main

COUNTER = """
from typing import TypedDict

from inwit import END, StateGraph


class State(TypedDict):
    n: int
    limit: int


def count(state: State) -> dict[str, int]:
    if state["limit"] > 9:
        raise ValueError("the limit is too high")
    return {"n": state.get("n", 0) + 1}


def again(state: State) -> str:
    return "more" if state["n"] < state["limit"] else "done"


graph = StateGraph(State)
graph.add_node("count", count)
graph.set_entry_point("count")
graph.add_conditional_edges("count", again, {"more": "count", "done": END})
app = graph.compile(name="counter")
"""


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Inwit = Callable[..., Said]


@pytest.fixture
def inwit(project: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Inwit]:
    """Run `inwit` with these arguments in the project folder; what it imported is forgotten."""
    path, modules = list(sys.path), set(sys.modules)

    def run(*args: str) -> Said:
        capsys.readouterr()
        code = main(args)
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    yield run
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if (
            not name.startswith("inwit")
            and getattr(sys.modules[name], "__file__", None) is not None
            and str(project) in str(sys.modules[name].__file__)
        ):
            del sys.modules[name]


@pytest.fixture
def counter(project: Path) -> str:
    """A file with a graph that counts up to its limit, and raises over 9."""
    (project / "counter.py").write_text(COUNTER)
    return "counter.py:app"


@pytest.fixture
def counted(inwit: Inwit, counter: str) -> str:
    """The id of an execution that visited `count` three times."""
    said = inwit("run", counter, "--input", '{"n": 0, "limit": 3}', "--json")
    assert said.code == 0, said.err
    return str(said.json["execution_id"])
