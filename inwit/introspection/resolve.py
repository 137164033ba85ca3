"""What a uri names: the one place where evidence is looked up.

======================================  =======================================================
``execution://{id}/events/{seq}``       one event
``execution://{id}/{topic}``            summary, state, history, metrics, events, checkpoint, node
``graph://{name}/{topic}``              the topics of `app`, and versions, executions, metrics
``graph://{name}/nodes/{node}``         one node
``plan://{id}``                         one plan
``package://{namespace}/{name}``        one package
``platform://{topic}[/{name}]``         the topics of `platform`, and templates, network, project
``prometheus://{expression}@{time}``    a value of the configured Prometheus server
======================================  =======================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

from inwit import events as event_records
from inwit import plans as plan_records
from inwit.errors import InwitError, StoreError, UnknownUriError
from inwit.introspection import (
    app,
    asked_questions,
    error_pages,
    live,
    network,
    plan_rows,
    platform,
    prometheus,
    quotes,
)
from inwit.introspection.claims import count, duration, short
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.views import Execution, RegisteredGraph, quantile_ms

VIEWS = ("summary", "skeleton", "full")
EVENTS_SHOWN = 500
_EVENT = re.compile(r"(?P<id>.+)/events/(?P<seq>[0-9]{1,12})")
_TOPIC = re.compile(r"(?P<id>.+)/(?P<topic>[a-z-]+)")
_NODE = re.compile(r"(?P<graph>[^/]+)/nodes/(?P<node>[^/]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a uri names. The first line of `text` is what evidence quotes."""

    uri: str
    title: str
    text: str
    data: dict[str, Any]

    @property
    def quote(self) -> str:
        """The line that evidence shows."""
        return self.text.partition("\n")[0]


class Resolver:
    """Looks up what uris name, in the record, the registry and the platform."""

    def __init__(self, store: Store, project: Project) -> None:
        self._store = store
        self._project = project
        self._doors: dict[str, Callable[[str], tuple[str, str, dict[str, Any]]]] = {
            "execution": self._execution,
            "graph": self._graph,
            "plan": self._plan,
            "package": self._package,
            "platform": self._platform,
            "peer": _at_peer,
            asked_questions.SCHEME: lambda path: asked_questions.resolved(store, path),
            prometheus.SCHEME: lambda path: prometheus.resolved(project, path),
        }

    def close(self, scheme: str) -> None:
        """Open no uri of a scheme any more: whoever asks here is not to see what it names."""
        self._doors.pop(scheme, None)

    def resolve(self, uri: str, view: str = "summary") -> Resolved:
        """Give what `uri` names; `view` is summary (long values cut), skeleton or full.

        Raises:
            UnknownUriError: It names nothing.
        """
        scheme, colon, path = uri.partition("://")
        door = self._doors.get(scheme)
        if not colon or door is None or not path or len(uri) > 2000:
            raise UnknownUriError(uri, hint=f"Uris begin with {', '.join(self._doors)}, then ://.")
        if view not in VIEWS:
            raise UnknownUriError(uri, hint=f"A view is one of {', '.join(VIEWS)}.")
        try:
            title, text, data = door(path)
        except StoreError:
            raise
        except UnknownUriError as exc:
            raise UnknownUriError(uri, hint=exc.hint) from exc
        except InwitError as exc:
            raise UnknownUriError(uri, hint=str(exc)) from exc
        return Resolved(uri=uri, title=title, text=text, data=_viewed(data, view))

    def _execution(self, path: str) -> tuple[str, str, dict[str, Any]]:
        one = _EVENT.fullmatch(path)
        if one:
            return self._event(self._exact(unquote(one["id"])), int(one["seq"]))
        topic = _TOPIC.fullmatch(path)
        found = self._exact(unquote(topic["id"] if topic else path))
        name = topic["topic"] if topic else "summary"
        if name not in _EXECUTION_TOPICS:
            raise UnknownUriError(path, hint=f"Topics: {', '.join(_EXECUTION_TOPICS)}.")
        data = _EXECUTION_TOPICS[name](self._store, found.execution_id)
        line = quotes.execution(found)
        return f"{name} of execution {found.execution_id}", line, data

    def _exact(self, execution_id: str) -> Execution:
        found = self._store.execution(execution_id)
        if found.execution_id != execution_id:
            raise UnknownUriError(execution_id, hint="A uri takes the whole id.")
        return found

    def _event(self, found: Execution, seq: int) -> tuple[str, str, dict[str, Any]]:
        event = self._store.event(found.execution_id, seq)
        title = f"event {seq} of execution {found.execution_id}"
        return title, quotes.event(event), event_records.to_json(event)

    def _graph(self, path: str) -> tuple[str, str, dict[str, Any]]:
        one = _NODE.fullmatch(path)
        if one:
            graph = self._store.graph(unquote(one["graph"]))
            return _node(graph, unquote(one["node"]))
        name, _, topic = path.partition("/")
        graph = self._store.graph(unquote(name))
        topic = topic or "about"
        if topic in app.TOPICS:
            data = app.TOPICS[topic](graph)
            return f"{topic} of graph {graph.name}", _graph_line(graph, topic, data), data
        return self._graph_record(graph, topic)

    def _graph_record(self, graph: RegisteredGraph, topic: str) -> tuple[str, str, dict[str, Any]]:
        if topic == "versions":
            versions = self._store.graphs(graph.name, all_versions=True)
            data: dict[str, Any] = {
                "versions": [_version(one) for one in versions],
                "total_count": len(versions),
                "edits": [
                    {"node": one.node, "at": one.at} for one in self._store.edits(graph.name)
                ],
            }
            line = f"graph {graph.name} has {count(len(versions), 'version')}"
            return f"versions of graph {graph.name}", line, data
        if topic == "executions":
            data = live.executions(self._store, graph=graph.name)
            line = f"graph {graph.name} has {count(data['total_count'], 'execution')}"
            return f"executions of graph {graph.name}", line, data
        if topic == "metrics":
            data = graph_metrics(self._store, graph.name)
            return f"metrics of graph {graph.name}", _metrics_line(graph.name, data), data
        known = [*app.TOPICS, "versions", "executions", "metrics", "nodes/{node}"]
        raise UnknownUriError(topic, hint=f"Topics: {', '.join(known)}.")

    def _plan(self, path: str) -> tuple[str, str, dict[str, Any]]:
        plan = plan_rows.plan(self._store, path)
        return f"plan {plan.id}", f"{plan.status}: {plan.title}", plan_records.to_json(plan)

    def _package(self, path: str) -> tuple[str, str, dict[str, Any]]:
        data = network.package(self._project, path)
        line = f"{data['id']} {data['version']} ({data['kind']}): {short(data['description'], 160)}"
        return f"package {data['id']}", line, data

    def _platform(self, path: str) -> tuple[str, str, dict[str, Any]]:
        topic, _, name = path.partition("/")
        if topic in platform.TOPICS:
            return _platform_page(topic, unquote(name))
        pages: dict[str, Callable[[], dict[str, Any]]] = {
            "templates": lambda: network.templates(self._project),
            "network": lambda: network.peers(self._project),
            "project": self.project_page,
        }
        if topic not in pages or name:
            known = ", ".join([*platform.TOPICS, *pages])
            raise UnknownUriError(path, hint=f"Topics: {known}.")
        data = pages[topic]()
        return f"platform {topic}", _page_line(topic, data), data

    def project_page(self) -> dict[str, Any]:
        """Describe the project: its graphs and how much of them is recorded."""
        graphs = self._store.graphs()
        total = self._store.executions(limit=1).total_count
        names = [graph.name for graph in graphs]
        return {
            "graphs": names,
            "executions": total,
            "packages": network.package_ids(self._project),
        }


