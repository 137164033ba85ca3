"""Replace names by what they are, so that a question's form decides and not its names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import msgspec

from inwit.introspection.router.concepts import is_api
from inwit.introspection.router.context import is_counted
from inwit.introspection.router.linking import Index, link_names, quoted_spans
from inwit.introspection.router.measuring import find_metrics
from inwit.introspection.router.records import Entity
from inwit.introspection.router.selecting import find_ids, find_selections, find_threads
from inwit.introspection.router.spelling import mended
from inwit.introspection.router.timing import find_times
from inwit.introspection.router.words import Span, cut

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
_HEX = re.compile(r"[0-9a-f-]{4,36}")
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
    shouted = _quiet(question)
    if shouted is not None:
        quiet = [_as_written(one, question) for one in link(shouted, index)]
        _keep(quiet, find_threads(question, threads))
        return tuple(sorted(quiet, key=lambda one: (one.start, one.end)))
    found = _linked(question, index, threads)
    sure = [one for one in found if one.score >= 0.9 and one.kind not in ("time", "metric")]
    taken = [(one.start, one.end) for one in sure] + quoted_spans(question)
    fresh, places = mended(question, taken)
    if fresh == question:
        return tuple(found)
    again = [_moved(one, question, places) for one in _linked(fresh, index, threads)]
    _keep(sure, again)
    return tuple(sorted(sure, key=lambda one: (one.start, one.end)))


def _quiet(question: str) -> str | None:
    """A question that is all in capitals, in small letters; None of another one."""
    quiet = question.lower() if question.isupper() else question
    return quiet if quiet != question and len(quiet) == len(question) else None


def _as_written(one: Entity, question: str) -> Entity:
    """An entity of a quieted question; whoever shouts may still write an id as it is."""
    text = question[one.start : one.end]
    is_own = one.kind == "thread" or (one.kind == "exec" and not _HEX.fullmatch(one.value))
    is_own = is_own and any(letter.isdigit() for letter in text) and one.value == text.lower()
    return msgspec.structs.replace(one, text=text, value=text if is_own else one.value)


def _linked(question: str, index: Index, threads: Collection[str]) -> list[Entity]:
    """The same, of a question whose words are taken as they are."""
    kept: list[Entity] = []
    exact = link_names(question, index)
    ids = find_ids(question)
    sure = [one for one in exact if one.score >= 0.9]
    for group in (sure, ids, exact, find_times(question), find_threads(question, threads)):
        _keep(kept, group)
    _keep(kept, find_selections(question))
    _keep(kept, find_metrics(question))
    return sorted(kept, key=lambda one: (one.start, one.end))


def _moved(one: Entity, question: str, places: Sequence[int]) -> Entity:
    """An entity of a mended question where it stands in the question as asked."""
    start, end = places[one.start], places[one.end - 1] + 1
    return msgspec.structs.replace(one, start=start, end=end, text=question[start:end])


def counted(question: str, one: Entity) -> str:
    """What a graph's name stands for where executions of it are meant: "run" or "runs"."""
    words = cut(question)
    inside = [at for at, word in enumerate(words) if one.start <= word.start < one.end]
    if not inside or not is_counted(Span(question, words, inside[0], inside[-1])):
        return ""
    return "runs" if one.text.lower() == f"{one.value.lower()}s" else "run"


def mask(question: str, entities: Iterable[Entity], unknown: Iterable[str] = ()) -> str:
    """Put "the node" for a node's name and so on; times and figures keep their words."""
    masked = question
    for one in sorted(entities, key=lambda one: -one.start):
        stand_in = _STAND_INS.get(one.kind)
        if one.kind == "graph" and (runs := counted(question, one)):
            stand_in = runs
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
