"""What is asked of the executions of one kind: how many, how long, at what cost, by which models, since when."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Final

from inwit.events import LlmCompleted
from inwit.introspection.analyses import by_value, children, time_shares, why_slow
from inwit.introspection.analyses.why_cost import Spent, price
from inwit.introspection.app import label_of
from inwit.introspection.claims import Draft, Ref, count, duration, graph_uri, listed, times
from inwit.introspection.kinds import Kind, ended_as, kinds
from inwit.introspection.quotes import failed_with
from inwit.introspection.scene import Scene
from inwit.introspection.which import Said, names_one, thread_of
from inwit.runtime.views import Execution

TOLD: Final = 6
_COMMON: Final = (
    r"\bin common\b|\b(?:makes?|made)\b.*\b(?:slow|fail|special|different|expensive)\w*"
)
_SLOW: Final = (
    r"^\W*(?:so |and )?(?:why|how come|what makes)\b.*\b(?:slow\w*|long\w*|take|takes|took)\b"
)
_MODELS: Final = r"\b(?:which|what) (?:\w+ )?(?:model|llm)s?\b"
_STEPS: Final = (
    r"\b(?:long|slow|expensive|worst)\w*\b.*\b(?:node|step|stage|part)\b|\bbottle ?neck|\bhot ?spot"
    r"|\bwhere (?:does|do|did|is)\b.*\btime\b|\b(?:node|step|stage)\b.*\b(?:longest|slowest|most time)\b"
)
_MONEY: Final = r"\b(?:cost\w*|spen[dt]\w*|expensive|paid|pay|bill\w*|money|tokens?|price\w*)\b"
_WHEN: Final = r"^\W*(?:and )?(?:when|since when|at what time)\b"
_FAILED: Final = r"\b(?:fail\w*|error\w*|crash\w*|broke\w*)\b"
_LIST: Final = r"^\W*(?:(?:please|can you|could you) )?(?:list|show|which|what|give|find|name)\b.*\b(?:executions|runs|ones|threads|invocations)\b"
_LISTS: Final = r"^\W*(?:(?:please|can you|could you) )?(?:list|show|which|give|find|name|display|get|all)\b(?!.*\b(?:nodes?|steps?|edges?|structure|versions?|keys?|tools?|diagram|graph)\b)"
_THINGS: Final = r"^\W*(?:(?:please|can you|could you) )?(?:list|show|find|display|get|give)\b (?:(?:\w+ ){0,4}[a-z]{2,}[^s\W]s\b|(?:me )?(?:everything|whatever)\b)"
"""That things are to be shown, by whatever name: "show me all orders of BR"."""
_TOOK: Final = r"\bhow (?:long|much time|fast|slow|quick\w*)\b|\b(?:average|median|usual|typical|mean|p\d\d)\b|\blatenc|\bduration"
_MANY: Final = r"\bhow many\b|\b(?:share|percent\w*|fraction|proportion|ratio|number|count) of\b|\bhow (?:often|frequent\w*)\b|\brate\b"
_ONE: Final = (
    r"\b(?:run|execution|invocation)\b|\b(?:last|latest|newest|previous) (?!\w*s\b|few\b|week|month|year|hour|day\b|night"
    r"|time\b|mon|tues|wednes|thurs|fri|satur|sun)[a-z]+\b(?! \w+s\b)"
)
"""One execution is meant, by its value."""
_ANSWERED: Final = r".*\banswer(?:ed)?\b"
"""A person's answers are counted by what is recorded of them."""
_USED: Final = r".*\b(?:us(?:e|ed|es)|call\w*)\b"
Told = Callable[[Scene, Kind], Draft]


def asked(scene: Scene) -> Told | None:
    """What is asked of the one kind that a question names; None where it names none, or one execution."""
    tell = _told_in(scene, scene.words)
    names_node = scene.nodes and any(
        one.kind == "node" and one.text.lower() == one.value.lower() for one in scene.query.entities
    )  # "blocked" may be what came out, and no node `block`
    if tell is None or names_node or names_one(scene) or thread_of(scene):
        return None
    if scene.says(_ANSWERED) or (tell is not _when and re.search(_ONE, scene.words)):
        return None
    found = kinds(scene)
    if len(found) != 1 or (found[0].attribute.endswith(".model") and scene.says(_USED)):
        return None
    value = re.escape(found[0].value.lower())  # "long" may be a value, and then asks for no time
    return _told_in(scene, re.sub(rf"(?<!\w){value}(?!\w)", " ", scene.words))


def _told_in(scene: Scene, words: str) -> Told | None:
    tell: Told | None = next((tell for said, tell in _TELLS if re.search(said, words)), None)
    if (
        tell is None
        and re.search(_LISTS, words)
        and (scene.named("graph") or re.search(_THINGS, words))
    ):
        return _listed
    return tell


