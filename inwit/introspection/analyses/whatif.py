"""What if: recorded executions re-scheduled under the change that the question names."""

from __future__ import annotations

from dataclasses import replace

from inwit.introspection import predict, schedule
from inwit.introspection.analyses import (
    model_calls,
    tool_calls,
    whatif_broken,
    whatif_kind,
    whatif_load,
    whatif_model,
    whatif_retries,
    whatif_tried,
)
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.app import label_of
from inwit.introspection.changes import Change, parse
from inwit.introspection.claims import Draft, Ref, count, duration, graph_uri, listed, node_uri
from inwit.introspection.independence import observed_writes, why_not_removed
from inwit.introspection.lineage import Place
from inwit.introspection.predict import ENOUGH, Prediction, refused
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.schedule import Schedule
from inwit.introspection.stats import Estimate, holds_for_next
from inwit.introspection.which import choose, names_one
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.policies import DEFAULT_RETRY
from inwit.runtime.views import RegisteredGraph

CACHE_LOOKS_AT = 100
"""Executions whose inputs are compared to find repeats."""
_NOT_TOLD = {
    "route": "what a way that was not taken would have done is in no record of that execution",
    "unknown": "no change was understood",
}


def answer(scene: Scene) -> Draft:
    """Predict what the change would give, or say why that cannot be done."""
    change = parse(scene.words, scene.nodes, scene.plain_words)
    if scene.graph is None:
        draft = Draft(data={"feasible": False, "reason": "no graph is known", "n": 0})
        draft.admit("This project has no graph yet.")
        return draft
    if change.kind in ("unknown", "route") and model_calls.named(scene) is not None:
        change = replace(change, kind="model")
    if scene.query.level == "app" and change.kind in ("removed", "unknown"):
        return breaks(scene, scene.graph)
    if change.kind == "broken" and not change.nodes:
        change = replace(change, kind="unknown")
    if change.kind == "reliable":
        return _reliable(scene, scene.graph, change)
    if change.kind == "broken" and change.nodes:
        return whatif_broken.answer(scene, scene.graph, change.nodes)
    if (of_kinds := whatif_kind.answer(scene, change)) is not None:
        return of_kinds
    if change.kind == "retries":
        change = whatif_retries.settled(scene, scene.graph, change, _attempts)
    if change.kind == "model":
        return whatif_model.answer(scene, scene.graph, change)
    schedules = _recorded(scene, scene.graph)
    if not schedules:
        draft = Draft(data={"feasible": False, "reason": "nothing is recorded", "n": 0})
        draft.data |= {"baseline": None, "predicted": None}
        return nothing_recorded(scene, draft)
    if change.kind == "load":
        return whatif_load.answer(scene, scene.graph, schedules, change)
    graph = scene.graph
    draft = tell(scene, graph, schedules, change)
    if change.kind == "retries" and draft.data["feasible"]:
        whatif_retries.say_further(scene, draft, graph, change)
    whatif_tried.add(
        scene, draft, graph, change, schedules=schedules,
        predict=lambda some: apply(scene, graph.manifest, some, change),
    )  # fmt: skip
    return draft


def _reliable(scene: Scene, graph: RegisteredGraph, change: Change) -> Draft:
    """Count the executions that a node's failures ended: they alone would have gone on."""
    draft = Draft(data={"feasible": False, "baseline": None, "predicted": None, "n": 0})
    draft.data["change"] = {"kind": change.kind, "nodes": list(change.nodes)}
    over = [one for one in scene.store.newest(HISTORY, graph=graph.name)
            if one.status in ("completed", "failed")]  # fmt: skip
    bad = [one for one in over if one.status == "failed"
           and (not change.nodes or one.error_node in change.nodes)]  # fmt: skip
    failed = sum(one.status == "failed" for one in over)
    draft.data |= {"n": len(over), "reason": "how it would have gone on is in no record"}
    draft.data["share_changed"] = round(len(bad) / len(over), 4) if over else 0.0
    draft.say(
        f"If {change.words}, {len(bad)} of the last {len(over)} executions of {graph.name} would not have "
        f"failed there; {failed} failed in all.",
        graph_uri(graph.name, "executions"),
        *(Ref(uri=one.uri, why="failed there") for one in bad[:3]),
    )
    draft.admit("How they would have gone on, and how long that would take, is in no record.")
    return draft


