"""What the project's graphs are made of: nodes, edges, paths, keys, tools, versions."""

from __future__ import annotations

import re
from collections.abc import Callable

from inwit.introspection import app, network
from inwit.introspection.analyses import (
    comparing,
    figures,
    graphs_alike,
    node_facts,
    unused,
    whatis_node,
    whatis_platform,
)
from inwit.introspection.app import label_of
from inwit.introspection.claims import (
    Draft,
    Ref,
    count,
    graph_uri,
    listed,
    node_uri,
    platform_uri,
    quoted,
    short,
)
from inwit.introspection.scene import Scene
from inwit.runtime.describe import COMMAND
from inwit.runtime.manifest import EdgeFacts, FieldFacts, NodeFacts
from inwit.runtime.program import START
from inwit.runtime.views import RegisteredGraph

NODES_TOLD = 6
"""Nodes of a graph that are named where it says nothing of itself."""
_PROJECT = (
    r"(?:overview|summary|tour|about|describe|summari[sz]e)\b.*\bproject\b|project\b.*\babout\b"
)
RUN = re.compile(
    r"^\W*(?:how (?:do|can|should) (?:i|we|you)|how to|can you|could you|please) "
    r"(?:run|invoke|execute|start|call)\b",
    re.IGNORECASE,
)
"""How a graph is run, or that it should be."""
_COMPARES = r"diff|compar|versus|vs\b|share|in common|have in|unlike"
_SCHEMA = r"schema|state|fields?\b|keys?\b|variables?\b|channels?\b|inputs?\b|outputs?\b|(?:takes?|expects?|accepts?|returns?|produces?)\b"
_VERSIONS = r"versions?\b|changed|history"
_MERGES = r"reduc|merg"
_EDGES = r"edges?\b|connections?|transitions?|links?\b|routes?\b|branch|decision"
_DRAW = r"draw|mermaid|diagram|picture|visuali[sz]|structure|architecture|shape|look like|flow\b|overview"
_ENDS = r"entry|start|begin|end\b|ends\b|finish|terminal|exit|last node|first node|(?:comes?|is|are|runs?|goes) (?:the )?(?:very )?(?:last|first)"
_DEPENDS = r"dep(?:s|endenc)|librar|import|distributions?|requirements?"
_PACKAGES = r"packages?\b"
_DECIDES = r"(?:who|what|which (?:node|step)s?)\b.*\b(?:decid|choos|route|pick|select|branch)\w*|decision points?"
_BESIDE = r"(?:parallel|at the same time|concurrent\w*|simultaneous\w*|side by side)"
_NODES = r"nodes?\b|steps?\b|stages?\b"
_LOOPS = r"loop|cycl|dead (?:code|end|node)|unreachable|parallel"
_GRAPHS = r"graphs?\b|workflows?|pipelines?|agents?\b|apps?\b|projects?"
_FEATURES = r"features?\b|enabled|switched|turned|checkpoint|retries|capabilit"


def answer(scene: Scene) -> Draft:
    """Answer a question of structure from the manifests."""
    draft = Draft()
    figure = figures.asked(scene) if scene.query.level == "app" else None
    if figure is not None:
        return figure
    if scene.says(r"(?:node|edge) (?:types|kinds)|(?:types|kinds) of (?:node|edge)s?"):
        return whatis_platform.answer(scene)
    if scene.says(_PACKAGES):
        return _packages(scene, draft)
    graph = scene.graph
    if graph is None:
        draft.data["graphs"] = []
        draft.say(
            "This project has no graph yet: compiling one registers it.", platform_uri("project")
        )
        return draft
    graphs = scene.named("graph")
    if len(graphs) > 1 and scene.says(_COMPARES):
        return comparing.of_graphs(scene, graphs[0], graphs[1])
    if not scene.nodes and (kind := node_facts.asked(scene)) is not None:
        return kind
    if len(scene.nodes) > 1 and (told := whatis_node.of_several(scene, graph, draft)) is not None:
        return told
    if scene.named("key"):
        return _say_elsewhere(scene, graph, _key(scene, graph, draft))
    if scene.node is not None:
        return whatis_node.of_one(scene, graph, draft, scene.node)
    if scene.named("node"):
        known = [node.name for node in graph.manifest.nodes]
        draft.say(
            f"{graph.name} has no node {scene.named('node')[0]!r}; it has {listed(known)}.",
            graph_uri(graph.name, "nodes"),
        )
        return draft
    return _graph(scene, graph, draft)


