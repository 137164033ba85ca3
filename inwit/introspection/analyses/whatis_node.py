"""What one node of a graph is, or what several are to each other: by the manifest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from inwit.introspection import app
from inwit.introspection.analyses import node_facts
from inwit.introspection.app import label_of
from inwit.introspection.claims import Draft, graph_uri, listed, node_uri, quoted, times
from inwit.introspection.independence import paths_between, runs_beside
from inwit.introspection.scene import HISTORY, Scene
from inwit.runtime.describe import COMMAND
from inwit.runtime.manifest import EdgeFacts
from inwit.runtime.program import END
from inwit.runtime.views import RegisteredGraph, Visit

WRITES = r"writ|wrote\b|sets?\b|set by|produc|fill|updat|chang|modif|assign|come from|comes from|puts?\b|creat"
READS = r"read|use[sd]?\b|consum|need|depend|take"
TOOLS = r"tools?\b|functions?\b|may call|can call|invoke"
_AFTER = (
    r"after|follow|next|then\b|lead|leads? to|goes? to|go to|downstream|successor|once\b|outgoing"
)
_BEFORE = r"before|feed|precede|preceding|upstream|predecessor|into\b|prior|incoming|comes? in"
_BETWEEN = r"between|from .* to"
_REACHES = (
    r"(?:can|could|may|does|do|will|is there|are there)\b.*\b(?:reach|lead|(?:get|go|come|return)s? (?:back )?(?:to|from)"
    r"|way|path|route)\b"
)
_DECIDES = r"(?:decid|choos|chose|route|pick|select|switch)\w*"
SEVERAL = 3
"""Nodes that one answer describes, where a question names several."""
_BESIDE = r"parallel|same time|concurrent|simultaneous|alongside|beside"
_WAITED_FOR = r"(?:what|who|which \w+) waits? (?:for|on)\b"
_FAILING = r"what happens (?:if|when)\b"
_WAITS = r"waits? for|wait on|waiting for|blocks? on"


def of_one(scene: Scene, graph: RegisteredGraph, draft: Draft, name: str) -> Draft:
    """Describe a node, or what of it is asked: what is before, after or beside it, what it uses."""
    facts = app.node(graph, name)
    uri = node_uri(graph.name, name)
    draft.data |= facts | {"graph": graph.name}
    after = [edge for edge in graph.manifest.edges if edge.source == name]
    before = [edge for edge in graph.manifest.edges if edge.target == name]
    draft.data["next"] = list(dict.fromkeys(label_of(edge.target) for edge in after))
    draft.data["previous"] = list(dict.fromkeys(label_of(edge.source) for edge in before))
    asked = False
    if scene.says(_BESIDE):
        _say_beside(draft, graph, name)
        return draft
    if scene.says(
        r"(?:which|what)\b(?: nodes?| steps?| else)?.*\b(?:depends?|rel(?:y|ies)|builds?) (?:up)?on\b|(?:which|what) (?:nodes?|steps?|else)\b.*\b(?:depend|rel(?:y|ies)|build)"
    ):
        return _dependents(draft, graph, name)
    policy = node_facts.of_node(scene, graph, app.node_facts(graph.manifest, name))
    if policy is not None:
        return policy
    if scene.says(_REACHES) and scene.says(r".*\b(?:itself|again|back)\b"):
        return _reaching(scene, graph, draft)
    if scene.says(_WAITED_FOR):
        joined = listed(label_of(edge.target) for edge in after if edge.joins) or "no join"
        draft.say(
            f"{joined} waits for {name}; after it comes {_ways(after, lambda one: one.target)}.",
            uri,
        )
        return draft
    if scene.says(_FAILING):
        return failing(scene, graph, draft, name)
    if scene.says(_WAITS):
        joins = " to have all ended" if any(edge.joins for edge in before) else ""
        draft.say(f"{name} waits for {_ways(before, lambda one: one.source)}{joins}.", uri)
        return draft
    if scene.says(_BEFORE):
        draft.say(f"Before {name} comes {_ways(before, lambda one: one.source)}.", uri)
        asked = True
    if scene.says(_AFTER):
        _say_after(scene, draft, graph, name, after)
        asked = True
    if scene.says(TOOLS):
        tools = listed(facts["tools"]) or "no tool"
        draft.say(f"{name} names {tools} in its source.", uri)
        asked = True
    if not asked and scene.says(rf"{WRITES}|{READS}"):
        draft.say(f"{name} {_data_words(facts)}.", uri)
        asked = True
    if not asked:
        _say_node(draft, graph, facts, before, after)
    return draft


def failing(scene: Scene, graph: RegisteredGraph, draft: Draft, name: str) -> Draft:
    """Say what follows when a node fails: further attempts, what takes over, or the end."""
    facts = app.node_facts(graph.manifest, name)
    uri, policies = node_uri(graph.name, name), facts.policies
    retried = next((one.enabled for one in graph.manifest.features if one.name == "retries"), False)
    attempts = policies.get("max_attempts")
    if attempts:
        draft.say(f"{name} is called up to {times(int(attempts))} by its own retry policy.", uri)
    elif policies.get("side_effects"):
        draft.say(f"{name} is declared to have side effects, so it is not tried again.", uri)
    elif retried:
        draft.say(
            f"{name} has no retry policy of its own: lost connections, time-outs, 429 and 5xx are tried "
            "again, up to 3 calls in all.",
            uri, graph_uri(graph.name, "features"),
        )  # fmt: skip
    relief = policies.get("error_handler") or policies.get("fallback")
    then = (
        f"{relief} takes over"
        if relief
        else "the execution fails, and its thread keeps what was done"
    )
    draft.say(f"When its last attempt fails, {then}.", uri)
    visits = scene.store.recent_visits(graph.name, node=name, executions=HISTORY)
    bad = [one for one in visits if one.status == "failed"]
    held = len({one.execution_id for one in visits})
    if visits:
        draft.say(
            f"On record it failed for good in {len({one.execution_id for one in bad})} of "
            f"{held} executions.",
            graph_uri(graph.name, "executions"), *(one.uri for one in bad[-2:]),
        )  # fmt: skip
    return draft


def _say_after(
    scene: Scene, draft: Draft, graph: RegisteredGraph, name: str, after: list[EdgeFacts]
) -> None:
    """Say what the edges lead to, and where a node's commands went on record, if nothing declares that."""
    facts = graph.manifest.node(name)
    uri = node_uri(graph.name, name)
    if facts is None or facts.ways_known:
        draft.say(f"After {name} comes {_ways(after, lambda one: one.target)}.", uri)
        return
    visits = scene.store.recent_visits(graph.name, node=name, executions=HISTORY)
    went = Counter(label_of(target) for visit in visits for target in _went(visit))
    draft.data["next"] = list(dict.fromkeys([*went, *draft.data["next"]]))
    if went:
        told = listed(f"{target} {times(number)}" for target, number in went.most_common())
        draft.say(f"After {name} came {told} on record.", *(one.uri for one in visits[-3:]), uri)
    else:
        draft.say(f"After {name} comes {_ways(after, lambda one: one.target)} by its edges.", uri)
    draft.admit(f"{name} commands its way on, and no annotation says where it may lead.")


