"""Since when: the date of a change of latency, failures, tokens or cost, and what came with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inwit.events import epoch_ns
from inwit.introspection import changepoint
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.changepoint import Shift
from inwit.introspection.claims import (
    Draft,
    Ref,
    capitalised,
    count,
    duration,
    graph_uri,
    listed,
    node_uri,
)
from inwit.introspection.quotes import failed_with
from inwit.introspection.scene import HISTORY, Scene
from inwit.runtime.views import Execution, RegisteredGraph

LOOKED_AT = 1000
"""Executions whose own figures are looked at; of a node's visits, `HISTORY`."""
LEAST = 2 * changepoint.BLOCKS_LEAST * changepoint.BLOCK
ASKED = (
    r"(?:since|from) when\b|how long has\b(?!.*\b(?:running|waiting|taking|going on|active|at)\b)|when (?:did|was|were|has|have)\b.*\b(?:becom\w*|became|got|get|gets"
    r"|getting|started? (?:to )?(?:be|being|fail|tak|cost|us|need|get|return|break|error|tim|retry)\w*|begin"
    r"|began|begun|turn\w*|stop\w* working|regress\w*|degrad\w*|slow\w* down|speed up|deteriorat\w*"
    r"|increas\w*|decreas\w*|chang\w*|shift\w*|jump\w*|ris\w+|rose|drop\w*|worsen\w*|improv\w*)\b"
)
CHANGES = r"what (?:has |have |is |was )?(?:changed|different|new)\b"
_FAILS = r"fail|error|break|broke|crash|unreliable|reliab|stop\w* working"
_COSTS = r"cost|expensive|cheap|money|spend|spent|dollar"
_TOKENS = r"token"
_RETRIES = r"retr"
_SLOW = r"slow|fast|latenc|long|duration|took|take|quick|regress|degrad|speed|perform"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """One figure of the series, and the execution that it is of."""

    execution: Execution
    value: float
    uri: str


def is_asked(scene: Scene) -> bool:
    """Whether the date of a change is asked for."""
    return scene.says(ASKED) and scene.says(
        rf".*\b(?:{_FAILS}|{_COSTS}|{_TOKENS}|{_RETRIES}|{_SLOW}|worse|better|bad)"
    )


def answer(scene: Scene, graph: RegisteredGraph) -> Draft:
    """Date the last change of what is asked about, if one is confirmed."""
    draft = Draft(data={"times": [], "shifts": []})
    metric, points = _series(scene, graph)
    if not points:
        return nothing_recorded(scene, draft)
    what = f"{metric} of {scene.node or graph.name}"
    uri = node_uri(graph.name, scene.node) if scene.node else graph_uri(graph.name, "executions")
    draft.data |= {"metric": metric, "n": len(points)}
    found = changepoint.shifts([one.value for one in points], are_shares=metric == "failures")
    if metric == "failures":
        _first_failure(draft, points)
    if len(points) < LEAST:
        draft.say(f"{capitalised(what)}: {count(len(points), 'execution')} on record.", uri)
        draft.admit(f"A change can be dated by {LEAST} or more.")
        return draft
    if not found:
        draft.say(
            f"No change of the {what} is confirmed over the last {len(points)} executions.", uri
        )
        return draft
    for shift in found[::-1]:
        _say(scene, draft, points, shift, what)
    draft.certainty = 1 - found[-1].p
    return draft


def changes(scene: Scene, graph: RegisteredGraph) -> Draft:
    """Tell what of a graph changed: its figures, its configuration, its last version."""
    draft = Draft(data={"times": [], "shifts": []})
    every = scene.store.newest(LOOKED_AT, graph=graph.name, status="completed")[::-1]
    series = {
        "failures": _failures(scene, graph),
        "latency": _figures(every, "duration_ms"),
        "tokens": [one for one in _figures(every, "tokens") if one.execution.llm_calls],
    }
    uri = graph_uri(graph.name, "executions")
    still: list[str] = []
    for metric, points in series.items():
        draft.data |= {"metric": metric, "n": len(points)}
        found = changepoint.shifts([one.value for one in points], are_shares=metric == "failures")
        for shift in found[-1:]:
            _say(scene, draft, points, shift, f"{metric} of {graph.name}")
        if len(points) >= LEAST and not found:
            still.append(metric)
    if still:
        draft.say(f"No change of its {listed(still)} is confirmed.", uri)
    if len(every) < LEAST:
        draft.say(f"{graph.name} has {count(len(every), 'completed execution')} on record.", uri)
        draft.admit(f"A change of a figure can be dated by {LEAST} or more.")
    _say_versions(scene, draft, graph)
    return draft


def _say_versions(scene: Scene, draft: Draft, graph: RegisteredGraph) -> None:
    found = scene.store.graphs(graph.name, all_versions=True)
    found = sorted(found, key=lambda one: one.registered_at)
    told = f"{graph.name} has {count(len(found), 'version')}"
    last = found[-1] if found else graph
    draft.data["times"].append(
        {"what": f"version {last.version} registered", "ts": last.registered_at,
         "uri": graph_uri(graph.name, "versions")}
    )  # fmt: skip
    draft.say(
        f"{told}, the last, {last.version}, compiled first at {last.registered_at}.",
        graph_uri(graph.name, "versions"),
    )


