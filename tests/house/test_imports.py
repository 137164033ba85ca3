"""What importing costs: a graph runs without the libraries of the rooms above it."""

import subprocess
import sys

import pytest

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


def test_every_public_name_is_there() -> None:
    import inwit

    assert [name for name in inwit.__all__ if not hasattr(inwit, name)] == []


def test_help_is_instant() -> None:
    """The best of several, in processor time, since the machine may be busy with other things."""
    import resource

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def once() -> float:
        before = spent()
        subprocess.run(
            [sys.executable, "-m", "inwit", "--help"], stdout=subprocess.DEVNULL, check=True
        )
        return spent() - before

    assert min(once() for _ in range(7)) < 0.15