def _went(visit: Visit) -> list[str]:
    """Where a visit led to: the end counts where nothing else was commanded."""
    targets = [str(edge.get("target")) for edge in visit.edges]
    return [one for one in targets if one != END] or targets


def _dependents(draft: Draft, graph: RegisteredGraph, name: str) -> Draft:
    """Name what reads the keys that a node writes, and what follows it."""
    facts = app.node_facts(graph.manifest, name)
    edges = graph.manifest.edges
    readers = [
        one.name
        for one in graph.manifest.nodes
        if one.name != name and set(one.reads) & set(facts.writes)
    ]
    rules = [edge.source for edge in edges if set(edge.reads) & set(facts.writes)]
    draft.data |= {"readers": readers, "deciders": list(dict.fromkeys(rules))}
    wrote = listed(facts.writes) or "nothing that can be seen"
    read = f"{listed(readers)} {'reads' if len(readers) == 1 else 'read'} it" if readers else ""
    decide = f"the decision after {listed(dict.fromkeys(rules))} reads it" if rules else ""
    told = listed(part for part in (read, decide) if part) or "no node or decision reads it"
    draft.say(f"{name} writes {wrote}; {told}.", node_uri(graph.name, name))
    after = [edge for edge in edges if edge.source == name]
    draft.say(
        f"After {name} comes {_ways(after, lambda one: one.target)}.",
        graph_uri(graph.name, "edges"),
    )
    return draft


