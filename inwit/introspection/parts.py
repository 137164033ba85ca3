"""The parts of a question that holds two: each is a question of its own, with what it names.

A part without a name of its own speaks of what the part before it named ("… and when did it last
run?"); which execution, thread, graph or time is meant, either part may say for both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from inwit.answers import Level
from inwit.introspection.router import Entity, Reading, Routing
from inwit.introspection.router.parting import NAMES, standing_in

_SHARED = frozenset(("graph", "exec", "thread", "time", "version"))

_RUN = re.compile(
    r"\b(?:(?:in|of|during|for) )?(?:the |my )?(?:last|latest|most recent|newest|previous|first|oldest|slowest|fastest"
    r"|longest)(?: (?:failed|completed|slow|successful))? (?:execution|run|time)\b",
    re.IGNORECASE,
)
"""An execution by its order, as one part says it for both."""
_TOLD_OF = re.compile(r"^\W*(?:in|of|during|for)\b", re.IGNORECASE)
_ONCE = re.compile(
    r"\b(?:did|was|were|had|happened|wrote|returned|failed|took|ran)\b", re.IGNORECASE
)
_ALWAYS = re.compile(r"\b(?:usually|normally|generally|ever|often|always)\b", re.IGNORECASE)


def apart(question: str, routing: Routing, wanted: Level | None) -> list[tuple[str, Routing]]:
    """Each part in words that need no other part, with its routing; of a whole question nothing.

    Of two parts only those of the level that is insisted on are kept, if there are any.
    """
    found: list[tuple[str, Routing]] = []
    done = 0
    for one in routing.readings:
        start = question.find(one.part, done)
        if not one.part or start < 0:
            return []
        done = start + len(one.part)
        told = found[0][0] if found else ""
        found.append((_with_run(one.part, told), _of_part(one, start, routing)))
    return [one for one in found if one[1].best.level == wanted] or found


def _with_run(part: str, before: str) -> str:
    """A part that tells of one execution, with the one that the part before it speaks of."""
    said = _RUN.search(before)
    if said is None or _RUN.search(part) or _ALWAYS.search(part) or not _ONCE.search(part):
        return part
    run = said[0] if _TOLD_OF.match(said[0]) else f"in {said[0]}"
    return f"{part.rstrip(' ?!.')} {run[0].lower()}{run[1:]}?"


def _of_part(reading: Reading, start: int, routing: Routing) -> Routing:
    """How one part is read, and what it names."""
    end = start + len(reading.part)
    own = tuple(
        msgspec.structs.replace(one, start=one.start - start, end=one.end - start)
        for one in routing.entities
        if start <= one.start and one.end <= end
    )
    is_alone = len(routing.readings) == 1
    before = [
        one for one in routing.entities if one.end <= start or (is_alone and one.start >= end)
    ]
    others = [one for one in routing.entities if not start <= one.start < end]
    named = standing_in(reading.part, own, before)
    if not any(one.kind in NAMES for one in named):
        named += _at_end([one for one in before if one.kind in NAMES], reading.part)
    said = {one.kind for one in named}
    named += _at_end([one for one in others if one.kind in _SHARED - said], reading.part)
    return Routing(
        readings=(msgspec.structs.replace(reading, part=""),),
        entities=named,
        abstained=reading.level == "none",
        unknown=tuple(name for name in routing.unknown if name in reading.part),
    )


def _at_end(entities: Sequence[Entity], part: str) -> tuple[Entity, ...]:
    """What a part means without saying it: it stands where the part ends, and takes no room."""
    at = len(part)
    return tuple(msgspec.structs.replace(one, text="", start=at, end=at) for one in entities)
