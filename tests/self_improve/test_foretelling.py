"""What changes spare and cost, visit by visit, and what a replay of them says."""

from __future__ import annotations

from typing import Any

import pytest

from inwit.errors import GraphError
from inwit.events import (
    Event,
    ExecutionStarted,
    LlmCompleted,
    LlmStarted,
    NodeEntered,
    RetryScheduled,
    ToolCompleted,
    ToolStarted,
)
from inwit.runtime.views import Execution, Visit
from inwit.self_improve import foretelling, shadow
from inwit.self_improve.actions import Changes
from inwit.self_improve.foretelling import Foretold
from inwit.self_improve.shadow import Shadow
from tests.self_improve.conftest import World, book, run, searcher
from tests.self_improve.test_measuring import Record

pytestmark = pytest.mark.usefixtures("project")


def execution(at: int, **more: Any) -> Execution:
    facts: dict[str, Any] = {
        "execution_id": f"e{at}", "graph_name": "flow", "graph_version": "v1", "status": "completed",
        "started_at": "", "thread_id": "t", "duration_ms": 10.0, "position": at,
    }  # fmt: skip
    return Execution(**(facts | more))


def visit(at: int, number: int = 1, **more: Any) -> Visit:
    facts: dict[str, Any] = {
        "execution_id": f"e{at}", "graph_name": "flow", "graph_version": "v1", "node": "n",
        "visit": number, "entry_seq": 1, "exit_seq": 2, "started_ns": 0, "duration_ms": 10.0,
        "status": "completed",
    }  # fmt: skip
    return Visit(**(facts | more))


class Events:
    """A record that is a list of events and visits of each execution."""

    def __init__(self) -> None:
        self.told: dict[str, list[Event]] = {}
        self.held: dict[str, list[Visit]] = {}

    def say(self, at: int, kind: type[Event], **fields: Any) -> None:
        event = kind(
            **{"execution_id": f"e{at}", "seq": 1, "ts": "", "node": "n", "visit": 1, **fields}
        )
        self.told.setdefault(f"e{at}", []).append(event)

    def events(
        self, execution_id: str, *, types: tuple[str, ...], node: str | None = None
    ) -> list[Event]:
        found = self.told.get(execution_id, [])
        return [one for one in found if one.type in types and node in (None, one.node)]

    def visits(self, execution_id: str, node: str | None = None) -> list[Visit]:
        return [one for one in self.held.get(execution_id, []) if node in (None, one.node)]


def spared(record: Events, executions: list[Execution], **values: Any) -> dict[Any, float]:
    kept: Any = record
    return foretelling.spared(kept, Changes(graph="flow", configs={"n": values}), executions)


# Kept results


def asked(record: Events, at: int, query: str, *visits: Visit) -> None:
    record.say(at, ExecutionStarted, input={"q": query, "other": at}, node=None, visit=None)
    for one in visits:
        record.say(at, NodeEntered, visit=one.visit)
    record.held[f"e{at}"] = list(visits)


def test_a_kept_result_spares_each_later_visit_of_equal_input_but_the_look_for_it() -> None:
    record = Events()
    asked(record, 1, "owls", visit(1), visit(1, 2, duration_ms=8.0), visit(1, 3, duration_ms=0.04))
    asked(record, 2, "owls", visit(2, duration_ms=6.0))
    asked(record, 3, "bats", visit(3), visit(3, 2, status="failed"), visit(3, 3, duration_ms=None))
    three = [execution(at) for at in (1, 2, 3)]
    within = {("e1", "n", 2): 7.95, ("e1", "n", 3): 0.0, ("e3", "n", 3): 0.0}

    assert spared(record, three, cache={"key": ["q"]}) == pytest.approx(within)
    assert spared(record, three, cache={"key": ["q"], "scope": "thread"}) == pytest.approx(
        within | {("e2", "n", 1): 5.95}
    )
    # The whole state is another in each execution; within one it is the same.
    assert spared(record, three, cache={"scope": "thread"}) == pytest.approx(within)
    assert spared(record, three, cache={}) == spared(record, three, timeout_s=1) == {}


def test_a_failed_first_visit_leaves_nothing_that_is_kept() -> None:
    record = Events()
    asked(record, 1, "owls", visit(1, status="failed"), visit(1, 2), visit(1, 3))

    assert list(spared(record, [execution(1)], cache={"key": ["q"]})) == [("e1", "n", 3)]


