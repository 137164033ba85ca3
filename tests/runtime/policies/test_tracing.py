"""What the record shows of nodes whose output is not to be kept in it."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.base import BaseTracer

from inwit import START, StateGraph, TracePolicy, omit_payload
from inwit.errors import UnreplayableError
from inwit.events import to_json
from tests.runtime.policies.recorded import events_of


class State(TypedDict, total=False):
    text: str
    log: Annotated[list[str], operator.add]


def traced(policy: Any, **compiled: Any) -> Any:
    graph = StateGraph(State).add_node("big", big, trace_policy=policy).add_edge(START, "big")
    graph.add_node("beside", lambda state: {"log": ["small"]})
    if compiled.pop("in_parallel", False):
        graph.add_edge(START, "beside")
    else:
        graph.add_edge("big", "beside")
    return graph.compile(name="traced", **compiled)


def big(state: State) -> dict[str, Any]:
    return {"text": "x" * 9000, "log": ["a", "b"]}


def patches(app: Any) -> dict[str, list[Any]]:
    found = [to_json(one) for one in events_of(app, "state_changed")]
    return {one["node"]: [op["value"] for op in one["patch"]] for one in found if "node" in one}


@pytest.mark.parametrize("in_parallel", [False, True])
def test_a_policy_says_what_is_recorded_and_the_graph_runs_the_same(
    in_parallel: bool, project: Any
) -> None:
    policy = TracePolicy(
        process_inputs=omit_payload,
        process_outputs=lambda out: {"text": len(out["text"]), "log": [len(out["log"])]},
    )
    app = traced(policy, in_parallel=in_parallel)

    result = app.invoke({})

    assert sorted(result["log"]) == ["a", "b", "small"]
    assert len(result["text"]) == 9000
    assert patches(app) == {"big": [9000, 2], "beside": ["small"]}


def test_what_is_left_out_is_shown_as_such_and_the_seqs_stay_gapless(project: Any) -> None:
    app = traced(TracePolicy(process_outputs=omit_payload))

    app.invoke({})

    assert patches(app)["big"] == ["[omitted]", "[omitted]"]
    seqs = [one.seq for one in events_of(app)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_policy_that_fails_leaves_all_out_and_does_not_fail_the_execution(
    project: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = traced(TracePolicy(process_outputs=lambda out: out["nothing"]))

    assert len(app.invoke({})["text"]) == 9000

    assert patches(app)["big"] == ["[omitted]", "[omitted]"]
    assert "trace_policy failed" in caplog.text


def test_a_replay_does_not_take_for_an_output_what_was_left_out(project: Any) -> None:
    app = traced(TracePolicy(process_outputs=omit_payload))
    app.invoke({})

    replay = app.replay(app.last_execution_id, run=["beside"])

    assert isinstance(replay.error, UnreplayableError)
    assert "'big' returned was not recorded" in str(replay.error)


class Heard(BaseCallbackHandler):
    """What callbacks that are no tracers are told of the node."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self._runs: set[Any] = set()

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **more: Any) -> None:
        if more.get("name") == "big":
            self._runs.add(run_id)
            self.told.append(inputs)

    def on_chain_end(self, outputs: Any, *, run_id: Any, **more: Any) -> None:
        if run_id in self._runs:
            self.told.append(outputs)


class Traced(BaseTracer):
    """What a tracer keeps of the node."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def _persist_run(self, run: Any) -> None:
        self.kept += [one for child in run.child_runs if child.name == "big"
                      for one in (child.inputs, child.outputs)]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("process", [lambda _: {"seen": "no"}, None])
async def test_tracers_are_told_what_the_policy_says_and_other_callbacks_all(
    process: Any, project: Any
) -> None:
    app = traced(TracePolicy(process_inputs=process, process_outputs=process))
    heard, tracer = Heard(), Traced()

    result = await app.ainvoke({"text": "in"}, {"callbacks": [heard, tracer]})

    assert len(result["text"]) == 9000
    assert [one["text"][:2] for one in heard.told] == ["in", "xx"]
    shown = [{"seen": "no"}] * 2 if process is not None else heard.told
    assert tracer.kept == shown
