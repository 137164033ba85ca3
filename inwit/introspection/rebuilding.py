"""A graph as it would be with a change: its nodes' policies, its edges, or its configuration."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from inwit.introspection.changes import Change
from inwit.runtime.caching import CachePolicy, InMemoryCache
from inwit.runtime.compiled import CompiledGraph
from inwit.runtime.context import Context
from inwit.runtime.graph import StateGraph, Written
from inwit.runtime.options import Options
from inwit.runtime.policies import NO_RETRY, NodePolicy
from inwit.runtime.policies.retry import as_policies
from inwit.runtime.program import END, Router

PLAYED = NodePolicy(retry=NO_RETRY)
"""The policy of a node that gives what is recorded: it is called once."""
_UNTRIED = {
    "faster": "how fast a node is lies in its code, which a trial cannot write",
    "model": "models are never called by a trial",
    "uncached": "what a cache holds is not on trial",
    "reliable": "failures cannot be wished away",
    "load": "executions are tried one by one",
    "route": "a way is decided by the graph's own code",
    "visits": "when a loop ends is decided by the graph's own code",
    "unknown": "no change was understood",
}
Edge = tuple[tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A graph with a change."""

    builder: StateGraph[Any]
    policies: dict[str, dict[str, Any]]
    """What changes of the policy of a node."""
    options: Options
    config: dict[str, Any] = field(default_factory=dict)

    def written(self, name: str, node: Written) -> Written:
        """A node with its changed policy."""
        change = self.policies.get(name)
        if not change:
            return node
        policy = node.policy.over(self.builder.policy_defaults)
        return msgspec.structs.replace(node, policy=msgspec.structs.replace(policy, **change))


def why_not(app: CompiledGraph[Any], change: Change, impure: Sequence[str]) -> str:
    """Why a change cannot be tried; empty where it can."""
    if change.kind in _UNTRIED:
        return _UNTRIED[change.kind]
    run = set() if change.kind == "removed" else set(change.nodes)
    if hidden := sorted(run & set(impure)):
        verb = "is" if len(hidden) == 1 else "are"
        return f"{' and '.join(hidden)} {verb} not declared pure, so a trial does not run it"
    if change.kind == "concurrency" and change.nodes:
        return "executions are tried one by one, and a limit of a node shows in several at once"
    if change.kind == "retries" and len(impure) == len(app.builder.nodes):
        return "no node is declared pure, so a trial runs none"
    if change.kind in ("parallel", "removed"):
        return _why_no_edges(app.builder, change)
    return ""


def rebuilt(app: CompiledGraph[Any], change: Change) -> Rebuilt:
    """The graph with a change that `why_not` has nothing against."""
    builder, options = copy.copy(app.builder), app.options
    chosen = change.nodes or tuple(builder.nodes)
    match change.kind:
        case "cached":
            options = msgspec.structs.replace(options, cache=InMemoryCache())
            return Rebuilt(builder, {one: {"cache": CachePolicy()} for one in chosen}, options)
        case "timeout":
            limit = {"timeout_s": (change.duration_ms or 0.0) / 1e3, "idle_timeout_s": None}
            return Rebuilt(builder, dict.fromkeys(chosen, limit), options)
        case "retries":
            return Rebuilt(builder, _fewer(app, chosen, change.max_attempts or 1), options)
        case "concurrency":
            return Rebuilt(builder, {}, options, {"max_concurrency": change.number})
        case "parallel":
            first, second = _ordered(builder.edges, *change.nodes[:2])
            builder.edges = _beside(builder.edges, first, second)
            builder._routers = [_led_to_both(one, first, second) for one in builder.routers()]  # noqa: SLF001
        case "removed":
            _remove(builder, change.nodes)
    return Rebuilt(builder, {}, options)