def test_an_execution_that_is_gone_meanwhile_spares_nothing() -> None:
    class Gone(Events):
        def events(self, *_: Any, **__: Any) -> list[Event]:
            raise GraphError("gone")

    record = Gone()
    record.held["e1"] = [visit(1), visit(1, 2)]

    assert spared(record, [execution(1)], cache={"key": ["q"]}) == {}


def test_kept_calls_of_a_tool_spare_what_the_later_equal_ones_took() -> None:
    record = Events()
    for number, (tool, given, ms) in enumerate(
        (("find", "a", 4.0), ("find", "a", 3.0), ("find", "a", 2.0), ("find", "b", 9.0), ("read", "a", 5.0),
         ("read", "a", 1.5), ("find", "b", None))
    ):  # fmt: skip
        record.say(1, ToolStarted, call_id=f"c{number}", tool=tool, input=given)
        record.say(1, ToolCompleted, call_id=f"c{number}", tool=tool, duration_ms=ms)
    record.say(1, ToolCompleted, call_id="never begun", tool="find", duration_ms=50.0)
    record.say(1, ToolStarted, call_id="x", tool="find", input="a", visit=None)
    record.say(1, ToolCompleted, call_id="x", tool="find", duration_ms=50.0, visit=None)

    one, other = execution(1), execution(2)
    assert spared(record, [one], tool_cache={"scope": "execution"}) == {("e1", "n", 1): 6.5}
    assert spared(record, [one], tool_cache={"name": "find"}) == {("e1", "n", 1): 5.0}
    assert spared(record, [one], tool_cache={"name": "none"}) == {}
    assert spared(record, [one], model_cache={"scope": "execution"}) == {}
    record.say(2, ToolStarted, call_id="y", tool="find", input="a")
    record.say(2, ToolCompleted, call_id="y", tool="find", duration_ms=7.0)
    assert ("e2", "n", 1) not in spared(record, [one, other], tool_cache={"scope": "execution"})
    threaded = spared(record, [one, other], tool_cache={"scope": "thread"})
    assert threaded == {("e1", "n", 1): 6.5, ("e2", "n", 1): 7.0}


def test_kept_calls_of_a_model_are_of_equal_messages_and_parameters() -> None:
    record = Events()
    for number, (model, message, heat) in enumerate(
        (("m", "a", 0), ("m", "a", 0), ("m", "a", 1), ("m", "b", 0), ("k", "a", 0))
    ):
        record.say(
            1, LlmStarted, call_id=f"c{number}", model=model, messages=[message],
            parameters={"temperature": heat},
        )  # fmt: skip
        record.say(1, LlmCompleted, call_id=f"c{number}", model=model, duration_ms=4.0 + number)

    assert spared(record, [execution(1)], model_cache={"scope": "execution"}) == {
        ("e1", "n", 1): 5.0
    }


# Waits


def waits(record: Events, policy: dict[str, Any], *executions: Execution) -> dict[Any, float]:
    kept: Any = record
    found: dict[Any, float] = {("e1", "n", 1): 1.0}
    foretelling._wait_otherwise(kept, "n", policy, executions, found)
    return found


def test_waits_are_those_of_the_changed_policy_instead_of_the_recorded() -> None:
    record = Events()
    record.say(1, RetryScheduled, delay_ms=100.0, max_attempts=3, attempt=1)
    record.say(1, RetryScheduled, delay_ms=300.0, max_attempts=3, attempt=2)
    record.say(1, RetryScheduled, delay_ms=40.0, max_attempts=3, attempt=1, visit=2)
    record.say(1, RetryScheduled, delay_ms=9.0, max_attempts=3, attempt=1, visit=None)
    record.say(1, RetryScheduled, delay_ms=9.0, max_attempts=3, attempt=None)
    record.say(2, RetryScheduled, delay_ms=9.0, max_attempts=3, attempt=1)
    tried, calm = execution(1, retries=1), execution(2)
    steady = {"initial_interval": 0.01, "jitter": False}

    assert waits(record, steady, tried, calm) == pytest.approx(
        {("e1", "n", 1): 1 + 100 - 10 + 300 - 20, ("e1", "n", 2): 40 - 10}
    )
    assert waits(record, steady | {"jitter": True}, tried) == pytest.approx(
        {("e1", "n", 1): 1 + 100 - 510 + 300 - 520, ("e1", "n", 2): 40 - 510}
    )
    assert waits(record, {"initial_interval": None, "backoff_factor": 1.0}, tried)[
        "e1", "n", 2
    ] == pytest.approx(40 - 500 - 500)
    assert waits(record, {"max_attempts": 9}, tried) == {("e1", "n", 1): 1.0}


