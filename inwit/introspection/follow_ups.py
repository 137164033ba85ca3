"""Questions that can be answered in this project, built from its own names and record."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inwit.answers import Intent, Level
from inwit.introspection import network
from inwit.introspection.router.words import word_set
from inwit.introspection.scene import Scene
from inwit.runtime.views import RegisteredGraph

HOW_MANY = 3
Offer = tuple[Level, Intent, str]


def follow_ups(scene: Scene) -> tuple[str, ...]:
    """Three questions near the one that was asked, the same level and other intents first."""
    query = scene.query
    asked = _content(query.text)
    offers = [one for one in offers_of(scene) if not _content(one[2]) <= asked]
    ranked = sorted(
        offers,
        key=lambda one: (one[0] != query.level, (one[0], one[1]) == (query.level, query.intent)),
    )
    chosen: list[str] = []
    intents = set[tuple[str, str]]()
    for level, intent, text in ranked:
        if (level, intent) not in intents and text not in chosen:
            intents.add((level, intent))
            chosen.append(text)
    return tuple(chosen[:HOW_MANY])


_SAYS_NOTHING = word_set(
    """
    a an the of in for to is are was were do does did what which how why when who i my me there come
    comes happen happens exist exists next last execution executions
    """
)


def _content(question: str) -> frozenset[str]:
    """The words of a question by which it differs from others."""
    return frozenset(re.findall(r"\w+", question.lower())) - _SAYS_NOTHING


def starters(scene: Scene) -> tuple[str, ...]:
    """Three questions of different levels, for somebody who asked for something else."""
    chosen: dict[str, str] = {}
    for level, _, text in offers_of(scene):
        chosen.setdefault(level, text)
    order = [chosen[level] for level in ("live", "app", "platform", "network") if level in chosen]
    extra = [text for _, _, text in offers_of(scene) if text not in order]
    return tuple([*order, *extra][:HOW_MANY])


def offers_of(scene: Scene) -> Iterator[Offer]:
    """Every question that can be offered, each of which this project can answer."""
    graph = scene.graph_or_none
    if graph is not None:
        if scene.store.last_execution(graph=graph.name) is not None:
            yield from _of_record(scene, graph)
        yield from _of_graph(scene, graph)
    yield "platform", "whatis", "Is checkpointing on by default?"
    yield "platform", "howto", "How do I add a conditional edge?"
    if network.package_ids(scene.project):
        yield "network", "search", "What packages exist for RAG?"
    yield "network", "whatis", "Which hosts are near?"


def _of_record(scene: Scene, graph: RegisteredGraph) -> Iterator[Offer]:
    if scene.store.last_execution(graph=graph.name, status="failed") is not None:
        yield "live", "why", f"Why did the last execution of {graph.name} fail?"
        yield "live", "when", f"When did {graph.name} fail?"
    else:
        yield "live", "why", f"Why did the last execution of {graph.name} take so long?"
    yield "live", "state", "What is running now?"
    if scene.store.last_execution(graph=graph.name, status="completed") is not None:
        yield "live", "howcan", f"How can I make {graph.name} faster?"
        node = scene.node or (graph.manifest.nodes[0].name if graph.manifest.nodes else None)
        if node is not None:
            yield "live", "whatif", f"What if {node} were twice as fast?"
            yield "live", "when", f"How long does {node} usually take?"
    yield "live", "ami", f"Is {graph.name} performing well?"


def _of_graph(scene: Scene, graph: RegisteredGraph) -> Iterator[Offer]:
    manifest = graph.manifest
    node = scene.node or (manifest.nodes[0].name if manifest.nodes else None)
    if node is not None:
        yield "app", "whatis", f"What comes after {node}?"
    written = [key for one in manifest.nodes for key in one.writes]
    if written:
        yield "app", "whatis", f"Which nodes write {written[0]}?"
    yield "app", "whatis", "What graphs do I have?"
