"""One answer of several: to a question of two parts, or one that can be read in two ways."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inwit.answers import Answer
from inwit.introspection.router import Routing
from inwit.introspection.scene import Query

EVIDENCE_MOST = 24


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