def tell(scene: Scene, graph: RegisteredGraph, schedules: list[Schedule], change: Change) -> Draft:
    """Say what a change would give, by recorded executions."""
    missing = _missing(scene, graph, change)
    prediction = refused(missing) if missing else apply(scene, graph.manifest, schedules, change)
    draft = Draft()
    before = Prediction(feasible=True, before=[one.total for one in schedules]).baseline
    predicted = prediction.predicted
    draft.data |= {
        "feasible": prediction.feasible,
        "reason": prediction.reason or " ".join(prediction.notes),
        "change": {"kind": change.kind, "nodes": list(change.nodes)},
        "baseline": before.to_json() if before else None,
        "predicted": predicted.to_json() if predicted else None,
        "n": len(schedules),
        **prediction.extra,
    }
    if not prediction.feasible:
        _say_refused(draft, graph, change, prediction, schedules)
        return draft
    _say_predicted(draft, graph, change, prediction, schedules, is_one=_names_one(scene))
    return draft


def apply(
    scene: Scene, manifest: GraphManifest, schedules: list[Schedule], change: Change
) -> Prediction:
    """Predict one change."""
    match change.kind:
        case "cached":
            return predict.cached(
                manifest,
                schedules[:CACHE_LOOKS_AT],
                change,
                scene.inputs_of,
            )
        case "uncached":
            return predict.uncached(
                schedules[:CACHE_LOOKS_AT], change, lambda name: _hits(scene, name)
            )
        case "parallel":
            return predict.parallel(manifest, schedules, change)
        case "removed":
            return predict.removed(manifest, schedules, change)
        case "faster":
            return predict.faster(schedules, change)
        case "timeout":
            return predict.with_timeout(
                schedules, change, _attempts(manifest, change), scene.inputs_of
            )
        case "retries":
            return predict.with_attempts(schedules, change)
        case "visits":
            return predict.with_visits(manifest, schedules, change)
        case "concurrency":
            return whatif_load.concurrency(scene, schedules, change)
        case _:
            return refused(_NOT_TOLD[change.kind])


def _hits(scene: Scene, execution_id: str) -> set[Place]:
    """The visits of an execution that came from a cache."""
    found = scene.store.events(execution_id, types=("cache_hit",))
    return {(str(event.node), event.visit or 0) for event in found}


def _attempts(manifest: GraphManifest, change: Change) -> dict[str, int]:
    """How often each node may be tried that met a time-out."""
    retried = next((one.enabled for one in manifest.features if one.name == "retries"), True)
    found: dict[str, int] = {}
    for name in change.nodes:
        facts = manifest.node(name)
        policies = facts.policies if facts else {}
        usual = DEFAULT_RETRY.max_attempts if retried and not policies.get("side_effects") else 1
        found[name] = int(policies.get("max_attempts") or usual)
    return found


def _missing(scene: Scene, graph: RegisteredGraph, change: Change) -> str:
    """What the question leaves out that a prediction needs; empty when nothing."""
    if change.kind in _NOT_TOLD:
        return ""
    unknown = [name for name in scene.named("node") if name not in change.nodes]
    if unknown and not change.nodes:
        return f"{graph.name} has no node {unknown[0]!r}"
    tools = scene.named("tool") if change.nodes else tool_calls.names(scene)
    if tools and not change.nodes:
        return f"{', '.join(sorted(tools))} is a tool; what is changed here are nodes, and one of them calls it"
    if change.kind == "parallel" and len(change.nodes) < 2:
        return "two nodes of the graph must be named to run beside each other"
    if change.kind not in ("retries", "concurrency") and not change.nodes:
        return "no node of the graph is named"
    if change.kind == "timeout" and change.duration_ms is None:
        return "no time-out is named, such as 2 seconds"
    if change.kind == "visits" and change.number is None:
        return "how often it may run is not said, such as twice"
    if change.kind == "retries" and change.max_attempts is None:
        return "no number of attempts is named"
    if change.kind == "faster" and change.factor is None and change.duration_ms is None:
        return "how much faster is not said, such as twice, 30 % or 200 ms"
    return ""


def _recorded(scene: Scene, graph: RegisteredGraph) -> list[Schedule]:
    if _names_one(scene):
        choice = choose(scene, fits=lambda one: one.duration_ms is not None)
        if choice is None:
            return []
        visits = scene.visits(choice.execution.execution_id)
        return [schedule.build(choice.execution, visits)]
    return recorded(scene, graph)


def _names_one(scene: Scene) -> bool:
    """Whether one execution is asked about, and not the graph's whole record."""
    return names_one(scene) or scene.says(r"(?:last|latest|previous|this|that) (?:run|execution)\b")


