"""Which nodes have a policy, run a graph, call a model or ask a person: by the manifest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from inwit.introspection.analyses import model_calls
from inwit.introspection.analyses.why_cost import Spent
from inwit.introspection.claims import Draft, Ref, graph_uri, listed, node_uri, times
from inwit.introspection.scene import Scene
from inwit.runtime.manifest import NodeFacts
from inwit.runtime.views import RegisteredGraph

_NODES = r"(?:nodes?|steps?|stages?)\b"
_ASKED = re.compile(
    rf"^(?:\W|and |so )*(?:which|what|list|show|name|how many|are there|is there|does|do|has|have)\b"
    rf".*\b{_NODES}|^who\b(?!.*\bdid\b)|^does\s+(?:it\s+|the graph\s+)?(?:ever\s+)?(?:retry|cache)\b|^does\b.*\b(?:use|call|ask|need)s?\b.*\b(?:models?|llms?|person|human|sub-?graphs?)\b"
)
_POLICY_WORDS: tuple[tuple[str, str, str], ...] = (
    ("cache", r"cach|memoi[sz]", "a cache"),
    (
        "max_attempts",
        r"retr(?:y|ies)|(?:nodes?|steps?) (?:is|are) retried|tried again|try again",
        "a retry policy of its own",
    ),
    ("timeout_s", r"time-?\s?outs?|time limit", "a time-out of its own"),
    ("fallback", r"fall-?\s?backs?", "a fallback"),
    ("error_handler", r"error handlers?|handle errors", "an error handler"),
    ("circuit_breaker", r"circuit|breakers?", "a circuit breaker"),
    ("rate_limit", r"rate.?limit|throttl", "a rate limit"),
    ("max_concurrency", r"concurrency", "a limit of calls at once"),
    ("side_effects", r"side.?effects?", "side effects"),
    ("thread", r"in (?:a )?threads?\b", "a thread of its own"),
    ("validation", r"validat(?:ed|es|ion) (?:their|its|the)? ?(?:output|result|update)", "checks"),
)
_PERSON = (
    r"(?:ask|talk|wait|interrupt|paus|need|approv|review)\w*\b.*\b(?:person|human|people|user"
    r"|somebody|someone|approval|input|me\b|us\b)|interrupt|human.in.the.loop"
)
_SUBGRAPH = r"sub-?\s?graphs?|(?:run|are|is|call|hold|contain)s? (?:an?)?other graphs?|nested graph|graphs? (?:with)?in"
_ASYNC = r"async|coroutine"
_MODEL = r"(?:call|us(?:e|ing)|ask|need|talk|rel(?:y|ies) on|depend|involv|prompt|run|quer(?:y|ies))\w*\b.*\b(?:llm|(?:language )?model|gpt|claude|ai)(?:s|'s)?\b|\b(?:llm|model)[- ](?:call|powered|based|driven|backed)\w*"
MODELS = "a model call"
_WITHOUT = r".*\b(?:without|no (?:model|llm)|never|(?:do|does|did|are|is)(?: not|n['’]t))\b"
_NO_POLICY = r"\b(?:was|were|did|got|failed|fail|error|often|took|slow\w*|last|times)\b"


def asked(scene: Scene) -> Draft | None:
    """Answer which nodes are of a kind, of all graphs where none is meant; None where no kind is asked for."""
    words = scene.plain_words
    if not is_asked(words):
        return None
    for test, title in _kinds(words):
        return of_models(scene) if title == MODELS else _tell(_graphs(scene), test, title)
    return None


def of_models(scene: Scene) -> Draft:
    """Tell which nodes call models: by the record, which sees calls of any library, and by the source."""
    graphs, node = scene.meant_graphs, scene.node
    draft = Draft(data={"nodes": [], "graph": graphs[0].name, "asked_for": MODELS})
    tell = _say_others if node is None and scene.says(_WITHOUT) else _say_callers
    for graph in graphs:
        tell(draft, graph, model_calls.callers(scene, graph.name), node)
    if not draft.claims:
        of = listed((one.name for one in graphs), last="or")
        who = f"{node} of {of} has no" if node else f"No node of {of} has a"
        draft.say(
            f"{who} model call, by its source and by what is recorded.",
            *(graph_uri(one.name, "nodes") for one in graphs),
        )
    return draft


def _say_others(
    draft: Draft, graph: RegisteredGraph, called: dict[str, Spent], _: str | None
) -> None:
    """Say which nodes of a graph call no model."""
    others = [one.name for one in graph.manifest.nodes
              if one.name not in called and not _calling(one, "llm")]  # fmt: skip
    draft.data["nodes"] += others
    draft.say(
        f"{listed(others, most=30) or 'No node'} of {graph.name} {'has' if len(others) < 2 else 'have'} no model "
        "call, by the source and by what is recorded."
        if others
        else f"Every node of {graph.name} has a model call.",
        graph_uri(graph.name, "nodes"),
    )


def _say_callers(
    draft: Draft, graph: RegisteredGraph, called: dict[str, Spent], node: str | None
) -> None:
    """Say what a graph's nodes called, the one that called most first, and which only may."""
    of_graph = f" of {graph.name}"
    for name, used in sorted(called.items(), key=lambda pair: -pair[1].calls):
        if node in (None, name):
            draft.data["nodes"].append(name)
            draft.say(
                f"{name}{of_graph} called {listed(used.models)} {times(used.calls)} in the last "
                f"executions on record: {used.tokens:,} tokens, {used.money}.",
                node_uri(graph.name, name), used.uri,
            )  # fmt: skip
    for facts in graph.manifest.nodes:
        if facts.name not in called and node in (None, facts.name) and _calling(facts, "llm"):
            draft.data["nodes"].append(facts.name)
            draft.say(
                f"{facts.name}{of_graph} has a model call by ctx.llm in its source, and none on "
                "record.",
                node_uri(graph.name, facts.name),
            )


