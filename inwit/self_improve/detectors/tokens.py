"""Wasted tokens and cost: answers that nobody reads, prompts sent again, models dearer than needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from inwit.introspection.independence import why_not_removed
from inwit.plans import Effect
from inwit.runtime.manifest import GraphManifest, NodeFacts
from inwit.runtime.program import END
from inwit.self_improve import stats
from inwit.self_improve.calls import OuterCall
from inwit.self_improve.detectors.common import configure, draft, evidence, tool_name
from inwit.self_improve.findings import Draft, Finding, Look, Seen, Thresholds, shown
from inwit.self_improve.window import Window, has_side_effects

UNREAD, RESENT, DEARER = "unread_output", "prompt_resent", "dearer_model"
EXECUTIONS_LEAST = 20
RESENT_FLOOR = 0.5
"""The share of what is sent that was sent before, from which on it is worth keeping."""
RESENT_TOKENS = 512
"""Prompts of fewer tokens are kept by no provider."""
AGREED_FLOOR = 0.8
CHEAPER = 0.7


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Look at the model calls of each node."""
    del baseline
    looks: list[Look] = []
    total = sum(call.tokens for call in window.outer_calls)
    for node, outer in window.outer_by_node.items():
        calls = [call for call in outer if call.kind == "model"]
        if not calls:
            continue
        for kind, finding in (
            (UNREAD, _unread(window, node, calls, total, limits)),
            (RESENT, _resent(window, node, calls)),
            (DEARER, _dearer(window, node, calls)),
        ):
            looks.append(
                Look(
                    detector=kind, graph_name=window.graph_name, node=node, finding=finding,
                    p_value=1.0 if finding is None else finding.p_value, visits=len(calls),
                )
            )  # fmt: skip
    return Seen(looks=tuple(looks))


def _unread(
    window: Window, node: str, calls: Sequence[OuterCall], total: int, limits: Thresholds
) -> Finding | None:
    manifest, facts = window.manifest, window.facts(node)
    executions = {call.execution_id for call in calls}
    spent = sum(call.tokens for call in calls)
    if manifest is None or facts is None or len(executions) < EXECUTIONS_LEAST:
        return None
    if spent < limits.tokens_share_floor * total or has_side_effects(facts):
        return None
    keys = set(facts.writes) | window.writes.get(node, frozenset())
    if not keys or not _is_unread(window, manifest, facts, keys):
        return None
    point, low, high = _per_execution(window, calls)
    named = ", ".join(sorted(keys))
    action = _removal(window, manifest, node)
    return Finding(
        detector=UNREAD, graph_name=window.graph_name, graph_version=window.graph_version, node=node,
        statement=f"Nothing reads {named}, which node {shown(node)} has a model write: {spent:,} of "
        f"{total:,} tokens.",
        baseline={"tokens": total}, candidate={"tokens": spent, "keys": sorted(keys)} | _money(calls),
        effect=Effect(point=point, low=low, high=high, unit="tokens per execution",
                      method="recorded tokens, bootstrap over executions"),
        p_value=0.5 ** min(len(executions), 60),
        evidence=evidence(calls[-3:], f"{calls[-1].tokens} tokens", "A call whose answer nobody read."),
        limits=("Who called the graph may read it in the final state.",),
        draft=draft(
            title=f"Leave out node {shown(node)} of {shown(window.graph_name)}",
            hypothesis=f"No node and no decision reads {named}.",
            expected="The other keys of the final state are the same.",
            actions=(action,) if action else (), risk=f"A caller that reads {named} misses it.",
            rollback=f"Put node {shown(node)} back.",
            expected_gain=Effect(point=point, low=low, high=high, unit="tokens per execution",
                                 method="recorded tokens, bootstrap over executions"),
        ),
    )  # fmt: skip


