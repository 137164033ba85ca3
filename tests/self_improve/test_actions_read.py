"""What a plan's actions say, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from inwit.errors import InapplicableError
from inwit.self_improve import applying, shadow
from inwit.self_improve.actions import CACHES, Changes, changes_of, check_against
from tests.self_improve.test_shadow import plan_of
from tests.self_improve.traffic import manifest


def action(**said: Any) -> dict[str, Any]:
    return {"type": "node_config", "node": "search", "set": {"timeout_s": 1}} | said


def test_actions_are_read_by_their_kinds() -> None:
    diff = {"type": "diff", "diff": "x"}
    found = changes_of(
        plan_of(
            "flow", action(), action(graph="flow", set={"max_attempts": 2, "retry_policy": {"jitter": True}}),
            {"type": "parallel", "nodes": ["a", "b"]}, {"type": "edges", "nodes": ["b", "c"]},
            {"type": "prompt", "node": "rank", "prompt": "Be short."}, diff,
            {"type": "manifest_patch"}, {"type": "code"}, {"type": "package", "package": "x"},
        )
    )  # fmt: skip

    assert found == Changes(
        graph="flow", packages=("x",), patches=(diff, {"type": "manifest_patch"}, {"type": "code"}),
        configs={
            "search": {"timeout_s": 1, "retry_policy": {"jitter": True, "max_attempts": 2}},
            "*": {"parallel": [["a", "b"], ["b", "c"]]}, "rank": {"prompt": "Be short."},
        },
    )  # fmt: skip
    assert found.parallel == [["a", "b"], ["b", "c"]]
    assert found.unreplayable == ("rank.prompt",)
    assert Changes(graph="flow").parallel == []


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        ([], "it has no action"),
        ([action(graph="other")], "an action is about another graph, 'other'"),
        ([action(set={})], "an action is of no known form: "),
        ([{"type": "parallel", "nodes": ["a"]}], "an action is of no known form: "),
        ([{"type": "odd", "x": "y" * 200}], 'an action is of no known form: {"type": "odd", "x": "' + "y" * 92 + "."),
    ],
)  # fmt: skip
def test_an_action_of_no_known_form_is_refused(actions: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(InapplicableError) as refused:
        changes_of(plan_of("flow", *actions))

    assert refused.value.message.startswith(f"Plan by-hand cannot be applied: {why}".rstrip("."))
    assert refused.value.hint == "`inwit self-improve show` has its actions."


@pytest.mark.parametrize(
    ("values", "effects", "why"),
    [
        ({"timeout_s": 1}, {}, ""),
        ({"cache": {"scope": "thread"}}, {}, ""),
        *[({name: {"scope": "odd"}}, {}, f"{name} has a scope of") for name in CACHES],
        ({"tool_cache": 3}, {}, "tool_cache has a scope of"),
        ({"cache": {}}, {"policies": {"side_effects": True}}, "'search' has side effects, so cache may not be set"),
        ({"cache": {}}, {"metadata": {"side_effects": True}}, "'search' has side effects, so cache"),
        ({"cache": {}}, {"metadata": {"has_side_effects": True}}, "'search' has side effects, so cache"),
        ({"retry_policy": {"max_attempts": 2}}, {"policies": {"side_effects": True}}, "so retry_policy may not"),
        ({"retry_policy": {"max_attempts": 1}}, {"policies": {"side_effects": True}}, ""),
        ({"timeout_s": 1}, {"policies": {"side_effects": True}}, ""),
        ({"timeout_s": -1}, {}, "Plan by-hand cannot be applied"),
    ],
)  # fmt: skip
def test_values_that_a_node_cannot_take_are_refused(
    values: dict[str, Any], effects: dict[str, Any], why: str
) -> None:
    plan = plan_of("flow", action(set=values))
    told = ""
    try:
        check_against(plan, changes_of(plan), manifest(**effects))
    except InapplicableError as exc:
        told = str(exc)

    assert bool(told) == bool(why)
    assert why in told


def test_nodes_that_are_not_there_are_refused() -> None:
    for one in (action(node="none"), {"type": "parallel", "nodes": ["search", "none"]},
                {"type": "parallel", "nodes": ["none", "search"]}):  # fmt: skip
        plan = plan_of("flow", one)
        with pytest.raises(InapplicableError, match="graph 'flow' has no node 'none'"):
            check_against(plan, changes_of(plan), manifest())


def test_values_join_what_is_set_already() -> None:
    before = {
        "timeout_s": 1,
        "retry_policy": {"max_attempts": 3, "jitter": True},
        "parallel": [("a", "b")],
    }

    assert applying._joined(before, {"retry_policy": {"max_attempts": 1}}) == {
        "retry_policy": {"max_attempts": 1, "jitter": True}
    }
    assert applying._joined(before, {"parallel": [["a", "b"], ["b", "c"]]}) == {
        "parallel": [["a", "b"], ["b", "c"]]
    }
    assert applying._joined({}, {"parallel": [["a", "b"]], "cache": {"scope": "all"}}) == {
        "parallel": [["a", "b"]], "cache": {"scope": "all"}
    }  # fmt: skip
    assert applying._joined({"cache": None}, {"cache": {}}) == {"cache": {}}


def test_a_state_differs_in_the_keys_that_do() -> None:
    told = shadow._compared("u", {"a": 1, "b": [1], "c": 1}, {"a": 2, "b": [1], "d": None, "e": 0})

    assert told == [{"uri": "u", "keys": ["a", "c", "e"], "what": "its state differs in a, c, e"}]
    assert shadow._compared("u", {"a": {"x": 1}}, {"a": {"x": 1}}) == []


def test_a_replay_proves_with_five_that_all_passed() -> None:
    assert shadow.Shadow(n=5, passed=5).is_proof
    assert not shadow.Shadow(n=4, passed=4).is_proof
    assert not shadow.Shadow(n=6, passed=5).is_proof
    assert not shadow.Shadow(n=5, passed=5, reason="x").is_proof