def recorded(scene: Scene, graph: RegisteredGraph) -> list[Schedule]:
    """The completed executions of the graph's version, else of any version."""
    found = scene.history(graph.name, graph.version) or scene.history(graph.name, None)
    return [schedule.build(one, visits) for one, visits in found]


def _say_refused(
    draft: Draft, graph: RegisteredGraph, change: Change, prediction: Prediction,
    schedules: list[Schedule],
) -> None:  # fmt: skip
    refs = [
        Ref(uri=node_uri(graph.name, node), why="what it reads and writes") for node in change.nodes
    ]
    refs.append(Ref(uri=graph_uri(graph.name, "edges"), why="the ways between nodes"))
    draft.say(f"That cannot be predicted: {prediction.reason}.", *refs)
    if change.kind == "unknown":
        draft.admit(
            "A change can be: a node cached, removed, faster, run in parallel with another or less "
            "often, or with another time-out or number of attempts."
        )
    for node in change.nodes:
        took = predict.middle(schedules, node)
        if took is not None:
            draft.say(
                f"{node} takes {duration(took)} at the median over {count(len(schedules), 'execution')}.",
                graph_uri(graph.name, "metrics"),
            )


def _say_predicted(
    draft: Draft, graph: RegisteredGraph, change: Change, prediction: Prediction,
    schedules: list[Schedule], *, is_one: bool,
) -> None:  # fmt: skip
    before, after, gain = prediction.baseline, prediction.predicted, prediction.gain
    if before is None or after is None or gain is None:
        return
    draft.data["gain"] = gain.to_json()
    draft.data["share_changed"] = round(prediction.share_changed, 4)
    refs = [Ref(uri=one.execution.uri, why="a re-scheduled execution") for one in schedules[:3]]
    refs += [Ref(uri=node_uri(graph.name, node)) for node in change.nodes]
    draft.say(_in_words(graph, change, prediction, before, after), *refs)
    for note in prediction.notes:
        draft.say(note, *refs)
    if is_one:
        draft.admit("That is this execution alone; others may differ.")
        return
    if len(schedules) < ENOUGH:
        draft.admit(f"{ENOUGH} executions would make this firm; there are {len(schedules)}.")
    draft.certainty = holds_for_next(before.n)


def _in_words(
    graph: RegisteredGraph, change: Change, prediction: Prediction, before: Estimate,
    after: Estimate,
) -> str:  # fmt: skip
    by = f"by {count(before.n, 'recorded execution')}"
    spread = f"({duration(after.low)} to {duration(after.high)})"
    if not prediction.share_changed:
        return (
            f"If {change.words}, {graph.name} would take as long as it does, "
            f"{duration(before.point)} at the median {spread}, {by}: none of them would change."
        )
    return (
        f"If {change.words}, {graph.name} would take {duration(after.point)} at the median {spread} "
        f"instead of {duration(before.point)}, {by}; {prediction.share_changed:.0%} of them change."
    )


def breaks(scene: Scene, graph: RegisteredGraph) -> Draft:
    """Say what of a graph's structure breaks when a node goes, without its record."""
    draft = Draft(data={"feasible": False, "baseline": None, "predicted": None, "n": 0})
    node = scene.node
    if node is None:
        draft.data["reason"] = f"no node of {graph.name} is named"
        draft.say(f"No node of {graph.name} is named.", graph_uri(graph.name, "nodes"))
        return draft
    schedules = recorded(scene, graph)
    seen = observed_writes(task.visit for one in schedules for task in one.tasks)
    reason = why_not_removed(graph.manifest, node, seen)
    edges = graph.manifest.edges
    before = listed(label_of(edge.source) for edge in edges if edge.target == node) or "nothing"
    after = listed(label_of(edge.target) for edge in edges if edge.source == node) or "nothing"
    draft.say(
        f"Without {node}, {before} would have to lead to {after}.",
        node_uri(graph.name, node),
        graph_uri(graph.name, "edges"),
    )
    if reason is not None:
        draft.data |= {"reason": reason}
        draft.say(f"That breaks the graph: {reason}.", node_uri(graph.name, node))
        return draft
    draft.data |= {"feasible": True, "reason": "no node or decision depends on it"}
    draft.say(
        f"No other node or decision reads what only {node} writes.", graph_uri(graph.name, "nodes")
    )
    if schedules:
        told = tell(scene, graph, schedules, Change(kind="removed", nodes=(node,)))
        draft.claims += told.claims
        draft.data |= told.data
        draft.certainty = told.certainty
    return draft
