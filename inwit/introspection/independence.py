"""Whether one node depends on another: by the state keys that it reads and the other writes."""

from __future__ import annotations

from collections.abc import Iterable

from inwit.introspection.claims import listed
from inwit.runtime.manifest import GraphManifest, NodeFacts
from inwit.runtime.program import END, START
from inwit.runtime.views import Visit


def observed_writes(visits: Iterable[Visit]) -> dict[str, set[str]]:
    """The keys that each node has been seen to write."""
    found: dict[str, set[str]] = {}
    for visit in visits:
        if isinstance(visit.update, dict):
            found.setdefault(visit.node, set()).update(visit.update)
    return found


def writes_of(facts: NodeFacts, seen: dict[str, set[str]]) -> set[str]:
    """What a node writes, by its source and by the record."""
    return set(facts.writes) | seen.get(facts.name, set())


def paths_between(manifest: GraphManifest, first: str, second: str) -> set[str]:
    """The nodes on some way from `first` to `second`, both left out; loops are not followed."""
    after = _reach(manifest, first, backwards=False, stop=second)
    before = _reach(manifest, second, backwards=True, stop=first)
    return (after & before) - {first, second, START, END}


def loop_of(manifest: GraphManifest, name: str) -> set[str]:
    """The nodes that lie on a loop with a node, itself among them; empty where it is on none."""
    found = {name}
    for edge in manifest.edges:
        if edge.source == name and edge.target not in (START, END):
            after = _reach(manifest, edge.target, backwards=False, stop=name)
            if name in after:
                found |= after & _reach(manifest, name, backwards=True, stop=edge.target)
    is_on_one = len(found) > 1 or any(edge.source == edge.target == name for edge in manifest.edges)
    return found - {START, END} if is_on_one else set()


def _reach(manifest: GraphManifest, name: str, *, backwards: bool, stop: str) -> set[str]:
    seen, waiting = set[str](), [name]
    while waiting:
        at = waiting.pop()
        if at in seen or (at == stop and at != name):
            seen.add(at)
            continue
        seen.add(at)
        for edge in manifest.edges:
            if backwards and edge.target == at:
                waiting.append(edge.source)
            elif not backwards and edge.source == at:
                waiting.append(edge.target)
    return seen


def runs_beside(manifest: GraphManifest, first: str, second: str) -> bool:
    """Whether two nodes are on different branches of one fork, so that they run together already."""
    forks: dict[str, list[str]] = {}
    for edge in manifest.edges:
        if not edge.is_conditional:
            forks.setdefault(edge.source, []).append(edge.target)
    for source, targets in forks.items():
        branches = [_reach(manifest, one, backwards=False, stop=source) for one in targets]
        on_first = {number for number, branch in enumerate(branches) if first in branch}
        on_second = {number for number, branch in enumerate(branches) if second in branch}
        if on_first and on_second and not on_first & on_second:
            return True
    return False


def why_not_parallel(
    manifest: GraphManifest, first: str, second: str, seen: dict[str, set[str]]
) -> str | None:
    """Why `second` cannot run beside `first`, which runs before it; None when it can.

    What cannot be known is no permission: a node whose reads its source hides is refused.
    """
    one, two = manifest.node(first), manifest.node(second)
    if one is None or two is None:
        return f"{first if one is None else second} is no node of {manifest.name}"
    if not one.ways_known:
        return f"{first} commands its way on, and no annotation says where it leads"
    between = paths_between(manifest, first, second)
    return (
        _decided(manifest, first, second, between)
        or _reads_what_is_written(manifest, one, two, between, seen)
        or _writes_the_same(manifest, one, two, seen)
    )


def _decided(manifest: GraphManifest, first: str, second: str, between: set[str]) -> str | None:
    on_path = {first, *between}
    for edge in manifest.edges:
        if edge.is_conditional and edge.source in on_path and edge.target in {second, *between}:
            keys = f" from {listed(edge.reads)}" if edge.reads else ""
            return f"whether {second} runs is decided after {edge.source}{keys}"
    return None


def _reads_what_is_written(
    manifest: GraphManifest, one: NodeFacts, two: NodeFacts, between: set[str],
    seen: dict[str, set[str]],
) -> str | None:  # fmt: skip
    for name in [one.name, *sorted(between)]:
        facts = manifest.node(name)
        written = writes_of(facts, seen) if facts else set()
        shared = written & set(two.reads)
        if shared:
            return f"{two.name} reads {listed(sorted(shared))}, which {name} writes"
        if facts is not None and not facts.writes_known and name not in seen:
            return f"what {name} writes cannot be seen in its source, and it has never run"
    if not two.reads_known:
        return f"what {two.name} reads cannot be seen in its source"
    return None


def _writes_the_same(
    manifest: GraphManifest, one: NodeFacts, two: NodeFacts, seen: dict[str, set[str]]
) -> str | None:
    reduced = {field.name for field in manifest.fields if field.reducer}
    shared = (writes_of(one, seen) & writes_of(two, seen)) - reduced
    if not shared:
        return None
    return f"{one.name} and {two.name} both write {listed(sorted(shared))}, which has no reducer"


def why_not_removed(manifest: GraphManifest, name: str, seen: dict[str, set[str]]) -> str | None:
    """What breaks when a node goes: a key that only it writes, or a decision after it."""
    facts = manifest.node(name)
    if facts is None:
        return f"{name} is no node of {manifest.name}"
    if not facts.ways_known:
        return f"{name} commands its way on, and no annotation says where it leads"
    others = {key for node in manifest.nodes if node.name != name for key in writes_of(node, seen)}
    alone = writes_of(facts, seen) - others
    for node in manifest.nodes:
        needed = alone & set(node.reads)
        if node.name != name and needed:
            return f"{node.name} reads {listed(sorted(needed))}, which only {name} writes"
    for edge in manifest.edges:
        needed = alone & set(edge.reads)
        if edge.is_conditional and edge.source != name and needed:
            return f"the decision after {edge.source} reads {listed(sorted(needed))}, which only {name} writes"
    if any(edge.is_conditional and edge.source == name for edge in manifest.edges):
        return f"the way on after {name} is decided there"
    return None