# Figures


def test_figures_of_a_gain_have_four_digits() -> None:
    before = [10 + at * 0.1234567 for at in range(20)]

    effect = Foretold(before=before, after=[one - 3.33333333 for one in before]).effect

    assert effect is not None
    assert (effect.point, effect.unit) == (3.3333, "ms per execution")
    for value in (effect.point, effect.low, effect.high):
        assert value == round(value, 4)
        assert value != round(value, 3)


def test_two_hundred_executions_are_looked_at_at_most() -> None:
    record: Any = Record(300, iteration=lambda _: 1)

    assert len(foretelling.sample(record, "flow")) == 200
    assert record.asked == [200]


# Replays


def test_visits_end_within_changed_limits_up_to_the_very_limit() -> None:
    def told(**values: Any) -> list[str]:
        one = visit(1, duration_ms=130.0, retry_ms=30.0, attempts=3)
        other = visit(1, 2, node="m", duration_ms=9999.0)
        found = shadow._by_limits(Changes(graph="flow", configs={"n": values}), [one, other])
        assert all((entry["node"], entry["uri"]) == ("n", one.uri) for entry in found)
        return [entry["what"] for entry in found]

    assert told(timeout_s=0.1) == told() == told(retry_policy={"max_attempts": 3}) == []
    assert told(timeout_s=0.099) == ["it took 100.0 ms, and would have been ended at 99 ms"]
    assert told(retry_policy={"max_attempts": 2}) == ["it needed 3 attempts, and would have had 2"]
    assert len(told(timeout_s=0.09, retry_policy={"max_attempts": 2})) == 1
    failed = visit(1, attempts=3, status="failed")
    kept = Changes(graph="flow", configs={"n": {"retry_policy": {"max_attempts": 2}}})
    assert shadow._by_limits(kept, [failed]) == []


def test_five_completed_executions_are_replayed_at_least_and_twenty_at_most(world: World) -> None:
    run(searcher(world), 22, world)
    store = book().store
    executions = sorted(store.newest(30, graph="searcher"), key=lambda one: one.position)
    changes = Changes(graph="searcher", configs={"search": {"timeout_s": 5}})

    many, five = (
        shadow.replay(store, changes, executions),
        shadow.replay(store, changes, executions[:5]),
    )
    few = shadow.replay(store, changes, executions[:4])
    slow = Changes(graph="searcher", configs={"search": {"timeout_s": 1e-6}})
    harmed = shadow.replay(store, slow, executions)

    assert many.executions == tuple(one.execution_id for one in executions[-20:])
    assert (many.n, many.passed, many.method, many.reason) == (20, 20, "recorded updates", "")
    assert (five.n, five.is_proof) == (5, True)
    assert few.reason == "4 completed executions can be replayed; 5 are needed"
    assert (harmed.n, harmed.passed, len(harmed.divergences)) == (20, 0, 10)
    assert harmed.reason == "20 of 20 ended otherwise"


def test_results_that_differ_for_the_keys_that_are_read_are_found_in_the_record(
    world: World,
) -> None:
    search, counts = world.search, iter(range(10**6))
    world.search = lambda state: {**search(state), "hits": [str(next(counts))]}  # type: ignore[method-assign]
    run(searcher(world), 6, world)
    store = book().store
    executions = sorted(store.newest(6, graph="searcher"), key=lambda one: one.position)

    def kept(**setting: Any) -> Shadow:
        changes = Changes(graph="searcher", configs={"search": {"cache": setting}})
        return shadow.replay(store, changes, executions)

    by_query, by_all = kept(scope="execution", key=["query"]), kept(scope="execution")
    assert (by_query.n, by_query.passed, by_query.reason) == (6, 0, "6 of 6 ended otherwise")
    assert by_query.divergences[0] == {
        "uri": f"execution://{executions[0].execution_id}/summary", "keys": ["hits"],
        "what": "its state differs in hits",
    }  # fmt: skip
    assert (by_all.n, by_all.passed, by_all.reason) == (6, 6, "")
