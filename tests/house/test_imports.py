"""What importing costs: a graph runs without the libraries of the rooms above it."""

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HEAVY = (
    "mcp",
    "starlette",
    "pydantic",
    "faiss",
    "onnxruntime",
    "httpx",
    "numpy",
    "tokenizers",
    "tantivy",
)
RUN = """
from typing import TypedDict

class State(TypedDict):
    n: int

graph = StateGraph(State)
graph.add_node("double", lambda state: {"n": state["n"] * 2})
graph.set_entry_point("double")
graph.set_finish_point("double")
assert graph.compile(name="doubler").invoke({"n": 21}) == {"n": 42}
"""


@pytest.mark.parametrize(
    "program",
    ["from inwit import StateGraph", "from inwit import *", f"from inwit import StateGraph\n{RUN}"],
    ids=["one name", "all names", "a run"],
)
def test_a_graph_needs_no_heavy_library(project, program) -> None:
    shown = f"{program}\nimport sys; print(sorted(set(sys.modules) & set({HEAVY!r})))"

    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_graph_is_written_without_an_event_loop(project) -> None:
    shown = "from inwit import StateGraph\nimport sys; print('asyncio' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_no_module_imports_itself_by_a_detour() -> None:
    """Of what is imported when a module is; functions may import what imports them."""
    modules = {_name(path): path for path in (ROOT / "inwit").rglob("*.py")}

    graph = {name: _imported(path) & set(modules) - {name} for name, path in modules.items()}

    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            within = {f"{node.module}.{one.name}" for one in node.names}
            here = {one for one in within if _is_module(one)}
            found |= here or {node.module}
    return found


def _is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def test_every_public_name_is_there() -> None:
    import inwit

    assert [name for name in inwit.__all__ if not hasattr(inwit, name)] == []


def test_help_loads_little(project: Path) -> None:
    """Counted, since time on a busy machine says little; half of it is Python's own and click."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "inwit", "--help"],
        cwd=project, capture_output=True, text=True, check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
    )  # fmt: skip

    loaded = [line for line in told.stderr.splitlines() if line.startswith("import time:")]
    assert len(loaded) < 200, f"{len(loaded)} modules"
    assert not [line for line in loaded if line.split()[-1] in ("asyncio", "numpy", "mcp", "httpx")]