def _graph(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    asks_all = scene.says(
        r"(?:what|which|list|show|all|my|how many)\b.*(?:graphs|workflows|pipelines)"
    )
    if scene.says(r"which graphs?\b") and (told := graphs_alike.answer(scene, draft)) is not None:
        return told
    if (asks_all or scene.says(_PROJECT)) and not scene.named("graph"):
        return _graphs(scene, draft)
    if RUN.search(scene.words):
        return _how_to_run(graph, draft)
    if scene.says(_VERSIONS):
        return _versions(scene, graph, draft)
    if scene.says(unused.ASKED):
        return unused.answer(scene, graph, draft)
    if scene.says(_BESIDE):
        return unused.beside(scene, graph, draft)
    known: tuple[tuple[str, Callable[[RegisteredGraph, Draft], Draft]], ...] = (
        (_DECIDES, _deciders), (whatis_node.TOOLS, _tools), (_DEPENDS, _dependencies), (_EDGES, _edges),
        (_LOOPS, _loops), (_ENDS, _ends), (_DRAW, _architecture), (_SCHEMA, _schema),
        (_NODES, _nodes), (_FEATURES, _features),
    )  # fmt: skip
    for said, tell in known:
        if scene.says(said):
            return tell(graph, draft)
    if not scene.named("graph") and (scene.says(_GRAPHS) or len(scene.graphs) > 1):
        return _graphs(scene, draft)
    return _architecture(graph, draft)


def _graphs(scene: Scene, draft: Draft) -> Draft:
    found = scene.graphs
    draft.data["graphs"] = [
        {"name": one.name, "version": one.version, "nodes": len(one.manifest.nodes)}
        for one in found
    ]
    draft.say(
        f"{count(len(found), 'graph')}: {listed((one.name for one in found), most=30)}.",
        *(Ref(uri=graph_uri(one.name), why="registered here") for one in found[:12]),
    )
    for one in found[:8]:
        draft.say(
            f"{one.name} has {count(len(one.manifest.nodes), 'node')}, version {one.version}"
            f"{_about(one)}.",
            graph_uri(one.name, "nodes"),
        )
    return draft


def _about(graph: RegisteredGraph) -> str:
    """What a graph says of itself; without a word of its own, what its first nodes say."""
    if graph.manifest.description:
        return f": {quoted(graph.manifest.description, 140)}"
    nodes = graph.manifest.nodes[:NODES_TOLD]
    told = [
        f"{node.name} ({quoted(node.description, 70)})" if node.description else node.name
        for node in nodes
    ]
    more = len(graph.manifest.nodes) - len(nodes)
    return f": {listed(told)}{f' and {more} more' if more else ''}" if told else ""


def _architecture(graph: RegisteredGraph, draft: Draft) -> Draft:
    facts = app.architecture(graph)
    shape = facts["graph"]
    draft.data |= facts | {"name": graph.name, "version": graph.version}
    uri = graph_uri(graph.name, "architecture")
    decides = listed(shape["decision_points"])
    loops = " It can loop." if shape["has_cycles"] else ""
    side = " Some nodes run in parallel." if shape["has_parallel_paths"] else ""
    decided = f", deciding at {decides}" if decides else ""
    draft.say(
        f"{graph.name} has {count(shape['node_count'], 'node')} and "
        f"{count(shape['edge_count'], 'edge')}{decided}.{loops}{side}",
        uri,
    )
    flow = facts["execution_flow"].replace("\n", "; ")
    draft.say(f"Its flow: {short(flow, 900)}.", uri)
    source = graph.manifest.source
    if source is not None:
        at = graph_uri(graph.name, "implementation")
        draft.say(f"It is compiled in {source.file}, line {source.line}.", at)
    return draft


def _how_to_run(graph: RegisteredGraph, draft: Draft) -> Draft:
    """Say the ways by which a graph is run, and what it takes."""
    source = graph.manifest.source
    file = f"inwit run {source.file}" if source is not None else "inwit run FILE:GRAPH"
    draft.say(
        f"{graph.name} runs at a terminal by `{file} --input '{{…}}'`, in Python by its invoke, and "
        "for clients by `run_graph`, where the server was started with --allow-write.",
        platform_uri("cli", "run"),
    )
    return _schema(graph, draft)


def _nodes(graph: RegisteredGraph, draft: Draft) -> Draft:
    facts = app.nodes(graph)
    draft.data |= facts
    told = [
        f"{one['name']}" + (f" ({quoted(one['description'], 70)})" if one["description"] else "")
        for one in facts["nodes"]
    ]
    draft.say(
        f"{graph.name} has {count(len(told), 'node')}: {listed(told, most=30)}.",
        graph_uri(graph.name, "nodes"),
    )
    return draft


def _edges(graph: RegisteredGraph, draft: Draft) -> Draft:
    facts = app.edges(graph)
    draft.data |= facts
    told = listed((_edge_words(edge) for edge in graph.manifest.edges), most=40)
    draft.say(
        f"{graph.name} has {count(facts['total_count'], 'edge')}, {facts['conditional_count']} of them "
        f"conditional: {told}.",
        graph_uri(graph.name, "edges"),
    )
    return draft


def _deciders(graph: RegisteredGraph, draft: Draft) -> Draft:
    """Name where the way on is decided, by what, and between which nodes."""
    uri = graph_uri(graph.name, "edges")
    draft.data["decision_points"] = list(graph.manifest.decision_points)
    for name in graph.manifest.decision_points:
        taken = [e for e in graph.manifest.edges if e.is_conditional and e.source == name]
        rules = listed(dict.fromkeys(e.condition or "a decision" for e in taken))
        by = "its own Command" if rules == COMMAND else rules
        reads = listed(dict.fromkeys(key for e in taken for key in e.reads))
        ways = listed(dict.fromkeys(label_of(e.target) for e in taken), last="or")
        draft.say(
            f"After {label_of(name)} {by} decides{', by ' + reads if reads else ''}: {ways}.", uri
        )
    if not graph.manifest.decision_points:
        draft.say(f"No decision is taken in {graph.name}: its edges are all plain.", uri)
    hidden = [one.name for one in graph.manifest.nodes if not one.ways_known]
    if hidden:
        draft.admit(f"{listed(hidden)} may command where to go on, which no annotation declares.")
    return draft


def _edge_words(edge: EdgeFacts) -> str:
    words = f"{label_of(edge.source)} → {label_of(edge.target)}"
    if not edge.is_conditional:
        return words
    if edge.condition == COMMAND:
        return f"{words} (by its Command)"
    return f"{words} (if {edge.condition or 'a decision'} gives {edge.label!r})"


def _ends(graph: RegisteredGraph, draft: Draft) -> Draft:
    manifest = graph.manifest
    draft.data |= {
        "entry_points": list(manifest.entry_points),
        "terminal_nodes": list(manifest.terminal_nodes),
    }
    draft.say(
        f"{graph.name} begins at {listed(manifest.entry_points) or 'no node'} and can end after "
        f"{listed(manifest.terminal_nodes, last='or') or 'no node'}.",
        graph_uri(graph.name, "architecture"),
    )
    return draft


def _loops(graph: RegisteredGraph, draft: Draft) -> Draft:
    manifest = graph.manifest
    reached = _reached(graph)
    dead = [node.name for node in manifest.nodes if node.name not in reached]
    parallel = [edge for edge in manifest.edges if edge.is_parallel]
    draft.data |= {
        "has_cycles": manifest.has_cycles,
        "has_parallel_paths": manifest.has_parallel_paths,
        "unreachable": dead,
    }
    inside = [node.name for node in manifest.nodes if node.name in _reached(graph, node.name)]
    around = f" through {listed(inside)}" if inside else ""
    loops = f"has a loop{around}" if manifest.has_cycles else "has no loop"
    side = listed(_edge_words(edge) for edge in parallel)
    sides = f", parallel edges {side}" if parallel else ", no parallel edges"
    left = f"; {listed(dead)} cannot be reached" if dead else "; every node can be reached"
    draft.say(f"{graph.name} {loops}{sides}{left}.", graph_uri(graph.name, "architecture"))
    return draft


def _reached(graph: RegisteredGraph, after: str | None = None) -> set[str]:
    """The nodes that can be reached: from the start, or along the edges after a node."""
    entries = [START, *graph.manifest.entry_points]
    ways = [edge.target for edge in graph.manifest.edges if edge.source == after]
    reached, waiting = set[str](), entries if after is None else ways
    while waiting:
        at = waiting.pop()
        if at not in reached:
            reached.add(at)
            waiting += [edge.target for edge in graph.manifest.edges if edge.source == at]
    return reached


def _schema(graph: RegisteredGraph, draft: Draft) -> Draft:
    facts = app.state_schema(graph)
    draft.data |= facts
    told = [
        f"{one['name']}: {one['field_type']}"
        + (f" (reducer {one['reducer']})" if one["reducer"] else "")
        for one in facts["fields"]
    ]
    draft.say(
        f"The state of {graph.name} is {facts['type_name']} with {listed(told, most=40)}.",
        graph_uri(graph.name, "state-schema"),
    )
    return draft


def _tools(graph: RegisteredGraph, draft: Draft) -> Draft:
    facts = app.tools(graph)
    draft.data |= facts
    told = [f"{one['name']} (in {listed(one['nodes'])})" for one in facts["tools"]]
    draft.say(
        f"{graph.name} calls {listed(told, most=30)}."
        if told
        else f"No node of {graph.name} names a tool.",
        graph_uri(graph.name, "tools"),
    )
    return draft


def _dependencies(graph: RegisteredGraph, draft: Draft) -> Draft:
    facts = app.dependencies(graph)
    draft.data |= facts
    told = [f"{one['name']} {one['version'] or ''}".strip() for one in facts["dependencies"]]
    draft.say(
        f"{graph.name} is written in {listed(told, most=30)}."
        if told
        else f"{graph.name} names no dependency.",
        graph_uri(graph.name, "dependencies"),
    )
    return draft


def _features(graph: RegisteredGraph, draft: Draft) -> Draft:
    facts = app.features(graph)
    draft.data |= facts
    on = [one["name"] for one in facts["features"] if one["enabled"]]
    off = [one["name"] for one in facts["features"] if not one["enabled"]]
    left = f"; {listed(off)} {'is' if len(off) == 1 else 'are'} off" if off else ""
    draft.say(
        f"{graph.name} has {listed(on) or 'nothing'} on{left}.", graph_uri(graph.name, "features")
    )
    return draft


def _versions(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    found = scene.store.graphs(graph.name, all_versions=True)
    found = sorted(found, key=lambda one: one.registered_at)
    uri = graph_uri(graph.name, "versions")
    draft.data["versions"] = [
        {"version": one.version, "registered_at": one.registered_at, "is_current": one.is_current}
        for one in found
    ]
    draft.say(
        f"{graph.name} has {count(len(found), 'version')}; current is {graph.version}, registered "
        f"{graph.registered_at}.",
        uri,
    )
    if len(found) > 1:
        draft.say(_changes(found[-2], found[-1]), uri)
    return draft


def _changes(old: RegisteredGraph, new: RegisteredGraph) -> str:
    before = {node.name: node for node in old.manifest.nodes}
    after = {node.name: node for node in new.manifest.nodes}
    parts = []
    if after.keys() - before.keys():
        parts.append(f"added {listed(sorted(after.keys() - before.keys()))}")
    if before.keys() - after.keys():
        parts.append(f"removed {listed(sorted(before.keys() - after.keys()))}")
    changed = [
        name for name in before.keys() & after.keys() if before[name].version != after[name].version
    ]
    if changed:
        parts.append(f"changed the code of {listed(sorted(changed))}")
    ways = {(e.source, e.target, e.label) for e in new.manifest.edges}
    ways ^= {(e.source, e.target, e.label) for e in old.manifest.edges}
    if ways:
        told = (f"{label_of(one[0])} → {label_of(one[1])}" for one in sorted(ways))
        parts.append(f"changed the edges {listed(told)}")
    return f"From {old.version} to {new.version} it {'; '.join(parts) or 'changed its state only'}."


def _key(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    key = scene.named("key")[0]
    manifest = graph.manifest
    facts = next((one for one in manifest.fields if one.name == key), None)
    writers = [node for node in manifest.nodes if key in node.writes]
    readers = [node for node in manifest.nodes if key in node.reads]
    routers = [edge for edge in manifest.edges if key in edge.reads]
    draft.data |= {
        "key": key,
        "writers": [node.name for node in writers],
        "readers": [node.name for node in readers],
        "routers": list(dict.fromkeys(edge.source for edge in routers)),
        "field_type": facts.field_type if facts else None,
    }
    asks_writes, asks_reads = scene.says(whatis_node.WRITES), scene.says(whatis_node.READS)
    if facts is not None and scene.says(_MERGES) and not (asks_writes or asks_reads):
        _say_merged(draft, graph, key, facts)
        return draft
    if asks_writes or not asks_reads:
        _say_users(draft, graph, key, writers, "write")
    if asks_reads or not asks_writes:
        _say_users(draft, graph, key, readers, "read")
        for edge in dict.fromkeys((edge.source, edge.condition) for edge in routers):
            draft.say(
                f"The decision {edge[1]} after {edge[0]} reads {key}.".replace("  ", " "),
                Ref(uri=graph_uri(graph.name, "edges"), why="a decision that reads it"),
            )
    if facts is not None and scene.says(_MERGES):
        _say_merged(draft, graph, key, facts)
    elif facts is not None and not (asks_writes or asks_reads):
        merged = f" with reducer {facts.reducer}" if facts.reducer else ""
        draft.say(f"{key} is a {facts.field_type}{merged}.", graph_uri(graph.name, "state-schema"))
    _say_unknown(draft, graph, asks_reads and not asks_writes)
    return draft


def _say_merged(draft: Draft, graph: RegisteredGraph, key: str, facts: FieldFacts) -> None:
    merged = (
        f"with reducer {facts.reducer}"
        if facts.reducer
        else "without a reducer: the last value that is written stays"
    )
    draft.say(f"{key} is a {facts.field_type} {merged}.", graph_uri(graph.name, "state-schema"))


def _say_elsewhere(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    """Name the other graphs that have the key too, where the question names no graph."""
    key = draft.data["key"]
    others = [
        one.name
        for one in scene.graphs
        if one.name != graph.name and any(field.name == key for field in one.manifest.fields)
    ]
    if others and not scene.named("graph"):
        draft.say(
            f"That is {graph.name}; {listed(others)} {'has' if len(others) == 1 else 'have'} "
            f"{key} too.",
            *(graph_uri(name, "state-schema") for name in others[:4]),
        )
    return draft


def _say_users(
    draft: Draft, graph: RegisteredGraph, key: str, users: list[NodeFacts], verb: str
) -> None:
    names = [node.name for node in users]
    if not names:
        draft.say(
            f"No node of {graph.name} is seen to {verb} {key}.", graph_uri(graph.name, "nodes")
        )
        return
    form = f"{verb}s" if len(names) == 1 else verb
    draft.say(
        f"{listed(names)} {form} {key}.",
        *(Ref(uri=node_uri(graph.name, name), why=f"{verb}s {key}") for name in names),
    )


def _say_unknown(draft: Draft, graph: RegisteredGraph, is_reading: bool) -> None:
    hidden = [
        node.name
        for node in graph.manifest.nodes
        if not (node.reads_known if is_reading else node.writes_known)
    ]
    if hidden:
        draft.admit(
            f"What {listed(hidden)} {'reads' if is_reading else 'writes'} cannot be seen in full in "
            f"the source."
        )


def _packages(scene: Scene, draft: Draft) -> Draft:
    ids = network.package_ids(scene.project)
    draft.data["packages"] = ids
    draft.say(
        f"This project can see {count(len(ids), 'package')}{': ' + listed(ids, most=30) if ids else ''}.",
        *(f"package://{one}" for one in ids[:8]),
        platform_uri("project"),
    )
    return draft
