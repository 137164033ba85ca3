"""What of a graph does nothing: by its structure, and by what never happened on record."""

from __future__ import annotations

from collections import Counter

from inwit.introspection.app import label_of
from inwit.introspection.claims import Draft, Ref, count, graph_uri, listed, node_uri
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.schedule import Schedule, build
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.program import END, START
from inwit.runtime.views import RegisteredGraph, Visit

GRAPHS = 12
"""How many graphs are looked through where none is meant."""
ASKED = (
    r"(?:(?:nobody|no ?one|nothing|none of \w+|no (?:node|edge|step|execution|run)) (?:ever )?(?:reach|uses?\b|reads?\b|calls?\b|visit|leads to)\w*|dead\b|unused|un-?reachable|unreached|never (?:be(?:en)? |get |gets )?(?:used|read|written|run|ran|reached"
    r"|taken|visited|executed|called)|not used|superfluous|useless|redundant)"
)


def answer(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    """Name nodes that nothing leads to or that never ran, ways never taken, and keys nobody reads.

    Where no graph is meant, of every graph of the project.
    """
    if scene.scope is not None or len(scene.graphs) == 1:
        return _of_one(scene, graph, draft)
    draft.data["graphs"] = {}
    for one in scene.graphs[:GRAPHS]:
        found = _of_one(scene, one, Draft())
        draft.data["graphs"][one.name] = found.data
        draft.claims += found.claims
    return draft


def _of_one(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    manifest = graph.manifest
    visits = scene.store.recent_visits(graph.name, executions=HISTORY)
    number = len({one.execution_id for one in visits})
    about_keys = scene.says(r".*\b(?:keys?|fields?|state|variables?|read|written)\b")
    about_ways = scene.says(r".*\b(?:edges?|branch\w*|ways?|routes?|taken)\b")
    about_nodes = scene.says(r".*\b(?:nodes?|steps?|run|ran|visited|executed|reach\w*)\b")
    asks_all = not (about_keys or about_ways or about_nodes)
    draft.data |= {"executions": number}
    if about_nodes or asks_all:
        _nodes(draft, graph, visits, number)
    if (about_ways or asks_all) and number:
        _ways(draft, graph, visits, number)
    if about_keys or asks_all:
        _keys(draft, graph)
    hidden = [one.name for one in manifest.nodes if not one.reads_known]
    if hidden and (about_keys or asks_all):
        draft.admit(f"What {listed(hidden)} read cannot be seen in full in the source.")
    return draft


def _nodes(draft: Draft, graph: RegisteredGraph, visits: list[Visit], number: int) -> None:
    reached = _reached(graph.manifest)
    apart = [one.name for one in graph.manifest.nodes if one.name not in reached]
    ran = {one.node for one in visits}
    idle = [one.name for one in graph.manifest.nodes if one.name not in ran | set(apart)]
    draft.data |= {"unreachable": apart, "never_run": idle if number else []}
    uri = graph_uri(graph.name, "edges")
    commands = any(not one.ways_known for one in graph.manifest.nodes)
    how = "No edge leads to" if commands else "Nothing can reach"
    draft.say(
        f"{how} {listed(apart)}." if apart else f"Every node of {graph.name} can be reached.", uri
    )
    if not number:
        draft.admit(f"No execution of {graph.name} is on record, so what never runs is not known.")
    elif idle:
        verb = "has" if len(idle) == 1 else "have"
        draft.say(
            f"{listed(idle)} {verb} never run in the last {count(number, 'execution')}.",
            *(node_uri(graph.name, name) for name in idle[:6]),
            graph_uri(graph.name, "executions"),
        )
    else:
        draft.say(
            f"Every node of {graph.name} ran in the last {count(number, 'execution')}.",
            graph_uri(graph.name, "executions"),
        )


def _reached(manifest: GraphManifest) -> set[str]:
    seen, waiting = set[str](), [START, *manifest.entry_points]
    while waiting:
        at = waiting.pop()
        if at not in seen:
            seen.add(at)
            waiting += [edge.target for edge in manifest.edges if edge.source == at]
    return seen


def _ways(draft: Draft, graph: RegisteredGraph, visits: list[Visit], number: int) -> None:
    taken = Counter((one.node, str(edge.get("target"))) for one in visits for edge in one.edges)
    known = dict.fromkeys(
        (edge.source, edge.target) for edge in graph.manifest.edges if edge.is_conditional
    )
    never = [way for way in known if way[0] != START and not taken[way]]
    draft.data["never_taken"] = [list(way) for way in never]
    if never:
        told = listed(f"{label_of(one)} → {label_of(two)}" for one, two in never)
        draft.say(
            f"Never taken in the last {count(number, 'execution')}: {told}.",
            graph_uri(graph.name, "edges"),
            graph_uri(graph.name, "executions"),
        )


def _keys(draft: Draft, graph: RegisteredGraph) -> None:
    manifest = graph.manifest
    read = {key for node in manifest.nodes for key in node.reads}
    read |= {key for edge in manifest.edges for key in edge.reads}
    written = {key for node in manifest.nodes for key in node.writes}
    unread = [field.name for field in manifest.fields if field.name not in read]
    ends = [key for key in unread if key in written]
    idle = [key for key in unread if key not in written]
    draft.data |= {"never_read": unread, "neither": idle}
    refs = [Ref(uri=graph_uri(graph.name, "state-schema"), why="the state's keys"),
            Ref(uri=graph_uri(graph.name, "nodes"), why="what nodes read and write")]  # fmt: skip
    if ends:
        verb = "is" if len(ends) == 1 else "are"
        draft.say(f"{listed(ends)} {verb} written and read by no node or decision: a result, or unused.",
                  *refs)  # fmt: skip
    if idle:
        verb = "is" if len(idle) == 1 else "are"
        draft.say(f"{listed(idle)} {verb} neither read nor written by what can be seen.", *refs)
    if not unread:
        draft.say(f"Every key of {graph.name} is read by a node or a decision.", *refs)


def beside(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    """Name what runs at the same time: by parallel edges, and on record, by branches of one step."""
    edges: dict[str, list[str]] = {}
    for edge in graph.manifest.edges:
        if edge.is_parallel and not edge.is_conditional and edge.target != END:
            edges.setdefault(edge.source, []).append(edge.target)
    forks = {name: ends for name, ends in edges.items() if len(ends) > 1}
    draft.data["parallel"] = [sorted(ends) for ends in forks.values()]
    for name, ends in forks.items():
        draft.say(f"After {label_of(name)}, {listed(ends)} run at the same time.",
                  graph_uri(graph.name, "edges"))  # fmt: skip
    seen = _seen_beside(scene, graph)
    draft.data["seen"] = {name: most for name, (most, _) in seen.items()}
    for name, (most, uri) in seen.items():
        draft.say(f"Up to {most} visits of {name} ran in one step.", uri)
    if not forks and not seen:
        draft.say(f"Nothing of {graph.name} runs at the same time.", graph_uri(graph.name, "edges"))
    return draft


def _seen_beside(scene: Scene, graph: RegisteredGraph) -> dict[str, tuple[int, str]]:
    """The nodes of which several visits were led to together, with how many and where."""
    found: dict[str, tuple[int, str]] = {}
    for one, visits in scene.history(graph.name, graph.version, most=50):
        for name, most in _steps(build(one, visits)).items():
            if most > max(found.get(name, (1, ""))[0], 1):
                found[name] = most, f"execution://{one.execution_id}/history"
    return found


def _steps(shape: Schedule) -> dict[str, int]:
    steps = Counter(
        (tuple(sorted(i for i in task.follows if i != task.waited)), task.visit.node)
        for task in shape.tasks
    )
    found: dict[str, int] = {}
    for (_, node), number in steps.items():
        found[node] = max(found.get(node, 0), number)
    return found