def _say_beside(draft: Draft, graph: RegisteredGraph, name: str) -> None:
    """Name the nodes that may run while a node does: neither leads to the other within a round."""
    beside = [
        other.name
        for other in graph.manifest.nodes
        if other.name != name and runs_beside(graph.manifest, name, other.name)
    ]
    draft.data |= {"beside": beside}
    told = (
        f"{listed(beside)} can run at the same time as {name}"
        if beside
        else (f"No node runs at the same time as {name}")
    )
    draft.say(f"{told}.", graph_uri(graph.name, "edges"))


def _ways(edges: list[EdgeFacts], end: Callable[[EdgeFacts], str]) -> str:
    told = []
    for edge in edges:
        how = (
            ""
            if not edge.is_conditional
            else " (by its Command)"
            if edge.condition == COMMAND
            else f" (if {edge.condition or 'a decision'} gives {edge.label!r})"
        )
        told.append(f"{label_of(end(edge))}{how}")
    joined = "or" if any(edge.is_conditional for edge in edges) else "and"
    return listed(dict.fromkeys(told), last=joined) or "nothing"


def _data_words(facts: dict[str, object]) -> str:
    reads, writes = facts["reads"], facts["writes"]
    read = listed(reads) if isinstance(reads, list) else ""
    wrote = listed(writes) if isinstance(writes, list) else ""
    return f"reads {read or 'nothing that can be seen'} and writes {wrote or 'nothing that can be seen'}"


def _say_node(
    draft: Draft, graph: RegisteredGraph, facts: dict[str, object], before: list[EdgeFacts],
    after: list[EdgeFacts],
) -> None:  # fmt: skip
    name = str(facts["name"])
    uri = node_uri(graph.name, name)
    about = f": {quoted(str(facts['description']), 300)}" if facts["description"] else ""
    article = "an" if str(facts["node_type"])[:1] in "aeiou" else "a"
    runs = f" that runs {facts['graph']}" if facts["graph"] else ""
    draft.say(f"{name} is {article} {facts['node_type']} of {graph.name}{runs}{about}.", uri)
    draft.say(f"It {_data_words(facts)}.", uri)
    first, last = _ways(before, lambda one: one.source), _ways(after, lambda one: one.target)
    draft.say(f"It comes after {first} and before {last}.", uri)
    if isinstance(facts["policies"], dict) and facts["policies"]:
        told = listed(f"{key}={value}" for key, value in facts["policies"].items())
        draft.say(f"It declares {told}.", uri)
    source = facts["source"]
    if isinstance(source, dict):
        draft.say(f"It is written in {source['file']}, line {source['line']}.", uri)


