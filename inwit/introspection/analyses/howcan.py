"""How can I: interventions, each tried on the record, ranked by the lower bound of their gain."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from inwit.introspection import plan_rows
from inwit.introspection.analyses import whatif, why_cost
from inwit.introspection.analyses.why_visits import lead_words, nothing_recorded
from inwit.introspection.changes import Change
from inwit.introspection.claims import (
    Draft,
    Ref,
    count,
    duration,
    graph_uri,
    listed,
    node_uri,
    short,
)
from inwit.introspection.lineage import decisions
from inwit.introspection.predict import Prediction
from inwit.introspection.quotes import failed_with
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.schedule import Schedule
from inwit.introspection.stats import estimate, exactly, holds_for_next
from inwit.runtime.views import Execution, RegisteredGraph, Visit

TOLD = 5
_LIMITS = re.compile(r"Recursion|Budget|Deadline|ExecutionTimeout")
LEAST_SHARE = 0.01
"""Gains whose lower bound is under this part of the duration are not worth telling."""
COST_LOOKS_AT = 50
_COST = r"cost|cheap|money|token|spend|bills?\b|budget|price|dollar|\$|save money"
_RELIABLE = r"fail|error|reliab|retr|success|robust|stab|crash|timing out|time-?outs?|break|quality|fix|mend|repair|prevent|avoid|solve|bug"


def answer(scene: Scene) -> Draft:
    """Rank what could be changed, for speed, cost or reliability as the question asks."""
    draft = Draft(data={"interventions": []})
    if scene.graph is None:
        draft.admit("This project has no graph yet.")
        return draft
    graph = scene.graph
    if scene.says(_COST):
        is_of_tokens = scene.says(r"tokens?\b")
        how = "use most tokens" if is_of_tokens else "cost most"
        graph = _worst(scene, draft, graph, how, _used if is_of_tokens else _paid)
        _cheaper(scene, graph, draft)
    elif scene.says(_RELIABLE):
        graph = _worst(scene, draft, graph, "fail most", _failed)
        _steadier(scene, graph, draft)
    else:
        _faster(scene, graph, draft)
    draft.data["graph"] = graph.name
    _plans(scene, graph, draft)
    return draft


Figure = Callable[[Scene, RegisteredGraph], tuple[float, str]]


def _worst(
    scene: Scene, draft: Draft, last: RegisteredGraph, how: str, figure: Figure
) -> RegisteredGraph:
    """The graph to mend where the question names none: of all, the one with the largest figure."""
    figures = {one.name: figure(scene, one) for one in scene.meant_graphs}
    ranked = sorted(scene.meant_graphs, key=lambda one: -figures[one.name][0])
    if len(ranked) < 2 or not figures[ranked[0].name][0]:
        return last
    told = listed(f"{one.name} ({figures[one.name][1]})" for one in ranked)
    draft.data["graphs"] = {one.name: figures[one.name][0] for one in ranked}
    draft.say(
        f"Of the graphs these {how}: {told}. This is about {ranked[0].name}.",
        *(graph_uri(one.name, "executions") for one in ranked),
    )
    return ranked[0]


def _paid(scene: Scene, graph: RegisteredGraph) -> tuple[float, str]:
    """What the newest executions of a graph cost, in dollars."""
    found = scene.store.newest(HISTORY, graph=graph.name)
    known = [one.cost_usd for one in found if one.cost_usd is not None]
    if not any(one.llm_calls for one in found):
        return 0.0, "no model call"
    whole = sum(known)
    said = why_cost.price(whole if known else None, sum(one.unpriced_calls for one in found))
    return whole, said


def _used(scene: Scene, graph: RegisteredGraph) -> tuple[float, str]:
    """How many tokens the newest executions of a graph used."""
    found = scene.store.newest(HISTORY, graph=graph.name)
    whole = sum(one.input_tokens + one.output_tokens for one in found)
    return float(whole), f"{whole:,}"


def _failed(scene: Scene, graph: RegisteredGraph) -> tuple[float, str]:
    """How many of the newest executions of a graph failed."""
    found = scene.store.newest(HISTORY, graph=graph.name)
    bad = sum(one.status == "failed" for one in found)
    return float(bad), f"{bad} of {len(found)}"


def _faster(scene: Scene, graph: RegisteredGraph, draft: Draft) -> None:
    schedules = whatif.recorded(scene, graph)
    if not schedules:
        nothing_recorded(scene, draft)
        return
    found = [
        (change, prediction)
        for change in _candidates(scene, graph, schedules)
        if (prediction := whatif.apply(scene, graph.manifest, schedules, change)).feasible
    ]
    usual = estimate([one.total for one in schedules])
    draft.data |= {"baseline": usual.to_json(), "n": len(schedules)}
    ranked = sorted(
        ((change, one) for change, one in found if _is_worth(one)),
        key=lambda item: -(item[1].gain.low if item[1].gain else 0.0),
    )
    draft.say(
        f"{graph.name} takes {duration(usual.point)} at the median over "
        f"{count(len(schedules), 'execution')}.",
        Ref(uri=graph_uri(graph.name, "metrics"), why="how long it takes"),
    )
    if not ranked:
        _nothing_sure(draft, graph, found, len(schedules))
    for change, prediction in ranked:
        _add(draft, graph, change, prediction)
    draft.certainty = holds_for_next(len(schedules))


def _nothing_sure(
    draft: Draft, graph: RegisteredGraph, found: list[tuple[Change, Prediction]], number: int
) -> None:
    """Say that no change is sure to help, and which one would at the median, if any."""
    gains = [(one.gain.point, change) for change, one in found if one.gain is not None]
    most, change = max(gains, key=lambda pair: pair[0], default=(0.0, None))
    usual = draft.data["baseline"]["point"]
    if change is None or most <= LEAST_SHARE * usual:
        draft.say(
            "No node repeats equal inputs, runs needlessly after another or takes a share that "
            "would be worth changing.",
            graph_uri(graph.name, "executions"),
        )
        return
    draft.say(
        f"By {count(number, 'execution')} no change is sure to save anything; most would be saved, "
        f"{duration(most)} at the median, if {change.words}.",
        Ref(uri=graph_uri(graph.name, "executions"), why="what it was tried on"),
    )


def _candidates(
    scene: Scene, graph: RegisteredGraph, schedules: list[Schedule]
) -> Iterator[Change]:
    wanted = set(scene.nodes)
    took: dict[str, float] = defaultdict(float)
    for one in schedules:
        for node, ms in one.on_path().items():
            took[node] += ms
    whole = sum(one.total for one in schedules) or 1.0
    heavy = [node for node in took if took[node] / whole > LEAST_SHARE]
    heavy = sorted(heavy, key=lambda node: -took[node])[:8]
    for node in heavy:
        if (not wanted or node in wanted) and not scene.says(r"parallel|concurrent"):
            yield Change(kind="cached", nodes=(node,))
            yield Change(kind="faster", nodes=(node,), factor=0.5)
    for edge in graph.manifest.edges:
        pair = (edge.source, edge.target)
        named = not wanted or wanted & set(pair)
        if named and not edge.is_conditional and set(pair) <= set(heavy):
            yield Change(kind="parallel", nodes=pair)
    for facts in graph.manifest.nodes:
        if wanted and facts.name not in wanted:
            continue
        if (width := facts.policies.get("max_concurrency")) and facts.name in took:
            yield Change(kind="concurrency", nodes=(facts.name,), number=2 * int(width))
        if facts.policies.get("pure") and facts.name in heavy:
            yield Change(kind="removed", nodes=(facts.name,))


def _is_worth(prediction: Prediction) -> bool:
    gain, before = prediction.gain, prediction.baseline
    if gain is None or before is None:
        return False
    return gain.low > LEAST_SHARE * before.point


def _add(draft: Draft, graph: RegisteredGraph, change: Change, prediction: Prediction) -> None:
    gain = prediction.gain
    if gain is None:
        return
    action = {
        "cached": f"cache {change.nodes[0]}",
        "faster": f"make {change.nodes[0]} twice as fast",
        "parallel": f"run {' and '.join(change.nodes)} in parallel",
        "concurrency": f"let {change.number} calls of {change.nodes[0]} run at once",
        "removed": f"leave {change.nodes[0]} out, which nothing in the graph needs",
    }[change.kind]
    draft.data["interventions"].append(
        {
            "action": action,
            "kind": change.kind,
            "node": change.nodes[0],
            "nodes": list(change.nodes),
            "gain": gain.to_json(),
            "n": gain.n,
            "notes": prediction.notes,
            **prediction.extra,
        }
        | ({"number": change.number} if change.number is not None else {})
    )
    if len(draft.data["interventions"]) <= TOLD:
        note = f" {prediction.notes[0]}" if prediction.notes else ""
        draft.say(
            f"{action[0].upper()}{action[1:]}: it would save {duration(gain.point)} at the median, "
            f"at least {duration(gain.low)}.{note}",
            *(
                Ref(uri=node_uri(graph.name, node), why="what would change")
                for node in change.nodes
            ),
        )


def _cheaper(scene: Scene, graph: RegisteredGraph, draft: Draft) -> None:
    page = scene.store.executions(graph=graph.name, status="completed", limit=COST_LOOKS_AT)
    paid = [one for one in page.items if one.llm_calls]
    spent: dict[str, why_cost.Spent] = {}
    ran: Counter[str] = Counter()
    for execution in paid:
        for node, used in why_cost.by_node(scene, execution).items():
            spent.setdefault(node, why_cost.Spent()).join(used)
            ran[node] += 1
    if not spent:
        uri = graph_uri(graph.name, "executions")
        draft.say(f"No model call of {graph.name} is recorded, so no cost is known.", uri)
        draft.admit("`inwit.capture()` and `ctx.llm` record model calls with tokens and cost.")
        return
    order, measure = why_cost.ranked(spent, by_tokens=scene.says(r"tokens?\b"))
    whole = sum(one.of(measure) for one in spent.values()) or 1.0
    draft.data |= {"measure": measure, "n": len(paid)}
    schedules = whatif.recorded(scene, graph)
    for node in order:
        one, number = spent[node], ran[node]
        cost = f"${one.of('cost') / number:.6f} and " if measure == "cost" else ""
        draft.say(
            f"{node} makes up {one.of(measure) / whole:.0%} of the {measure}: {cost}"
            f"{one.tokens / number:,.0f} tokens per execution.",
            one.uri,
        )
        if graph.manifest.node(node) is not None:
            _cache(scene, graph, draft, node=node, used=one.of(measure) / number, measure=measure,
                   schedules=schedules)  # fmt: skip
    if measure == "tokens" and not scene.says(r"tokens?\b"):
        draft.admit("Ranked by tokens, since not every call has a price on record.")
    draft.data["interventions"].sort(key=lambda one: -one["gain"]["low"])
    if not draft.data["interventions"]:
        draft.admit(
            "No repeats of equal inputs are recorded, so a cache would save nothing; what a "
            "smaller model would cost and answer is not in the record."
        )


def _cache(
    scene: Scene, graph: RegisteredGraph, draft: Draft, *, node: str, used: float,
    measure: why_cost.Measure, schedules: list[Schedule],
) -> None:  # fmt: skip
    change = Change(kind="cached", nodes=(node,))
    prediction = whatif.apply(scene, graph.manifest, schedules, change)
    rate = prediction.extra.get("hit_rate", 0.0)
    if not prediction.feasible or not rate:
        return
    is_money = measure == "cost"
    saved = round(rate * used, 6 if is_money else 1)
    unit = "dollars per execution" if is_money else "tokens per execution"
    draft.data["interventions"].append(
        {"action": f"cache {node}", "kind": "cached", "node": node, "n": len(schedules)}
        | {"gain": exactly(saved, unit)}
    )
    told = f"${saved:.6f}" if is_money else f"{saved:,.0f} tokens"
    draft.say(
        f"Cache {node}: {rate:.0%} of its recorded visits repeat an input, about {told} per "
        "execution.",
        node_uri(graph.name, node),
    )


def _steadier(scene: Scene, graph: RegisteredGraph, draft: Draft) -> None:
    visits = scene.store.recent_visits(graph.name, executions=HISTORY)
    wanted = set(scene.nodes)
    if not visits:
        nothing_recorded(scene, draft)
        return
    if _unended(scene, graph, draft, wanted) and wanted:
        return
    bad = [one for one in visits if one.status == "failed" or one.attempts > 1]
    bad = [one for one in bad if not wanted or one.node in wanted]
    looked = len({one.execution_id for one in visits})
    draft.data["n"] = looked
    if not bad and draft.data["interventions"]:
        return
    if not bad:
        who = " and ".join(wanted)
        said = f"{who} neither failed nor was" if who else f"no node of {graph.name} failed or was"
        draft.say(
            f"In the last {count(looked, 'execution')} {said} tried again.",
            graph_uri(graph.name, "metrics"),
        )
        return
    by_node: dict[str, list[Visit]] = defaultdict(list)
    for one in bad:
        by_node[one.node].append(one)
    for node, mine in sorted(by_node.items(), key=lambda item: -_affected(item[1]))[:TOLD]:
        _steady(draft, graph, node, mine, looked)


def _unended(scene: Scene, graph: RegisteredGraph, draft: Draft, wanted: set[str]) -> bool:
    """Tell of executions that no node failed: they went round, or spent all they had."""
    found = [
        one for one in scene.store.newest(HISTORY, graph=graph.name, status="failed")
        if one.error is not None and _LIMITS.search(one.error.type)
    ]  # fmt: skip
    by_type: dict[str, list[Execution]] = defaultdict(list)
    for one in found:
        by_type[one.error.type if one.error else ""].append(one)
    for kind, mine in by_type.items():
        taken = decisions(scene.visits(mine[0].execution_id))
        node = taken[-1].source.node if taken else ""
        if wanted and node not in wanted:
            continue
        loops = "Recursion" in kind
        action = (
            f"let {node or 'its loop'} come to an end, or raise recursion_limit"
            if loops
            else f"raise what {kind.removesuffix('Error')} bounds, or spend less"
        )
        draft.data["interventions"].append(
            {"action": action, "kind": "reliability", "node": node, "n": len(mine)}
            | {"gain": exactly(len(mine), "executions")}
        )
        last = (
            f" The last decision: {lead_words(taken[-1], scene.visits(mine[0].execution_id))}."
            if taken
            else ""
        )
        draft.say(
            f"{action[0].upper()}{action[1:]}: {count(len(mine), 'execution')} ended with {kind}.{last}",
            *(Ref(uri=one.uri, why="it ended so") for one in mine[:3]),
            taken[-1].uri if taken else None,
        )
    return bool(draft.data["interventions"])


def _affected(bad: list[Visit]) -> int:
    """The executions in which a node failed for good, else those in which it was tried again."""
    failed = [one for one in bad if one.status == "failed"]
    return len({one.execution_id for one in failed or bad})


def _steady(draft: Draft, graph: RegisteredGraph, node: str, bad: list[Visit], looked: int) -> None:
    failed = [one for one in bad if one.status == "failed"]
    kinds = Counter(failed_with(one.error) for one in failed if one.error)
    facts = graph.manifest.node(node)
    is_timeout = any(one.error and "Timeout" in one.error.type for one in failed)
    action = f"raise the time-out of {node}" if is_timeout else f"mend the error of {node}"
    if not failed:
        action = f"find why {node} needs retries"
    elif facts is not None and facts.policies.get("side_effects"):
        action += "; it has side effects, so it is never retried by default"
    affected, held = _affected(bad), len({one.execution_id for one in bad})
    draft.data["interventions"].append(
        {"action": action, "kind": "reliability", "node": node, "n": looked}
        | {"gain": exactly(affected, "executions")}
    )
    said = "; ".join(f"{short(kind, 120)} ({times})" for kind, times in kinds.most_common(3))
    draft.say(
        f"{action[0].upper()}{action[1:]}: {count(len(bad), 'visit')} of it failed or "
        f"{'was' if len(bad) == 1 else 'were'} tried again, in {held} of {count(looked, 'execution')}{': ' + said if said else ''}.",
        *(Ref(uri=one.uri, why="a failure or retry") for one in (failed or bad)[-4:]),
    )


def _plans(scene: Scene, graph: RegisteredGraph, draft: Draft) -> None:
    mine = [one for one in plan_rows.plans(scene.store) if one.graph_name == graph.name]
    shown: list[dict[str, Any]] = []
    for plan in [one for one in mine if one.status in ("proposed", "validated", "approved")][:3]:
        shown.append({"id": plan.id, "title": plan.title, "status": plan.status})
        draft.say(f"A plan is {plan.status}: {plan.title}.", f"plan://{plan.id}")
    draft.data["plans"] = shown
