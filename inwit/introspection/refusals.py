"""What is said where a question names what is not there, or is about something else."""

from __future__ import annotations

from inwit.answers import Answer
from inwit.errors import InwitError
from inwit.introspection.analyses import tool_calls
from inwit.introspection.changes import parse
from inwit.introspection.claims import Draft, graph_uri, listed, platform_uri, short
from inwit.introspection.follow_ups import starters
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.which import with_value
from inwit.runtime.capture.prices import priced_models
from inwit.runtime.policies import Limits, NodePolicy, RetryPolicy

GRAPHS_TOLD = 3
_SETTINGS = frozenset(
    {*Limits.__struct_fields__, *NodePolicy.__struct_fields__, *RetryPolicy._fields}
    | {"retry_policy", "cache_policy", "side_effects", "pure", "thread", "circuit_breaker"}
    | {"rate_limit", "thread_id", "execution_id", "graph_name"}
)
"""Words of code that are settings of graphs and nodes, and no names of theirs."""


def outside(scene: Scene) -> Answer:
    """Say that a question is about something else, with some that can be answered."""
    offered = starters(scene)
    text = (
        "That is outside of what inwit knows, which is its own platform, this project's graphs and "
        "their executions, and packages. It can answer: " + " ".join(offered)
    )
    return Answer(
        text=text, level="none", intent="none", follow_ups=offered, levels_tried=("none",)
    )


def named_wrongly(scene: Scene) -> Draft | None:
    """Say which name is unknown, where the question hangs on it."""
    query = scene.query
    names_any = any(
        scene.named(kind) for kind in ("node", "graph", "key", "tool", "exec", "package")
    )
    wrong = [name for name in query.unknown if not _is_of_platform(name)]
    wrong = [name for name in wrong if not _is_recorded(scene, name)]
    if not wrong or names_any or query.level not in ("app", "live") or _of_model(scene):
        return None
    graph = scene.graph_or_none
    draft = Draft()
    if _decided_by(scene, draft):
        return draft
    names = listed(repr(short(name, 60)) for name in wrong)
    if graph is None:
        draft.say(
            f"Nothing here is called {names}; no graph is known yet.", platform_uri("project")
        )
        return draft
    # Whoever names no graph may mean any, so the first few are told, the last compiled one first.
    told = [graph, *(one for one in scene.graphs if one.name != graph.name)][:GRAPHS_TOLD]
    known = "; ".join(
        f"{one.name} has the nodes {listed(node.name for node in one.manifest.nodes)}"
        for one in (told[:1] if scene.scope else told)
    )
    text = f"Nothing in this project is called {names}"
    if query.intent == "why":
        text += f", so no node {names} ever ran"
        draft.data |= {"causes": [], "visits": {}}
    draft.say(f"{text}. {known}.", graph_uri(graph.name, "nodes"))
    return draft


def _is_of_platform(name: str) -> bool:
    """Whether a word that names nothing of the project is a setting's, or a priced model's."""
    return name in _SETTINGS or name.lower() in priced_models()


def _is_recorded(scene: Scene, name: str) -> bool:
    """Whether a word is of an input or an error on record, or a tool that was called."""
    if scene.query.level != "live":
        return False
    said = with_value(scene)
    if (said is not None and name.lower() in said.words) or name in tool_calls.names(scene):
        return True
    failed = scene.store.executions(status="failed", limit=HISTORY).items
    return any(one.error is not None and name in one.error.message for one in failed)


def _of_model(scene: Scene) -> bool:
    """Whether another model is asked for: it may have any name."""
    return scene.query.intent == "whatif" and parse(scene.words, ()).kind == "model"


def _decided_by(scene: Scene, draft: Draft) -> bool:
    """Say what is known of a decision whose function the question names."""
    for graph in scene.graphs:
        edges = [one for one in graph.manifest.edges if one.condition in scene.query.unknown]
        if edges:
            break
    else:
        return False
    reads = dict.fromkeys(key for edge in edges for key in edge.reads)
    ways = listed((f"{e.target} (by {e.label!r})" for e in edges), last="or")
    draft.say(
        f"{edges[0].condition} decides after {listed(dict.fromkeys(e.source for e in edges))} in "
        f"{graph.name}; it reads {listed(reads) or 'nothing that can be seen'} and leads to {ways}.",
        graph_uri(graph.name, "edges"),
    )
    if scene.query.intent == "whatif":
        draft.admit("What another rule would have decided is in no record.")
    return True


def unknown(scene: Scene, error: InwitError) -> Draft:
    """Say that what a question names does not exist."""
    draft = Draft(data={"error": error.code})
    draft.say(str(error), platform_uri("errors", error.code))
    if scene.graph_or_none is not None:
        draft.say(
            f"This project has {listed(one.name for one in scene.graphs)}.", platform_uri("project")
        )
    draft.certainty = 1.0
    return draft
