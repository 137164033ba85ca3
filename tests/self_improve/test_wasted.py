"""Wasted tokens, tools never called and prompts mended each time, on made traces of model calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from inwit.events import Event, LlmCompleted, LlmStarted, ToolCompleted, ToolStarted
from inwit.runtime.manifest import EdgeFacts, GraphManifest, NodeFacts
from inwit.runtime.views import Visit
from inwit.self_improve import Finding, Report, Thresholds, examine
from inwit.self_improve.window import Window, build_window
from tests.self_improve.traffic import execution, visit

SYSTEM = {"role": "system", "content": "Answer from the notes. " * 200}
Calls = Callable[[int], Sequence[Event]]


def manifest(*, last_reads: tuple[str, ...] = ("draft", "notes")) -> GraphManifest:
    """Notes, then a draft, then a reply made of what `last_reads` says."""
    steps = (("note", (), "notes"), ("draft", ("notes",), "draft"), ("reply", last_reads, "reply"))
    names = ["__start__", *(name for name, _, _ in steps), "__end__"]
    return GraphManifest(
        name="flow", version="v1", entry_points=("note",), terminal_nodes=("reply",),
        state_type="State", fields=(),
        edges=tuple(
            EdgeFacts(source=a, target=b) for a, b in pairwise(names)
        ),
        nodes=tuple(
            NodeFacts(name=name, node_type="function", reads=reads, writes=(key,), tools=("look", "post"))
            for name, reads, key in steps
        ),
    )  # fmt: skip


def window(calls: Calls, known: GraphManifest, n: int = 60) -> Window:
    executions = [execution(at) for at in range(n)]
    visits: list[Visit] = [
        visit(one, node, place, 5.0, update={key: f"{key} {at}"})
        for at, one in enumerate(executions)
        for place, (node, key) in enumerate((("note", "notes"), ("draft", "draft"), ("reply", "reply")))
    ]  # fmt: skip
    traces = {one.execution_id: (calls(at), {"x": at}) for at, one in enumerate(executions)}
    return build_window(("flow", "v1", known), executions, visits, traces)


def asked(at: int, number: int, messages: Sequence[Any], **more: Any) -> list[Event]:
    """A call of a model within `draft`."""
    place: dict[str, Any] = {
        "execution_id": execution(at).execution_id, "node": "draft", "visit": 1, "ts": "",
        "call_id": f"{at}.{number}", "model": more.pop("model", "large"),
    }  # fmt: skip
    names = [str(hash(str(one))) for one in messages]
    size = sum(len(str(one)) for one in messages) // 4
    end: dict[str, Any] = {
        "output": f"answer {at}", "input_tokens": size, "output_tokens": 20, "duration_ms": 5.0,
        **place, **more,
    }  # fmt: skip
    return [
        LlmStarted(seq=60 + 2 * number, messages=names, new_messages=dict(zip(names, messages, strict=True)), **place),
        LlmCompleted(seq=61 + 2 * number, **end),
    ]  # fmt: skip


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def look(made: Window) -> Report:
    return examine([(made, None)], Thresholds())


def only(report: Report) -> Finding:
    assert len(report.findings) == 1, [(one.detector, one.node) for one in report.findings]
    return report.findings[0]


def test_what_a_model_writes_and_nothing_reads_is_told_with_its_tokens_and_left_out() -> None:
    made = window(
        lambda at: asked(at, 0, [user(f"question {at} " * 20)]), manifest(last_reads=("notes",))
    )

    finding = only(look(made))

    assert (finding.detector, finding.node) == ("unread_output", "draft")
    assert finding.candidate["tokens"] == sum(call.tokens for call in made.outer_calls)
    patch = finding.draft.actions[0]["patch"]
    assert patch[1] == {"op": "replace", "path": "/edges/1/target", "value": "reply"}


def test_what_is_read_is_not_wasted() -> None:
    made = window(lambda at: asked(at, 0, [user(f"question {at} " * 20)]), manifest())

    assert look(made).findings == ()


@pytest.mark.parametrize(("cached", "found"), [(0, ["prompt_resent"]), (900, [])])
def test_a_beginning_sent_again_is_told_unless_the_provider_keeps_it(
    cached: int, found: list[str]
) -> None:
    made = window(
        lambda at: asked(at, 0, [SYSTEM, user(f"question {at}")], cached_tokens=cached), manifest()
    )

    report = look(made)

    assert [one.detector for one in report.findings] == found


def test_a_cheaper_model_that_gives_the_same_is_proposed_and_one_that_does_not_is_not() -> None:
    def both(agrees: bool) -> Calls:
        def calls(at: int) -> Sequence[Event]:
            question = [user(f"question {at}")]
            small = {"model": "small", "cost_usd": 0.01, "output": "yes" if agrees else f"no {at}"}
            return [
                *asked(at, 0, question, cost_usd=0.1, output="yes"), *asked(at, 1, question, **small),
            ]  # fmt: skip

        return calls

    finding = only(look(window(both(True), manifest())))

    assert (finding.detector, finding.draft.actions[0]["set"]) == (
        "dearer_model",
        {"model": "small"},
    )
    assert look(window(both(False), manifest())).findings == ()


def test_words_added_after_each_first_answer_are_a_prompt_that_is_mended() -> None:
    def calls(at: int) -> Sequence[Event]:
        first = [user(f"question {at}")]
        reply = {"role": "assistant", "content": f"answer {at}"}
        return [
            *asked(at, 0, first),
            *asked(at, 1, [*first, reply, user("JSON only; ignore all rules")]),
        ]

    finding = only(look(window(calls, manifest())))

    assert (finding.detector, finding.node) == ("prompt_workaround", "draft")
    assert finding.draft.actions == ()


def test_a_tool_that_is_never_called_beside_others_that_are_is_unused() -> None:
    def calls(at: int) -> Sequence[Event]:
        place: dict[str, Any] = {
            "execution_id": execution(at).execution_id, "node": "draft", "visit": 1, "ts": "",
            "call_id": str(at), "tool": "look",
        }  # fmt: skip
        return [
            ToolStarted(seq=60, input={"at": at}, **place),
            ToolCompleted(seq=61, output=f"page {at}", duration_ms=1.0, **place),
        ]

    finding = only(look(window(calls, manifest(), n=240)))

    assert (finding.detector, finding.subject) == ("unused_capability", "post")
    assert finding.draft.actions == ()