def graph_metrics(store: Store, name: str) -> dict[str, Any]:
    """Figures of a graph over its whole record: executions by status, latency of its nodes."""
    nodes: dict[str, dict[int, int]] = {}
    failed: dict[str, int] = {}
    for one in store.latencies(graph=name):
        counts = nodes.setdefault(one.node, {})
        for index, number in one.counts.items():
            counts[index] = counts.get(index, 0) + number
        failed[one.node] = failed.get(one.node, 0) + one.failed
    whole = nodes.pop("", {})
    total = store.executions(graph=name, limit=1).total_count
    bad = store.executions(graph=name, status="failed", limit=1).total_count
    return {
        "executions": total,
        "failed": bad,
        "active": live.active_count(store, name),
        "latency_ms": _quantiles(whole),
        "nodes": [
            {"node": node, "visits": sum(counts.values()), "failed": failed[node]}
            | {"latency_ms": _quantiles(counts)}
            for node, counts in nodes.items()
        ],
    }


def _quantiles(counts: dict[int, int]) -> dict[str, float | None]:
    return {f"p{int(q * 100)}": quantile_ms(counts, q) for q in (0.5, 0.95, 0.99)}


_EXECUTION_TOPICS: dict[str, Callable[[Store, str], dict[str, Any]]] = {
    "summary": live.execution,
    "state": live.state,
    "history": live.history,
    "metrics": live.metrics,
    "checkpoint": live.checkpoint,
    "node": live.node,
    "events": lambda store, execution_id: {
        "events": [
            event_records.to_json(event) for event in store.events(execution_id, limit=EVENTS_SHOWN)
        ],
        "total_count": store.execution(execution_id).last_seq,
    },
}


def _node(graph: RegisteredGraph, name: str) -> tuple[str, str, dict[str, Any]]:
    data = app.node(graph, name)
    parts = [f"node {name} of {graph.name}"]
    if data["description"]:
        parts.append(short(data["description"], 160))
    parts.append(f"reads {', '.join(data['reads']) or 'nothing that can be seen'}")
    parts.append(f"writes {', '.join(data['writes']) or 'nothing that can be seen'}")
    return f"node {name} of graph {graph.name}", "; ".join(parts), data


