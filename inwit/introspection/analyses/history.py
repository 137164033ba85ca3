"""What a configured Prometheus server adds to figures of the record: its longer history.

The traces answer in any case. Where the server does not, the answer says that they alone did.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from typing import Any

from inwit.introspection.claims import Draft, Ref, count, duration, listed
from inwit.introspection.prometheus import History, HistoryGoneError, Sample
from inwit.introspection.scene import Scene
from inwit.introspection.which import names_one, thread_of

DAYS = 30
"""How far back it is asked where no time is named."""
ROUND_S = 15
"""Times are rounded to this, so that one question's values are of one time."""
_FIGURES = (
    r"how many|how often|rate\b|percent|share|p\d\d\b|latenc|median|usual|typical|tokens?\b|cost|spend"
    r"|spent|fail|error|slow|fast|health|well\b|normal|perform|retr|throughput|trend|history|so far|total"
)
_INTENTS = ("ami", "when", "state")


def add(scene: Scene, draft: Draft) -> None:
    """Add the server's figures to an answer of aggregates; nothing to one of a single execution."""
    query = scene.query
    if (
        query.level != "live"
        or query.intent not in _INTENTS
        or not scene.says(rf".*(?:{_FIGURES})")
    ):
        return
    if names_one(scene) or thread_of(scene) is not None or _is_of_one(scene):
        return
    history = History.of(scene.project)
    graph = scene.graph_or_none
    if history is None or graph is None:
        return
    try:
        _tell(scene, draft, history, graph.name)
    except HistoryGoneError as exc:
        draft.data["prometheus"] = {"url": history.shown, "status": "gone", "reason": str(exc)}
        draft.admit(
            f"Prometheus at {history.shown} does not answer ({exc}), so the traces alone answer."
        )


def _is_of_one(scene: Scene) -> bool:
    return (
        re.search(r"\b(?:last|latest|previous|this|that) (?:run|execution)\b", scene.words)
        is not None
    )


def _tell(scene: Scene, draft: Draft, history: History, graph: str) -> None:
    span_s, at_s = _span(scene)
    own = f'{{graph="{_escaped(graph)}"}}'
    shown: dict[str, Any] = {
        "url": history.shown,
        "status": "answered",
        "span_s": span_s,
        "at_s": at_s,
    }
    draft.data["prometheus"] = shown
    counted = f"sum by (status) (increase(inwit_executions_total{own}[{span_s}s]))"
    found = history.query(counted, at_s)
    by = {one.label("status"): _whole(one.value) for one in found if math.isfinite(one.value)}
    shown["executions"] = by
    words = scene.window.words if scene.window else f"the last {DAYS} days"
    if not by:
        draft.say(
            f"Prometheus has no execution of {graph} for {words}.", history.uri(counted, at_s)
        )
        return
    told = listed(
        f"{number} {status.replace('_', ' ')}" for status, number in sorted(by.items()) if number
    )
    draft.say(
        f"By Prometheus' history of {words}: {count(sum(by.values()), 'execution')} of {graph}"
        f"{', ' + told if told else ''}.",
        Ref(uri=history.uri(counted, at_s), why="counted from its scrapes of /metrics"),
    )
    _say_sums(scene, draft, history, own)
    if scene.node is not None:
        _say_node(scene, draft, history, graph)


def _span(scene: Scene) -> tuple[int, int]:
    """How many seconds back, and from when."""
    now = time.time()
    window = scene.window
    end = min(window.until_ns / 1e9, now) if window else now
    at_s = int(end // ROUND_S * ROUND_S)
    if window is None:
        return DAYS * 86_400, at_s
    return max(int(end - window.since_ns / 1e9), ROUND_S), at_s


def _say_sums(scene: Scene, draft: Draft, history: History, own: str) -> None:
    shown: dict[str, Any] = draft.data["prometheus"]
    for said, name, metric in (
        (r".*\btokens?\b", "tokens", "inwit_llm_tokens_total"),
        (r".*\b(?:cost|spen[dt]|money|dollar)", "cost_usd", "inwit_llm_cost_dollars_total"),
        (r".*\bretr", "retries", "inwit_retries_total"),
    ):
        if not scene.says(said):
            continue
        expression = f"sum(increase({metric}{own}[{shown['span_s']}s]))"
        value = _only(history.query(expression, shown["at_s"]))
        shown[name] = value
        if value is not None:
            text = f"${value:.6f}" if name == "cost_usd" else f"{_whole(value):,} {name}"
            draft.say(f"Its history shows {text}.", history.uri(expression, shown["at_s"]))


def _say_node(scene: Scene, draft: Draft, history: History, graph: str) -> None:
    shown: dict[str, Any] = draft.data["prometheus"]
    own = f'{{graph="{_escaped(graph)}",node="{_escaped(scene.node or "")}"}}'
    asked = re.search(r"\bp(\d\d)\b", scene.words)
    q = int(asked[1]) if asked else 50
    expression = (
        f"histogram_quantile({q / 100:g}, sum by (le) "
        f"(increase(inwit_node_duration_seconds_bucket{own}[{shown['span_s']}s])))"
    )
    value = _only(history.query(expression, shown["at_s"]))
    if value is not None:
        shown[f"p{q}_ms"] = value * 1e3
        draft.say(
            f"Its history shows {duration(value * 1e3)} for {scene.node} at p{q}, by its buckets.",
            history.uri(expression, shown["at_s"]),
        )


def _only(found: Sequence[Sample]) -> float | None:
    values = [one.value for one in found if math.isfinite(one.value)]
    return values[0] if values else None


def _whole(value: float) -> int:
    """Increases are extrapolated to the ends of the window, so counts are told to the next whole."""
    return round(value)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
