"""Which nodes fail, are tried again or run most: of the graph that is meant, or of all where none is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.app import label_of
from inwit.introspection.claims import (
    Draft,
    Ref,
    count,
    execution_uri,
    graph_uri,
    listed,
    node_uri,
    times,
)
from inwit.introspection.scene import Scene
from inwit.introspection.which import choose, names_one, thread_of
from inwit.runtime.views import Visit

TOLD: Final = 5
_RUNS: Final = r"(?:executions?|runs?|invocations?|traces?|threads?)\b"
_NODE: Final = r"(?:node|step|stage)s?\b"
_FAILS: Final = r"(?:fail|error|crash|break|raise|go(?:es)? wrong|cause[sd]? (?:\w+ )?(?:trouble|problems|failures|errors))\w*\b"
_SHAKY: Final = r"(?:flakiest|shakiest|weakest|frailest|(?:most|least) (?:unreliable|fragile|flaky|error-prone|brittle|reliable|stable|dependable))"
MOST_FAILED: Final = (
    rf"(?:which|what) {_NODE}.*{_FAILS}.*\b(?:most|least|often|frequent)"
    rf"|(?:which|what) {_NODE}.*\b(?:most|least|often|frequent)\w*\b.*{_FAILS}"
    rf"|{_SHAKY} {_NODE}|{_NODE}.*\b{_SHAKY}|where do (?:we|things|executions|runs|they) (?:fail|break|crash)\w* (?:the )?most"
)
MOST_RETRIED: Final = (
    rf"(?:which|what) {_NODE}.*\b(?:retr(?:y|ies|ied)|(?:tried|tries) again|attempts?)\b.*\b(?:most|often|least|frequent)"
    rf"|(?:which|what) {_NODE}.*\bmost (?:often )?(?:retr(?:y|ies|ied)|attempts|tried again)|most[- ]retried {_NODE}"
)
MOST_VISITED: Final = (
    rf"(?:which|what) {_NODE}.*(?:most often|least often|most frequent|more than once"
    r"|(?:ran|runs?|visited|executed|called|used)\b.*\b(?:the )?(?:most|least)\b)"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """What is counted of one node: its visits, those that failed or were tried again, and how often."""

    graph: str
    node: str
    ran: int
    failed: int
    again: int
    retries: int
    refs: tuple[Ref, ...]


def failing(scene: Scene) -> Draft:
    """Rank nodes by how many of their visits failed, or were tried again."""
    draft, rows = Draft(data={"values": {}, "times": []}), _rows(scene)
    if not rows:
        return nothing_recorded(scene, draft)
    bad = [one for one in rows if one.failed or one.again]
    bad.sort(key=lambda one: (-one.failed, -one.again, one.node, one.graph))
    if not bad:
        _none(scene, draft, "failed", rows)
    for one in bad:
        shown = {"failed": one.failed, "tried_again": one.again, "visits": one.ran}
        draft.data["values"][_name(scene, one)] = shown
    for one in bad[:TOLD]:
        too = f", and was tried again in {one.again}" if one.again else ""
        draft.say(
            f"{_name(scene, one)} failed in {one.failed} of {count(one.ran, 'visit')}{too}.",
            node_uri(one.graph, one.node), graph_uri(one.graph, "metrics"), *one.refs,
        )  # fmt: skip
    return draft


def retried(scene: Scene) -> Draft:
    """Rank nodes by how often they were tried again."""
    draft, rows = Draft(data={"values": {}, "times": []}), _rows(scene)
    if not rows:
        return nothing_recorded(scene, draft)
    again = sorted((one for one in rows if one.retries), key=lambda one: (-one.retries, one.node))
    if not again:
        _none(scene, draft, "was tried again", rows)
    for one in again:
        shown = {"retries": one.retries, "tried_again": one.again, "visits": one.ran}
        draft.data["values"][_name(scene, one)] = shown
    for one in again[:TOLD]:
        draft.say(
            f"{_name(scene, one)} was tried again {times(one.retries)}, in {one.again} of "
            f"{count(one.ran, 'visit')}; {one.failed or 'none'} of its visits failed for good.",
            node_uri(one.graph, one.node), graph_uri(one.graph, "metrics"), *one.refs,
        )  # fmt: skip
    return draft


def visited(scene: Scene) -> Draft:
    """Rank nodes by how often they ran: in one execution, or in all that are recorded."""
    draft = Draft(data={"values": {}, "times": []})
    choice = choose(scene)
    is_one = names_one(scene) or thread_of(scene) or scene.says(rf"(?:last|latest) {_RUNS}")
    if is_one and choice is not None:
        found, where = scene.visits(choice.execution.execution_id), choice.words
        ran = Counter(label_of(visit.node) for visit in found)
        uris = [execution_uri(choice.execution.execution_id, "history")]
    else:
        ran, held = Counter[str](), 0
        for graph in scene.meant_graphs:
            found = scene.recent_visits(graph.name)
            ran.update(_named(scene, visit.node, graph.name) for visit in found)
            held += len({visit.execution_id for visit in found})
        of = listed(graph.name for graph in scene.meant_graphs)
        where = f"the last {count(held, 'execution')} of {of}"
        uris = [graph_uri(graph.name, "metrics") for graph in scene.meant_graphs]
    if not ran:
        return nothing_recorded(scene, draft)
    least = scene.says(r"\w.*least")
    ranked = sorted(ran, key=lambda name: (ran[name] if least else -ran[name], name))
    draft.data["values"] = {name: ran[name] for name in ranked}
    told = listed((f"{name} {times(ran[name])}" for name in ranked), most=TOLD * 2)
    draft.say(f"In {where} there were {count(sum(ran.values()), 'visit')}: {told}.", *uris)
    return draft


def _rows(scene: Scene) -> list[_Row]:
    return [
        _row(graph.name, node, mine)
        for graph in scene.meant_graphs
        for node, mine in _by_node(scene.recent_visits(graph.name)).items()
    ]


def _row(graph: str, node: str, visits: Sequence[Visit]) -> _Row:
    failed = [one for one in visits if one.status == "failed"]
    again = [one for one in visits if one.attempts > 1]
    refs = tuple(Ref(uri=one.uri, why="failed or tried again") for one in (failed or again)[-2:])
    retries = sum(one.attempts - 1 for one in again)
    return _Row(graph, node, len(visits), len(failed), len(again), retries, refs)


def _by_node(visits: Sequence[Visit]) -> dict[str, list[Visit]]:
    found: dict[str, list[Visit]] = {}
    for one in visits:
        found.setdefault(one.node, []).append(one)
    return found


def _name(scene: Scene, row: _Row) -> str:
    return _named(scene, row.node, row.graph)


def _named(scene: Scene, node: str, graph: str) -> str:
    """A node's name; with its graph's where those of several are ranked."""
    return f"{label_of(node)} of {graph}" if len(scene.meant_graphs) > 1 else label_of(node)


def _none(scene: Scene, draft: Draft, what: str, rows: Sequence[_Row]) -> None:
    of = [graph.name for graph in scene.meant_graphs]
    draft.say(
        f"No node of {listed(of, last='or')} {what} in {count(sum(one.ran for one in rows), 'visit')}.",
        *(graph_uri(name, "metrics") for name in of),
    )
