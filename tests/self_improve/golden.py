"""Whole reports on made traffic as they were read and found right: `python -m tests.self_improve.golden`."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from inwit.events import NodeEntered
from inwit.self_improve import Report, Thresholds, examine
from inwit.self_improve.analysis import make_plan
from inwit.self_improve.window import Window
from tests.self_improve import test_detectors as made
from tests.self_improve.traffic import NODES, execution, manifest, window

FILE = Path(__file__).parent / "golden" / "reports.json"
NOW = re.compile(r"20(?!26-01-01)\d\d-\d\d-\d\dT[\d:.]+Z")
PLAN = re.compile(r"\b[0-9a-f]{16}\b")
Pair = tuple[Window, Window | None]


def _twice(node: str, since: int = 0) -> Callable[[str, int], float]:
    return lambda name, at: 2.0 if name == node and at >= since else 1.0


def _both_slower() -> Pair:
    def slow(node: str, at: int) -> float:
        return (1.5 if at >= 100 else 1.0) * (4.0 if node == "write" and at >= 100 else 1.0)

    return window(7, slow=slow), None


def _longer(cost: float) -> Pair:
    draw = random.Random(5)
    return made.with_inputs(
        1, lambda at: int(draw.uniform(500, 1500) * (1 + (at >= 100))), cost
    ), None


def _known_keys() -> Window:
    facts = manifest(reads=("query",), reads_known=True, writes=("hits",), writes_known=True)
    return made.looping(lambda at, _: f"q{at}", lambda at, _: {"hits": [at]}, facts=facts)


def _across(thread: str | None) -> Window:
    return made.looping(lambda *_: "q", lambda *_: {"hits": [1]}, thread=thread, times=1, n=40)


def _differing() -> Window:
    return made.looping(lambda at, _: f"q{at}", lambda at, turn: {"hits": [at, turn]})


def _without_manifest() -> Window:
    traces = {
        execution(at).execution_id: (
            [NodeEntered(execution_id=execution(at).execution_id, seq=2 + 3 * place, ts="", node=node)
             for place, node in enumerate(NODES)],
            {"query": "same"},
        )
        for at in range(60)
    }  # fmt: skip
    return window(5, 60, traces=traces, is_registered=False)


CASES: dict[str, Callable[[], Pair]] = {
    "healthy": lambda: (window(1), None),
    "healthy versions": lambda: (window(2, version="v2"), window(2)),
    "slower in a new version": lambda: (
        window(1, version="v2", facts=manifest("v2", version="search-2"), slow=_twice("search")),
        window(1),
    ),
    "a little slower": lambda: (
        window(4, version="v2", slow=lambda n, _: 1.25 if n == "rank" else 1.0), window(4),
    ),
    "slower since the middle": lambda: (window(3, 400, slow=_twice("rank", 200)), None),
    "slower since late": lambda: (window(3, 400, slow=_twice("rank", 310)), None),
    "slower since early": lambda: (window(9, 300, slow=_twice("plan", 75)), None),
    "few of a new version": lambda: (
        window(5, 30, version="v2", slow=_twice("search")), window(5),
    ),
    "two nodes slower": lambda: (
        window(8, version="v2", slow=lambda n, _: 3.0 if n in ("plan", "check") else 1.0), window(8),
    ),
    "a loaded machine": lambda: (window(6, slow=lambda _, at: 2.0 if at >= 100 else 1.0), None),
    "load, and one slower still": _both_slower,
    "longer inputs": lambda: _longer(1.0),
    "longer inputs that cost nothing": lambda: _longer(0.0),
    "inputs of two sizes": lambda: (
        made.with_inputs(8, lambda at: 2000 if at >= 100 else 1000, 1.0), None,
    ),
    "retried often": lambda: (made.retried(0.3), None),
    "retried more than before": lambda: (made.retried(0.3), window(12)),
    "retried in vain": lambda: (made.retried(0.3, fails=True), None),
    "retried now and then": lambda: (made.retried(0.07), None),
    "retried seldom": lambda: (made.retried(0.02), None),
    "equal calls": lambda: (
        made.looping(lambda at, _: f"q{at}", lambda at, _: {"hits": [at]}), None,
    ),
    "equal calls of known keys": lambda: (_known_keys(), None),
    "equal calls across a thread": lambda: (_across("t"), None),
    "equal calls across threads": lambda: (_across(None), None),
    "equal calls that give other things": lambda: (_differing(), None),
    "nobody registered": lambda: (_without_manifest(), None),
}  # fmt: skip


def report(name: str) -> dict[str, Any]:
    """What is found in a case, and the plans that are made of it, as plain JSON."""
    found: Report = examine([CASES[name]()], Thresholds())
    told = {"report": found, "plans": [make_plan(one) for one in found.findings]}
    plain = _plain(json.loads(msgspec.json.encode(told)))
    assert isinstance(plain, dict)
    return plain


def _plain(value: Any) -> Any:
    """A value without what differs from run to run: ids of plans, and the time of now."""
    match value:
        case dict():
            return {key: _plain(one) for key, one in value.items() if key not in {"at", "id"}}
        case list():
            return [_plain(one) for one in value]
        case float():
            return float(f"{value:.9g}")
        case str():
            return NOW.sub("<now>", PLAN.sub("<plan>", value))
        case _:
            return value


def main() -> None:
    """Write the file anew."""
    FILE.parent.mkdir(exist_ok=True)
    told = {name: report(name) for name in CASES}
    text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