def answer(scene: Scene) -> Draft | None:
    """Tell it; None where a question asks for nothing of a kind."""
    tell = asked(scene)
    return None if tell is None else tell(scene, kinds(scene)[0])


def _draft(kind: Kind) -> Draft:
    return Draft(data={"attribute": kind.attribute, "value": kind.value, "values": {}, "times": []})


def _refs(kind: Kind, executions: Sequence[Execution] | None = None) -> list[Ref | str]:
    some = kind.executions if executions is None else executions
    uri = graph_uri(kind.among[0].graph_name, "executions")
    return [*(Ref(uri=one.uri, why=kind.words[:80]) for one in some[:4]), uri]


def _beside(scene: Scene, kind: Kind) -> Draft:
    """How they differ from the others: in times, failures, nodes, and what else they were called with."""
    draft = by_value.told(scene, *by_value.beside_the_rest(kind))
    if scene.query.intent == "why":
        draft.data |= {"causes": [], "execution_id": None}
    return draft


def _slow(scene: Scene, kind: Kind) -> Draft:
    """Why one of them was slow, where a cause stands out; else how they differ from the others."""
    if not kind.attribute.startswith("result."):
        mine = {one.execution_id for one in kind.executions}
        said = Said(words=repr(kind.value), holds=lambda one: one.execution_id in mine)
        scene.picked = (said,)
        draft = why_slow.explain(scene)
        if draft.data.get("causes"):
            return draft
    return _beside(scene, kind)


def _models(scene: Scene, kind: Kind) -> Draft:
    draft, spent = _draft(kind), _spent(scene, kind.executions, lambda call: call.model)
    if not spent:
        draft.say(f"No model call is recorded with {kind.words}.", *_refs(kind))
        return draft
    for model, used in sorted(spent.items(), key=lambda pair: -pair[1].calls)[:TOLD]:
        draft.data["values"][model] = {
            "calls": used.calls,
            "tokens": used.tokens,
            "cost_usd": used.cost,
        }
        draft.say(
            f"With {kind.words}, {model} was called {times(used.calls)} in "
            f"{count(len(kind.executions), 'execution')}: {used.tokens:,} tokens, {used.money}.",
            used.uri,
        )
    return draft


def _spent(
    scene: Scene, executions: Sequence[Execution], by: Callable[[LlmCompleted], str]
) -> dict[str, Spent]:
    found: dict[str, Spent] = defaultdict(Spent)
    for one in executions:
        if one.llm_calls:
            for event in children.events(scene, one, ("llm_completed",)):
                if isinstance(event, LlmCompleted):
                    found[by(event)].add(event)
    return found


def _steps(scene: Scene, kind: Kind) -> Draft:
    """The nodes on the critical path of those that completed, by their share of the time."""
    draft = _draft(kind)
    over = [one for one in kind.executions if one.status == "completed"]
    pairs = [(one, scene.store.visits_of(one)) for one in over]
    took, _ = time_shares.on_paths(pairs)
    if not took:
        draft.say(f"No execution with {kind.words} completed.", *_refs(kind))
        return draft
    shares = time_shares.shares_of(pairs, took)
    each = {name: sum(took[name]) / len(over) for name in took}
    ranked = sorted(took, key=lambda name: -each[name])
    draft.data["values"] = {name: round(each[name], 4) for name in ranked}
    told = listed((f"{label_of(name)} {shares[name]:.0%}" for name in ranked), most=TOLD)
    draft.say(
        f"With {kind.words}, the time of {count(len(over), 'execution')} on the critical path goes to {told}; "
        f"{label_of(ranked[0])} takes {duration(each[ranked[0]])} of each on average.",
        *_refs(kind, over),
    )
    return draft


def _money(scene: Scene, kind: Kind) -> Draft:
    draft = _draft(kind)
    every = children.with_inner(scene, list(kind.executions))
    costs = [one.cost_usd for one in every if one.cost_usd is not None]
    unpriced = sum(one.unpriced_calls for one in every)
    used = sum(one.input_tokens for one in every), sum(one.output_tokens for one in every)
    calls = sum(one.llm_calls for one in every)
    whole = sum(costs) if costs else None
    draft.data["values"] = {
        "cost_usd": whole, "input_tokens": used[0], "output_tokens": used[1], "llm_calls": calls,
        "unpriced_calls": unpriced, "executions": len(kind.executions),
    }  # fmt: skip
    if not calls:
        draft.say(f"No model call is recorded with {kind.words}.", *_refs(kind))
        return draft
    draft.say(
        f"With {kind.words}, {count(len(kind.executions), 'execution')}{_among(scene, kind)} used "
        f"{used[0]:,} input and {used[1]:,} output tokens in {count(calls, 'model call')}, "
        f"{price(whole, unpriced)}.",
        *_refs(kind),
    )
    return draft


def _graphs(kind: Kind) -> str:
    return listed(dict.fromkeys(one.graph_name for one in kind.among))


