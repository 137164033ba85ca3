"""Repeated identical calls: the same input again, and the same output again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import Any, Literal

import msgspec

from inwit.answers import Evidence
from inwit.plans import Effect
from inwit.self_improve import stats
from inwit.self_improve.calls import NodeCall, OuterCall
from inwit.self_improve.findings import Draft, Finding, Held, Look, Seen, Thresholds, shown
from inwit.self_improve.window import Window, has_side_effects

DETECTOR = "repeated_calls"


class _Made(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call, of whatever kind, as repeats are counted."""

    call: NodeCall | OuterCall
    given: int
    gave: int | None
    spent_ms: float
    tokens: int = 0
    cost_usd: float | None = None
    """None where the call has no price."""

    @property
    def execution_id(self) -> str:
        return self.call.execution_id

    @property
    def thread_id(self) -> str | None:
        return self.call.thread_id

    @property
    def uri(self) -> str:
        return self.call.uri


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """All calls of one thing, in order."""

    node: str
    kind: Literal["node", "tool", "model"]
    name: str
    calls: Sequence[_Made]
    reads: tuple[str, ...] | None = None

    @property
    def what(self) -> str:
        """The thing in a sentence."""
        if self.kind == "node":
            return f"node {shown(self.node)}"
        return f"{self.kind} {shown(self.name)} in node {shown(self.node)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repeats:
    """What the calls of a series have in common within one scope."""

    scope: Literal["execution", "thread"]
    pairs: Sequence[tuple[_Made, _Made]]
    """Each repeated call behind the first one of equal input."""
    differing: Sequence[tuple[_Made, _Made]]


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Look for equal calls within an execution and, where these are none, within a thread."""
    looks: list[Look] = []
    held: list[Held] = []
    whole: set[str] = set()
    for series in _series(window):
        if series.node in whole:  # the node's own repeats explain those of its tools and models
            continue
        reason = _refusal(window, series.node)
        repeats = _best(series.calls, limits)
        n = len(series.calls)
        p = stats.binomial_tail(len(repeats.pairs), n, limits.repeat_share_floor)
        finding = None
        if _is_large(repeats, n, limits):
            reason = reason or _differs(repeats)
            if reason:
                held.append(_held(window, series, reason))
            else:
                old = _same(baseline, series) if baseline else None
                finding = _finding(window, series, repeats, (p, old))
                whole |= {series.node} if series.kind == "node" else set()
        looks.append(
            Look(
                detector=DETECTOR, graph_name=window.graph_name, node=series.node, p_value=p,
                finding=finding, visits=n,
                visits_per_execution=n / max(len(window.executions), 1),
            )
        )  # fmt: skip
    looks.extend(_across(window, limits))
    return Seen(looks=tuple(looks), held=tuple(held))


def _across(window: Window, limits: Thresholds) -> Iterator[Look]:
    """Calls of one tool or model that another node of the same execution has made before."""
    by_name: dict[tuple[Literal["tool", "model"], str], list[OuterCall]] = {}
    for call in window.outer_calls:
        by_name.setdefault((call.kind, call.name), []).append(call)
    for (kind, name), calls in by_name.items():
        nodes = {call.node for call in calls}
        if len(nodes) < 2 or any(_refusal(window, node) for node in nodes):
            continue
        found = _repeats("execution", map(_outer_made, calls), lambda call: call.execution_id)
        pairs = [(one, other) for one, other in found.pairs if one.call.node != other.call.node]
        repeats = _Repeats(scope="execution", pairs=pairs, differing=found.differing)
        if not _is_large(repeats, len(calls), limits) or repeats.differing:
            continue
        node = pairs[-1][1].call.node
        series = _Series(node=node, kind=kind, name=name, calls=[_outer_made(c) for c in calls])
        p = stats.binomial_tail(len(pairs), len(calls), limits.repeat_share_floor)
        made = _finding(window, series, repeats, (p, None))
        first = pairs[-1][0].call.node
        draft = msgspec.structs.replace(
            made.draft, actions=(), expected_gain=None,
            title=f"Give node {shown(node)} of {shown(window.graph_name)} what node {shown(first)} was told",
            hypothesis=f"What {kind} {shown(name)} told node {shown(first)} need not be asked again.",
        )  # fmt: skip
        yield Look(
            detector=DETECTOR, graph_name=window.graph_name, node=node, p_value=p, visits=len(calls),
            finding=msgspec.structs.replace(
                made, subject=f"{kind}:{name} after {first}", draft=draft
            ),
        )  # fmt: skip


def _series(window: Window) -> Iterator[_Series]:
    """Nodes first, so that a node's finding comes before those of what it calls."""
    for node in window.by_node():
        if node in window.sent:
            continue  # equal states are no equal inputs
        made = _of_node(window, node)
        if made.calls:
            yield made
    for (node, kind, name), calls in window.outer_by_name.items():
        yield _Series(node=node, kind=kind, name=name, calls=[_outer_made(c) for c in calls])


