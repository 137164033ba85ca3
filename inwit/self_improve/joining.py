"""One cause, one finding: what only follows from another finding is joined to it as a symptom."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from inwit.self_improve import latency, repeats
from inwit.self_improve.findings import Finding, Held, Look, Symptom, shown

EXPLAINED = 0.8
"""The share of a slowdown that repeated calls have to fill for it to be theirs."""


def join(looks: Sequence[Look]) -> tuple[list[Finding], list[Held]]:
    """Give the findings that are causes, with their symptoms, and why the others are none."""
    found = [look for look in looks if look.finding is not None]
    causes: dict[int, tuple[int, str]] = {}
    for number, look in enumerate(found):
        for other, cause in enumerate(found):
            if other != number and number not in causes:
                reason = _follows(look, cause)
                if reason and not _leads_back(causes, other, number):
                    causes[number] = (other, reason)
    return _collected(found, causes)


def _leads_back(causes: dict[int, tuple[int, str]], at: int, to: int) -> bool:
    while at in causes:
        at = causes[at][0]
        if at == to:
            return True
    return False


def _root(causes: dict[int, tuple[int, str]], at: int) -> int:
    while at in causes:
        at = causes[at][0]
    return at


def _collected(
    found: Sequence[Look], causes: dict[int, tuple[int, str]]
) -> tuple[list[Finding], list[Held]]:
    symptoms: dict[int, list[Symptom]] = {}
    held: list[Held] = []
    for number, (_, reason) in causes.items():
        one = found[number].finding
        assert one is not None
        symptoms.setdefault(_root(causes, number), []).append(
            Symptom(
                detector=one.detector, graph_name=one.graph_name, node=one.node,
                statement=one.statement, reason=reason,
                uri=one.evidence[0].uri if one.evidence else "",
            )
        )  # fmt: skip
        held.append(
            Held(detector=one.detector, graph_name=one.graph_name, node=one.node, reason=reason)
        )
    kept = [
        msgspec.structs.replace(look.finding, symptoms=tuple(symptoms.get(number, ())))
        for number, look in enumerate(found)
        if number not in causes and look.finding is not None
    ]
    return kept, held


def _follows(look: Look, cause: Look) -> str:
    """Why the finding of `look` is only a symptom of `cause`'s; empty where it is not."""
    return next((said for rule in _RULES if (said := rule(look, cause))), "")


Rule = Callable[[Look, Look], str]


def _both(look: Look, cause: Look) -> tuple[Finding, Finding]:
    assert look.finding is not None
    assert cause.finding is not None
    return look.finding, cause.finding


def repeated_calls_take_the_time(look: Look, cause: Look) -> str:
    """A slowdown that repeated calls in the same node fill is theirs."""
    one, other = _both(look, cause)
    if (one.detector, other.detector) != (latency.DETECTOR, repeats.DETECTOR) or not other.subject:
        return ""
    if (one.graph_name, one.node) != (other.graph_name, other.node):
        return ""
    slower = one.candidate["median_ms"] - one.baseline["median_ms"]
    if one.candidate["repeated_ms"] < EXPLAINED * slower:
        return ""
    kind, _, name = other.subject.partition(":")
    return (
        f"slower by {slower:.2f} ms a visit, which repeated calls of {kind} {shown(name)} in it "
        f"explain: they take {one.candidate['repeated_ms']:.2f} ms a visit"
    )


_RULES: tuple[Rule, ...] = (repeated_calls_take_the_time,)