def _fewer(app: CompiledGraph[Any], chosen: Sequence[str], most: int) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in chosen:
        own = app.builder.nodes[name].policy.over(app.builder.policy_defaults).retry
        policies = as_policies(own) or (app.options.retry,)
        found[name] = {"retry": tuple(one._replace(max_attempts=most) for one in policies)}
    return found


def _why_no_edges(builder: StateGraph[Any], change: Change) -> str:
    deciding = {router.source for router in builder.routers()}
    led = {end for one in builder.routers() for end in (one.path_map or {}).values()}
    open_ended = any(router.path_map is None for router in builder.routers())
    nodes = set(change.nodes)
    if change.kind == "removed":
        if nodes & deciding:
            return f"the way on after {min(nodes & deciding)} is decided there"
        ways = [len(_after(builder.edges, one)) for one in change.nodes]
        if (nodes & led or open_ended) and ways != [1] * len(ways):
            return "a decision leads to it, and what follows is more than one node"
        return "a decision may lead to it by its name" if open_ended else ""
    first, second = _ordered(builder.edges, *change.nodes[:2])
    if not first:
        return f"no edge leads from {change.nodes[0]} to {change.nodes[1]} directly"
    if {first, second} & deciding or second in led:
        return "a decision leads from them, or to the second"
    return ""


def _ordered(edges: Sequence[Edge], one: str, two: str) -> tuple[str, str]:
    if ((one,), two) in edges:
        return one, two
    return (two, one) if ((two,), one) in edges else ("", "")


def _after(edges: Sequence[Edge], node: str) -> list[str]:
    return [end for sources, end in edges if node in sources]


def _beside(edges: Sequence[Edge], first: str, second: str) -> list[Edge]:
    """The edges by which `second` starts with `first`, and what followed it waits for both."""
    found: list[Edge] = []
    for sources, end in edges:
        if (sources, end) == ((first,), second):
            continue
        if second in sources and end != END:
            both = tuple(
                dict.fromkeys(
                    name for s in sources for name in ((first, s) if s == second else (s,))
                )
            )
            found.append((both, end))
            continue
        found.append((sources, end))
        if end == first:
            found.append((sources, second))
    return found


def _led_to_both(router: Router, first: str, second: str) -> Router:
    """A router that leads to `second` too where it led to `first`."""
    ways = router.path_map
    if ways is not None and first not in ways.values():
        return router

    def both(answer: Any) -> list[Any]:
        found: list[Any] = []
        for one in answer if isinstance(answer, list | tuple) else [answer]:
            target = ways.get(one, one) if ways is not None and isinstance(one, Hashable) else one
            found += [first, second] if target == first else [target]
        return found

    if router.is_async:

        async def adecide(state: Any, ctx: Context) -> list[Any]:
            return both(await router.ask(state, ctx))

        return Router(router.source, adecide, None, router.name)

    def decide(state: Any, ctx: Context) -> list[Any]:
        return both(router.ask(state, ctx))

    return Router(router.source, decide, None, router.name)


def _remove(builder: StateGraph[Any], names: Sequence[str]) -> None:
    builder.nodes = dict(builder.nodes)
    builder.edges = list(builder.edges)
    for name in names:
        follows = _after(builder.edges, name)
        edges: list[Edge] = []
        for sources, end in builder.edges:
            if end == name:
                edges += [(sources, one) for one in follows]
            elif name in sources:
                rest = tuple(one for one in sources if one != name)
                edges += [(rest, end)] if rest else []
            else:
                edges.append((sources, end))
        builder.edges = list(dict.fromkeys(edges))
        builder._routers = [_led_past(one, name, follows) for one in builder.routers()]  # noqa: SLF001
        del builder.nodes[name]


def _led_past(router: Router, name: str, follows: Sequence[str]) -> Router:
    if not router.path_map or name not in router.path_map.values():
        return router
    past = {label: follows[0] if end == name else end for label, end in router.path_map.items()}
    return Router(router.source, router.call, past, router.name)


__all__ = ["PLAYED", "Rebuilt", "rebuilt", "why_not"]
