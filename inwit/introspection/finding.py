"""Full search: graphs and nodes, executions, the platform's pages and packages, by one query."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inwit.errors import MalformedInputError
from inwit.events import Status
from inwit.introspection import pages, quotes
from inwit.introspection.claims import graph_uri, node_uri, short
from inwit.registry.encoder import default_encoder
from inwit.registry.packages import PackageIndex
from inwit.registry.search import Entry, HybridIndex
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.views import Execution

KINDS = ("graph", "node", "execution", "feature", "example", "api", "page", "package")
_kept: dict[str, Any] = {}
_lock = threading.Lock()
LOOKED_AT = 500
"""Executions whose errors and ids are looked through."""
READ_THROUGH = 100
"""The newest of them, whose inputs and outputs are looked through too."""
TEXT_TAKEN = 2_000
"""Characters of an input or output that are looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """One thing that a query found. `score` is in 0..1."""

    uri: str
    title: str
    text: str
    kind: str
    score: float
    why: str


def find(
    store: Store, project: Project, query: str, kind: str | None = None, limit: int = 10
) -> list[SearchHit]:
    """Find what a query names or describes, best first; empty when nothing is near.

    Raises:
        MalformedInputError: There is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise MalformedInputError(
            f"No kind {short(kind, 60)!r}.", hint=f"Kinds: {', '.join(KINDS)}."
        )
    found: list[SearchHit] = []
    if kind in (None, "graph", "node"):
        found += _structure(store, project, query, kind, limit)
    if kind in (None, "execution"):
        found += executions(store, query, limit)
    if kind in (None, "package"):
        found += _packages(project, query, limit)
    if kind in (None, "feature", "example", "api", "page"):
        found += _pages(project, query, kind, limit)
    return sorted(found, key=lambda hit: (-hit.score, hit.uri))[:limit]


def _structure(
    store: Store, project: Project, query: str, kind: str | None, limit: int
) -> list[SearchHit]:
    folder = project.folder / "index" if project.folder.is_dir() else None
    index = _indexed([graph.manifest for graph in store.graphs()], folder)
    titles = {entry.id: entry for entry in index.entries}
    return [
        SearchHit(
            uri=match.id, title=titles[match.id].name, text=short(titles[match.id].text, 200),
            kind=titles[match.id].kind, score=match.score, why=match.why,
        )
        for match in index.search(query, kind=kind, limit=limit)
    ]  # fmt: skip


def _indexed(manifests: list[GraphManifest], folder: Path | None) -> HybridIndex:
    """The index of these versions of graphs; the one that was made last is kept."""
    key = (folder, tuple((one.name, one.version) for one in manifests))
    with _lock:
        if _kept.get("key") != key:
            _kept["key"], _kept["index"] = key, _index(manifests, folder)
        index: HybridIndex = _kept["index"]
        return index


def _index(manifests: list[GraphManifest], folder: Path | None) -> HybridIndex:
    entries = []
    for manifest in manifests:
        nodes = ", ".join(node.name for node in manifest.nodes)
        text = f"{manifest.description} nodes {nodes}"
        entries.append(Entry(graph_uri(manifest.name), manifest.name, text, "graph"))
        for node in manifest.nodes:
            said = (node.description or node.name.replace("_", " ")).rstrip(".")
            parts = [said, f"in {manifest.name}"]
            parts.append(f"reads {', '.join(node.reads)} writes {', '.join(node.writes)}")
            entries.append(
                Entry(node_uri(manifest.name, node.name), node.name, ". ".join(parts), "node")
            )
    return HybridIndex(entries, encoder=default_encoder(), folder=folder)


def executions(
    store: Store, query: str, limit: int, *, graph: str | None = None,
    status: Status | None = None, thread_id: str | None = None,
) -> list[SearchHit]:  # fmt: skip
    """Find executions by the words of their errors, graphs, threads, ids, inputs and outputs.

    Inputs and outputs are read for the newest ones. Without a query all fit.
    """
    asked = _words(query)
    page = store.executions(graph=graph, status=status, thread_id=thread_id, limit=LOOKED_AT)
    found = []
    for number, one in enumerate(page.items):
        text = _text(one) + (_given(store, one) if asked and number < READ_THROUGH else "")
        shared = asked & _words(text)
        if shared or not asked:
            score = 0.7 * len(shared) / len(asked) if asked else 0.7
            why = f"has the words {', '.join(sorted(shared)[:5])}" if asked else one.status
            found.append(
                SearchHit(
                    uri=one.uri, title=f"execution {one.execution_id}", text=quotes.execution(one),
                    kind="execution", score=round(score, 4), why=why,
                )
            )  # fmt: skip
    best = max((hit.score for hit in found), default=0.0)
    return sorted((hit for hit in found if hit.score >= best / 2), key=lambda hit: -hit.score)[
        :limit
    ]


def _words(text: str) -> set[str]:
    """The words of a text, and the parts of names in camel case (GraphRecursionError)."""
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return set(re.findall(r"[^\W_]{2,}", f"{text} {parts}".lower()))


def _given(store: Store, one: Execution) -> str:
    """What an execution was given and what it returned, as text."""
    types = ("execution_started", "execution_completed")
    found = store.events(one.execution_id, types=types)
    said = [getattr(event, "input", None) or getattr(event, "output", None) for event in found]
    return " ".join(short(_values(value), TEXT_TAKEN) for value in said if value is not None)


def _values(value: Any) -> Any:
    """The values without the names of their keys, which all executions of a graph share."""
    if isinstance(value, dict):
        return [_values(one) for one in value.values()]
    return [_values(one) for one in value] if isinstance(value, list) else value


def _text(one: Execution) -> str:
    parts = [
        one.execution_id,
        one.graph_name,
        one.thread_id or "",
        one.reason,
        one.error_node or "",
    ]
    if one.error is not None:
        parts += [one.error.type, one.error.message]
    return " ".join(parts) + " "


def _packages(project: Project, query: str, limit: int) -> list[SearchHit]:
    return [
        SearchHit(
            uri=match.package.source, title=match.package.id, text=match.package.description,
            kind="package", score=match.score, why=match.why,
        )
        for match in PackageIndex.of(project).search(query, limit=limit)
    ]  # fmt: skip


def _pages(project: Project, query: str, kind: str | None, limit: int) -> list[SearchHit]:
    found = []
    for match in pages.find(project, query, kind=kind, limit=limit):
        entry = pages.entry(project, match.id)
        found.append(
            SearchHit(
                uri=match.id, title=entry.name, text=short(entry.text, 200), kind=entry.kind,
                score=match.score, why=match.why,
            )
        )  # fmt: skip
    return found