def of_node(scene: Scene, graph: RegisteredGraph, node: NodeFacts) -> Draft | None:
    """Answer whether a node has a policy, or calls models; None where the question names neither."""
    if asks_for_models(scene):
        return of_models(scene)
    words = re.sub(r"\bretried\b", "retry", scene.plain_words)
    asked_for = [row for row in _POLICY_WORDS if re.search(rf"\b(?:{row[1]})", words)]
    if not asked_for or re.search(_NO_POLICY, scene.plain_words):
        return None
    name, _, title = asked_for[0]
    told = _policy(node, name)
    uri = node_uri(graph.name, node.name)
    draft = Draft(data={"node": node.name, "policies": node.policies, "graph": graph.name})
    if told is not None:
        draft.say(f"{node.name} has {title}: {told}.", uri)
        return draft
    draft.say(f"{node.name} declares no {_bare(title)}.", uri)
    if name == "max_attempts" and node.policies.get("side_effects"):
        draft.say(
            "It is declared to have side effects, so by default it is never tried again.", uri
        )
        return draft
    feature = {"max_attempts": "retries", "timeout_s": "limits"}.get(name)
    for one in graph.manifest.features:
        if one.name == feature and one.enabled:
            draft.say(
                f"What holds for all nodes: {one.description}", graph_uri(graph.name, "features")
            )
    return draft


def _bare(title: str) -> str:
    return title.removeprefix("a ").removeprefix("an ").removesuffix(" of its own")


def asks_for_models(scene: Scene) -> bool:
    """Whether a question is for what calls models."""
    return scene.says(_MODEL) and not scene.says(rf".*{_NO_POLICY}")


def is_asked(words: str) -> bool:
    """Whether a question asks which nodes are of a kind that a manifest tells."""
    plain = words.lower()
    if _ASKED.search(plain) is None or re.search(_NO_POLICY, plain):
        return False
    return next(iter(_kinds(plain)), None) is not None


Test = Callable[[NodeFacts], "str | None"]


def _kinds(words: str) -> Iterable[tuple[Test, str]]:
    """What is asked for: how a node is tested (it gives words about the node), and its name."""
    if re.search(rf"\b(?:{_PERSON})", words):
        yield _person, "a question to a person"
    if re.search(rf"\b(?:{_SUBGRAPH})", words):
        yield (lambda node: f"runs {node.graph}" if node.graph else None), "a graph within"
    if re.search(rf"\b(?:{_MODEL})", words):
        yield partial(_calling, name="llm"), MODELS
    for name, said, title in _POLICY_WORDS:
        if re.search(rf"\b(?:{said})", words):
            yield partial(_policy, name=name), title
    if re.search(r"\b(?:writ|return|chang|giv)\w* nothing", words):
        yield _silent, "an empty update, as far as can be seen"
    if re.search(
        r"\b(?:no|without|lack\w*|missing) (?:an? |any )?(?:description|docstring)", words
    ):
        yield (lambda node: None if node.description else "undescribed"), "a missing description"
    if re.search(rf"\b(?:{_ASYNC})", words):
        yield (lambda node: "async" if node.is_async else None), "a coroutine function"


def _person(node: NodeFacts) -> str | None:
    return _calling(node, "interrupt") or _calling(node, "approval_node")


def _silent(node: NodeFacts) -> str | None:
    return "writes nothing" if node.writes_known and not node.writes else None


def _calling(node: NodeFacts, name: str) -> str | None:
    calls = any(call.rpartition(".")[2] == name for call in node.calls)
    return f"calls {name}" if calls else None


def _policy(node: NodeFacts, name: str) -> str | None:
    if name not in node.policies:
        return None
    return f"{name}={_shown(node.policies[name])}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{key}={one}" for key, one in value.items() if one is not None)
        return inner or "yes"
    return "yes" if value is True else str(value)


def _graphs(scene: Scene) -> list[RegisteredGraph]:
    graph = scene.graph
    return [graph] if graph is not None and scene.scope else scene.graphs


def _tell(graphs: Sequence[RegisteredGraph], test: Test, title: str) -> Draft:
    draft = Draft(data={"nodes": [], "graph": graphs[0].name, "asked_for": title})
    for graph in graphs:
        found = {node.name: told for node in graph.manifest.nodes if (told := test(node))}
        if found:
            draft.data["nodes"] += found
            named = listed(f"{name} ({told})" for name, told in found.items())
            draft.say(
                f"{named} of {graph.name} {'has' if len(found) == 1 else 'have'} {title}.",
                *(Ref(uri=node_uri(graph.name, name), why=told) for name, told in found.items()),
            )
    if not draft.claims:
        of = listed((one.name for one in graphs), last="or")
        uris = [graph_uri(one.name, "nodes") for one in graphs]
        draft.say(f"No node of {of} has {title}, by its manifest.", *uris)
    return draft
