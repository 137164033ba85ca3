"""Retry storms: a node is called again and again, and what that costs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from inwit.answers import Evidence
from inwit.plans import Effect
from inwit.runtime.manifest import NodeFacts
from inwit.self_improve import stats
from inwit.self_improve.calls import FailedAttempt, NodeCall
from inwit.self_improve.findings import (
    Draft,
    Finding,
    Lack,
    Look,
    Seen,
    Thresholds,
    quote,
    shown,
)
from inwit.self_improve.window import Window

DETECTOR = "retry_storm"
SOON_S: Final = 0.1
"""Attempts that come sooner after each other than this give no service the time to recover."""
_CLASS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,80}")


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Test each node's share of visits with more than one attempt against the floor."""
    before = baseline.by_node() if baseline else {}
    looks, lacks = [], []
    for node, calls in window.by_node().items():
        retried = sum(call.attempts > 1 for call in calls)
        if len(calls) < limits.retries_min:
            continue
        p = stats.binomial_tail(retried, len(calls), limits.retry_share_floor)
        low, high = stats.share_interval(retried, len(calls))
        finding = None
        if retried >= limits.retries_min and low > limits.retry_share_floor:
            finding = _finding(window, node, before.get(node, []), (p, low, high))
        looks.append(
            Look(
                detector=DETECTOR, graph_name=window.graph_name, node=node, p_value=p,
                finding=finding, visits=len(calls),
                visits_per_execution=len(calls) / max(len(window.executions), 1),
            )
        )  # fmt: skip
        if retried and finding is None and high > limits.retry_share_floor:
            lacks.append(_lack(window, node, retried, len(calls), limits))
    return Seen(looks=tuple(looks), lacks=tuple(lacks))


def _lack(window: Window, node: str, retried: int, visits: int, limits: Thresholds) -> Lack:
    """How many visits at the same share would lift the lower bound over the floor."""
    share, more = retried / visits, None
    if share > 1.2 * limits.retry_share_floor:
        total = visits
        while total < 100_000:
            total = int(total * 1.2) + 1
            hits = max(int(share * total), limits.retries_min)
            if stats.share_interval(hits, total)[0] > limits.retry_share_floor:
                break
        rate = visits / max(len(window.executions), 1)
        more = max(int((total - visits) / rate), 1)
    return Lack(
        detector=DETECTOR, graph_name=window.graph_name, node=node, executions_needed=more,
        reason=f"{retried} of {visits} visits were retried, which may be under the floor of "
        f"{limits.retry_share_floor:.0%}",
    )  # fmt: skip


def _finding(
    window: Window, node: str, before: Sequence[NodeCall], tested: tuple[float, float, float]
) -> Finding:
    calls = window.by_node()[node]
    p, low, high = tested
    retried = [call for call in calls if call.attempts > 1]
    share = len(retried) / len(calls)
    failures = _failures(window, node, retried)
    wasted = sum(call.retry_ms for call in retried)
    causes = Counter(error_class(failure) for failure in failures)
    named = ", ".join(f"{name} ×{n}" for name, n in causes.most_common(3)) or "errors not recorded"
    candidate = _figures(calls) | {"errors": dict(causes.most_common(10))}
    return Finding(
        detector=DETECTOR,
        graph_name=window.graph_name,
        graph_version=window.graph_version,
        node=node,
        statement=f"{len(retried)} of {len(calls)} visits of node {shown(node)} were tried more "
        f"than once ({share:.0%}, at least {low:.0%}), for {named}; {wasted:.1f} ms went into "
        f"attempts that failed and waits{_compared(calls, before)}.",
        baseline=_figures(before) if before else {"visits": 0},
        candidate=candidate,
        effect=Effect(
            point=share, low=low, high=high, unit="share of visits retried",
            method="Clopper-Pearson 95 % interval; exact binomial test against the floor",
        ),
        p_value=p,
        evidence=_evidence(failures, retried),
        draft=_draft(window, node, retried, causes),
    )  # fmt: skip


