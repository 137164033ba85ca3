"""What another model would cost: recorded tokens at its price, and its time where it was recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from inwit.events import LlmCompleted, LlmStarted, epoch_ns
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.changes import Change
from inwit.introspection.claims import (
    Draft,
    Ref,
    count,
    duration,
    graph_uri,
    listed,
    node_uri,
    platform_uri,
)
from inwit.introspection.kinds import kinds
from inwit.introspection.router.words import word_set
from inwit.introspection.scene import Scene
from inwit.introspection.stats import Estimate, estimate, foretold, holds_for_next
from inwit.runtime.capture.prices import Usage, cost_of, priced_models
from inwit.runtime.views import Execution, RegisteredGraph

LOOKED_AT = 100
TIMED_LEAST = 6
"""Recorded calls of a model by which its time is told."""
NAMED_MOST = 4
_WORD = re.compile(r"(?<![\w./:@-])[a-z](?:[\w./:@-]*[\w])?")
_AFTER = re.compile(
    r"\b(?:used?|using|uses|with|on|to|by|called|calls|into|model|llm|were|was|for)"
    r" (?:the |a |an |another |model )*([a-z][\w./:@-]*\w)"
)
_IN_PLACE = r"\b(?:replac\w*|swap\w*|instead of|in place of|rather than|from|switch\w*|mov\w*)\b"
_INSTEAD = re.compile(
    r"\b(?:instead of|rather than|in place of|and not|replac\w+ (?!by|with))(?: the)? ?([\w./:@-]*\w)?"
)
_NO_NAMES = word_set(
    """
    model models llm another other cheaper smaller bigger larger better different instead of used
    the a an it one
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A model call of a recorded execution that ended well."""

    execution_id: str
    node: str
    model: str
    uri: str
    usage: Usage
    cost: float | None
    took_ms: float | None


def answer(scene: Scene, graph: RegisteredGraph, change: Change) -> Draft:
    """Price the recorded calls as if another model had answered them with as many tokens."""
    draft = Draft(
        data={"feasible": False, "reason": "", "n": 0, "baseline": None, "predicted": None}
        | {"change": {"kind": "model", "nodes": list(change.nodes)}}
    )
    page = scene.store.executions(graph=graph.name, status="completed", limit=LOOKED_AT)
    some, about = _meant(scene, page.items)
    every = [call for one in page.items if one.llm_calls for call in _calls(scene, one)]
    calls = [one for one in every if one.execution_id in some]
    calls = [one for one in calls if not change.nodes or one.node in change.nodes]
    if not page.items:
        return nothing_recorded(scene, draft)
    if not calls:
        whose = listed(change.nodes) or graph.name
        return _refused(draft, graph, f"no model call of {whose} is recorded with its tokens")
    model, near = named(scene.words, {one.model for one in calls})
    old = replaced(scene.words, model, {one.model for one in calls})
    draft.data["change"]["model"] = model
    if not model:
        said = f"which model is meant is not said; with a price: {listed(near, most=NAMED_MOST)}"
        return _refused(draft, graph, said)
    if about:
        draft.say(f"Of executions with {about}:", graph_uri(graph.name, "executions"))
    _tell(draft, graph, model, [one for one in calls if old in ("", one.model)], every)
    if old:
        draft.data["change"]["replaced"] = old
        draft.admit(f"Only calls of {old} are counted; all others stay as they are.")
    return draft


def _meant(scene: Scene, items: Sequence[Execution]) -> tuple[set[str], str]:
    """The executions of the kind that a question names, and its words; else all, and none."""
    found = [one for one in kinds(scene) if one.attribute.rpartition(".")[2].lower() != "model"]
    if len(found) != 1:
        return {one.execution_id for one in items}, ""
    return {one.execution_id for one in found[0].executions}, found[0].words


def replaced(words: str, model: str, recorded: set[str]) -> str:
    """The recorded model in whose place another is to be, where the question names it; else ""."""
    said = {match[0] for match in _WORD.finditer(words)} & recorded - {model}
    return next(iter(said)) if len(said) == 1 and re.search(_IN_PLACE, words) else ""


def _calls(scene: Scene, execution: Execution) -> Iterator[_Call]:
    begun: dict[str, LlmStarted] = {}
    types = ("llm_started", "llm_completed")
    for event in scene.store.events(execution.execution_id, types=types):
        if isinstance(event, LlmStarted):
            begun[event.call_id] = event
        elif isinstance(event, LlmCompleted) and event.error is None:
            usage = Usage(
                input=event.input_tokens, output=event.output_tokens, cached=event.cached_tokens
            )
            yield _Call(
                execution_id=execution.execution_id, node=str(event.node), model=event.model,
                uri=event.uri, usage=usage, cost=_paid(event, usage),
                took_ms=_lasted(begun.get(event.call_id), event),
            )  # fmt: skip


def _lasted(begun: LlmStarted | None, end: LlmCompleted) -> float | None:
    """How long a call took, in milliseconds: as it was told, or from its beginning to its end."""
    if end.duration_ms is not None or begun is None:
        return end.duration_ms
    return (epoch_ns(end.ts) - epoch_ns(begun.ts)) / 1e6


def _paid(event: LlmCompleted, usage: Usage) -> float | None:
    return cost_of(event.model, usage).usd if event.cost_usd is None else event.cost_usd


def named(words: str, recorded: set[str]) -> tuple[str, list[str]]:
    """The model that is asked for, else "" and those that may be meant."""
    known = priced_models()
    instead = _INSTEAD.search(words)
    gone = instead[1] if instead is not None else None
    said = [match[0] for match in _WORD.finditer(words) if match[0] != gone]
    exact = [one for one in said if one in recorded or (one in known and len(one) > 2)]
    exact = exact or [one for one in said if re.search(r"\d", one) and cost_of(one, _ONE).date]
    if exact:
        return exact[-1], []
    part = [one for one in said if len(one) > 2 and one not in _NO_NAMES]
    near = [name for name in known if any(one in re.split(r"[-./]", name) for one in part)]
    if near:
        return (near[0], []) if len(near) == 1 else ("", near)
    other = [
        one for one in _AFTER.findall(words) if one not in _NO_NAMES and re.search(r"[\d-]", one)
    ]
    return (other[-1], []) if other else ("", sorted(known)[:NAMED_MOST])


_ONE = Usage(input=1, output=1)


def _refused(draft: Draft, graph: RegisteredGraph, reason: str) -> Draft:
    draft.data["reason"] = reason
    draft.say(f"That cannot be predicted: {reason}.", platform_uri("features", "costs"),
              graph_uri(graph.name, "executions"))  # fmt: skip
    return draft


def _tell(
    draft: Draft, graph: RegisteredGraph, model: str, calls: Sequence[_Call], every: Sequence[_Call]
) -> None:
    """Price the calls that would change; how long the other model takes, any call of it shows."""
    refs = [Ref(uri=one.uri, why="its tokens") for one in calls[:3]]
    refs += [Ref(uri=node_uri(graph.name, one)) for one in dict.fromkeys(c.node for c in calls)
             if graph.manifest.node(one)]  # fmt: skip
    _price(draft, model, calls, refs)
    draft.data["time"] = _time(draft, model, calls, every, refs)


def _price(draft: Draft, model: str, calls: Sequence[_Call], refs: list[Ref]) -> None:
    now = _by_execution(calls, lambda one: one.cost)
    then = _by_execution(calls, lambda one: cost_of(model, one.usage).usd)
    date = next((found for one in calls if (found := cost_of(model, one.usage).date)), None)
    draft.data |= {"n": len({one.execution_id for one in calls}), "calls": len(calls)}
    draft.data |= {"price_date": date}
    if date is None:
        draft.data["reason"] = f"the price of {model} is unknown"
        draft.say(f"What {model} would cost is unknown: no price table has it.", *refs)
        return
    if not then:
        draft.data["reason"] = "the tokens of no call are known"
        draft.say(f"What {model} would cost is unknown: no call's tokens are recorded.", *refs)
        return
    after = foretold([*then.values()], "USD")
    draft.data |= {"feasible": True, "reason": "as many tokens are taken for granted"}
    draft.data |= {"predicted": _money(after)}
    instead = "; what the recorded calls cost is unknown, for their model has no price"
    if now:
        before = estimate([*now.values()], "USD")
        draft.data["baseline"] = _money(before)
        instead = f" instead of {_dollars(before.point)}"
    draft.say(
        f"With {model} an execution would cost {_dollars(after.point)} at the median "
        f"({_dollars(after.low)} to {_dollars(after.high)}){instead}, by the tokens of "
        f"{count(len(calls), 'call')} in {count(len(then), 'execution')} and the prices of {date}.",
        *refs,
    )
    missing = draft.data["n"] - len(then)
    if missing:
        draft.admit(
            f"{count(missing, 'execution')} had calls without known tokens and count for nothing."
        )
    draft.admit(
        "Another model may need other numbers of tokens and answer otherwise; that is in no record."
    )
    draft.certainty = holds_for_next(after.n)


def _by_execution(
    calls: Sequence[_Call], price: Callable[[_Call], float | None]
) -> dict[str, float]:
    """What each execution's calls cost; one with a call of unknown cost is left out."""
    sums: dict[str, float | None] = {}
    for one in calls:
        cost, known = price(one), sums.get(one.execution_id, 0.0)
        sums[one.execution_id] = None if cost is None or known is None else known + cost
    return {name: value for name, value in sums.items() if value is not None}


def _time(
    draft: Draft, model: str, calls: Sequence[_Call], every: Sequence[_Call], refs: list[Ref]
) -> dict[str, object] | None:
    """How long calls of the other model took, where the record holds some."""
    took = [one.took_ms for one in every if one.model == model and one.took_ms is not None]
    others = [one.took_ms for one in calls if one.model != model and one.took_ms is not None]
    if len(took) < TIMED_LEAST:
        draft.admit(f"How long {model} would take is unknown: {count(len(took), 'call')} of it "
                    f"{'is' if len(took) == 1 else 'are'} on record, {TIMED_LEAST} are needed.")  # fmt: skip
        return None
    told = f" instead of {duration(median(others))}" if others else ""
    draft.say(
        f"A recorded call of {model} took {duration(median(took))} at the median{told}.", *refs
    )
    return estimate(took).to_json()


def _money(one: Estimate) -> dict[str, object]:
    return {"point": one.point, "low": one.low, "high": one.high, "unit": "USD"}


def _dollars(value: float) -> str:
    return f"${value:.6f}" if value < 0.01 else f"${value:.4f}"
