"""The parts that policies are made of, each by itself: retries, buckets, gates, circuits, checks."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Annotated, Any, Literal, TypedDict
from unittest.mock import patch

import httpx
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from langgraph._internal._retry import default_retry_on as their_default
from langgraph.types import RetryPolicy as TheirRetryPolicy
from langgraph.types import TimeoutPolicy as TheirTimeoutPolicy

from inwit.errors import CircuitOpenError, InvalidStateError, InvalidUpdateError, NodeTimeoutError
from inwit.runtime.commands import Command, GraphInterrupt, Overwrite
from inwit.runtime.policies import RetryPolicy, default_retry_on
from inwit.runtime.policies.breaker import Circuit, CircuitBreaker
from inwit.runtime.policies.budgets import Budget, Spending
from inwit.runtime.policies.checking import Checker
from inwit.runtime.policies.flow import Bucket, Gate, RateLimit
from inwit.runtime.policies.node import PLAIN, NodePolicy
from inwit.runtime.policies.retry import next_attempt, with_transient
from inwit.runtime.policies.timeouts import TimeoutPolicy
from inwit.runtime.state import schema_of


def answered(kind: Any, status: int) -> Exception:
    if kind is httpx:
        request = httpx.Request("GET", "http://x")
        return httpx.HTTPStatusError("no", request=request, response=httpx.Response(status))
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("no", response=response)


class OwnError(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(), ConnectionResetError(), TimeoutError(), OSError(), ValueError(),
        TypeError(), KeyError(), RuntimeError(), RecursionError(), StopIteration(), ZeroDivisionError(),
        ImportError(), NameError(), SyntaxError(), ReferenceError(), AssertionError(), EOFError(),
        OwnError(), Exception(), answered(httpx, 503), answered(httpx, 404), answered(httpx, 429),
        answered(requests, 502), answered(requests, 400), requests.HTTPError("no answer"),
        httpx.ConnectError("no"), requests.ConnectionError(),
    ],
    ids=lambda error: f"{type(error).__module__}.{type(error).__name__} {error}",
)  # fmt: skip
def test_a_policy_that_names_no_errors_takes_those_of_langgraph(error: Exception) -> None:
    assert default_retry_on(error) == their_default(error)
    assert RetryPolicy().takes(error) == their_default(error)


def test_in_a_graph_of_ours_it_takes_what_passes_by_itself_too() -> None:
    [policy] = with_transient([RetryPolicy(max_attempts=7)])

    assert policy.takes(TimeoutError()) and policy.takes(answered(httpx, 429))
    assert policy.takes(OwnError()) and not policy.takes(ValueError())
    assert policy.max_attempts == 7
    assert with_transient([RetryPolicy(retry_on=KeyError)]) == (RetryPolicy(retry_on=KeyError),)


def test_a_nodes_own_time_out_is_tried_again_and_an_open_circuit_is_not() -> None:
    assert default_retry_on(NodeTimeoutError("a", 1.0, kind="idle", idle_timeout=0.5))
    assert not default_retry_on(CircuitOpenError("a", 3, 1.0))


def test_a_policy_has_the_fields_order_and_defaults_of_langgraphs() -> None:
    ours, theirs = RetryPolicy(), TheirRetryPolicy()

    assert ours._fields == theirs._fields
    assert ours[:-1] == theirs[:-1]
    assert RetryPolicy(1.0, 3.0, 9.0, 5, False, KeyError)[:] == (1.0, 3.0, 9.0, 5, False, KeyError)


@pytest.mark.parametrize(
    ("retry_on", "taken", "left"),
    [
        (KeyError, KeyError(), ValueError()),
        (LookupError, KeyError(), ValueError()),
        ((KeyError, ValueError), ValueError(), TypeError()),
        ([KeyError], KeyError(), TypeError()),
        (lambda error: "again" in str(error), ValueError("again"), ValueError("no")),
    ],
)
def test_errors_are_named_by_class_classes_or_function(
    retry_on: Any, taken: Exception, left: Exception
) -> None:
    policy = RetryPolicy(retry_on=retry_on)

    assert policy.takes(taken) and not policy.takes(left)


def test_errors_are_named_by_nothing_else() -> None:
    with pytest.raises(TypeError, match=r"retry_on must be an Exception class.*123"):
        RetryPolicy(retry_on=123).takes(ValueError())


def test_waits_grow_up_to_a_limit_and_jitter_adds_up_to_a_second() -> None:
    policy = RetryPolicy(initial_interval=1.0, backoff_factor=3.0, max_interval=5.0, jitter=False)

    assert [policy.delay_s(attempt) for attempt in (1, 2, 3, 9)] == [1.0, 3.0, 5.0, 5.0]
    with patch("random.uniform", return_value=0.25) as drawn:
        assert policy._replace(jitter=True).delay_s(1) == 1.25
    drawn.assert_called_with(0, 1)
    waits = {policy._replace(jitter=True).delay_s(1) for _ in range(20)}
    assert len(waits) == 20 and all(1.0 <= wait <= 2.0 for wait in waits)


def test_the_first_policy_that_takes_an_error_counts() -> None:
    policies = (RetryPolicy(max_attempts=2, retry_on=KeyError), RetryPolicy(retry_on=LookupError))

    assert next_attempt(policies, KeyError(), 1) is policies[0]
    assert next_attempt(policies, KeyError(), 2) is None
    assert next_attempt(policies, IndexError(), 2) is policies[1]
    assert next_attempt(policies, ValueError(), 1) is None
    assert next_attempt((), ValueError(), 1) is None


@pytest.mark.parametrize("value", [None, 3, 0.5, timedelta(milliseconds=250)])
def test_a_number_is_the_time_out_of_the_whole_attempt(value: Any) -> None:
    ours, theirs = TimeoutPolicy.coerce(value), TheirTimeoutPolicy.coerce(value)

    assert (ours and (ours.run_timeout, ours.idle_timeout, ours.refresh_on)) == (
        theirs and (theirs.run_timeout, theirs.idle_timeout, theirs.refresh_on)
    )


def test_a_time_out_is_above_nothing_and_its_signs_are_known() -> None:
    for value in (0, -1.0, timedelta(0), TimeoutPolicy(idle_timeout=0), float("nan")):
        with pytest.raises(ValueError, match="greater than 0"):
            TimeoutPolicy.coerce(value)
    with pytest.raises(ValueError, match="refresh_on"):
        TimeoutPolicy.coerce(TimeoutPolicy(run_timeout=1, refresh_on="never"))  # type: ignore[arg-type]
    made = TimeoutPolicy(run_timeout=1.0, idle_timeout=2.0)
    assert TimeoutPolicy.coerce(made) is made
    assert TimeoutPolicy.coerce(TimeoutPolicy()) is None


def test_a_bucket_lets_a_burst_through_and_then_one_at_a_time() -> None:
    bucket = Bucket(RateLimit(2, per_s=1.0))

    assert [bucket.take(100.0) for _ in range(4)] == [0.0, 0.0, 0.5, 1.0]
    assert bucket.take(101.0) == pytest.approx(0.5)
    assert bucket.take(1000.0) == 0.0
    assert Bucket(RateLimit(0.5)).take(0.0) == 0.0
    assert [round(wait, 6) for wait in _taken(RateLimit(10, burst=1), 3)] == [0.0, 0.1, 0.2]


def _taken(limit: RateLimit, count: int) -> list[float]:
    bucket = Bucket(limit)
    return [bucket.take(0.0) for _ in range(count)]


@given(
    st.floats(0.1, 20), st.integers(1, 5), st.lists(st.floats(0, 3), min_size=1, max_size=40),
    st.floats(0.05, 5),
)  # fmt: skip
def test_no_window_holds_more_calls_than_burst_and_rate_allow(
    rate: float, burst: int, gaps: list[float], window: float
) -> None:
    bucket, now, begun = Bucket(RateLimit(rate, burst=burst)), 0.0, []
    for gap in gaps:
        now += gap
        begun.append(now + bucket.take(now))

    for start in begun:
        within = sum(start <= moment <= start + window for moment in begun)
        assert within <= burst + rate * window + 1e-6 + 1


@pytest.mark.parametrize("limit", [(0,), (-1,), (1, 0), (1, 1.0, 0)])
def test_a_rate_of_nothing_is_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match="rate limit"):
        RateLimit(*limit)


@pytest.mark.anyio
async def test_a_gate_lets_in_its_width_in_order_and_a_cancelled_one_keeps_no_place() -> None:
    gate, inside, seen, most = Gate(2), 0, [], 0
    release = asyncio.Event()

    async def visit(number: int) -> None:
        nonlocal inside, most
        await gate.enter()
        inside += 1
        most = max(most, inside)
        seen.append(number)
        await release.wait()
        inside -= 1
        gate.leave()

    tasks = [asyncio.create_task(visit(number)) for number in range(6)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    release.set()
    await asyncio.wait(tasks)

    assert (seen, most) == ([0, 1, 3, 4, 5], 2)
    assert gate.try_enter() and gate.try_enter() and not gate.try_enter()


@pytest.mark.anyio
async def test_a_gate_is_left_by_one_that_is_cancelled_as_it_is_let_in() -> None:
    gate = Gate(1)
    await gate.enter()
    waiting = asyncio.create_task(gate.enter())
    await asyncio.sleep(0)

    gate.leave()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert gate.try_enter()


def test_a_gate_holds_for_all_threads() -> None:
    gate, lock, inside, most = Gate(2), threading.Lock(), 0, 0

    async def visit() -> None:
        nonlocal inside, most
        for _ in range(20):
            await gate.enter()
            with lock:
                inside += 1
                most = max(most, inside)
            await asyncio.sleep(0)
            with lock:
                inside -= 1
            gate.leave()

    threads = [threading.Thread(target=asyncio.run, args=(visit(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert not any(thread.is_alive() for thread in threads)
    assert most <= 2 and inside == 0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def failed(circuit: Circuit, error: BaseException | None = None) -> None:
    circuit.leave(circuit.enter(), error or ValueError())


def test_a_circuit_opens_after_failures_in_a_row_and_closes_by_a_success() -> None:
    clock = Clock()
    circuit = Circuit("n", CircuitBreaker(failure_threshold=3, recovery_s=10), clock)
    failed(circuit)
    failed(circuit)
    circuit.leave(circuit.enter(), None)
    for _ in range(3):
        failed(circuit)

    with pytest.raises(CircuitOpenError) as caught:
        circuit.enter()
    assert (caught.value.node, caught.value.failures, caught.value.retry_after_s) == ("n", 3, 10)
    clock.now = 10
    trial = circuit.enter()
    with pytest.raises(CircuitOpenError):
        circuit.enter()
    assert circuit.leave(trial, None) == "closed"
    circuit.enter()


def test_a_failed_trial_opens_the_circuit_again_for_the_whole_time() -> None:
    clock = Clock()
    circuit = Circuit("n", CircuitBreaker(failure_threshold=1, recovery_s=10), clock)
    failed(circuit)
    clock.now = 12
    failed(circuit)

    clock.now = 21
    with pytest.raises(CircuitOpenError):
        circuit.enter()
    clock.now = 22
    circuit.enter()


def test_what_was_let_through_before_it_opened_does_not_close_it() -> None:
    clock = Clock()
    circuit = Circuit("n", CircuitBreaker(failure_threshold=1, recovery_s=10), clock)
    early, late = circuit.enter(), circuit.enter()
    failed(circuit)

    assert circuit.leave(early, None) is None
    clock.now = 10
    circuit.enter()
    assert circuit.leave(late, ValueError()) is None
    assert circuit.state == "half_open"


def test_waiting_for_a_person_and_being_cancelled_are_no_failures() -> None:
    clock = Clock()
    circuit = Circuit("n", CircuitBreaker(failure_threshold=1, failure_on=(OSError,)), clock)
    failed(circuit, GraphInterrupt(()))
    failed(circuit, asyncio.CancelledError())
    failed(circuit, ValueError())
    states = [circuit.state]
    failed(circuit, OSError())
    clock.now = 30
    failed(circuit, asyncio.CancelledError())
    states.append(circuit.state)

    assert states == ["closed", "half_open"]
    circuit.enter()


def longer(old: list[int], new: int) -> list[int]:
    return [*old, new]


def untold(old, new):
    return new


class Checked(TypedDict, total=False):
    n: int
    words: list[str]
    kind: Literal["a", "b"]
    grown: Annotated[list[int], longer]
    free: Annotated[int, untold]
    odd: Clock
    anything: Any


def checker() -> Checker:
    schema = schema_of(Checked)
    return Checker("node", schema, schema)


@pytest.mark.parametrize(
    "good",
    [
        {"n": 3}, {"words": ["x"]}, {"kind": "b"}, {"grown": 7}, {"free": 1}, {"odd": Clock()},
        {"anything": object()}, {"unknown": 3}, {}, None, Command(update={"n": 1}),
        [{"n": 1}, Command(goto="x")], {"grown": Overwrite([1, 2])}, 7,
    ],
)  # fmt: skip
def test_a_value_of_its_type_is_let_through(good: Any) -> None:
    checker().check_returned(good)


@pytest.mark.parametrize(
    "bad",
    [
        {"n": "3"}, {"n": True}, {"words": ["x", 1]}, {"words": ("x",)}, {"kind": "c"},
        {"grown": [7]}, {"free": "1"}, {"odd": "clock"}, Command(update={"n": None}),
        [{"n": 1}, {"n": 1.5}], {"grown": Overwrite(["x"])},
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_with_node_key_and_value(bad: Any) -> None:
    with pytest.raises(InvalidUpdateError, match=r"'node' returned '[a-z]+' = "):
        checker().check_returned(bad)


def test_what_a_node_is_given_is_checked_by_the_keys_types() -> None:
    checker().check_given({"n": 3, "grown": [1]})
    with pytest.raises(InvalidStateError, match=r"given 'words' = .*valid string"):
        checker().check_given({"n": 3, "words": [1]})


def test_a_call_says_of_a_budget_only_what_it_changes() -> None:
    default = Budget(steps=10, tokens=100)

    assert Budget.of({"tokens": 5, "cost_usd": 1}, default) == Budget(
        steps=10, tokens=5, cost_usd=1.0
    )
    assert Budget.of(None, default) is default
    assert Budget.of({"deadline_s": 2}, None) == Budget(deadline_s=2.0)
    for wrong in ({"token": 5}, {"tokens": "many"}, 7):
        with pytest.raises(ValueError, match="A budget has"):
            Budget.of(wrong, default)  # type: ignore[arg-type]


def test_what_is_spent_within_counts_around_it_and_what_is_left_is_looked_at_before_a_call() -> (
    None
):
    outer = Spending(Budget(tokens=10))
    inner = Spending(Budget(cost_usd=1.0), outer)
    inner.add(10, 0.5)

    assert inner.error() is None
    refused = inner.refusal()
    assert refused is not None and (refused.limit, refused.spent) == (10, 10)
    assert inner.error() is refused
    inner = Spending(Budget(cost_usd=1.0), outer)
    inner.add(1, 1.1)
    assert [type(spent.error()).__name__ for spent in (inner, outer)] == [
        "CostBudgetError", "TokenBudgetError",
    ]  # fmt: skip


def test_a_nodes_policies_go_before_the_graphs() -> None:
    defaults = NodePolicy.written({"timeout": 3, "retry_policy": RetryPolicy(), "pure": True})
    own = NodePolicy.written({"timeout": TimeoutPolicy(idle_timeout=1)}, {"owner": "ada"})

    both = own.over(defaults)
    assert (both.timeout_s, both.idle_timeout_s, both.is_pure) == (None, 1.0, True)
    assert both.retry == RetryPolicy() and both.metadata == {"owner": "ada"}
    assert PLAIN.over(PLAIN) is PLAIN
    assert NodePolicy.written({}) is PLAIN


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"retries": 3}, TypeError), ({"validation": "all"}, ValueError), ({"timeout": 0}, ValueError),
        ({"max_concurrency": 0}, ValueError),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_is_refused_by_its_name(
    given: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"retries|validation|greater than 0|max_concurrency"):
        NodePolicy.written(given)
