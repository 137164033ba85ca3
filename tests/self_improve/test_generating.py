"""Tests made of traces: they pass as they are made, and fail where their graph is broken."""

from __future__ import annotations

import copy
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from inwit.cli.main import main
from inwit.testing.traces import Case

SHOP = """
import operator
from typing import Annotated, Any, TypedDict

from inwit import END, START, StateGraph


def most(before: int, now: int) -> int:
    return max(before or 0, now)


class State(TypedDict, total=False):
    query: str
    notes: Annotated[list[str], operator.add]
    best: Annotated[int, most]
    turns: int
    hits: int
    left: str
    right: str
    answer: str
    charged: int


def look_up(query: str, turn: int) -> int:
    return len(query) * 3 - turn


def search(state: State, ctx: Any) -> dict[str, Any]:
    turns = state.get("turns", 0) + 1
    hits = ctx.tool(look_up, state["query"], turns)
    return {"turns": turns, "hits": hits, "best": hits, "notes": [f"turn {turns}"]}


def enough(state: State) -> str:
    if state["hits"] > 30:
        return "charge"
    return "again" if state["turns"] < 3 else "write"


def left(state: State) -> dict[str, Any]:
    return {"left": state["query"].upper(), "notes": ["left"]}


def right(state: State) -> dict[str, Any]:
    return {"right": f"{state['best']} at best", "notes": ["right"]}


def write(state: State) -> dict[str, Any]:
    if state["query"] == "broken":
        raise ValueError("nothing to write about")
    return {"answer": f"{state['left']}: {state['right']}", "notes": ["done"]}


CHARGES = []


def charge(state: State) -> dict[str, Any]:
    CHARGES.append(state["query"])
    return {"charged": state["hits"]}


graph = StateGraph(State)
graph.add_node("search", search)
graph.add_node("left", left)
graph.add_node("right", right)
graph.add_node("write", write)
graph.add_node("charge", charge, side_effects=True)
graph.add_node("fan", lambda state: {"notes": ["fan"]})
graph.add_edge(START, "search")
graph.add_conditional_edges("search", enough, {"again": "search", "write": "fan", "charge": "charge"})
graph.add_parallel_edges("fan", ["left", "right"])
graph.add_edge(["left", "right"], "write")
graph.add_edge("write", END)
graph.add_edge("charge", END)
app = graph.compile(name="shop")
"""


@pytest.fixture
def shop(project: Path) -> Iterator[Any]:
    """A graph in a file, with a few recorded executions of each way through it."""
    (project / "shop.py").write_text(SHOP)
    before = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(project))
    import shop  # type: ignore[import-not-found]

    for query in ("owls", "cats", "a", "broken", "a very long question"):
        try:
            shop.app.invoke({"query": query, "notes": [], "best": 0})
        except ValueError:
            assert query == "broken"
    yield shop
    for name in set(sys.modules) - before[0]:
        if not name.startswith("inwit"):
            del sys.modules[name]
    sys.path[:] = before[1]


def generate(*more: str) -> None:
    assert main(["self-improve", "generate-tests", "shop.py:app", "--output", "checks", *more]) == 0


def module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fails(module: ModuleType, app: Any) -> bool:
    """Whether one of a file's tests fails with this graph."""
    for name, test in vars(module).items():
        if name.startswith("test_"):
            try:
                test(app)
            except Exception:  # noqa: BLE001 - however a broken graph fails
                return True
    return False


def test_they_pass_as_they_are_made_and_charge_no_card(project: Path, shop: Any) -> None:
    generate("--limit", "6")
    charged = list(shop.CHARGES)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "checks"], cwd=project,
        capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "HOME": os.environ["HOME"]},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout
    assert charged == shop.CHARGES == ["a very long question"]
    statuses = [Case.load(path).status for path in (project / "checks/golden").iterdir()]
    assert sorted(statuses) == ["completed"] * 4 + ["failed"]


Mutant = tuple[str, Callable[[Any], None]]


def edges(builder: Any) -> Iterator[Mutant]:
    """Each edge led elsewhere, or taken away; each answer of a decision led elsewhere."""
    names = [*builder.nodes, "__end__"]
    for at, (sources, end) in enumerate(builder.edges):
        other = next(name for name in names if name != end and name not in sources)

        def lead(made: Any, at: int = at, sources: Any = sources, other: str = other) -> None:
            made.edges = [*made.edges[:at], (sources, other), *made.edges[at + 1 :]]

        def drop(made: Any, at: int = at) -> None:
            made.edges = [*made.edges[:at], *made.edges[at + 1 :]]

        yield f"edge {sources} to {other}", lead
        if end != "__end__":  # a node that leads nowhere ends the graph as well
            yield f"no edge {sources} to {end}", drop
    for at, router in enumerate(builder.routers()):
        for label, end in router.path_map.items():
            other = next(name for name in names if name not in (end, "__end__"))

            def turn(made: Any, at: int = at, label: str = label, other: str = other) -> None:
                routers = [copy.copy(one) for one in made._routers]
                routers[at].path_map = {**routers[at].path_map, label: other}
                made._routers = routers

            yield f"{label} to {other}", turn