def _between(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    first, last = scene.nodes[:2]
    found = paths_between(graph.manifest, first, last)
    ordered = _in_flow(graph, first, found)
    draft.data |= {"from": first, "to": last, "between": ordered}
    told = listed(ordered) if ordered else "nothing: one leads to the other, or not at all"
    draft.say(f"Between {first} and {last} is {told}.", graph_uri(graph.name, "edges"))
    return draft


def of_several(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft | None:
    """Answer what is asked of two nodes together, or of each of several; None where it is of one."""
    if scene.says(_REACHES):
        return _reaching(scene, graph, draft)
    if scene.says(_DECIDES):
        return _deciding(scene, graph, draft)
    if re.search(
        r"^\W*(?:can|could|may|does|do|will|might)\b.*\b(?:before|after)\b", scene.plain_words
    ):
        return _ordering(scene, graph, draft)
    if scene.says(_BETWEEN):
        return _between(scene, graph, draft)
    if scene.named("key") or scene.says(rf"{_BESIDE}|{_WAITS}"):
        return None
    told = {}
    for name in scene.nodes[:SEVERAL]:
        of_one(scene, graph, draft, name)
        told[name] = dict(draft.data)
    draft.data["nodes"] = told
    first, second = scene.nodes[:2]
    if runs_beside(graph.manifest, first, second):
        draft.say(f"{first} and {second} can run at the same time.", graph_uri(graph.name, "edges"))
    return draft


def _reaching(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    """Say whether the edges lead from one node to another, and by which way."""
    first, last = scene.nodes[0], scene.nodes[:2][-1]
    seen = _seen_ways(scene, graph)
    ways: dict[str, list[str]] = {}
    waiting = [[first]]
    while waiting:
        way = waiting.pop(0)
        edges = [edge.target for edge in graph.manifest.edges if edge.source == way[-1]]
        for target in seen.get(way[-1], edges):
            if target not in ways:
                ways[target] = [*way, target]
                waiting.append(ways[target])
    path = ways.get(last, [])
    draft.data |= {"from": first, "to": last, "reached": bool(path), "path": path}
    others = listed(label_of(name) for name in ways) or "nothing"
    text = (
        f"Yes: {' → '.join(path)}."
        if path
        else f"No: from {first} the edges lead to {others} alone."
    )
    draft.say(text, graph_uri(graph.name, "edges"))
    hidden = list(dict.fromkeys(name for name in (first, *ways) if name in seen))
    if hidden:
        draft.admit(f"Where {listed(hidden)} may command to go is declared nowhere; what was taken "
                    "on record counts here.")  # fmt: skip
    return draft


def _seen_ways(scene: Scene, graph: RegisteredGraph) -> dict[str, list[str]]:
    """Where the nodes led on record whose commands are declared nowhere."""
    found: dict[str, list[str]] = {}
    for facts in graph.manifest.nodes:
        if not facts.ways_known:
            visits = scene.store.recent_visits(graph.name, node=facts.name, executions=HISTORY)
            went = dict.fromkeys(target for visit in visits for target in _went(visit))
            if went:
                found[facts.name] = list(went)
    return found


def _ordering(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    """Say whether one node can run before, or after, another, by what the edges lead to."""
    asked, other = scene.nodes[:2]
    first, last = (asked, other) if scene.says(r".*\bbefore\b") else (other, asked)
    seen = _seen_ways(scene, graph)
    leads, returns = _leads(graph, seen, first, last), _leads(graph, seen, last, first)
    draft.data |= {"first": first, "last": last, "possible": leads or not returns}
    uri = graph_uri(graph.name, "edges")
    if leads:
        again = f"; {last} can also come before {first}, by a loop" if returns else ""
        draft.say(f"Yes: the edges lead from {first} to {last}{again}.", uri)
    elif returns:
        draft.say(f"No: the edges lead from {last} to {first}, and not back.", uri)
    else:
        draft.say(
            f"Neither of {first} and {last} leads to the other: they may run in any order.", uri
        )
    return draft


def _leads(graph: RegisteredGraph, ways: dict[str, list[str]], first: str, last: str) -> bool:
    seen, waiting = set[str](), [first]
    while waiting:
        at = waiting.pop()
        edges = [edge.target for edge in graph.manifest.edges if edge.source == at]
        for target in ways.get(at, edges):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return last in seen


def _deciding(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    """Name the nodes after which a decision chooses between the named ones."""
    first, second = scene.nodes[:2]
    taken = [edge for edge in graph.manifest.edges if edge.is_conditional]
    to = {name: {edge.source for edge in taken if edge.target == name} for name in (first, second)}
    both = [node.name for node in graph.manifest.nodes if node.name in to[first] & to[second]]
    draft.data |= {"between": [first, second], "deciders": both}
    rules = dict.fromkeys(e.condition for e in taken if e.source in both and e.condition)
    by = f", by {listed(rules)}" if rules else ""
    who = listed(both) or f"No node of {graph.name}"
    verb = "decide" if len(both) > 1 else "decides"
    draft.say(f"{who} {verb} between {first} and {second}{by}.", graph_uri(graph.name, "edges"))
    return draft


def _in_flow(graph: RegisteredGraph, first: str, found: set[str]) -> list[str]:
    """The found nodes in the order in which the edges lead to them."""
    ordered, waiting, seen = [], [first], set[str]()
    while waiting:
        at = waiting.pop(0)
        if at in seen:
            continue
        seen.add(at)
        if at in found:
            ordered.append(at)
        waiting += [edge.target for edge in graph.manifest.edges if edge.source == at]
    return ordered