def _compared(calls: Sequence[NodeCall], before: Sequence[NodeCall]) -> str:
    if not before:
        return ""
    hits, old = (sum(c.attempts > 1 for c in side) for side in (calls, before))
    p = stats.fisher_greater(hits, len(calls), old, len(before))
    change = "more than" if p <= 0.05 else "not clearly more than"
    return f"; {change} in the version before ({old} of {len(before)}, Fisher p {p:.2g})"


def _figures(calls: Sequence[NodeCall]) -> dict[str, Any]:
    retried = [call for call in calls if call.attempts > 1]
    return {
        "graph_version": calls[-1].execution.graph_version,
        "visits": len(calls),
        "retried_visits": len(retried),
        "retries": sum(call.attempts - 1 for call in calls),
        "failed_after_retries": sum(call.status == "failed" for call in retried),
        "wasted_ms": round(sum(call.retry_ms for call in retried), 3),
    }


def _failures(window: Window, node: str, retried: Sequence[NodeCall]) -> list[FailedAttempt]:
    visits = {(call.execution_id, call.number) for call in retried}
    return [
        failure
        for failure in window.failures
        if failure.node == node and (failure.execution.execution_id, failure.visit) in visits
    ]


def error_class(failure: FailedAttempt) -> str:
    """The class of an error, when it can be one; what else a trace says there is not repeated."""
    name = failure.error.type
    return name if _CLASS_NAME.fullmatch(name) else "unnamed error"


def _evidence(
    failures: Sequence[FailedAttempt], retried: Sequence[NodeCall]
) -> tuple[Evidence, ...]:
    """Point at the newest failed attempts, one of each error class first."""
    newest: dict[str, FailedAttempt] = {}
    for failure in reversed(failures):
        newest.setdefault(error_class(failure), failure)
    chosen = list(newest.values())[:5]
    chosen += [failure for failure in reversed(failures) if failure not in chosen][
        : 5 - len(chosen)
    ]
    seen = tuple(
        Evidence(
            uri=failure.uri,
            quote=quote(f"{error_class(failure)}: {failure.error.message}"),
            why="An attempt that failed and was tried again.",
        )
        for failure in chosen
    )
    return seen or tuple(
        Evidence(
            uri=call.uri,
            quote=f"node {shown(call.node)}: {call.attempts} attempts",
            why="A visit that needed several attempts.",
        )
        for call in retried[-5:]
    )


def _draft(window: Window, node: str, retried: Sequence[NodeCall], causes: Counter[str]) -> Draft:
    lost = [call for call in retried if call.status == "failed"]
    facts = window.facts(node)
    cause = causes.most_common(1)[0][0] if causes else "an error"
    if len(lost) * 2 > len(retried):
        return _fail_fast(window, node, facts, lost, cause)
    wait_s = stats.quantile([c.retry_ms / 1000 / max(c.attempts - 1, 1) for c in retried], 0.5)
    again = _again(window.by_node()[node])
    if wait_s < SOON_S or again.is_rather:
        return _wait_longer(window, node, facts, wait_s, cause)
    return _wait_less(window, node, facts, again, (wait_s, cause))


class _Again(NamedTuple):
    """How many first attempts failed, and how many of those that came after a wait."""

    first: int
    visits: int
    later: int
    waited: int

    @property
    def is_rather(self) -> bool:
        """Whether an attempt after a wait fails more often, as where the trouble lasts longer."""
        return stats.fisher_greater(self.later, self.waited, self.first, self.visits) <= 0.05


def _again(calls: Sequence[NodeCall]) -> _Again:
    retried = [call for call in calls if call.attempts > 1]
    waited = sum(call.attempts - 1 for call in retried)
    return _Again(
        first=len(retried), visits=len(calls), waited=waited,
        later=waited - sum(call.status != "failed" for call in retried),
    )  # fmt: skip


