"""Why did it take that way, or not: the decisions, what they read, and who wrote what they read."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from inwit.introspection.analyses import interrupts
from inwit.introspection.analyses.why_visits import lead_words, nothing_recorded
from inwit.introspection.app import label_of
from inwit.introspection.claims import Draft, Ref, alike, count, graph_uri, listed, node_uri, times
from inwit.introspection.lineage import Lead, decisions, writer
from inwit.introspection.ordinals import visit_number
from inwit.introspection.quotes import being
from inwit.introspection.scene import Scene
from inwit.introspection.stats import exactly
from inwit.introspection.which import Choice, choose
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.program import END
from inwit.runtime.views import Visit

DECISIONS_TOLD = 8


def explain(scene: Scene, *, skipped: bool) -> Draft:
    """Explain the decisions that led to a node, or past it."""
    draft = Draft(data={"causes": []})
    source, target = _ends(scene, skipped)
    choice = _choose(scene, target, skipped)
    if choice is None:
        return nothing_recorded(scene, draft)
    execution = choice.execution
    draft.data["execution_id"] = execution.execution_id
    visits = scene.visits(execution.execution_id)
    graph = scene.store.graph(execution.graph_name, execution.graph_version)
    if target is not None:
        draft.data["visits"] = {target: sum(visit.node == target for visit in visits)}
        if not draft.data["visits"][target]:
            return _not_visited(draft, choice, graph.manifest, target, visits)
        if skipped:
            shown = [visit.uri for visit in visits if visit.node == target]
            ran = times(len(shown))
            draft.say(f"{target} was not skipped: it ran {ran} in {choice.words}.", *shown[:3])
    taken = [
        lead
        for lead in decisions(visits, source)
        if target is None or lead.edge.get("target") == target
    ]
    number = visit_number(scene.words)
    counted = [lead for lead in taken if number in (None, lead.source.visit)]
    if not taken or not counted:
        return _no_decision(draft, choice, source, target, visits)
    _say(draft, choice, counted, visits, "")
    return draft


def decided(scene: Scene) -> Draft | None:
    """Tell what was decided after the node that is named, or by the person who was asked."""
    if scene.node is None:
        return interrupts.answered(scene) if interrupts.asks_any(scene) else None
    draft = explain(scene, skipped=False)
    draft.data.setdefault("values", {})
    return draft


def stopped(scene: Scene) -> Draft | None:
    """Say what led an execution that is completed to its end; None for another one."""
    choice = choose(scene)
    if choice is None or choice.execution.status != "completed":
        return None
    visits = scene.visits(choice.execution.execution_id)
    ended = [lead for lead in decisions(visits) if lead.edge.get("target") == END]
    draft = Draft(data={"causes": [], "execution_id": choice.execution.execution_id})
    draft.say(
        f"{choice.words[:1].upper()}{choice.words[1:]} came to its end.", choice.execution.uri
    )
    if ended:
        _say(draft, choice, ended[-1:], visits, "")
    elif visits:
        draft.say(f"A plain edge leads from {visits[-1].node} to the end.", visits[-1].uri,
                  graph_uri(choice.execution.graph_name, "edges"))  # fmt: skip
    return draft


def _ends(scene: Scene, skipped: bool) -> tuple[str | None, str | None]:
    if scene.graph is None or not scene.nodes:
        return None, None
    edges = [edge for edge in scene.graph.manifest.edges if edge.is_conditional]
    for first in scene.nodes:
        for second in scene.nodes:
            if any(edge.source == first and edge.target == second for edge in edges):
                return first, second
    node = scene.nodes[-1]
    decides = any(edge.source == node for edge in edges)
    reached = any(edge.target == node for edge in edges)
    if decides and not skipped and (not reached or scene.says(r"cho[os]|pick|decid|select|route")):
        return node, None
    return None, node


def _choose(scene: Scene, target: str | None, skipped: bool) -> Choice | None:
    if target is None or scene.graph is None:
        return choose(scene)
    visits = scene.store.recent_visits(scene.graph.name, node=target)
    holders = {visit.execution_id for visit in visits}
    words = f"that {'did not reach' if skipped else 'reached'} {target}"
    return choose(
        scene, fits=lambda one: (one.execution_id in holders) is not skipped, fitting=words
    )


def _not_visited(
    draft: Draft, choice: Choice, manifest: GraphManifest, target: str, visits: list[Visit]
) -> Draft:
    execution = choice.execution
    draft.say(f"{target} did not run in {choice.words}.", execution.uri)
    sources = list(dict.fromkeys(edge.source for edge in manifest.edges if edge.target == target))
    deciding = {edge.source for edge in manifest.edges if edge.is_conditional}
    past = [lead for source in sources if source in deciding for lead in decisions(visits, source)]
    if past:
        _say(draft, choice, past, visits, f", and not to {target}")
        return draft
    _say_before(draft, choice, manifest, target, sources, visits=visits)
    return draft


def _say_before(
    draft: Draft, choice: Choice, manifest: GraphManifest, target: str, sources: list[str], *,
    visits: list[Visit],
) -> None:  # fmt: skip
    """The way to `target` was never reached: the last decision or the end of it says why."""
    ran = {visit.node for visit in visits}
    missing = [source for source in sources if source not in ran]
    if missing:
        draft.say(
            f"It comes after {listed(label_of(name) for name in missing)}, which did not run either.",
            node_uri(manifest.name, target),
        )
    if choice.execution.status != "completed":
        where = f" in {choice.execution.error_node}" if choice.execution.error_node else ""
        draft.say(
            f"The execution {being(choice.execution)}{where}, before it came that far.",
            choice.execution.uri,
        )
        draft.data["causes"] = [
            {"node": choice.execution.error_node or "", "kind": choice.execution.status}
            | {"effect": exactly(1, "executions"), "confirmed": True}
        ]
        return
    taken = decisions(visits)
    if taken:
        _say(draft, choice, taken, visits, "")


def _no_decision(
    draft: Draft, choice: Choice, source: str | None, target: str | None, visits: list[Visit]
) -> Draft:
    execution = choice.execution
    if target is not None:
        plain = [visit for visit in visits if visit.node == target]
        draft.say(
            f"No decision led to {target} in {choice.words}: plain edges did.",
            *(visit.uri for visit in plain[:4]),
            node_uri(execution.graph_name, target),
        )
        return draft
    who = f"{source} took no decision" if source else "No decision was taken"
    draft.say(f"{who} in {choice.words}.", execution.uri, graph_uri(execution.graph_name, "edges"))
    return draft


def _say(
    draft: Draft, choice: Choice, taken: list[Lead], visits: list[Visit], besides: str
) -> None:
    told = alike(taken, key=lambda lead: _plain(lead_words(lead, visits)))
    for same in told[:DECISIONS_TOLD]:
        lead = same[0]
        target = label_of(str(lead.edge.get("target")))
        refs = [Ref(uri=one.uri or choice.execution.uri, why="the decision") for one in same[:4]]
        for key in lead.edge.get("read") or {}:
            by = writer(visits, key, lead.seq)
            if by is not None:
                refs.append(Ref(uri=by.uri, why=f"the visit that wrote {key}"))
        words = lead_words(lead, visits)
        again = (
            f", and {count(len(same) - 1, 'time')} more for the same reason"
            if len(same) > 1
            else ""
        )
        draft.say(f"It went to {target}{besides}: {words}{again}.", *refs)
    if len(told) > DECISIONS_TOLD:
        draft.admit(f"{sum(map(len, told[DECISIONS_TOLD:]))} more decisions are in the data.")
    draft.data["decisions"] = [_shown(lead, visits) for lead in taken]
    chosen = Counter(_way(lead) for lead in taken)
    draft.data["causes"] = [
        {"node": node, "kind": kind, "label": label, "confirmed": True}
        | {"effect": exactly(number, "decisions")}
        for (node, label, kind), number in chosen.most_common()
    ]


def _plain(words: str) -> str:
    """A reason without the numbers of the visits in it."""
    return re.sub(r"\(visit \d+\)", "", words)


def _way(lead: Lead) -> tuple[str, str, str]:
    target = str(lead.edge.get("target"))
    if lead.is_command:
        return lead.source.node, target, "command"
    return lead.source.node, str(lead.edge.get("label") or target), "branch_decision"


def _shown(lead: Lead, visits: list[Visit]) -> dict[str, Any]:
    wrote = {key: writer(visits, key, lead.seq) for key in lead.edge.get("read") or {}}
    return {
        "node": lead.source.node,
        "visit": lead.source.visit,
        "target": lead.edge.get("target"),
        "label": lead.edge.get("label"),
        "read": lead.edge.get("read"),
        "unread": lead.edge.get("unread"),
        "uri": lead.uri,
        "writers": {key: by.node if by else "input" for key, by in wrote.items()},
    }
