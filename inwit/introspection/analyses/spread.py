"""How a value is spread over executions: which there are, whose is the largest, how many on average.

A value is what executions were called with, or what came out; of a text or list its length counts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from statistics import mean, median
from typing import Final

from inwit.events import LlmCompleted
from inwit.introspection import kinds
from inwit.introspection.analyses import by_value
from inwit.introspection.attributes import Known, Results
from inwit.introspection.claims import Draft, Ref, count, graph_uri, listed, told_value
from inwit.introspection.scene import Scene
from inwit.runtime.views import Execution

TOLD: Final = 8
LOOKED_AT: Final = 50
"""Executions whose model calls are read."""
_THERE: Final = re.compile(
    r"^\W*(?:how many|list|show(?: me)?|which|what|name)\s+(?:(?:the|all|different|distinct|various|of|our|my"
    r")\s+)*(?P<name>[a-z_]\w+)\b\s*(?:\W*$|(?:of (?:the )?(?P<other>\w+) |\w+ )?(?:are there|do (?:we|i|you) have"
    r"|have we|exist|were there|did (?:we|i|it) (?:see|have|get)|(?:are|is) on record|and how many|ran\W*$)\b)"
)
_MOST: Final = re.compile(
    r"^\W*(?:which|what|who)\b.*\b(?P<by>most|highest|largest|biggest|greatest|fewest|least|lowest|smallest)\s+(?P<name>[a-z_]\w+)"
)
_LEAST: Final = ("fewest", "least", "lowest", "smallest")
_NO_FIGURE: Final = r"(?:fail\w*|errors?|tokens?|cost\w*|money|time|times|often|expensive|retries|executions|runs|common|recent)\b"
_DEPENDS: Final = re.compile(
    r"^\W*(?:so |and )?(?:do|does|are|is|did)\b.*\b(?:more|bigger|larger|longer|higher|fewer|with many)\s+(?P<name>[a-z_]\w+)\b.*"
    r"\b(?:slow\w*|long\w*|time|fail\w*|cost\w*|expensive|tokens?)\b"
    r"|\b(?:depend\w*|grows?|scales?) (?:on|with|by) (?:the )?(?:number of |size of |length of |how many )?(?P<other>[a-z_]\w+)"
)
_TOTAL: Final = re.compile(
    r"^\W*how (?:many|much) (?P<name>[a-z_]\w+)\b.*\b(?:in total|in all|altogether|all told|overall|taken together)\b"
    r"|\b(?:total|sum) (?:number |amount )?(?:of )?(?:all )?(?:the |our |my )?(?P<other>[a-z_]\w+)"
)
_EACH: Final = re.compile(
    r"\b(?:how many|(?:average|mean|median|typical|usual) (?:number of |count of )?)\s*(?P<name>[a-z_]\w+)\b.*"
    r"(?:\b(?:per|for each|for every|in each|in every|on average|usually|typically|does (?:an?|one|each)|average)\b)"
    r"|^\W*(?:(?:what(?:'s| is| was)?|how (?:high|low|big|large) (?:is|was)) )?(?:the |our |an? )?(?:average|mean|median|typical|usual) (?P<other>[a-z_]\w+)"
)


def is_asked(scene: Scene) -> bool:
    """Whether a question asks how a value on record is spread."""
    return _asked(scene) is not None


def answer(scene: Scene) -> Draft | None:
    """Tell it; None where no value of the record is asked about."""
    tell = _asked(scene)
    return None if tell is None else tell()


def _asked(scene: Scene) -> Callable[[], Draft] | None:
    words = scene.words
    if (each := _EACH.search(words)) and scene.graph_or_none is not None:
        return _per_execution(scene, each["name"] or each["other"])
    if (most := _MOST.search(words)) and not re.match(_NO_FIGURE, most["name"]):
        found = sizes_of(scene, most["name"])
        return None if found is None else lambda: _ranked(scene, *found, least=most["by"] in _LEAST)
    if (depends := _DEPENDS.search(words)) and (
        sides := _halves(scene, depends["name"] or depends["other"])
    ):
        return lambda: by_value.told(scene, *sides)
    if total := _TOTAL.search(words):
        sizes = sizes_of(scene, total["name"] or total["other"])
        return None if sizes is None else lambda: _total(*sizes)
    there = _THERE.search(words)
    if there is None or scene.nodes or scene.named("graph"):
        return None
    values = _values(scene, there["name"]) or _values(scene, there["other"] or "")
    return None if values is None else lambda: _there(*values)


def _forms(name: str) -> set[str]:
    return {name, name.removesuffix("s"), name.removesuffix("es"), re.sub("ies$", "y", name)}


def _values(scene: Scene, name: str) -> tuple[str, dict[str, list[Execution]]] | None:
    """The values of the attribute that is called so, each with its executions."""
    known, forms = Known(scene.store), _forms(name)
    held: dict[str, dict[str, list[Execution]]] = defaultdict(lambda: defaultdict(list))
    for one in kinds.newest(scene):
        for attribute, value in known.of(one).attributes.items():
            if "." in attribute and attribute.rpartition(".")[2].lower() in forms:
                held[attribute][str(value)].append(one)
    return next(iter(held.items()), None)


def _there(attribute: str, values: dict[str, list[Execution]]) -> Draft:
    ran = Counter({value: len(mine) for value, mine in values.items()})
    draft = Draft(
        data={"attribute": attribute, "values": dict(ran.most_common()), "count": len(ran)}
    )
    first = next(iter(values.values()))[0]
    draft.say(
        f"{attribute} has {count(len(ran), 'value')} in the last {count(sum(ran.values()), 'execution')} "
        f"of {first.graph_name}: {listed((f'{told_value(v, 40)} ({n})' for v, n in ran.most_common()), most=TOLD)}.",
        *(
            Ref(uri=mine[0].uri, why=f"{attribute} = {value}"[:80])
            for value, mine in list(values.items())[:4]
        ),
        graph_uri(first.graph_name, "executions"),
    )
    return draft


def sizes_of(scene: Scene, name: str) -> tuple[str, list[tuple[float, Execution]]] | None:
    """The numbers that executions have under a name: given to them, or what came out."""
    newest, forms = kinds.newest(scene), _forms(name)
    known, results = Known(scene.store), Results(scene.store)
    for source in (known, results):
        found = [(attribute, size, one) for one in newest for attribute, size in source.of(one).counts.items()
                 if attribute.rpartition(".")[2].lower() in forms]  # fmt: skip
        if found:
            return found[0][0], [
                (size, one) for attribute, size, one in found if attribute == found[0][0]
            ]
        if not forms & _keys(scene):
            return None
    return None


def _keys(scene: Scene) -> set[str]:
    """The keys of the meant graph's state, in lower case."""
    return (
        {field.name.lower() for field in graph.manifest.fields}
        if (graph := scene.graph_or_none)
        else set()
    )


