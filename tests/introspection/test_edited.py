"""What was mended is seen: the source of a node changed, and what its executions do since."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TypedDict

from inwit import START, StateGraph
from inwit.runtime.describe import _code_hash
from tests.introspection.planting import evidence_holds, settled


class Order(TypedDict, total=False):
    sku: str
    stock: int


def compiled(check: Any) -> Any:
    graph = StateGraph(Order).add_node("load", lambda state: {"sku": "tea"})
    graph.add_node("check", check).add_edge(START, "load").add_edge("load", "check")
    return graph.compile(name="shop")


def slow(state: Order) -> dict[str, Any]:
    time.sleep(0.03)
    return {"stock": 1}


def quick(state: Order) -> dict[str, Any]:
    return {"stock": 2}


def run(app: Any, times: int) -> None:
    for _ in range(times):
        app.invoke({"sku": "tea"})
    settled()


def test_what_changed_names_the_node_whose_source_did(project: Path) -> None:
    run(compiled(slow), 1)
    run(compiled(slow), 1)
    unchanged = settled().ask("What changed in shop?")
    run(compiled(quick), 1)
    changed = settled().ask("What changed in shop?")
    of_node = settled().ask("When was check last changed?")
    other = settled().ask("Did the code of load change?")

    assert "No change of the sources of the nodes of shop is on record." in str(unchanged)
    assert "The source of check is another one since 2" in str(changed)
    assert "The source of check is another one since 2" in str(of_node)
    assert "No change of the source of load is on record." in str(other)
    assert evidence_holds(changed)
    assert settled().resolve("graph://shop/versions", "full").data["edits"][0]["node"] == "check"


def test_whether_it_is_better_is_judged_by_what_ran_since_the_edit(project: Path) -> None:
    run(compiled(slow), 6)
    run(compiled(quick), 5)

    answer = settled().ask("Is shop better now?")

    assert answer.data["edited"]["nodes"] == ["check"]
    assert (answer.data["recent_n"], answer.data["baseline_n"]) == (5, 6)
    assert "5 executions since are judged beside the 6 right before" in str(answer)
    assert "The last 5 are all below the 6 before them" in str(answer)
    assert evidence_holds(answer)


def test_a_set_in_a_nodes_code_is_the_same_code_in_each_process(tmp_path: Path) -> None:
    (tmp_path / "noded.py").write_text(
        "def node(state):\n    return state in {'a', 'b', 'c', 'd'}\n"
    )
    show = (
        "from noded import node; from inwit.runtime.describe import _code_hash as h; print(h(node))"
    )

    hashes = {
        subprocess.run(
            [sys.executable, "-c", show], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip

    assert len(hashes) == 1
    assert _code_hash(slow) != _code_hash(quick)


def test_a_key_that_the_state_lacks_is_told_when_it_is_asked_about(
    project: Path, caplog: Any
) -> None:
    graph = StateGraph(Order).add_node("plan", lambda state: {"steps": ["a"], "stock": 1})
    app = graph.add_edge(START, "plan").compile(name="planner")
    run(app, 1)

    for question in ("Why is steps empty?", "Who writes steps?", "What is wrong with planner?"):
        answer = settled().ask(question)

        assert "plan returns steps, for which Order has no key: it is left out." in str(answer)
        assert answer.data["left_out"] == {"steps": ["plan"]}
        assert evidence_holds(answer)
    assert "plan of planner returns 'steps', for which Order has no key" in caplog.text
