"""Gaps: tools that are asked for and not there, and prompts that are mended the same way each time."""

from __future__ import annotations

from collections.abc import Sequence

from inwit.plans import Effect
from inwit.self_improve import stats
from inwit.self_improve.calls import FailedCall, OuterCall
from inwit.self_improve.detectors.common import draft, evidence, tool_name
from inwit.self_improve.findings import Finding, Look, Seen, Thresholds, shown
from inwit.self_improve.window import Window

MISSING, WORKAROUND = "missing_tool", "prompt_workaround"
MISSING_FLOOR = 0.01
MISSING_LEAST = 3
MENDED_FLOOR = 0.1
MENDED_LEAST = 5
MENDING = ("user", "system", "developer")


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Look at the tools that were asked for, and at what models are told after their first answer."""
    del baseline, limits
    return Seen(looks=(*_missing_tools(window), *_workarounds(window)))


def _missing_tools(window: Window) -> Sequence[Look]:
    called = {call.name for call in window.outer_calls if call.kind == "tool"}
    calling = {
        call.node
        for call in window.outer_calls
        if call.kind == "model" and called & set(call.asked)
    }
    found: dict[tuple[str, str], dict[str, FailedCall]] = {}
    for one in window.failed_calls:
        # A name that a model asks for may be a form for its answer; it is a tool beside others.
        is_tool = one.error.type == "UnknownToolError" or one.node in calling
        if one.is_missing and is_tool and one.name not in called:
            place = (one.node, tool_name(one.name))
            found.setdefault(place, {}).setdefault(one.execution.execution_id, one)
    looks = []
    n = len(window.executions)
    for (node, name), by_execution in found.items():
        hits = len(by_execution)
        p = stats.binomial_tail(hits, n, MISSING_FLOOR)
        low, high = stats.share_interval(hits, n)
        finding = None
        if hits >= MISSING_LEAST and low > MISSING_FLOOR:
            share = Effect(point=hits / n, low=low, high=high, unit="share of executions",
                           method="Clopper-Pearson 95 % interval; exact binomial test")  # fmt: skip
            finding = _missing(window, node, name, list(by_execution.values()), (share, p))
        looks.append(Look(detector=MISSING, graph_name=window.graph_name, node=node, p_value=p,
                          finding=finding, visits=n))  # fmt: skip
    return looks


def _missing(
    window: Window, node: str, name: str, found: Sequence[FailedCall], tested: tuple[Effect, float]
) -> Finding:
    share, p = tested
    return Finding(
        detector=MISSING, graph_name=window.graph_name, graph_version=window.graph_version, node=node,
        subject=f"tool:{name}",
        statement=f"{len(found)} of {len(window.executions)} executions asked for tool {shown(name)} in "
        f"node {shown(node)}, which does not exist.",
        baseline={"executions": len(window.executions)},
        candidate={"executions": len(found), "tool": name}, effect=share, p_value=p,
        evidence=evidence(found, f"tool {shown(name)}", "The tool was asked for here."),
        draft=draft(
            title=f"Give node {shown(node)} of {shown(window.graph_name)} a tool {shown(name)}",
            hypothesis=f"What node {shown(node)} is asked to do needs a tool {shown(name)}.",
            expected=f"No missing_tool {shown(name)}.",
        ),
    )  # fmt: skip


def _workarounds(window: Window) -> Sequence[Look]:
    looks = []
    for node, outer in window.outer_by_node.items():
        calls = [call for call in outer if call.kind == "model"]
        executions = {call.execution_id for call in calls}
        mended = _mended(window, calls)
        if not mended:
            continue
        _, by_execution = max(mended.items(), key=lambda item: len(item[1]))
        hits, n = len(by_execution), len(executions)
        p = stats.binomial_tail(hits, n, MENDED_FLOOR)
        low, high = stats.share_interval(hits, n)
        finding = None
        if hits >= MENDED_LEAST and low > MENDED_FLOOR:
            share = Effect(point=hits / n, low=low, high=high, unit="share of executions",
                           method="Clopper-Pearson 95 % interval; exact binomial test")  # fmt: skip
            finding = _workaround(window, node, list(by_execution.values()), n, (share, p))
        looks.append(Look(detector=WORKAROUND, graph_name=window.graph_name, node=node, p_value=p,
                          finding=finding, visits=n))  # fmt: skip
    return looks


def _mended(window: Window, calls: Sequence[OuterCall]) -> dict[int, dict[str, OuterCall]]:
    """By the message that was added to a question that had been asked: where it was added."""
    found: dict[int, dict[str, OuterCall]] = {}
    last: dict[tuple[str, int], OuterCall] = {}
    for call in calls:
        place = (call.execution_id, call.number)
        before = last.get(place)
        last[place] = call
        size = len(before.messages) if before else 0
        if before is None or not size or len(call.messages) <= size:
            continue
        if call.messages[:size] != before.messages or before.asked:
            continue
        for number in call.messages[size:]:
            if window.message_sizes[number][1] in MENDING:
                found.setdefault(number, {}).setdefault(call.execution_id, call)
    return found


def _workaround(
    window: Window, node: str, found: Sequence[OuterCall], n: int, tested: tuple[Effect, float]
) -> Finding:
    share, p = tested
    tokens = sum(call.tokens for call in found)
    return Finding(
        detector=WORKAROUND, graph_name=window.graph_name, graph_version=window.graph_version, node=node,
        statement=f"In {len(found)} of {n} executions node {shown(node)} asks its model again with the "
        f"same words added: {tokens:,} tokens.",
        baseline={"executions": n}, candidate={"executions": len(found), "tokens": tokens},
        effect=share, p_value=p,
        evidence=evidence(found, f"{len(found[-1].messages)} messages", "The model was asked again here."),
        draft=draft(
            title=f"Say in the first prompt of node {shown(node)} what is added each time",
            hypothesis=f"The first prompt of node {shown(node)} lacks what the added message says.",
            expected=f"Node {shown(node)} asks its model once.",
        ),
    )  # fmt: skip