def _ranked(
    scene: Scene, attribute: str, found: list[tuple[float, Execution]], *, least: bool
) -> Draft:
    known = Known(scene.store)
    found.sort(key=lambda pair: (pair[0] if least else -pair[0], -pair[1].position))
    draft = Draft(
        data={"attribute": attribute, "values": {}, "execution_id": found[0][1].execution_id}
    )
    top = found[0][0]
    ties = sum(size == top for size, _ in found)
    more = f"; {ties - 1} more have as {'little' if least else 'much'}" if ties > 1 else ""
    draft.say(
        f"Of the last {count(len(found), 'execution')}, {attribute} is {'least' if least else 'most'} in "
        f"{found[0][1].execution_id}, {top:g}{more}.",
        graph_uri(found[0][1].graph_name, "executions"),
    )
    for size, one in found[:3]:
        draft.data["values"][one.execution_id] = size
        given = {name.partition(".")[2]: value for name, value in known.of(one).attributes.items()
                 if name.startswith("input.")}  # fmt: skip
        draft.say(f"{one.execution_id}: {size:g}, called with {told_value(given, 160)}.", one.uri)
    return draft


def _total(attribute: str, sizes: list[tuple[float, Execution]]) -> Draft:
    """Add up a number over the executions that have it."""
    total, newest = sum(size for size, _ in sizes), sizes[0][1]
    draft = Draft(
        data={"attribute": attribute, "values": {"total": total, "executions": len(sizes)}}
    )
    draft.say(
        f"{attribute} adds up to {total:,.10g} over the last {count(len(sizes), 'execution')} of "
        f"{newest.graph_name} with it on record, {total / len(sizes):.3g} on average.",
        *(Ref(uri=one.uri, why=f"{size:g}") for size, one in sizes[:3]),
        graph_uri(newest.graph_name, "executions"),
    )
    return draft


