"""Numbers of executions beside a bound: how many orders were above 500, what of those was refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import eq, ge, gt, le, lt
from typing import Final, NamedTuple

from inwit.introspection import kinds
from inwit.introspection.analyses import by_value, spread
from inwit.introspection.attributes import Known
from inwit.introspection.claims import Draft, Ref, count, graph_uri, listed
from inwit.introspection.router.words import word_set
from inwit.introspection.scene import Scene
from inwit.runtime.views import Execution

TOLD: Final = 8
_NUMBER: Final = r"[$€£]?\s?(?P<number>\d[\d,]*(?:\.\d+)?)(?P<large>k|m)?\b"
_BY: Final = r"(?P<by>at least|at most|exactly|above|over|beyond|exceeding|below|under|\w+er than|more than|less than|>=|<=|>|<)"
_BEFORE: Final = re.compile(
    rf"\b(?P<name>[a-z_]\w+)\s+(?:is |are |was |were |of |worth |that (?:is|are|was|were) )*{_BY}\s*{_NUMBER}\s?(?P<unit>[a-z%]\w*)?"
)
_AFTER: Final = re.compile(
    rf"\b(?:{_BY}\s+(?P<number>\d[\d,]*)|(?P<least>\d+)\s+or\s+(?P<more>more|fewer|less))(?P<large>)\s+(?P<name>[a-z_]\w+)"
)
_TIMES: Final = r"(?:ms|s|secs?|seconds?|milli\w*|min|mins|minutes?|hours?|days?|%|percent)\b"
_OTHER_FIGURE: Final = (
    r"\b(?:tokens?|cost\w*|retr\w+|attempts?|tries|visits?|times|steps?|rounds?|ran|took|takes?)\b"
)
_FEWER: Final = (
    "below", "under", "less than", "fewer than", "lower than", "smaller than", "younger than",
    "shorter than", "cheaper than", "shallower than", "lighter than", "<",
)  # fmt: skip
_NO_NOUNS: Final = word_set(
    """
    did does do is are were was there we it they you i have has had be been more any some all us
    failures errors failed executions people users requests nodes graphs threads rate
    """
)
"""Words before a bound that are nothing which a number was given for."""
_JUDGED: Final = r"\b(?:slow|fast|quick|long|fail|cost|cheap|expensive|reliab)\w*\b"
_LARGE: Final = {"k": 1e3, "m": 1e6}
_BOUNDS: Final[dict[str, Callable[[float, float], bool]]] = {
    "at least": ge, ">=": ge, "more": ge, "at most": le, "<=": le, "exactly": eq,
    **dict.fromkeys(_FEWER, lt), "fewer": le, "less": le,
}  # fmt: skip
Sizes = tuple[str, list[tuple[float, Execution]]]


def is_asked(scene: Scene) -> bool:
    """Whether a question names a number that executions have, and a bound."""
    return _bound(scene) is not None


class _Bound(NamedTuple):
    """The executions that have a number, and those of them for which it lies beyond a bound."""

    attribute: str
    words: str
    beyond: list[tuple[float, Execution]]
    others: list[tuple[float, Execution]]


def answer(scene: Scene) -> Draft | None:
    """Count the executions beyond a bound, or compare them with the others; None where none is named."""
    found = _bound(scene)
    if found is None:
        return None
    mine, others = [one for _, one in found.beyond], [one for _, one in found.others]
    if mine and others and re.search(_JUDGED, scene.words):
        side = by_value.Side(found.attribute, found.words, mine, told=found.words)
        rest = by_value.Side(found.attribute, "others", others, told="other values")
        return by_value.told(scene, side, rest)
    whole = len(mine) + len(others)
    draft = Draft(data={"attribute": found.attribute, "values": {}, "times": []})
    draft.data["values"] = {"count": len(mine), "executions": whole, "share": len(mine) / whole}
    graph = (mine or others)[0].graph_name
    named = [one for one in kinds.kinds(scene) if one.attribute != found.attribute]
    if len(named) == 1 and mine:
        return _of_kind(draft, found, named[0], graph)
    draft.say(
        f"{len(mine)} of the last {count(whole, 'execution')} of {graph} with {found.attribute} on record "
        f"had {found.words}, {len(mine) / whole:.1%}.",
        *(Ref(uri=one.uri, why=found.words) for one in mine[:3]),
        graph_uri(graph, "executions"),
    )
    if mine and re.search(r"^\W*(?:which|list|show|what|name)\b", scene.words):
        told = listed((f"{one.execution_id} ({size:g})" for size, one in found.beyond), most=TOLD)
        draft.say(f"They are {told}.", *(one.uri for one in mine[:TOLD]))
    return draft


def _of_kind(draft: Draft, found: _Bound, kind: kinds.Kind, graph: str) -> Draft:
    """How many of those beyond the bound are of a kind that the question names too."""
    ids = {one.execution_id for one in kind.executions}
    mine = [one for _, one in found.beyond]
    both = [one for one in mine if one.execution_id in ids]
    draft.data["values"] |= {"of_kind": len(both), "share_of_kind": len(both) / len(mine)}
    draft.say(
        f"{len(both)} of the {count(len(mine), 'execution')} of {graph} with {found.words} had {kind.words}, "
        f"{len(both) / len(mine):.1%}.",
        *(Ref(uri=one.uri, why=kind.words) for one in (both or mine)[:3]),
        graph_uri(graph, "executions"),
    )
    return draft


def _bound(scene: Scene) -> _Bound | None:
    words = scene.words
    before = _BEFORE.search(words)
    said = before or _AFTER.search(words)
    if said is None or re.match(_TIMES, said.groupdict().get("unit") or ""):
        return None
    fields = said.groupdict()
    by = fields["by"] or fields["more"]
    number = float((fields["number"] or fields["least"]).replace(",", ""))
    number *= _LARGE.get(fields["large"] or "", 1)
    sizes = spread.sizes_of(scene, said["name"]) or _by_unit(scene, fields.get("unit"))
    if sizes is None and before is not None and not _is_of_another(scene, before["name"]):
        sizes = _by_range(scene, number)
    if sizes is None:
        return None
    is_beyond: Callable[[float, float], bool] = _BOUNDS.get(by, gt)
    beyond = [pair for pair in sizes[1] if is_beyond(pair[0], number)]
    others = [pair for pair in sizes[1] if not is_beyond(pair[0], number)]
    told = f"{number:,.10g} or {by}" if fields.get("more") else f"{by} {number:,.10g}"
    return _Bound(sizes[0], f"{sizes[0]} {told}", beyond, others)


def _is_of_another(scene: Scene, noun: str) -> bool:
    """Whether the number may be a figure of executions or of a node, and none that was given."""
    if noun in _NO_NOUNS:
        return True
    has_metric = any(one.kind == "metric" for one in scene.query.entities)
    return has_metric or scene.node is not None or bool(re.search(_OTHER_FIGURE, scene.words))


def _numbers(scene: Scene) -> dict[str, list[tuple[float, Execution]]]:
    """The numbers that the newest executions were called with, by their names.

    Of all graphs where none is named: a number that is not named is not to be guessed.
    """
    known, found = Known(scene.store), dict[str, list[tuple[float, Execution]]]()
    named = bool(scene.named("graph") or scene.query.graph)
    for one in kinds.newest(scene, of_all=not named):
        called = known.of(one)
        for name, size in called.counts.items():
            if isinstance(called.attributes.get(name), int | float):
                found.setdefault(name, []).append((size, one))
    return found


def _by_unit(scene: Scene, unit: str | None) -> Sizes | None:
    """The number whose name has the unit that is said: ``depth_cm`` for "200 cm"."""
    if not unit or len(unit) < 2:
        return None
    fits = [(name, sizes) for name, sizes in _numbers(scene).items()
            if any(part and unit.startswith(part) for part in name.lower().rpartition(".")[2].split("_")[1:])]  # fmt: skip
    return fits[0] if len(fits) == 1 else None


def _by_range(scene: Scene, number: float) -> Sizes | None:
    """The only number that lies on both sides of a bound."""
    fits = [(name, sizes) for name, sizes in _numbers(scene).items()
            if min(size for size, _ in sizes) <= number <= max(size for size, _ in sizes)]  # fmt: skip
    return fits[0] if len(fits) == 1 else None