def _is_unread(window: Window, manifest: GraphManifest, facts: NodeFacts, keys: set[str]) -> bool:
    """Whether no node or decision reads the keys, and the graph's result is written by others."""
    ends = {edge.source for edge in manifest.edges if edge.target == END}
    if facts.name in ends or not any(
        window.writes.get(end) or _writes(manifest, end) for end in ends
    ):
        return False
    if any(edge.source == facts.name and edge.is_conditional for edge in manifest.edges):
        return False
    for other in manifest.nodes:
        if not other.reads_known or other.graph or keys & set(other.reads):
            return False
    return not any(keys & set(edge.reads) for edge in manifest.edges)


def _writes(manifest: GraphManifest, node: str) -> bool:
    facts = manifest.node(node)
    return facts is not None and bool(facts.writes)


def _removal(window: Window, manifest: GraphManifest, node: str) -> dict[str, object] | None:
    seen = {name: set(keys) for name, keys in window.writes.items()}
    if why_not_removed(manifest, node, seen) is not None:
        return None
    before = [edge for edge in manifest.edges if edge.target == node]
    after = [edge for edge in manifest.edges if edge.source == node]
    if len(after) != 1 or any(edge.is_conditional or edge.joins for edge in (*before, *after)):
        return None
    at = next(i for i, facts in enumerate(manifest.nodes) if facts.name == node)
    patch: list[dict[str, object]] = [{"op": "test", "path": f"/nodes/{at}/name", "value": node}]
    patch += [
        {
            "op": "replace",
            "path": f"/edges/{manifest.edges.index(edge)}/target",
            "value": after[0].target,
        }
        for edge in before
    ]
    patch += [
        {"op": "remove", "path": f"/edges/{manifest.edges.index(after[0])}"},
        {"op": "remove", "path": f"/nodes/{at}"},
    ]
    return {
        "type": "manifest_patch", "graph": window.graph_name, "version": window.graph_version,
        "patch": patch,
    }  # fmt: skip


def _per_execution(window: Window, calls: Sequence[OuterCall]) -> tuple[float, float, float]:
    spent = dict.fromkeys((one.execution_id for one in window.executions[-2000:]), 0.0)
    for call in calls:
        if call.execution_id in spent:
            spent[call.execution_id] += call.tokens
    return stats.bootstrap_mean(list(spent.values()))


def _money(calls: Sequence[OuterCall]) -> dict[str, float | None]:
    known = [call.cost_usd for call in calls if call.cost_usd is not None]
    return {"usd": round(sum(known), 6) if known else None}


def _resent(window: Window, node: str, calls: Sequence[OuterCall]) -> Finding | None:
    """How much of what a node sends its model was sent just before, and is not kept there."""
    sizes = window.message_sizes
    sent = again = 0
    per_execution: dict[str, float] = {}
    last: Sequence[int] = ()
    for call in calls:
        whole = sum(sizes[number][0] for number in call.messages)
        same = sum(sizes[number][0] for number in _prefix(last, call.messages))
        last = call.messages
        sent, again = sent + whole, again + same
        if whole:
            tokens = call.input_tokens * same / whole
            per_execution[call.execution_id] = per_execution.get(call.execution_id, 0.0) + tokens
    kept = sum(call.cached_tokens or 0 for call in calls)
    took = sum(call.input_tokens for call in calls)
    is_small = took / len(calls) < RESENT_TOKENS or len(per_execution) < EXECUTIONS_LEAST
    if is_small or again < RESENT_FLOOR * sent or kept > 0.2 * took:
        return None
    share = again / sent
    point, low, high = stats.bootstrap_mean(list(per_execution.values())[-2000:])
    gain = Effect(point=point, low=low, high=high, unit="tokens sent again per execution",
                  method="share of characters in the common beginning, bootstrap over executions")  # fmt: skip
    return Finding(
        detector=RESENT, graph_name=window.graph_name, graph_version=window.graph_version, node=node,
        statement=f"{share:.0%} of what node {shown(node)} sends its model is what it sent the time "
        f"before, and {kept:,} of {took:,} tokens were kept there.",
        baseline={"input_tokens": took, "cached_tokens": kept},
        candidate={"sent_again": round(share, 4), "calls": len(calls)}, effect=gain,
        p_value=0.5 ** min(len(calls), 60),
        evidence=evidence(calls[-3:], f"{calls[-1].input_tokens} tokens", "A call that begins as the one before."),
        draft=draft(
            title=f"Have the provider keep the beginning of the prompt of node {shown(node)}",
            hypothesis=f"Calls of node {shown(node)} begin with the same messages.",
            expected="Most input tokens are cached ones.", expected_gain=gain,
            actions=(configure(window, node, {"prompt_cache": True}),),
            risk="A provider may ask for writing what it keeps.",
        ),
    )  # fmt: skip


