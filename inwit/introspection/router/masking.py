"""Replace names by what they are, so that a question's form decides and not its names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from inwit.introspection.router.concepts import is_api
from inwit.introspection.router.linking import Index, link_names
from inwit.introspection.router.measuring import find_metrics
from inwit.introspection.router.records import Entity
from inwit.introspection.router.selecting import find_ids, find_selections, find_threads
from inwit.introspection.router.timing import find_times

_STAND_INS = {
    "node": "the node",
    "graph": "the graph",
    "key": "the key",
    "exec": "that execution",
    "thread": "that thread",
    "package": "that package",
    "tool": "the tool",
    "version": "that version",
}
_PLATFORM = re.compile(r"\binwit\b", re.IGNORECASE)
_ARTICLE = re.compile(
    r"\b(?:the|my|our|a|an|this|that|node|step|graph|execution|run|trace|thread|version|package|key"
    r"|tool) (?=(?:the (?:node|graph|key|tool)|that (?:execution|thread|version|package))\b)",
    re.IGNORECASE,
)
_DOUBLED = re.compile(
    r"\b(the (?:node|graph|key|tool)|that package) (?:node|step|graph|key|tool|package)\b"
)


def link(question: str, index: Index, threads: Collection[str] = ()) -> tuple[Entity, ...]:
    """Find everything that a question names, in its order.

    Names and ids come first, then times, then words that choose executions; figures may overlap
    with any of them ("the last run was slow"). `threads` are words that are threads on record.
    """
    kept: list[Entity] = []
    exact = link_names(question, index)
    ids = find_ids(question)
    sure = [one for one in exact if one.score >= 0.9]
    for group in (sure, ids, exact, find_times(question), find_threads(question, threads)):
        _keep(kept, group)
    _keep(kept, find_selections(question))
    _keep(kept, find_metrics(question))
    return tuple(sorted(kept, key=lambda one: (one.start, one.end)))


def mask(question: str, entities: Iterable[Entity], unknown: Iterable[str] = ()) -> str:
    """Put "the node" for a node's name and so on; times and figures keep their words."""
    masked = question
    for one in sorted(entities, key=lambda one: -one.start):
        stand_in = _STAND_INS.get(one.kind)
        if stand_in is None or (one.kind == "exec" and one.score <= 0.7):
            continue
        masked = f"{masked[: one.start]}{stand_in}{masked[one.end :]}"
    for name in unknown:
        if not is_api(name):
            masked = masked.replace(name, "the node")
    masked = _PLATFORM.sub("the platform", masked)
    masked = _ARTICLE.sub("", _ARTICLE.sub("", masked))
    return _DOUBLED.sub(r"\1", masked)


def _keep(kept: list[Entity], found: Iterable[Entity]) -> None:
    kept += [
        one
        for one in found
        if all(one.end <= other.start or other.end <= one.start for other in kept)
    ]
