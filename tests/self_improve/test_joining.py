"""Which finding follows from which, rule by rule: what makes it so, and each thing that does not."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from inwit.answers import Evidence
from inwit.plans import Effect
from inwit.runtime.views import Execution
from inwit.self_improve import joining
from inwit.self_improve.calls import NodeCall
from inwit.self_improve.findings import Draft, Finding, Look

SLOW, REPEATS, RETRIES, ERRORS = (
    "latency_regression",
    "repeated_calls",
    "retry_storm",
    "error_burst",
)
TIMES, LOOPS, SCHEMA = "timeout_misset", "loop_without_progress", "schema_drift"


def look(
    detector: str, node: str = "a", *, graph: str = "flow", subject: str = "", was: float = 10.0,
    now: float = 20.0, seen: Sequence[NodeCall] = (), evidence: str = "", acts: bool = True,
    candidate: Mapping[str, Any] | None = None, **context: Any,
) -> Look:  # fmt: skip
    found = Finding(
        detector=detector, graph_name=graph, graph_version="v1", node=node, subject=subject,
        statement=f"{node} is said", baseline={"median_ms": was},
        candidate={"median_ms": now} | dict(candidate or {}),
        effect=Effect(point=1, low=1, high=1, unit="ms"), p_value=0.001,
        evidence=(Evidence(uri=evidence, quote=""),) if evidence else (),
        draft=Draft(
            title=f"mend {node}", hypothesis="", expected_evidence="", risk="", rollback="",
            expected="", actions=({"kind": "config", "node": node},) if acts else (),
        ),
    )  # fmt: skip
    return Look(
        detector=detector, graph_name=graph, node=node, p_value=0.001, finding=found,
        calls=seen, context=context,
    )  # fmt: skip


def reason(one: Look, cause: Look) -> str:
    """Why the first of two only follows; empty where both are kept."""
    assert all(isinstance(rule(one, cause), str) for rule in joining._RULES)
    kept, held = joining.join([one, cause])
    assert len(kept) + len(held) == 2
    if not held:
        return ""
    said = held[0]
    assert one.finding is not None
    assert (said.detector, said.graph_name, said.node) == (one.detector, one.graph_name, one.node)
    assert kept[0].node == cause.node
    return said.reason


def test_a_slowdown_is_of_the_repeated_calls_that_fill_four_fifths_of_it() -> None:
    cause = look(REPEATS, subject="tool:search")

    def told(ms: float, **more: Any) -> str:
        return reason(look(SLOW, candidate={"repeated_ms": ms}, **more), cause)

    assert told(8.0) == (
        "slower by 10.00 ms a visit, which repeated calls of tool 'search' in it explain: they take"
        " 8.00 ms a visit"
    )
    assert told(7.99) == ""
    assert told(8.0, node="b") == ""
    assert told(8.0, graph="other") == ""
    assert told(8.0, was=9.0) == ""
    assert reason(look(SLOW, candidate={"repeated_ms": 9.0}), look(REPEATS)) == ""


def test_an_error_that_is_tried_again_is_one_thing() -> None:
    cause = look(RETRIES, candidate={"errors": {"OSError": 3}})

    assert reason(look(ERRORS, error="OSError"), cause) == (
        "the same OSError of node 'a' as is tried again"
    )
    assert reason(look(ERRORS, error="KeyError"), cause) == ""
    assert reason(look(ERRORS), cause) == ""
    assert reason(look(ERRORS, "b", error="OSError"), cause) == ""
    assert reason(look(ERRORS, graph="other", error="OSError"), cause) == ""


@pytest.mark.parametrize("detector", [ERRORS, RETRIES])
def test_a_node_fails_with_its_tool_where_four_fifths_of_its_failures_are_the_tools(
    detector: str,
) -> None:
    def told(its: set[str], cause: str = "tool:post", **more: Any) -> str:
        one = look(detector, executions=set("abcde"), candidate={"errors": ()}, **more)
        return reason(one, look(ERRORS, subject=cause, executions=its))

    assert told(set("abcd")) == "tool 'post' fails within it"
    assert told(set("abc")) == ""
    assert told(set("abcd"), node="b") == ""
    assert told(set("abcd"), cause="post") == ""
    assert told(set("abcd"), subject="tool:look") == ""
    assert told(set("abcd"), subject="post") == "tool 'post' fails within it"


def test_a_node_whose_failures_are_not_told_apart_fails_with_its_tool() -> None:
    cause = look(ERRORS, subject="tool:post")

    assert reason(look(ERRORS), cause) == "tool 'post' fails within it"
    assert reason(look(ERRORS, executions={"a"}), cause) == ""
    assert reason(look(SLOW), cause) == ""
    assert reason(look(ERRORS), look(TIMES, subject="tool:post")) == ""


def form(**more: Any) -> Look:
    path = more.pop("path", "items[].name")
    return look(SCHEMA, "writer", candidate={"path": path}, after={"reader"}, **more)


def test_a_reader_of_another_form_fails_and_changes_with_it() -> None:
    def reads(detector: str = ERRORS, **more: Any) -> Look:
        facts: dict[str, Any] = {"node": "reader", "reads": ("items",), "error": "KeyError"}
        return look(detector, candidate={"path": "x"}, **(facts | more))

    changed = "what it was given changed its form in node 'writer'"
    follows = "it follows the form of what node 'writer' gives"
    assert reason(reads(), form()) == changed
    assert reason(reads(), form(path="items.0.name")) == changed
    assert reason(reads("quality_drift"), form()) == follows
    assert reason(reads(SCHEMA), form()) == follows
    assert reason(reads(error="OSError"), form()) == ""
    assert reason(reads(reads=("name",)), form()) == ""
    assert reason(reads(node="before"), form()) == ""
    assert reason(reads(node="zone", reads=()), form(subject="model:x")) == ""
    assert reason(reads(node="before", reads=()), form(subject="model:x")) == ""
    assert reason(reads(graph="other"), form()) == ""
    assert reason(reads(TIMES), form()) == ""
    assert reason(reads(), look(LOOPS, "writer", nodes=set())) == ""


def test_a_node_of_another_form_fails_itself_and_its_outer_calls_change_it() -> None:
    def own(detector: str, subject: str = "") -> Look:
        return look(detector, "writer", subject=subject, candidate={"path": "x"}, error="TypeError")

    follows = "it follows the form of what node 'writer' gives"
    assert reason(own(ERRORS), form()) == "what it was given changed its form in node 'writer'"
    assert reason(own("quality_drift"), form(subject="tool:look")) == follows
    assert reason(own("quality_drift"), form()) == ""
    assert reason(own("quality_drift", "tool:look"), form(subject="tool:look")) == ""
    assert reason(own("quality_drift", "model:x"), form(subject="tool:look")) == follows


@pytest.mark.parametrize("error", joining.ERRORS_OF_FORM)
def test_what_is_raised_at_another_form(error: str) -> None:
    one = look(ERRORS, "writer", error=error, candidate={"path": "x"})

    assert reason(one, form()) == "what it was given changed its form in node 'writer'"


@pytest.mark.parametrize(
    "detector", [REPEATS, "resent_tokens", "repeated_workaround", "unused_edge"]
)
def test_what_repeats_within_a_loop_without_progress_is_its_symptom(detector: str) -> None:
    from inwit.self_improve.detectors import gaps, tokens, unused

    names = {
        "resent_tokens": tokens.RESENT,
        "repeated_workaround": gaps.WORKAROUND,
        "unused_edge": unused.EDGE,
    }
    cause = look(LOOPS, "b", nodes={"a", "b"})
    kind = names.get(detector, detector)

    told = "the loop of node 'b' goes round without progress"
    assert reason(look(kind), cause) == told
    assert reason(look(kind, "c"), cause) == ""
    assert reason(look(kind, graph="other"), cause) == ""
    assert reason(look("drift"), cause) == ""
    assert reason(look(ERRORS, "c", error="GraphRecursionError"), cause) == told
    assert reason(look(kind, "c"), look(REPEATS, "b", nodes={"c"})) == ""


def test_what_became_slower_runs_out_of_time_and_is_tried_again() -> None:
    late = look(TIMES, candidate={"errors": ()})
    again = look(RETRIES, candidate={"errors": ("NodeTimeoutError",)})

    assert reason(late, look(SLOW)) == "node 'a' became slower"
    assert reason(late, look(SLOW, "b")) == ""
    assert reason(late, look("drift")) == ""
    assert reason(again, late) == "node 'a' runs out of time"
    assert reason(again, look(TIMES, "b")) == ""
    both = look(RETRIES, candidate={"errors": ("NodeTimeoutError", "OSError")})
    assert reason(both, late) == ""


@pytest.mark.parametrize("kinds", [(SLOW, SLOW), (ERRORS, RETRIES), (TIMES, ERRORS)])
def test_a_node_is_as_what_runs_in_its_graph(kinds: tuple[str, str]) -> None:
    more: dict[str, Any] = {"candidate": {"errors": ()}}
    inner = look(kinds[1], "deep", graph="inner", **more)

    told = "it runs graph 'inner', whose node 'deep' is the cause"
    assert reason(look(kinds[0], inner="inner", **more), inner) == told
    assert reason(look(kinds[0], inner="else", **more), inner) == ""
    assert reason(look("drift", inner="inner", **more), inner) == ""
    other = SLOW if kinds[0] != SLOW else ERRORS
    assert reason(look(other, inner="inner", **more), inner) == ""


def call(at: int, node: str = "a", ms: float = 10.0, **more: Any) -> NodeCall:
    inner = more.pop("inner", False)
    execution = Execution(
        execution_id=f"{'i' if inner else 'e'}{at}", graph_name="flow", graph_version="v1",
        status="completed", started_at="2026-01-01T00:00:00Z", position=at + 1,
        parent_execution_id=f"e{at}" if inner else None,
    )  # fmt: skip
    facts: dict[str, Any] = {"started_ns": at * 10**9} | more
    return NodeCall(execution=execution, node=node, number=1, self_ms=ms, entry_seq=2, **facts)


@pytest.mark.parametrize(
    ("within", "around", "is_told"),
    [(10, 10, True), (10, 8, True), (10, 7, False), (5, 5, True), (4, 4, False), (0, 0, False)],
)
def test_a_graph_runs_within_a_node_where_half_of_it_does_and_four_fifths_by_the_clock(
    within: int, around: int, is_told: bool
) -> None:
    outer = [call(at) for at in range(10)]
    inner = [
        call(at, "deep", 2.0, inner=at < within, started_ns=at * 10**9 + (0 if at < around else -1))
        for at in range(10)
    ]

    told = reason(look(SLOW, seen=outer), look(SLOW, "deep", graph="inner", seen=inner))

    assert bool(told) == is_told


@pytest.mark.parametrize(
    ("start", "ms", "is_around"),
    [(0, 11.0, True), (0, 11.1, False), (1_000_000, 10.0, True), (-1, 5.0, False)],
)
def test_an_inner_call_may_end_a_millisecond_after_the_outer(
    start: int, ms: float, is_around: bool
) -> None:
    outer, inner = call(5), call(5, "deep", ms, inner=True, started_ns=5 * 10**9 + start)

    assert joining._is_around(outer, inner) == is_around


def test_failing_executions_are_within_where_four_fifths_are_the_parents() -> None:
    def told(parents: set[str]) -> str:
        one = look(ERRORS, parents_of=set("abcde"))
        return reason(one, look(ERRORS, "deep", graph="inner", parents=parents))

    assert told(set("abcd")) == "it runs graph 'inner', whose node 'deep' is the cause"
    assert told(set("abcdef")) == told(set("abcd"))
    assert told(set("abc")) == ""
    assert told(set()) == ""


SLOWED: dict[str, Any] = {
    "is_changed": False, "after": set(), "is_async": False, "calls": set(), "ratio": (2, 1.8, 2.2),
    "kind": "version", "older": (),
}  # fmt: skip


def slowed(node: str, **more: Any) -> Look:
    return look(SLOW, node, **(SLOWED | more))


def test_nodes_that_slowed_for_one_tool_have_the_cause_that_slowed_most() -> None:
    mine, other = (slowed(n, subject="model:big", now=at) for n, at in (("a", 20.0), ("b", 21.0)))

    assert reason(mine, other) == "model 'big' became slower, which node 'b' calls too"
    assert reason(slowed("a", subject="tool:x"), other) == ""


def test_nodes_that_slowed_at_once_have_one_cause() -> None:
    at_once = "it slowed at the same moment as node 'b' before it, and by as much"

    assert reason(slowed("a"), slowed("b")) == at_once
    assert reason(slowed("a", ratio=(3, 2.3, 4)), slowed("b")) == ""
    assert reason(slowed("a", ratio=(3, 2.2, 4)), slowed("b")) == at_once
    assert reason(slowed("a", ratio=(1, 1.0, 1.8)), slowed("b")) == at_once
    assert reason(slowed("a", ratio=(1, 1.0, 1.79)), slowed("b")) == ""
    assert reason(slowed("a", kind="time"), slowed("b")) == ""
    assert reason(slowed("a", graph="other"), slowed("b")) == ""
    assert reason(slowed("a", subject="tool:x"), slowed("b", subject="tool:y")) == ""
    assert reason(slowed("a", subject="tool:x"), slowed("b")) == at_once
    shared = {"calls": {"tool z", "tool y"}}
    assert reason(slowed("a", **shared), slowed("b", **shared)) == (
        "it slowed with node 'b', and both call 'tool y'"
    )


def test_of_two_that_slowed_the_cause_is_the_new_code_the_earlier_the_loops_then_the_slower() -> (
    None
):
    def cause(one: Look, other: Look) -> str:
        kept, _ = joining.join([one, other])
        return kept[0].node if len(kept) == 1 else ""

    new, before, quick = {"is_changed": True}, {"after": {"b"}}, {"is_async": True}
    assert cause(slowed("a", **new), slowed("b", after={"a"})) == "a"
    assert cause(slowed("a", **new), slowed("b", **new)) == ""
    assert cause(slowed("a", **before), slowed("b", now=99.0)) == "a"
    assert cause(slowed("a", now=99.0), slowed("b", after={"a"})) == "b"
    assert cause(slowed("a", now=99.0, **before), slowed("b", after={"a"})) == "a"
    assert cause(slowed("a", **quick, now=99.0), slowed("b")) == "b"
    assert cause(slowed("a"), slowed("b", **quick, now=99.0)) == "a"
    assert cause(slowed("a", now=20.5), slowed("b")) == "a"
    assert cause(slowed("a", was=9.5), slowed("b")) == "a"


def test_a_moment_is_one_within_a_twentieth_of_the_calls() -> None:
    older, newer = [call(at) for at in range(100)], [call(100 + at) for at in range(100)]

    def together(at: int, other: int) -> bool:
        one, cause = (
            look(
                SLOW,
                seen=newer,
                **(SLOWED | {"kind": "time", "older": older, "onset": newer[each]}),
            )
            for each in (at, other)
        )
        return joining._at_once(one, cause)

    assert together(0, 10)
    assert together(10, 0)
    assert not together(0, 11)


def test_a_moment_of_few_calls_is_one_within_five_of_them() -> None:
    older, newer = [call(at) for at in range(10)], [call(10 + at) for at in range(10)]

    def together(other: NodeCall) -> bool:
        one, cause = (
            look(SLOW, seen=newer, **(SLOWED | {"kind": "time", "older": older, "onset": onset}))
            for onset in (newer[0], other)
        )
        return joining._at_once(one, cause)

    assert together(newer[5])
    assert not together(newer[6])
    assert not together(call(999))


def test_nodes_that_are_slow_in_the_same_executions_go_together_since_they_slowed() -> None:
    draw = random.Random(3)
    now = [draw.uniform(5, 50) for _ in range(20)]
    shuffled = draw.sample(now, len(now))

    def rho(mine: Sequence[float], its: Sequence[float], before: Sequence[float] = ()) -> float:
        one, other = (
            Look(
                detector=SLOW, graph_name="flow", node=node, p_value=0.1,
                calls=[call(at, node, ms) for at, ms in enumerate(times)],
                context={"older": [call(at, node, ms) for at, ms in enumerate(before)]},
            )
            for node, times in (("a", mine), ("b", its))
        )  # fmt: skip
        return joining._correlation(one, other)

    assert rho(now, now) == pytest.approx(1.0)
    assert rho(now, [-ms + 60 for ms in now]) == pytest.approx(-1.0)
    assert rho(now[:19], now[:19]) == 0.0
    assert rho(now, now, before=now) == 0.0
    assert abs(rho(now, shuffled)) < 0.5


def test_times_of_two_nodes_are_paired_by_execution_and_summed_within() -> None:
    one = [call(0, ms=1.0), call(0, ms=2.0), call(1, ms=4.0), call(2, ms=5.0)]
    other = [call(1, ms=8.0), call(0, ms=16.0), call(3, ms=32.0)]

    assert joining._paired(one, other) == [(3.0, 16.0), (4.0, 8.0)]
    many = [call(at, ms=at + 1.0) for at in range(2001)]
    assert joining._paired(many, many) == [(at + 1.0, at + 1.0) for at in range(1, 2001)]


def test_a_correlation_is_told_with_its_figure() -> None:
    draw = random.Random(4)
    times = [draw.uniform(5, 50) for _ in range(30)]
    older = [call(at) for at in range(30)]
    one, other = (
        slowed(
            node, seen=[call(at, node, ms) for at, ms in enumerate(times)], older=older, ratio=far
        )
        for node, far in (("a", (9, 1.0, 2.0)), ("b", (9, 5.0, 6.0)))
    )

    assert reason(one, other) == (
        "it is slow in the executions in which node 'b' is (rank correlation 1.00)"
    )


def test_a_prompt_is_sent_again_since_it_is_mended_or_repeated() -> None:
    from inwit.self_improve.detectors import gaps, tokens

    sent = look(tokens.RESENT)

    assert reason(sent, look(gaps.WORKAROUND)) == "the model is asked again"
    assert reason(sent, look(REPEATS)) == "the model is asked again"
    assert reason(sent, look(SLOW)) == ""
    assert reason(sent, look(REPEATS, "b")) == ""
    assert reason(look("drift"), look(REPEATS)) == ""


def test_symptoms_of_symptoms_stand_beneath_the_first_cause_with_all_that_is_said_of_them() -> None:
    again = look(RETRIES, candidate={"errors": ("NodeTimeoutError",)}, evidence="execution://e/1")
    late = look(TIMES, candidate={"errors": ()})
    slow = look(SLOW)
    apart = look("drift", "z")

    kept, held = joining.join([again, late, slow, apart])

    assert [one.node for one in kept] == ["a", "z"]
    assert kept[0].detector == SLOW
    assert [(one.detector, one.reason, one.uri) for one in kept[0].symptoms] == [
        (RETRIES, "node 'a' runs out of time", "execution://e/1"),
        (TIMES, "node 'a' became slower", ""),
    ]
    assert kept[0].symptoms[0].statement == "a is said"
    assert kept[0].symptoms[0].graph_name == "flow"
    assert kept[1].symptoms == ()
    assert [one.detector for one in held] == [RETRIES, TIMES]


def test_a_cause_without_a_change_takes_that_of_a_symptom_in_its_graph() -> None:
    def made(**more: Any) -> str:
        late = look(TIMES, candidate={"errors": ()}, **more)
        ((found,), _) = joining.join([late, look(SLOW, acts=False)])
        return found.draft.title if found.draft.actions else ""

    assert made() == "mend a"
    assert made(acts=False) == ""
    inner = look(SLOW, "deep", graph="inner", acts=False)
    (found,), _ = joining.join([look(SLOW, inner="inner"), inner])
    assert not found.draft.actions


def test_findings_that_follow_from_each_other_leave_one() -> None:
    one = look(SLOW, inner="inner")
    other = look(SLOW, "deep", graph="inner", inner="flow")

    kept, held = joining.join([one, other])

    assert [found.node for found in kept] == ["deep"]
    assert [found.node for found in held] == ["a"]
    assert joining.join([Look(detector=SLOW, graph_name="flow", node="a", p_value=1.0)]) == ([], [])