def _prefix(before: Sequence[int], now: Sequence[int]) -> Iterator[int]:
    for one, other in zip(before, now, strict=False):
        if one != other:
            return
        yield other


def _dearer(window: Window, node: str, calls: Sequence[OuterCall]) -> Finding | None:
    """Models that were asked the same: does a cheaper one give what the dearer one gives?"""
    by_given: dict[int, dict[str, OuterCall]] = {}
    for call in calls:
        by_given.setdefault(call.given.key, {})[call.name] = call
    pairs: dict[tuple[str, str], list[tuple[OuterCall, OuterCall]]] = {}
    for asked in by_given.values():
        for dear in asked.values():
            for cheap in asked.values():
                if dear is not cheap and (cheap.cost_usd or 0) < (dear.cost_usd or 0):
                    pairs.setdefault((dear.name, cheap.name), []).append((dear, cheap))
    for (dear_name, cheap_name), found in sorted(pairs.items(), key=lambda item: -len(item[1])):
        agreed = sum(a.gave is not None and a.gave == b.gave for a, b in found)
        low, high = stats.share_interval(agreed, len(found))
        costs = [fmean(pair[at].cost_usd or 0.0 for pair in found) for at in (0, 1)]
        if (
            low >= AGREED_FLOOR
            and costs[1] <= CHEAPER * costs[0]
            and tool_name(cheap_name) == cheap_name
        ):
            p = stats.binomial_tail(agreed, len(found), AGREED_FLOOR)
            share = Effect(point=agreed / len(found), low=low, high=high, unit="share of equal answers",
                           method="Clopper-Pearson 95 % interval")  # fmt: skip
            return _dearer_finding(
                window, node, (dear_name, cheap_name), found, (share, p, costs[0], costs[1])
            )
    return None


def _dearer_finding(
    window: Window, node: str, names: tuple[str, str],
    found: Sequence[tuple[OuterCall, OuterCall]], tested: tuple[Effect, float, float, float],
) -> Finding:  # fmt: skip
    share, p, dear_usd, cheap_usd = tested
    dear, cheap = map(tool_name, names)
    return Finding(
        detector=DEARER, graph_name=window.graph_name, graph_version=window.graph_version, node=node,
        subject=f"model:{dear}",
        statement=f"Model {shown(cheap)} gave what {shown(dear)} gave in {share.point:.0%} of "
        f"{len(found)} equal calls of node {shown(node)} (at least {share.low:.0%}), for "
        f"{cheap_usd / dear_usd:.0%} of the price.",
        baseline={"model": dear, "usd_per_call": dear_usd},
        candidate={"model": cheap, "usd_per_call": cheap_usd, "calls": len(found)},
        effect=share, p_value=p,
        evidence=evidence([b for _, b in found[-3:]], cheap, "The cheaper model's answer."),
        draft=_cheaper(window, node, (cheap, dear), dear_usd - cheap_usd, len(found)),
    )  # fmt: skip


def _cheaper(window: Window, node: str, names: tuple[str, str], saved: float, n: int) -> Draft:
    cheap, dear = names
    return draft(
        title=f"Have node {shown(node)} of {shown(window.graph_name)} ask {shown(cheap)}",
        hypothesis=f"{shown(cheap)} answers as {shown(dear)} does.",
        expected="Scores and final states are the same.",
        actions=(configure(window, node, {"model": cheap}, {"model": dear}),),
        risk=f"Questions unlike the {n} that were compared.",
        rollback=f"Set the model of node {shown(node)} back to {shown(dear)}.",
        expected_gain=Effect(point=saved, low=saved, high=saved, unit="USD per call",
                             method="difference of the mean prices of equal calls"),
    )  # fmt: skip
