"""What if executions had another value: those that have it are told, for what others would do is not known."""

from __future__ import annotations

import re
from statistics import median

from inwit.introspection.analyses import by_value
from inwit.introspection.changes import Change
from inwit.introspection.claims import Draft, duration, graph_uri, limit
from inwit.introspection.kinds import Kind, kinds
from inwit.introspection.scene import Scene

_OTHER = ("unknown", "route", "removed")
"""Kinds of changes that a value may be named in, where no node is."""
_NONE = r"\b(?:no|without|never|fewer|not (?:have|get|accept|serve)|exclud\w*|drop\w*|remov\w*|block\w*|left out|ignor\w*)\b"
_WERE = r"\b(?:were|was|had|be|been|is|became|are|to)\b"


def answer(scene: Scene, change: Change) -> Draft | None:
    """Tell what is known of a change of a value; None where none is named."""
    if change.kind not in _OTHER or change.nodes or scene.nodes or scene.named("tool"):
        return None
    found = kinds(scene)
    if not found or not found[0].others:
        return None
    if len(found) == 1 and re.search(_NONE, scene.words):
        return _without(found[0])
    if not re.search(_WERE, scene.words):
        return None
    sides = by_value.beside_the_rest(found[0]) if len(found) == 1 else by_value.sides_of(found)
    draft = by_value.told(scene, *sides)
    reason = "what executions would have done with another value is in no record"
    draft.data |= {"feasible": False, "reason": reason, "n": len(found[0].among)}
    draft.data |= {"baseline": None, "predicted": None}
    draft.claims.insert(0, limit(f"That cannot be predicted: {reason}. Those that had it went so."))
    return draft


def _without(kind: Kind) -> Draft:
    """The figures of all executions beside those of the others alone."""
    draft = Draft(
        data={"feasible": True, "reason": "the others stay as they are", "n": len(kind.among)}
    )
    told = []
    for name, some in (("all", kind.among), ("others", kind.others)):
        took = [
            one.duration_ms
            for one in some
            if one.status == "completed" and one.duration_ms is not None
        ]
        bad = sum(one.status == "failed" for one in some)
        middle = median(took) if took else None
        draft.data[name] = {"executions": len(some), "failed": bad, "median_ms": middle}
        lasted = f" and the median is {duration(middle)}" if middle is not None else ""
        told.append(f"{bad} of {len(some)} failed ({bad / len(some):.1%}){lasted}")
    draft.say(
        f"Without those with {kind.words}, {told[1]}; with them, {told[0]}.",
        *(one.uri for one in kind.executions[:3]), graph_uri(kind.among[0].graph_name, "executions"),
    )  # fmt: skip
    draft.admit("That the others would go as they did is taken for granted.")
    return draft
