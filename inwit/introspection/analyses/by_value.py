"""Executions of one kind beside those of another, or beside the rest: do orders of BR take longer than of DE?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from inwit.introspection.analyses import differences
from inwit.introspection.attributes import Known, Results
from inwit.introspection.claims import Draft, Ref, count, duration, graph_uri, node_uri, told_value
from inwit.introspection.kinds import COMPARED, Kind, kinds
from inwit.introspection.scene import Scene
from inwit.introspection.stats import dealt_p, ranks_p
from inwit.runtime.views import Execution

ALPHA: Final = 0.01
"""Below this chance a difference is told as one; it is divided by how many nodes are looked at."""
NEARLY: Final = 0.05
"""Below this chance it is told as likely."""
LEAST_P: Final = 0.001
"""The least that a test of 999 rounds can tell."""
_REST: Final = (
    r"\b(?:(?:the )?(?:rest|others?|remaining|everything else|everybody else|everyone else)\b"
    r"|(?:slow|fast|quick|long|fail|cheap|cost|expensive)\w*er\b|in common\b|(?:take|takes|cost|costs|fail|fails) more\b"
    r"|differ\w*|special\b|stands? out\b)"
)
"""Words that set one kind beside all that are not of it."""
_MONEY: Final = r".*\b(?:cost\w*|expensive|cheap\w*|price\w*|spen[dt]\w*)\b"
Numbers = dict[str, list[float]]
_ROUNDS: Final = r"rounds?|times|visits?|iterations?|loops?|how often|passes"
_BEFORE: Final = (
    r"before|usual\w*|lately|recently|now\b|since|used to|ago\b|yesterday|last|over time"
)
"""Words that set executions beside earlier ones."""
_TOLD_NODES: Final = 3


@dataclass(frozen=True, slots=True)
class Side:
    """The executions that were called with one value."""

    attribute: str
    value: str
    executions: Sequence[Execution]
    is_rest: bool = False
    told: str = ""

    @property
    def words(self) -> str:
        """The attribute and its value, as ``input.country = BR``."""
        if self.is_rest:
            return f"another {self.attribute}"
        return self.told or f"{self.attribute} = {told_value(self.value, 40)}"

    @property
    def took(self) -> list[float]:
        """How long those that completed took, in milliseconds."""
        return [one.duration_ms for one in self.executions
                if one.status == "completed" and one.duration_ms is not None]  # fmt: skip

    @property
    def failed(self) -> list[float]:
        """1.0 for each that failed, 0.0 for each that did not."""
        return [float(one.status == "failed") for one in self.executions]


def is_asked(scene: Scene) -> bool:
    """Whether a question compares executions of two values that are on record."""
    return _sides(scene) is not None


def answer(scene: Scene) -> Draft | None:
    """Compare them by failures, times and nodes; None where the question names no two values."""
    sides = _sides(scene)
    return None if sides is None else told(scene, *sides)


def told(scene: Scene, *sides: Side) -> Draft:
    """Compare two sides by failures, times and nodes."""
    draft = Draft(data={"attribute": sides[0].attribute, "values": {}, "differences": []})
    for side in sides:
        _say_side(draft, side)
    _say_times(draft, *sides)
    _say_failures(draft, *sides)
    if scene.says(_MONEY):
        _say_costs(draft, *sides)
    _say_visits(scene, draft, *sides)
    _say_nodes(scene, draft, *sides)
    _say_numbers(scene, draft, *sides)
    if sides[1].is_rest:
        _say_parted(scene, draft, *sides)
    return draft


def _say_costs(draft: Draft, *sides: Side) -> None:
    """What an execution of either side costs at the median, of those whose calls all have a price."""
    costs = [[one.cost_usd for one in side.executions if one.cost_usd is not None and not one.unpriced_calls]
             for side in sides]  # fmt: skip
    if min(map(len, costs)) < 2:
        draft.admit("Fewer than two of one value have a cost on record, too few to compare.")
        return
    p = ranks_p(costs[0], costs[1])
    apart = "more than chance would part them" if p <= ALPHA else "no farther apart than by chance"
    draft.data["cost_p"] = round(p, 4)
    draft.say(
        f"An execution costs ${median(costs[0]):.6f} at the median with {sides[0].words} and "
        f"${median(costs[1]):.6f} with {sides[1].words}: {apart} (p = {p:.2g}).",
        *(side.executions[0].uri for side in sides),
    )


def _say_numbers(scene: Scene, draft: Draft, *sides: Side) -> None:
    """The numbers that executions of either side were called with, or of results ended with, that lie apart."""
    sources = [Known(scene.store)] + (
        [Results(scene.store)] if sides[0].attribute.startswith("result.") else []
    )
    found: tuple[Numbers, Numbers] = (defaultdict(list), defaultdict(list))
    for numbers, side in zip(found, sides, strict=True):
        for one in side.executions:
            for source in sources:
                for name, value in source.of(one).counts.items():
                    numbers[name].append(value)
    both = [name for name in found[0] if min(len(found[0][name]), len(found[1].get(name, ()))) > 1]
    for name in both:
        middles = [median(numbers[name]) for numbers in found]
        if name == sides[0].attribute or middles[0] == middles[1]:
            continue
        p = ranks_p(found[0][name], found[1][name])
        if p <= max(ALPHA / len(both), LEAST_P):
            draft.data.setdefault("numbers", {})[name] = middles
            draft.say(
                f"{name} is {middles[0]:g} at the median with {sides[0].words} and {middles[1]:g} with "
                f"{sides[1].words}.",
                *(Ref(uri=side.executions[0].uri, why=side.words[:80]) for side in sides),
            )


def _say_parted(scene: Scene, draft: Draft, kind: Side, rest: Side) -> None:
    """What else those of a kind were called with, and the others were not."""
    found = Draft(data={})
    words = f"with {kind.words}", "the others"
    differences.say_between(scene, found, kind.executions, rest.executions, words)
    draft.data["parted_by"] = [
        one
        for one in found.data["differences"]
        if one["attribute"].rpartition(" in ")[2] != kind.attribute
    ]
    own = f"had {kind.attribute} =", f" in {kind.attribute},"
    draft.claims += [one for one in found.claims if not any(words in one.text for words in own)]


def _say_side(draft: Draft, side: Side) -> None:
    bad, took = int(sum(side.failed)), side.took
    share, middle = bad / len(side.executions), median(took) if took else None
    draft.data["values"][side.value] = {
        "executions": len(side.executions), "failed": bad, "error_rate": share, "median_ms": middle,
    }  # fmt: skip
    lasted = f", {duration(middle)} at the median where completed" if middle is not None else ""
    draft.say(
        f"{side.words}: {count(len(side.executions), 'execution')}, {bad} failed ({share:.1%}){lasted}.",
        *(Ref(uri=one.uri, why=side.words) for one in side.executions[:3]),
        graph_uri(side.executions[0].graph_name, "executions"),
    )


def _say_times(draft: Draft, one: Side, other: Side) -> None:
    if min(len(one.took), len(other.took)) < 2:
        draft.admit("Fewer than two of one value completed, too few to compare their times.")
        return
    p = ranks_p(one.took, other.took)
    slow, quick = sorted((one, other), key=lambda side: -median(side.took))
    by = median(slow.took) - median(quick.took)
    draft.data["p"] = round(p, 4)
    if ALPHA < p <= NEARLY and by:
        draft.say(
            f"Executions with {slow.words} took {duration(by)} longer at the median than those with "
            f"{quick.words}: likely, and not proved by so few (p = {p:.2g}).",
            graph_uri(slow.executions[0].graph_name, "executions"),
        )
        return
    if p > ALPHA or not by:
        are_apart = min(slow.took) > max(quick.took)
        draft.admit(
            f"All of those with {slow.words} took longer than any with {quick.words}, but so few may be "
            f"parted so by chance (p = {p:.2g})."
            if are_apart
            else f"Their times do not lie apart by more than chance would part them (p = {p:.2g})."
        )
        return
    draft.say(
        f"Executions with {slow.words} take {duration(by)} longer at the median than those with "
        f"{quick.words} (p = {p:.2g}).",
        graph_uri(slow.executions[0].graph_name, "executions"),
    )


def _say_failures(draft: Draft, one: Side, other: Side) -> None:
    if not sum(one.failed) + sum(other.failed):
        return
    p = dealt_p(one.failed, other.failed)
    often, seldom = sorted((one, other), key=lambda side: -sum(side.failed) / len(side.failed))
    if p > ALPHA:
        draft.admit(
            f"Their failures do not lie apart by more than chance would part them (p = {p:.2g})."
        )
        return
    failed = [each for each in often.executions if each.status == "failed"]
    draft.say(
        f"Executions with {often.words} fail more often than those with {seldom.words} (p = {p:.2g}).",
        *(Ref(uri=each.uri, why="failed") for each in failed[:3]),
    )


def _say_visits(scene: Scene, draft: Draft, *sides: Side) -> None:
    """How often the node that is named ran on either side, where that is asked."""
    if scene.node is None or not scene.says(_ROUNDS):
        return
    for side in sides:
        over = [one for one in side.executions if one.status == "completed"]
        ran = [sum(v.node == scene.node for v in scene.store.visits_of(one)) for one in over]
        if ran:
            draft.say(
                f"{scene.node} ran {sum(ran)} times in {count(len(over), 'execution')} with {side.words} that completed, {median(ran):g} in each at the median.",
                *(Ref(uri=one.uri, why=side.words) for one in over[:2]),
            )


def _say_nodes(scene: Scene, draft: Draft, one: Side, other: Side) -> None:
    """The nodes whose times lie apart, the farthest first."""
    times = _by_node(scene, one.executions), _by_node(scene, other.executions)
    both = [node for node in times[0] if min(len(times[0][node]), len(times[1].get(node, ()))) > 1]
    apart = {node: median(times[0][node]) - median(times[1][node]) for node in both}
    for node in sorted(both, key=lambda node: -abs(apart[node]))[:_TOLD_NODES]:
        p = ranks_p(times[0][node], times[1][node])
        if p > max(ALPHA / len(both), LEAST_P):
            continue
        middles = [median(side[node]) for side in times]
        draft.data["differences"].append(
            {"node": node, one.value: middles[0], other.value: middles[1], "unit": "ms", "p": p}
        )
        draft.say(
            f"{node} took {duration(middles[0])} at the median with {one.words} and "
            f"{duration(middles[1])} with {other.words}.",
            node_uri(one.executions[0].graph_name, node),
            Ref(uri=one.executions[0].uri, why=one.words),
            Ref(uri=other.executions[0].uri, why=other.words),
        )


def _by_node(scene: Scene, executions: Iterable[Execution]) -> Mapping[str, list[float]]:
    """How long each node took in each execution that completed, all its visits together."""
    found: dict[str, list[float]] = defaultdict(list)
    for one in executions:
        if one.status != "completed":
            continue
        whole: dict[str, float] = defaultdict(float)
        for visit in scene.store.visits_of(one):
            whole[visit.node] += visit.duration_ms or 0.0
        for node, ms in whole.items():
            found[node].append(ms)
    return found


def _sides(scene: Scene) -> tuple[Side, Side] | None:
    """The first two kinds that the question names, in its order; or the one, and the rest."""
    if not re.search(COMPARED, scene.words) and not re.search(_REST, scene.words):
        return None  # what executions were called with is read for those who ask
    said = kinds(scene)
    if len(said) > 1 and re.search(COMPARED, scene.words):
        return sides_of(said)
    if len(said) == 1 and re.search(_REST, scene.words) and not scene.says(_BEFORE):
        return beside_the_rest(said[0])
    return None


def sides_of(said: Sequence[Kind]) -> tuple[Side, Side]:
    """The first two of several kinds."""
    one, other = (Side(each.attribute, each.value, each.executions) for each in said[:2])
    return one, other


def beside_the_rest(kind: Kind) -> tuple[Side, Side]:
    """A kind, and all others that were looked at."""
    mine = Side(kind.attribute, kind.value, kind.executions)
    return mine, Side(kind.attribute, "others", kind.others, is_rest=True)