def _of_node(window: Window, node: str) -> _Series:
    facts = window.facts(node)
    reads = facts.reads if facts is not None and facts.reads_known else None
    calls = window.by_node().get(node, ())
    made = [made for call in calls if (made := _node_made(call)) is not None]
    return _Series(node=node, kind="node", name="", calls=made, reads=reads)


def _same(baseline: Window, series: _Series) -> _Series | None:
    """The same series in the window before."""
    if series.kind == "node":
        found = _of_node(baseline, series.node)
        return found if found.calls else None
    calls = baseline.outer_by_name.get((series.node, series.kind, series.name), ())
    return dataclasses.replace(series, calls=[_outer_made(c) for c in calls]) if calls else None


def _node_made(call: NodeCall) -> _Made | None:
    # A node that gives nothing is called for its effect, whether it declares that or not.
    if call.is_cached or call.status != "completed":
        return None
    if call.given_key is None or call.gave_key is None:
        return None
    return _Made(call=call, given=call.given_key, gave=call.gave_key, spent_ms=call.self_ms)


def _outer_made(call: OuterCall) -> _Made:
    return _Made(
        call=call, given=call.given.key, gave=None if call.gave is None else call.gave.key,
        spent_ms=call.duration_ms, tokens=call.tokens, cost_usd=call.cost_usd,
    )  # fmt: skip


def _refusal(window: Window, node: str) -> str:
    """Why calls of a node may not be spared, whatever they gave."""
    facts = window.facts(node)
    if facts is None:
        return "the graph's manifest is missing, so side effects cannot be ruled out"
    if has_side_effects(facts):
        return "the node is declared to have side effects"
    return ""


def _differs(repeats: _Repeats) -> str:
    if not repeats.differing:
        return ""
    first, second = repeats.differing[0]
    return (
        f"equal inputs gave differing outputs {len(repeats.differing)} times, for example "
        f"{first.uri} and {second.uri}"
    )


def _held(window: Window, series: _Series, reason: str) -> Held:
    return Held(
        detector=DETECTOR, graph_name=window.graph_name, node=series.node,
        reason=f"{series.what} is called again with equal input, but {reason}",
    )  # fmt: skip


def _best(calls: Sequence[_Made], limits: Thresholds) -> _Repeats:
    """Prefer the narrow scope: a result kept for one execution cannot grow stale."""
    within = _repeats("execution", calls, lambda call: call.execution_id)
    if _is_large(within, len(calls), limits):
        return within
    threaded = [call for call in calls if call.thread_id is not None]
    across = _repeats("thread", threaded, lambda call: call.thread_id or "")
    return across if len(across.pairs) > len(within.pairs) else within


def _repeats(
    scope: Literal["execution", "thread"],
    calls: Iterable[_Made],
    place: Callable[[_Made], Hashable],
) -> _Repeats:
    first: dict[Hashable, _Made] = {}
    pairs, differing = [], []
    for call in calls:
        known = first.setdefault((place(call), call.given), call)
        if known is not call:
            pairs.append((known, call))
            if known.gave != call.gave:
                differing.append((known, call))
    return _Repeats(scope=scope, pairs=pairs, differing=differing)


def _is_large(repeats: _Repeats, calls: int, limits: Thresholds) -> bool:
    again = [second for _, second in repeats.pairs]
    if len(again) < limits.repeats_min:
        return False
    is_priced = any(call.cost_usd or call.tokens for call in again)
    is_slow = fmean(call.spent_ms for call in again) >= limits.repeat_saving_floor_ms
    low, _ = stats.share_interval(len(again), calls)
    return low > limits.repeat_share_floor and (is_priced or is_slow)


def _finding(
    window: Window, series: _Series, repeats: _Repeats, tested: tuple[float, _Series | None]
) -> Finding:
    p, old = tested
    again = [second for _, second in repeats.pairs]
    share = len(again) / len(series.calls)
    low, high = stats.share_interval(len(again), len(series.calls))
    spent = sum(call.spent_ms for call in again)
    scope = "the same execution" if repeats.scope == "execution" else "the same thread"
    notes = []
    if series.kind == "node" and series.reads is None:
        notes.append("What the node reads is not known; the whole state was compared.")
    return Finding(
        detector=DETECTOR,
        graph_name=window.graph_name,
        graph_version=window.graph_version,
        node=series.node,
        subject=f"{series.kind}:{series.name}" if series.name else "",
        statement=f"{len(again)} of {len(series.calls)} calls of {series.what} repeated an "
        f"earlier one of {scope}: equal input, equal output, {spent:.1f} ms.",
        baseline=_baseline(old, repeats.scope),
        candidate=_figures(series, repeats),
        effect=Effect(
            point=share, low=low, high=high, unit="share of calls repeated",
            method="Clopper-Pearson 95 % interval; exact binomial test against the floor",
        ),
        p_value=p,
        # All agreed: the one-sided 95 % bound on the share of equal inputs with equal outputs.
        confidence=0.05 ** (1 / len(again)),
        evidence=_evidence(repeats),
        limits=tuple(notes),
        draft=_draft(window, series, repeats),
    )  # fmt: skip