def _halves(scene: Scene, name: str) -> tuple[by_value.Side, by_value.Side] | None:
    """The executions with more than the median of a number, and the others."""
    found = sizes_of(scene, name)
    if found is None:
        return None
    attribute, sizes = found
    middle = median(size for size, _ in sizes)
    sides = (
        [one for size, one in sizes if size > middle],
        [one for size, one in sizes if size <= middle],
    )
    if not all(sides):
        return None
    return (
        by_value.Side(attribute, f"> {middle:g}", sides[0], told=f"{attribute} over {middle:g}"),
        by_value.Side(
            attribute, f"<= {middle:g}", sides[1], told=f"{attribute} of {middle:g} or less"
        ),
    )


def _per_execution(scene: Scene, name: str) -> Callable[[], Draft] | None:
    """How many visits of a node an execution has, or how much of a value."""
    nodes = {one.name for one in graph.manifest.nodes} if (graph := scene.graph_or_none) else set()
    node = scene.node or next(iter(sorted(_forms(name) & nodes)), None)
    if node is not None and name in ("token", "tokens"):
        return lambda: _tokens(scene, node)
    if node is not None:
        return lambda: _visits(scene, node)
    found = sizes_of(scene, name)
    if found is None:
        return None
    attribute, sizes = found
    return lambda: _average(attribute, [size for size, _ in sizes], sizes[0][1], sizes)


def _visits(scene: Scene, node: str) -> Draft:
    over = [one for one in kinds.newest(scene) if one.status == "completed"]
    ran = [(float(sum(v.node == node for v in scene.store.visits_of(one))), one) for one in over]
    if not ran:
        return Draft(data={"values": {}})
    return _average(node, [number for number, _ in ran], ran[0][1], ran, is_visits=True)


def _tokens(scene: Scene, node: str) -> Draft:
    """How many tokens a model call of a node uses."""
    calls = [
        (float((event.input_tokens or 0) + (event.output_tokens or 0)), one)
        for one in kinds.newest(scene)[:LOOKED_AT] if one.llm_calls
        for event in scene.store.events(one.execution_id, types=("llm_completed",), node=node)
        if isinstance(event, LlmCompleted)
    ]  # fmt: skip
    draft = Draft(data={"attribute": "tokens", "values": {}, "n": len(calls)})
    if not calls:
        uri = graph_uri(scene.graph.name, "executions") if scene.graph else None
        draft.say(f"{node} called no model in what is on record.", uri)
        return draft
    used = [number for number, _ in calls]
    draft.data["values"] = {"median": median(used), "most": max(used), "least": min(used)}
    draft.say(
        f"A model call of {node} uses {median(used):,.0f} tokens at the median, {min(used):,.0f} to "
        f"{max(used):,.0f}, over {count(len(calls), 'call')}.",
        *(Ref(uri=one.uri, why=f"{number:,.0f} tokens") for number, one in calls[:3]),
    )
    return draft


def _average(
    name: str, sizes: Sequence[float], newest: Execution, pairs: Sequence[tuple[float, Execution]],
    *, is_visits: bool = False,
) -> Draft:  # fmt: skip
    values = {"median": median(sizes), "mean": mean(sizes), "most": max(sizes), "least": min(sizes)}
    draft = Draft(data={"attribute": name, "values": values, "n": len(sizes)})
    middle = median(sizes)
    what = f"{'visit' if middle == 1 else 'visits'} of " if is_visits else ""
    draft.say(
        f"An execution of {newest.graph_name} has {middle:g} {what}{name} at the median, {mean(sizes):.3g} on "
        f"average, {min(sizes):g} to {max(sizes):g}, over the last {count(len(sizes), 'execution')}.",
        *(Ref(uri=one.uri, why=f"{size:g}") for size, one in pairs[:3]),
        graph_uri(newest.graph_name, "executions"),
    )
    return draft