def _graph_line(graph: RegisteredGraph, topic: str, data: dict[str, Any]) -> str:
    named = f"graph {graph.name}"
    match topic:
        case "nodes":
            return f"{named} has {count(data['total_count'], 'node')}: " + short(
                ", ".join(node["name"] for node in data["nodes"]), 200
            )
        case "edges":
            return f"{named} has {count(data['total_count'], 'edge')}: " + short(
                ", ".join(
                    f"{app.label_of(edge['from'])}→{app.label_of(edge['to'])}"
                    for edge in data["edges"]
                ),
                300,
            )
        case "state-schema":
            fields = ", ".join(f"{one['name']}: {one['field_type']}" for one in data["fields"])
            return f"{named} has state {data['type_name']}: {short(fields, 300)}"
        case "architecture":
            return f"{named}: " + short(data["execution_flow"].replace("\n", "; "), 300)
        case "tools" | "dependencies" | "features":
            names = ", ".join(one["name"] for one in data[topic])
            return f"{named} has {topic} {short(names, 200) or 'none'}"
        case _:
            about = (
                f": {short(graph.manifest.description, 160)}" if graph.manifest.description else ""
            )
            return f"{named} version {graph.version}{about}"


def _version(graph: RegisteredGraph) -> dict[str, Any]:
    return {
        "version": graph.version,
        "registered_at": graph.registered_at,
        "last_seen_at": graph.last_seen_at,
        "is_current": graph.is_current,
        "nodes": [node.name for node in graph.manifest.nodes],
    }


def _metrics_line(name: str, data: dict[str, Any]) -> str:
    line = f"graph {name}: {count(data['executions'], 'execution')}, {data['failed']} failed"
    middle = data["latency_ms"]["p50"]
    return line if middle is None else f"{line}, median {duration(middle)}"


def _platform_page(topic: str, name: str) -> tuple[str, str, dict[str, Any]]:
    if not name:
        data = platform.TOPICS[topic]()
        names = ", ".join(one["name"] for one in platform.entries(topic))
        line = f"inwit {data['version']}" if topic == "version" else f"{topic}: {short(names, 300)}"
        return f"platform {topic}", line, data
    found = platform.entry(topic, name)
    if found is None:
        known = ", ".join(one["name"] for one in platform.entries(topic)[:20])
        raise UnknownUriError(name, hint=f"Known: {known}.")
    if topic == "errors":
        return _error_page(name, found)
    line = (
        platform.feature_line(found) if topic == "features" else f"{name}: {found['description']}"
    )
    rest = found.get("code") or found.get("doc") or found.get("text") or found["description"]
    return f"platform {topic} {name}", f"{line}\n{rest}", found


def _error_page(code: str, found: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    page = error_pages.page(error_pages.classes()[code])
    said = [f"{one.message} {one.hint}".strip() for one in page.said]
    text = "\n".join([f"{code}: {page.meaning}", *said])
    return f"platform errors {code}", text, found | error_pages.to_json(page)


def _page_line(topic: str, data: dict[str, Any]) -> str:
    if topic == "project":
        graphs = count(len(data["graphs"]), "graph")
        return f"this project has {graphs} and {count(data['executions'], 'execution')} on record"
    if topic == "templates":
        names = ", ".join(one["id"] for one in data["templates"])
        return f"templates: {short(names, 300) or 'none'}"
    host = data["host"]
    here = f"the host of this project is at {host['address']}" if host else "no host runs here"
    listed = short(", ".join(one["name"] for one in data["peers"]), 300)
    return f"peers that are listed: {listed or 'none'}; {here}"


def _at_peer(path: str) -> tuple[str, str, dict[str, Any]]:
    """Say where a peer's evidence is opened: the record that it names is on that host."""
    name, _, uri = path.partition("/")
    raise UnknownUriError(path, hint=f"It is on the record of the peer {name}: open {uri} there.")


def _viewed(data: dict[str, Any], view: str) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(data, str_keys=True, enc_hook=repr)
    if view == "full":
        return plain
    cut = _skeleton if view == "skeleton" else _cut
    return {key: cut(value) for key, value in plain.items()}


def _cut(value: Any) -> Any:
    match value:
        case str():
            return value if len(value) <= 600 else f"{value[:599]}… ({len(value):,} characters)"
        case dict():
            return {key: _cut(one) for key, one in value.items()}
        case list() | tuple():
            return [_cut(one) for one in value]
        case _:
            return value


def _skeleton(value: Any) -> Any:
    match value:
        case dict():
            return {key: _skeleton(one) for key, one in list(value.items())[:50]}
        case list() | tuple():
            return f"{count(len(value), 'item')}"
        case str() if len(value) > 80:
            return f"{len(value):,} characters"
        case _:
            return value