def _baseline(old: _Series | None, scope: Literal["execution", "thread"]) -> dict[str, Any]:
    if old is None:
        return {"calls": 0}
    if scope == "execution":
        return _figures(old, _repeats(scope, old.calls, lambda call: call.execution_id))
    threaded = [call for call in old.calls if call.thread_id is not None]
    return _figures(old, _repeats(scope, threaded, lambda call: call.thread_id or ""))


def _figures(series: _Series, repeats: _Repeats) -> dict[str, Any]:
    again = [second for _, second in repeats.pairs]
    return {
        "calls": len(series.calls),
        "repeated": len(again),
        "differing_outputs": len(repeats.differing),
        "scope": repeats.scope,
        "wasted_ms": round(sum(call.spent_ms for call in again), 3),
        "wasted_tokens": sum(call.tokens for call in again),
        **_wasted_money(again),
    }


def _wasted_money(again: Sequence[_Made]) -> dict[str, Any]:
    """What the repeats cost at least: calls of a model without a price are counted beside it."""
    known = [call.cost_usd for call in again if call.cost_usd is not None]
    unpriced = sum(call.tokens > 0 and call.cost_usd is None for call in again)
    wasted = None if unpriced and not known else round(sum(known), 6)
    return {"wasted_usd": wasted, "unpriced_calls": unpriced}


def _evidence(repeats: _Repeats) -> tuple[Evidence, ...]:
    """Show three pairs, each once."""
    found: dict[str, Evidence] = {}
    for first, second in repeats.pairs[:3]:
        for call, why in ((first, "The first call."), (second, "The same call again.")):
            found.setdefault(
                call.uri,
                Evidence(
                    uri=call.uri,
                    quote=f"{call.spent_ms:.3f} ms",
                    why=f"{why} Input {call.given:015x}, "
                    f"output {'none' if call.gave is None else f'{call.gave:015x}'}.",
                ),
            )
    return tuple(found.values())


def _draft(window: Window, series: _Series, repeats: _Repeats) -> Draft:
    keys = (
        "its input" if series.reads is None else f"the keys {', '.join(series.reads) or '(none)'}"
    )
    setting: dict[str, Any] = {"scope": repeats.scope}
    if series.kind == "node":
        setting["key"] = list(series.reads) if series.reads is not None else "whole state"
        name = "cache"
    else:
        setting["name"] = series.name
        name = f"{series.kind}_cache"
    action = {
        "type": "node_config", "graph": window.graph_name, "node": series.node,
        "set": {name: setting}, "previous": {name: None},
    }  # fmt: skip
    return Draft(
        title=f"Keep the result of {series.what} of {shown(window.graph_name)} for one "
        f"{repeats.scope}",
        hypothesis=f"The result of {series.what} depends on {keys} alone, so an equal call within "
        f"one {repeats.scope} need not be made again.",
        expected_evidence=f"With the result kept, {series.what} is called once for each input of a "
        f"{repeats.scope}, and the executions end in the same state.",
        actions=(action,),
        risk="Wrong if the result depends on more than its input, on the time or on data outside; "
        f"{len(repeats.pairs)} repeats showed no such case. Declare side_effects=True if it acts "
        "on the world.",
        rollback=f"Take {name} of node {shown(series.node)} away.",
        expected=f"No repeated_calls of {series.what}.",
        expected_gain=_gain(window, repeats),
    )


def _gain(window: Window, repeats: _Repeats) -> Effect:
    """The time of repeated calls per execution, resampled by execution."""
    spent = dict.fromkeys((one.execution_id for one in window.executions), 0.0)
    ordered = sorted((second for _, second in repeats.pairs), key=lambda call: call.execution_id)
    for execution_id, calls in groupby(ordered, key=lambda call: call.execution_id):
        spent[execution_id] = sum(call.spent_ms for call in calls)
    point, low, high = stats.bootstrap_mean(list(spent.values()))
    return Effect(
        point=point, low=low, high=high, unit="ms of calls per execution",
        method="recorded time of the repeated calls, bootstrap over executions; time saved on "
        "parallel branches may be hidden",
    )  # fmt: skip
