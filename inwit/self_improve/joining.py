"""One cause, one finding: what only follows from another finding is joined to it as a symptom."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from inwit.self_improve import stats
from inwit.self_improve.calls import NodeCall
from inwit.self_improve.detectors import (
    drift,
    errors,
    gaps,
    latency,
    loops,
    repeats,
    retries,
    schema,
    timeouts,
    tokens,
    unused,
)
from inwit.self_improve.findings import Finding, Held, Look, Symptom, shown

TOGETHER = 0.5
"""The rank correlation from which on two nodes are slow in the same executions."""
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
        _with_change(found, causes, number, tuple(symptoms.get(number, ())))
        for number in range(len(found))
        if number not in causes
    ]
    return kept, held


def _with_change(
    found: Sequence[Look], causes: dict[int, tuple[int, str]], number: int,
    symptoms: tuple[Symptom, ...],
) -> Finding:  # fmt: skip
    """A cause with its symptoms; what has no change of its own takes that of a symptom beside it."""
    finding = found[number].finding
    assert finding is not None
    if not finding.draft.actions:
        for at in causes:
            one = found[at].finding
            is_beside = one is not None and one.graph_name == finding.graph_name
            if one is not None and is_beside and one.draft.actions and _root(causes, at) == number:
                finding = msgspec.structs.replace(finding, draft=one.draft)
                break
    return msgspec.structs.replace(finding, symptoms=symptoms)


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


ERRORS_OF_FORM = (
    "KeyError", "TypeError", "AttributeError", "ValueError", "IndexError", "ValidationError",
    "LookupError", "JSONDecodeError", "InvalidUpdateError", "UpdateError",
)  # fmt: skip
"""What a node raises that is given another form than it was made for."""


def _same_node(one: Finding, other: Finding) -> bool:
    return (one.graph_name, one.node) == (other.graph_name, other.node)


def retries_are_of_the_same_error(look: Look, cause: Look) -> str:
    """An error that is tried again and again is one thing."""
    one, other = _both(look, cause)
    if (one.detector, other.detector) != (errors.DETECTOR, retries.DETECTOR):
        return ""
    if not _same_node(one, other) or look.context.get("error") not in other.candidate["errors"]:
        return ""
    return f"the same {look.context['error']} of node {shown(one.node)} as is tried again"


def a_tool_fails_within(look: Look, cause: Look) -> str:
    """A node whose tool fails, fails with it."""
    one, other = _both(look, cause)
    if one.detector not in (errors.DETECTOR, retries.DETECTOR) or not _same_node(one, other):
        return ""
    if other.detector != errors.DETECTOR or ":" not in other.subject or ":" in one.subject:
        return ""
    mine, its = look.context.get("executions"), cause.context.get("executions", set())
    if mine and len(mine & its) < EXPLAINED * len(mine):
        return ""
    kind, _, name = other.subject.partition(":")
    return f"{kind} {shown(name)} fails within it"


def another_form_came_in(look: Look, cause: Look) -> str:
    """What a node gives in another form fails, or changes form, in those that read it."""
    one, other = _both(look, cause)
    if other.detector != schema.DETECTOR or one.graph_name != other.graph_name:
        return ""
    root = other.candidate["path"].split(".")[0].removesuffix("[]")
    is_reader = root in look.context.get("reads", ()) and one.node in cause.context.get("after", ())
    is_within = (
        one.node == other.node and bool(other.subject) and not one.subject.startswith("tool:")
    )
    if not (is_reader or is_within or (one.node == other.node and one.detector == errors.DETECTOR)):
        return ""
    if one.detector == errors.DETECTOR and look.context.get("error") in ERRORS_OF_FORM:
        return f"what it was given changed its form in node {shown(other.node)}"
    if one.detector in (schema.DETECTOR, drift.QUALITY):
        return f"it follows the form of what node {shown(other.node)} gives"
    return ""


def it_goes_round_in_vain(look: Look, cause: Look) -> str:
    """Within a loop that makes no progress, repeats, retries, tokens and the limit are symptoms."""
    one, other = _both(look, cause)
    if other.detector != loops.DETECTOR or one.graph_name != other.graph_name:
        return ""
    is_limit = look.context.get("error") in errors.LOOPS
    is_inside = one.node in cause.context["nodes"] and one.detector in (
        repeats.DETECTOR, tokens.RESENT, gaps.WORKAROUND, unused.EDGE,
    )  # fmt: skip
    if not (is_limit or is_inside):
        return ""
    return f"the loop of node {shown(other.node)} goes round without progress"


def slowness_runs_out_of_time(look: Look, cause: Look) -> str:
    """A node that became slower runs out of time."""
    one, other = _both(look, cause)
    if (one.detector, other.detector) != (timeouts.DETECTOR, latency.DETECTOR):
        return ""
    return f"node {shown(one.node)} became slower" if _same_node(one, other) else ""


def it_runs_out_of_time(look: Look, cause: Look) -> str:
    """Visits that are cut off are tried again."""
    one, other = _both(look, cause)
    if (one.detector, other.detector) != (retries.DETECTOR, timeouts.DETECTOR):
        return ""
    known = other.detector == timeouts.DETECTOR and set(one.candidate["errors"]) <= set(
        errors.TIMEOUTS
    )
    return f"node {shown(one.node)} runs out of time" if known and _same_node(one, other) else ""


def a_graph_within(look: Look, cause: Look) -> str:
    """A node that runs another graph is as slow, and fails, as what runs in there."""
    one, other = _both(look, cause)
    families = ({latency.DETECTOR}, {errors.DETECTOR, retries.DETECTOR, timeouts.DETECTOR})
    is_kin = any({one.detector, other.detector} <= family for family in families)
    if not is_kin or one.graph_name == other.graph_name:
        return ""
    if look.context.get("inner") != other.graph_name and not _runs_within(look, cause):
        return ""
    return f"it runs graph {shown(other.graph_name)}, whose node {shown(other.node)} is the cause"


def _runs_within(look: Look, cause: Look) -> bool:
    """Whether the executions of a cause were begun by, and within, the visits of a node."""
    if look.context.get("parents_of") and cause.context.get("parents"):
        failing = look.context["parents_of"]
        return len(failing & cause.context["parents"]) >= EXPLAINED * len(failing)
    spans = {(call.execution_id): call for call in look.calls}
    inner = [call for call in cause.calls if call.execution.parent_execution_id in spans]
    if len(inner) < 0.5 * len(cause.calls) or not inner:
        return False
    around = sum(_is_around(spans[str(call.execution.parent_execution_id)], call) for call in inner)
    return around >= EXPLAINED * len(inner)


def _is_around(call: NodeCall, inner: NodeCall) -> bool:
    return call.started_ns <= inner.started_ns and inner.ends_ns <= call.ends_ns + 1_000_000


def one_tool_for_several(look: Look, cause: Look) -> str:
    """Nodes that slowed for the same tool or model have one cause."""
    one, other = _both(look, cause)
    if {one.detector, other.detector} != {latency.DETECTOR} or one.graph_name != other.graph_name:
        return ""
    if not one.subject or one.subject != other.subject or not _is_earlier(cause, look):
        return ""
    kind, _, name = one.subject.partition(":")
    return f"{kind} {shown(name)} became slower, which node {shown(other.node)} calls too"


def _excess(finding: Finding) -> float:
    return float(finding.candidate["median_ms"]) - float(finding.baseline["median_ms"])


def slowed_together(look: Look, cause: Look) -> str:
    """Two nodes that slowed at one moment, alike or execution by execution, have one cause."""
    one, other = _both(look, cause)
    if {one.detector, other.detector} != {latency.DETECTOR} or one.graph_name != other.graph_name:
        return ""
    if one.subject and other.subject and one.subject != other.subject:
        return ""
    if not _is_earlier(cause, look) or _is_own(look):
        return ""
    shared = look.context["calls"] & cause.context["calls"]
    if shared:
        return f"it slowed with node {shown(other.node)}, and both call {shown(min(shared))}"
    rho = _correlation(look, cause)
    if rho >= TOGETHER:
        return f"it is slow in the executions in which node {shown(other.node)} is (rank correlation {rho:.2f})"
    (_, low, high), (_, its_low, its_high) = look.context["ratio"], cause.context["ratio"]
    if low <= its_high and its_low <= high and _at_once(look, cause):
        return f"it slowed at the same moment as node {shown(other.node)} before it, and by as much"
    return ""


def _is_own(look: Look) -> bool:
    """Whether a node has a reason of its own: code that came with the version."""
    return bool(look.context["is_changed"])


def _is_earlier(cause: Look, look: Look) -> bool:
    """Which of two is rather the cause: the one with new code, the earlier, the one that holds the loop."""
    if cause.context["is_changed"] != look.context["is_changed"]:
        return bool(cause.context["is_changed"])
    before = look.node in cause.context["after"]
    if before != (cause.node in look.context["after"]):
        return before
    if cause.context["is_async"] != look.context["is_async"]:
        return not cause.context["is_async"]
    one, other = _both(look, cause)
    return (_excess(other), other.node) > (_excess(one), one.node)


def _at_once(look: Look, cause: Look) -> bool:
    one, other = look.context, cause.context
    if one["kind"] != other["kind"]:
        return False
    if one["kind"] == "version":
        return True
    order = {call.execution_id: at for at, call in enumerate((*one["older"], *look.calls))}
    places = [order.get(each["onset"].execution_id) for each in (one, other)]
    if places[0] is None or places[1] is None:
        return False
    return abs(places[0] - places[1]) <= max(0.05 * len(order), 5)


def _correlation(look: Look, cause: Look) -> float:
    """How two nodes' times go together since they slowed, above how they did before."""
    now = _paired(look.calls, cause.calls)
    before = _paired(look.context["older"], cause.context["older"])
    if len(now) < 20:
        return 0.0
    return stats.spearman(now) if stats.spearman(before) < TOGETHER / 2 else 0.0


def _paired(one: Sequence[NodeCall], other: Sequence[NodeCall]) -> list[tuple[float, float]]:
    sums: dict[str, list[float]] = {}
    for side, calls in enumerate((one, other)):
        for call in calls:
            sums.setdefault(call.execution_id, [0.0, 0.0])[side] += call.self_ms
    return [(a, b) for a, b in sums.values() if a and b][-2000:]


def asked_again(look: Look, cause: Look) -> str:
    """A prompt that is sent again since it is mended, or since the call is repeated."""
    one, other = _both(look, cause)
    if one.detector != tokens.RESENT or not _same_node(one, other):
        return ""
    return (
        "the model is asked again" if other.detector in (gaps.WORKAROUND, repeats.DETECTOR) else ""
    )


_RULES: tuple[Rule, ...] = (
    repeated_calls_take_the_time, retries_are_of_the_same_error, a_tool_fails_within,
    another_form_came_in, it_goes_round_in_vain, slowness_runs_out_of_time, it_runs_out_of_time,
    a_graph_within, one_tool_for_several, slowed_together, asked_again,
)  # fmt: skip