def _retry_now(facts: NodeFacts | None) -> dict[str, Any]:
    """What is known of the node's retry policy; nothing where it has the default."""
    most = facts.policies.get("max_attempts") if facts else None
    return {} if most is None else {"max_attempts": most}


def _fail_fast(
    window: Window, node: str, facts: NodeFacts | None, lost: Sequence[NodeCall], cause: str
) -> Draft:
    """Retries that end in failure anyway only delay it."""
    now = _retry_now(facts)
    point, low, high = stats.bootstrap_mean([call.retry_ms for call in lost])
    return Draft(
        title=f"Let node {shown(node)} of {shown(window.graph_name)} fail at its first error",
        hypothesis=f"{cause} in node {shown(node)} does not pass by waiting: most visits that were "
        "tried again failed in the end.",
        expected_evidence=f"With one attempt as many visits of node {shown(node)} fail, and sooner.",
        actions=(_action(window, node, {"max_attempts": 1}, now),),
        risk="An error that would have passed at the second attempt fails the execution.",
        rollback=_rollback(node, now),
        expected=f"No retry_storm of node {shown(node)}; its share of failed visits is no higher.",
        expected_gain=Effect(
            point=point, low=low, high=high, unit="ms per failing visit",
            method="recorded time of failed attempts and waits, bootstrap of the mean",
        ),
    )  # fmt: skip


def _wait_longer(
    window: Window, node: str, facts: NodeFacts | None, wait_s: float, cause: str
) -> Draft:
    """Errors that pass call for fewer and later attempts."""
    now = _retry_now(facts)
    initial = round(max(2 * wait_s, SOON_S), 3)
    change = {"initial_interval": initial, "backoff_factor": 2.0, "jitter": True}
    return Draft(
        title=f"Let node {shown(node)} of {shown(window.graph_name)} wait longer between attempts",
        hypothesis=f"{cause} in node {shown(node)} passes with time, and the attempts come too soon "
        "after each other.",
        expected_evidence=f"With longer waits, visits of node {shown(node)} need fewer attempts.",
        actions=(_action(window, node, change, now),),
        risk="A visit that is tried again takes longer; the cause of the errors stays.",
        rollback=_rollback(node, now),
        expected=f"Fewer attempts per visit of node {shown(node)} and no more failed visits.",
    )


def _wait_less(
    window: Window, node: str, facts: NodeFacts | None, again: _Again, seen: tuple[float, str]
) -> Draft:
    """Where an error is no likelier after a wait than at first, what was waited is lost."""
    now = _retry_now(facts)
    wait_s, cause = seen
    change = {"initial_interval": round(wait_s / 4, 3), "backoff_factor": 2.0, "jitter": False}
    return Draft(
        title=f"Let node {shown(node)} of {shown(window.graph_name)} wait less between attempts",
        hypothesis=f"Long waits do not let {cause} in node {shown(node)} pass: {again.first} of "
        f"{again.visits} first attempts failed, and {again.later} of {again.waited} after a wait of "
        f"{wait_s:.2g} s at the median.",
        expected_evidence=f"With shorter waits, visits of node {shown(node)} need as many attempts "
        "and less time.",
        actions=(_action(window, node, change, now),),
        risk="Attempts come closer together, which a service under load may not bear; the cause of "
        "the errors stays.",
        rollback=_rollback(node, now),
        expected=f"As many attempts per visit of node {shown(node)} and no more failed visits.",
    )  # fmt: skip


def _action(
    window: Window, node: str, change: dict[str, Any], now: dict[str, Any]
) -> dict[str, Any]:
    return {
        "type": "node_config", "graph": window.graph_name, "node": node,
        "set": {"retry_policy": change},
        "previous": {"retry_policy": {key: now.get(key) for key in change}},
    }  # fmt: skip


def _rollback(node: str, now: dict[str, Any]) -> str:
    known = ", ".join(f"{key}={value}" for key, value in sorted(now.items())) or "its default"
    return quote(f"Set retry_policy of node {shown(node)} back to {known}.")
