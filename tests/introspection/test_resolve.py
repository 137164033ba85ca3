"""A uri names one thing, and a made-up one nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from inwit import StateGraph
from inwit.errors import UnknownUriError
from inwit.introspection.claims import graph_uri, node_uri
from tests.introspection.planting import Loop, asked, introspector, looping, plan


@pytest.mark.parametrize(
    "topic", ["summary", "state", "history", "metrics", "events", "checkpoint", "node"]
)
def test_every_topic_of_an_execution_resolves(project: Path, topic: str) -> None:
    app = looping()
    app.invoke(asked())

    found = introspector().resolve(f"execution://{app.last_execution_id}/{topic}")

    assert found.data and found.text and found.title


@pytest.mark.parametrize(
    "topic",
    ["about", "capabilities", "architecture", "implementation", "nodes", "edges", "dependencies",
     "features", "tools", "state-schema", "versions", "executions", "metrics", "nodes/search"],
)  # fmt: skip
def test_every_topic_of_a_graph_resolves(project: Path, topic: str) -> None:
    looping()

    found = introspector().resolve(f"graph://finder/{topic}")

    assert found.data and "finder" in found.text


@pytest.mark.parametrize(
    "uri",
    ["platform://version", "platform://features", "platform://features/retries", "platform://node-types",
     "platform://edge-types", "platform://states", "platform://errors/graph.unknown", "platform://api/StateGraph",
     "platform://examples/first_graph", "platform://templates", "platform://network", "platform://project",
     "platform://cli/ask", "package://inwit/rag"],
)  # fmt: skip
def test_platform_and_packages_resolve(project: Path, uri: str) -> None:
    assert introspector().resolve(uri).data


@pytest.mark.parametrize(
    "uri",
    ["", "nonsense", "execution://", "execution://dead/events/1", "execution://{id}/events/999999",
     "execution://{id}/wormhole", "execution://{short}/summary", "execution://../../etc/passwd",
     "graph://nowhere/about", "graph://finder/wormhole", "graph://finder/nodes/nobody", "plan://none",
     "package://inwit/wormhole", "package://rag", "platform://wormhole", "platform://features/wormhole",
     "platform://network/x", "file:///etc/passwd", "execution://a/b/../c/summary"],
)  # fmt: skip
def test_a_made_up_uri_names_nothing(project: Path, uri: str) -> None:
    app = looping()
    app.invoke(asked())
    made = str(app.last_execution_id)

    with pytest.raises(UnknownUriError):
        introspector().resolve(uri.replace("{id}", made).replace("{short}", made[:8]))


def test_a_made_up_event_is_named_once_and_the_graph_s_topics_are_told(project: Path) -> None:
    app = looping()
    app.invoke(asked())

    with pytest.raises(UnknownUriError) as no_event:
        introspector().resolve(f"execution://{app.last_execution_id}/events/999")
    with pytest.raises(UnknownUriError) as no_topic:
        introspector().resolve("graph://finder/shape")

    assert str(no_event.value).count("names nothing") == 1
    assert no_topic.value.hint.startswith("Topics: about")


def test_events_resolve_to_what_happened(project: Path) -> None:
    app = looping()
    app.invoke(asked())
    resolver = introspector()
    last = resolver.resolve(f"execution://{app.last_execution_id}/metrics").data
    whole = resolver.resolve(f"execution://{app.last_execution_id}/events", "full").data

    one = resolver.resolve(f"execution://{app.last_execution_id}/events/1").data

    assert last["node_visits"] == 8
    assert whole["total_count"] == len(whole["events"])
    assert one["type"] == "execution_started" and one == whole["events"][0]


def test_names_with_odd_letters_are_written_into_uris_and_read_back(project: Path) -> None:
    graph = StateGraph(Loop)
    for name in ("naïve plan", "50% off", "план"):
        graph.add_node(name, plan)
    graph.add_edge("naïve plan", "50% off")
    graph.add_edge("50% off", "план")
    graph.set_entry_point("naïve plan")
    graph.set_finish_point("план")
    graph.compile(name="größe")

    for name in ("naïve plan", "50% off", "план"):
        found = introspector().resolve(node_uri("größe", name))
        assert found.data["name"] == name
    assert introspector().resolve(graph_uri("größe", "nodes")).data["total_count"] == 3


def test_views_cut_what_is_long(project: Path) -> None:
    app = looping()
    app.invoke(asked("x" * 3000))
    uri = f"execution://{app.last_execution_id}/state"
    resolver = introspector()

    whole = resolver.resolve(uri, "full").data["state"]["query"]
    cut = resolver.resolve(uri, "summary").data["state"]["query"]
    bones = resolver.resolve(uri, "skeleton").data["state"]["query"]

    assert len(whole) == 3000 and len(cut) < 700 and len(bones) < 80


def test_search_finds_nodes_executions_pages_and_packages(project: Path) -> None:
    app = looping()
    with pytest.raises(ValueError, match="boom"):
        app.invoke(asked("boom"))
    finder = introspector()

    assert finder.search("judge")[0].uri == "graph://finder/nodes/judge"
    assert finder.search("words for boom", kind="execution")[0].uri == (
        f"execution://{app.last_execution_id}/summary"
    )
    assert (
        finder.search("checkpointing", kind="feature")[0].uri == "platform://features/checkpointing"
    )
    assert (
        finder.search("retrieval augmented generation", kind="package")[0].uri
        == "package://inwit/rag"
    )
    assert finder.search("zzqx wvut", kind="node") == []


def test_what_a_peer_showed_is_opened_at_that_peer(project: Path) -> None:
    with pytest.raises(UnknownUriError) as refused:
        introspector().resolve("peer://berlin/graph://finder/about")

    assert "record of the peer berlin: open graph://finder/about there" in str(refused.value.hint)


def test_the_network_names_the_peers_that_are_listed(project: Path) -> None:
    found = introspector().resolve("platform://network")

    assert found.quote.startswith("peers that are listed: none;")
