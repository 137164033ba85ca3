"""Graphs are found by name in the files that make them, within the project's folder only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inwit.errors import GraphNotHereError
from inwit.runtime.loading import can_find, find_graph, run_file
from inwit.runtime.project import Project

GRAPH = """
from typing import TypedDict
from inwit import StateGraph

class State(TypedDict):
    n: int

def one(state):
    return {"n": state["n"] + 1}

def make():
    graph = StateGraph(State)
    graph.add_node("one", one)
    graph.set_entry_point("one")
    graph.set_finish_point("one")
    return graph
"""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    path = list(sys.path)
    yield
    for name in [one for one in sys.modules if one.endswith("_here") or "own_package" in one]:
        del sys.modules[name]
    sys.path[:] = path


def written(root: Path, name: str, text: str) -> str:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("file", "end"),
    [
        ("compiled_here.py", "any_name = make().compile(name='finding_one')"),
        ("builder_here.py", "finding_one = make()"),
        ("function_here.py", "def finding_one(): return make().compile(name='finding_one')"),
        ("own_package/inner/app.py", "any_name = make().compile(name='finding_one')"),
    ],
)
def test_a_graph_is_found_in_the_file_that_makes_it(project: Path, file: str, end: str) -> None:
    path = written(project, file, GRAPH + end)
    for folder in Path(file).parents[:-1]:
        written(project, str(folder / "__init__.py"), "")

    found = find_graph(Project.find(), "finding_one", path)

    assert found.name == "finding_one"
    assert found.invoke({"n": 1}) == {"n": 2}
    assert can_find(Project.find(), "finding_one", path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1", "makes no graph of that name"),
        ("raise OSError('no disk')", "raised OSError: no disk"),
        (None, "is not there any more"),
    ],
)
def test_where_no_graph_is_it_says_why(project: Path, text: str | None, why: str) -> None:
    path = str(project / "empty_here.py")
    if text is not None:
        written(project, "empty_here.py", text)

    with pytest.raises(GraphNotHereError, match=why):
        find_graph(Project.find(), "missing_one", path)


def test_no_file_and_one_outside_of_the_project_are_not_run(project: Path, tmp_path: Path) -> None:
    outside = written(tmp_path / "elsewhere", "app.py", "raise SystemExit('it ran')")

    with pytest.raises(GraphNotHereError, match="outside of the project"):
        find_graph(Project.find(), "missing_one", outside)
    with pytest.raises(GraphNotHereError, match="where it is written is not known"):
        find_graph(Project.find(), "missing_one", None)
    assert not can_find(Project.find(), "missing_one", outside)


def test_what_is_no_python_file_is_refused(project: Path) -> None:
    with pytest.raises(ImportError, match=r"notes\.txt is no Python file"):
        run_file(Path(written(project, "notes.txt", "x = 1")))