def nodes(builder: Any) -> Iterator[Mutant]:
    """Each value that each node gives, changed."""
    for name, written in builder.nodes.items():
        if written.policy.has_side_effects:  # it gives what is recorded
            continue
        for key in ("notes", "best", "hits", "turns", "left", "right", "answer"):
            yield f"{name} gives another {key}", _changing(name, written, key)


def _changing(name: str, written: Any, key: str) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        def run(state: Any, ctx: Any) -> Any:
            wants = "ctx" in written.function.__code__.co_varnames[:2]
            given = written.function(state, ctx) if wants else written.function(state)
            if key not in given:
                raise _SameError
            value = given[key]
            other = value + 1 if isinstance(value, int) else value + type(value)("x")
            return {**given, key: other}

        made.nodes = {**made.nodes, name: msgspec.structs.replace(written, function=run)}

    return change


class _SameError(Exception):
    """A node does not give that key: this changes nothing."""


def reducers(shop: Any) -> Iterator[tuple[str, Any]]:
    """Each reducer changed for another."""
    for old, new in (
        ("Annotated[list[str], operator.add]", "list[str]"),
        ("Annotated[int, most]", "int"),
        ("Annotated[int, most]", "Annotated[int, operator.add]"),
        ("return max(before or 0, now)", "return min(before or 0, now)"),
        ("return max(before or 0, now)", "return now"),
        ("Annotated[list[str], operator.add]", "Annotated[list[str], lambda a, b: b + a]"),
    ):
        made = ModuleType("shop")
        exec(
            compile(SHOP.replace(old, new), "shop_mutant.py", "exec", dont_inherit=True),
            made.__dict__,
        )
        yield f"{old} is {new}", made.app


def test_nineteen_in_twenty_broken_graphs_are_caught(project: Path, shop: Any) -> None:
    generate()
    module = module_of(project / "checks" / "test_shop_traces.py")
    assert not fails(module, shop.app)
    caught: dict[str, bool] = {}
    node_names = {name: one.function for name, one in shop.graph.nodes.items()}

    for name, change in [*edges(shop.graph), *nodes(shop.graph)]:
        made = copy.copy(shop.graph)
        change(made)
        if "gives another" in name and not _gives(node_names, name):
            continue
        caught[name] = fails(module, made.compile(name="shop", validate=False))
    for name, app in reducers(shop):
        caught[name] = fails(module, app)

    missed = [name for name, is_caught in caught.items() if not is_caught]
    assert len(caught) > 30
    assert len(missed) <= 0.05 * len(caught), missed


def _gives(functions: dict[str, Any], name: str) -> bool:
    node, _, key = name.partition(" gives another ")
    return key in str(functions[node].__code__.co_consts) + str(functions[node].__code__.co_names)


def test_what_is_changed_on_purpose_is_accepted_by_one_command(
    project: Path, shop: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    generate()
    (project / "shop.py").write_text(SHOP.replace('"notes": ["done"]', '"notes": ["over"]'))
    del sys.modules["shop"]
    changed = module_of(project / "checks" / "test_shop_traces.py")
    first = next(iter((project / "checks/golden").iterdir()))
    app = Case.load(first).app(project / "checks")
    assert fails(changed, app)
    capsys.readouterr()

    assert main(["self-improve", "generate-tests", "--update", "--output", "checks"]) == 0

    assert "golden files are others now" in capsys.readouterr().out
    assert "over" in "".join(p.read_text() for p in (project / "checks/golden").iterdir())


def test_an_execution_that_ends_otherwise_when_it_is_run_again_is_left_out_and_said_so(
    project: Path, shop: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    raising = 'raise ValueError("nothing to write about")'
    (project / "shop.py").write_text(SHOP.replace(raising, "pass"))
    del sys.modules["shop"]

    generate()

    assert "run again it goes another way: " in capsys.readouterr().err
    statuses = {Case.load(path).status for path in (project / "checks/golden").iterdir()}
    assert statuses == {"completed"}


def test_secrets_of_a_trace_do_not_get_into_the_files(project: Path, shop: Any) -> None:
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    shop.app.invoke({"query": secret, "notes": [], "best": 0})

    generate()

    files = [*(project / "checks/golden").iterdir(), project / "checks" / "test_shop_traces.py"]
    assert files
    for path in files:
        assert secret not in path.read_text()
        if path.suffix == ".json":
            assert secret not in str(Case.load(path).past())
