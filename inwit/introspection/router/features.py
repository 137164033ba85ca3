"""A question as counted pieces of text: words, their pairs, and runs of letters.

Pieces are hashed into `SIZE` places, so that a model is one table and no word is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from zlib import crc32

from inwit.introspection.router.concepts import concepts, is_familiar
from inwit.introspection.router.records import Entity

SIZE = 1 << 14
"""Places that pieces are hashed into."""

_TOKEN = re.compile(r"[^\W_]+|\?", re.UNICODE)
_MOST = 64
"""Tokens that are looked at."""

_WEIGHTS = {
    "w": 1.0,
    "b": 0.8,
    "c": 0.35,
    "e": 0.6,
    "f": 0.8,
    "k": 0.9,
    "p": 0.5,
    "s": 0.8,
    "o": 0.8,
}


def pieces(masked: str, entities: Iterable[Entity]) -> dict[int, float]:
    """Weigh the pieces of a masked question; the weights have length 1 together."""
    tokens = _tokens(masked)
    found: dict[int, float] = {}
    for piece in _named(tokens, entities):
        place = crc32(piece.encode()) % SIZE
        found[place] = found.get(place, 0.0) + _WEIGHTS[piece[0]]
    length = sum(weight * weight for weight in found.values()) ** 0.5 or 1.0
    return {place: weight / length for place, weight in found.items()}


def _tokens(masked: str) -> list[str]:
    tokens = []
    for match in _TOKEN.finditer(masked.lower()):
        token = match.group()
        tokens.append("#" if token.isdecimal() else token[:24])
        if len(tokens) == _MOST:
            break
    return tokens


def _named(tokens: list[str], entities: Iterable[Entity]) -> Iterable[str]:
    for token in tokens:
        yield f"w{token}"
        if len(token) > 3:
            padded = f"<{token}>"
            for size in (3, 4):
                for at in range(len(padded) - size + 1):
                    yield f"c{padded[at : at + size]}"
    bounded = ["<", *tokens, ">"]
    for left, right in pairwise(bounded):
        yield f"b{left} {right}"
    yield f"f{' '.join(tokens[:2])}"
    known = concepts(tokens)
    for at, concept in enumerate(known):
        yield f"k{concept}"
        for other in known[at + 1 :]:
            yield f"p{min(concept, other)} {max(concept, other)}"
    strange = min(3, sum(not is_familiar(token) for token in tokens))
    yield f"o{strange}"
    for concept in known or ["none"]:
        yield f"o{strange} {concept}"
    for concept in known:
        yield f"s{tokens[0]} {concept}"
    for kind in sorted({entity.kind for entity in entities}):
        yield f"e{kind}"