def _among(scene: Scene, kind: Kind) -> str:
    within = f" ({scene.window.words})" if scene.window else ""
    return f" of the last {len(kind.among)}{within}"


def _meant(scene: Scene, kind: Kind) -> tuple[list[Execution], str]:
    """The executions of a kind with their words; those that failed, where these are asked for."""
    if not re.search(_FAILED, scene.words):
        return list(kind.executions), kind.words
    return [one for one in kind.executions if one.status == "failed"], f"{kind.words} that failed"


def _when(scene: Scene, kind: Kind) -> Draft:
    draft, (found, about) = _draft(kind), _meant(scene, kind)
    if not found:
        draft.say(f"No execution with {about} is on record{_among(scene, kind)}.", *_refs(kind))
        return draft
    newest, oldest = found[0], found[-1]
    for what, one in (("first", oldest), ("last", newest)):
        draft.data["times"].append({"what": what, "ts": one.started_at, "uri": one.uri})
    draft.say(
        f"The first execution with {about} is {oldest.execution_id}, started {oldest.started_at}; the last "
        f"{newest.execution_id}, {newest.started_at}.",
        oldest.uri, newest.uri,
    )  # fmt: skip
    if len(found) < len(kind.executions):
        draft.say(
            f"{len(found)} of {len(kind.executions)} with {kind.words} failed{_among(scene, kind)}.",
            *_refs(kind, found),
        )
        before = [one for one in kind.executions if one.position < oldest.position]
        draft.say(
            f"Before the first, {count(len(before), 'execution')} with it did not.", oldest.uri
        )
    return draft


def _listed(scene: Scene, kind: Kind) -> Draft:
    draft, (found, about) = _draft(kind), _meant(scene, kind)
    draft.data["values"] = {
        "executions": [one.execution_id for one in found],
        "total_count": len(found),
    }
    draft.say(
        f"{count(len(found), 'execution')} with {about}{_among(scene, kind)}{':' if found else '.'}",
        *_refs(kind, found),
    )
    for one in found[:TOLD]:
        took = f", {duration(one.duration_ms)}" if one.duration_ms is not None else ""
        error = f": {failed_with(one.error)}" if one.error is not None else ""
        draft.say(f"{one.execution_id}: {one.status}{took}, {one.started_at}{error}.", one.uri)
    return draft


def _took(_: Scene, kind: Kind) -> Draft:
    draft = _draft(kind)
    took = sorted(one.duration_ms for one in kind.executions
                  if one.status == "completed" and one.duration_ms is not None)  # fmt: skip
    if not took:
        draft.say(f"No execution with {kind.words} completed.", *_refs(kind))
        return draft
    draft.data["values"] = {"median_ms": median(took), "most_ms": took[-1], "executions": len(took)}
    draft.say(
        f"With {kind.words}, {count(len(took), 'execution')} took {duration(median(took))} at the median, "
        f"{duration(took[0])} at least and {duration(took[-1])} at most.",
        *_refs(kind),
    )
    return draft


def _many(scene: Scene, kind: Kind) -> Draft:
    if (also := ended_as(scene, kind)) is not None:
        draft = _draft(also)
        part = len(also.executions) / len(also.among)
        draft.data["values"] = {
            "executions": len(also.executions),
            "of": len(also.among),
            "share": part,
        }
        draft.say(
            f"{len(also.executions)} of {count(len(also.among), 'execution')} with {kind.words}{_among(scene, kind)} "
            f"had {also.words}, {part:.1%}.",
            *_refs(also),
        )
        return draft
    draft, mine = _draft(kind), kind.executions
    ended = Counter(one.status for one in mine)
    share = len(mine) / len(kind.among)
    draft.data["values"] = {"executions": len(mine), "of": len(kind.among), "share": share, **ended}
    verb = "had" if kind.attribute.startswith("result.") else "were called with"
    draft.say(
        f"{len(mine)} of the last {count(len(kind.among), 'execution')} of {_graphs(kind)}"
        f"{f' ({scene.window.words})' if scene.window else ''} {verb} {kind.words}, {share:.1%}.",
        *_refs(kind),
    )
    bad, others = [one for one in mine if one.status == "failed"], kind.others
    worse = sum(one.status == "failed" for one in others)
    draft.data["values"] |= {"failed": len(bad), "error_rate": len(bad) / len(mine)}
    if bad or re.search(_FAILED, scene.words):
        beside = f"; of the others {worse} of {len(others)}, {worse / len(others):.1%}"
        draft.say(
            f"{len(bad)} of them failed, {len(bad) / len(mine):.1%}{beside}.", *_refs(kind, bad)
        )
    return draft


_TELLS: Final[tuple[tuple[str, Any], ...]] = (
    (_SLOW, _slow), (_COMMON, _beside), (_MODELS, _models), (_STEPS, _steps), (_MONEY, _money),
    (_WHEN, _when), (_MANY, _many), (_LIST, _listed), (_TOOK, _took),
)  # fmt: skip
