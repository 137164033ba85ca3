"""One answer of several: to a question of two parts, or one that can be read in two ways."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from inwit.answers import Answer
from inwit.introspection.router import Entity, Routing
from inwit.introspection.scene import Query

EVIDENCE_MOST = 24
_IT = re.compile(r"\b(?:it|that|this|them)\b", re.IGNORECASE)
_RUN_ONCE = re.compile(
    r"\b(?:did|was|were|had) (?:it|that|this|\w+ its|its)\b(?!.*\b(?:usually|ever|often)\b)|\b(?:that|this) (?:one|run|execution)\b",
    re.IGNORECASE,
)
"""What is said of one execution that was: "how long did it take", "the input of that run"."""


def leaning(query: Query, before: Sequence[Answer]) -> Query:
    """The second part of a question with what "it" means in the answer to the first part.

    That is a node where a change or a thing is asked for, and an execution where a past one is.
    """
    if not query.part or not before:
        return query
    if query.intent not in ("whatif", "howcan", "whatis"):
        is_named = any(one.kind not in ("metric", "graph") for one in query.entities)
        run = None if is_named or not _RUN_ONCE.search(query.part) else _run_of(before[0])
        return replace(query, execution_id=query.execution_id or run)
    start = query.text.find(query.part)
    within = [one for one in query.entities if start <= one.start < start + len(query.part)]
    found = _IT.search(query.part)
    node = _node_of(before[0]) if found and not any(one.kind == "node" for one in within) else None
    if node is None or found is None:
        return query
    at = start + found.start()
    one = Entity(kind="node", value=node, text=found[0], start=at, end=start + found.end())
    kept = tuple(each for each in query.entities if each.kind != "node")
    return replace(query, entities=(*kept, one))


def _run_of(answer: Answer) -> str | None:
    """The execution that an answer tells of, or tells of first."""
    told = answer.data.get("execution_id")
    uris = (one.uri for one in answer.evidence if one.uri.startswith("execution://"))
    first = next((one.removeprefix("execution://").partition("/")[0] for one in uris), None)
    return str(told) if told else first


def _node_of(answer: Answer) -> str | None:
    """The node that an answer names first: a cause, something to change, or what a list begins with."""
    for key in ("causes", "interventions"):
        for one in answer.data.get(key) or ():
            if one.get("node"):
                return str(one["node"])
    uris = [one.uri for one in answer.evidence if "/nodes/" in one.uri]
    values = answer.data.get("values")
    if isinstance(values, dict) and "off_path" in answer.data and values:
        return str(next(iter(values)))
    return uris[0].rpartition("/nodes/")[2] if len(uris) == 1 else None


def joined(answers: Sequence[Answer], queries: Sequence[Query], routing: Routing) -> Answer:
    """Join the answers to each reading or part; equal ones are told once."""
    tried = tuple(
        dict.fromkeys([*(one.level for one in queries), *(one.level for one in routing.readings)])
    )
    first = answers[0]
    if len({one.text for one in answers}) == 1:
        return msgspec.structs.replace(first, levels_tried=tried)
    marks = [query.part or f"read as {query.level}, {query.intent}" for query in queries]
    parts = [
        {"part": query.part, "level": one.level, "intent": one.intent}
        | {"answer": one.text, "data": one.data}
        for one, query in zip(answers, queries, strict=True)
    ]
    evidence = {one.uri: one for answer in answers for one in answer.evidence}
    offered = tuple(dict.fromkeys(text for answer in answers for text in answer.follow_ups))
    return msgspec.structs.replace(
        first,
        text="\n\n".join(f"[{mark}] {one.text}" for mark, one in zip(marks, answers, strict=True)),
        evidence=tuple(evidence.values())[:EVIDENCE_MOST],
        confidence=max(one.confidence for one in answers),
        data=first.data | {"parts": parts},
        follow_ups=offered[:3],
        levels_tried=tried,
    )