def _series(scene: Scene, graph: RegisteredGraph) -> tuple[str, list[_Point]]:
    if scene.says(rf".*\b(?:{_FAILS})"):
        return "failures", _failures(scene, graph)
    if scene.node is not None:
        return "latency", _visits(scene, graph, scene.node)
    every = scene.store.newest(LOOKED_AT, graph=graph.name, status="completed")[::-1]
    for said, metric in ((_COSTS, "cost_usd"), (_TOKENS, "tokens"), (_RETRIES, "retries")):
        if scene.says(rf".*\b(?:{said})"):
            return _name(metric), _figures(every, metric)
    return "latency", _figures(every, "duration_ms")


def _name(metric: str) -> str:
    return metric.removesuffix("_usd")


def _figures(every: Sequence[Execution], metric: str) -> list[_Point]:
    found = []
    for one in every:
        value = one.input_tokens + one.output_tokens if metric == "tokens" else getattr(one, metric)
        if value is not None:
            found.append(_Point(execution=one, value=float(value), uri=one.uri))
    return found


def _failures(scene: Scene, graph: RegisteredGraph) -> list[_Point]:
    every = scene.store.newest(LOOKED_AT, graph=graph.name)[::-1]
    over = [one for one in every if one.status in ("completed", "failed")]
    node = scene.node
    return [
        _Point(execution=one, uri=one.uri,
               value=float(one.status == "failed" and node in (None, one.error_node)))
        for one in over
    ]  # fmt: skip


def _visits(scene: Scene, graph: RegisteredGraph, node: str) -> list[_Point]:
    known = {one.execution_id: one for one in scene.store.newest(HISTORY, graph=graph.name)}
    found = scene.store.recent_visits(graph.name, node=node, executions=HISTORY)
    points = [
        _Point(execution=known[one.execution_id], value=one.duration_ms, uri=one.uri)
        for one in found
        if one.duration_ms is not None and one.status == "completed" and one.execution_id in known
    ]
    return sorted(points, key=lambda one: one.execution.position)


def _first_failure(draft: Draft, points: Sequence[_Point]) -> None:
    bad = [one for one in points if one.value]
    if not bad:
        return
    first = bad[0].execution
    draft.data["times"].append({"what": "first failure", "ts": first.started_at, "uri": first.uri})
    draft.say(
        f"The first recorded failure was {first.execution_id}, started {first.started_at}: "
        f"{failed_with(first.error)}; {len(bad)} of {len(points)} failed in all.",
        first.uri,
    )


def _say(scene: Scene, draft: Draft, points: Sequence[_Point], shift: Shift, what: str) -> None:
    at, before = points[shift.at], points[shift.at - 1]
    metric = draft.data["metric"]
    told: dict[str, Any] = {
        "what": f"change of {metric}", "ts": at.execution.started_at, "uri": at.uri,
        "before": shift.before, "after": shift.after, "p": shift.p,
        "execution_id": at.execution.execution_id,
    }  # fmt: skip
    came = _version(points, shift.at)
    told["version"] = came
    draft.data["times"].append(told)
    rose = "rose" if shift.after > shift.before else "fell"
    draft.say(
        f"The {what} {rose} from {_value(metric, shift.before)} to {_value(metric, shift.after)} with "
        f"execution {at.execution.execution_id}, started {at.execution.started_at}.",
        Ref(uri=at.uri, why="the first after the change"),
        Ref(uri=before.uri, why="the last before it"),
    )
    name = at.execution.graph_name
    if came is not None:
        draft.say(f"Version {came} of {name} came with it.", graph_uri(name, "versions"))
    elif (changed := _configured(scene, before.execution, at.execution)) is not None:
        draft.say(f"The configuration of {changed} was changed then.", node_uri(name, changed))
    else:
        draft.say(
            f"No new version of {name} came with it: {at.execution.graph_version} ran before and after.",
            graph_uri(name, "versions"),
        )


def _version(points: Sequence[_Point], at: int) -> str | None:
    """The version whose first execution lies where the change does, within a block."""
    near = range(max(at - changepoint.BLOCK, 1), min(at + changepoint.BLOCK, len(points)))
    earlier = {one.execution.graph_version for one in points[: near.start]}
    for place in sorted(near, key=lambda place: abs(place - at)):
        version = points[place].execution.graph_version
        if version not in earlier and version != points[place - 1].execution.graph_version:
            return version
    return None


def _configured(scene: Scene, before: Execution, at: Execution) -> str | None:
    graph = scene.graph
    for node, config in (graph.node_configs if graph else {}).items():
        moment = epoch_ns(str(config["at"]))
        if epoch_ns(before.started_at) <= moment <= epoch_ns(at.started_at):
            return node
    return None


def _value(metric: str, value: float) -> str:
    match metric:
        case "latency":
            return f"{duration(value)} at the median"
        case "failures":
            return f"{value:.0%}"
        case "cost":
            return f"${value:.6f}"
        case _:
            return f"{value:,.0f}"
