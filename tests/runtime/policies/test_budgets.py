"""Budgets: what ran out, with figures, and how far the execution came."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypedDict

import openai
import pytest

import inwit
from inwit import END, START, Budget, Context, GraphRecursionError, StateGraph
from inwit.errors import CostBudgetError, DeadlineBudgetError, StepBudgetError, TokenBudgetError


class State(TypedDict, total=False):
    n: int
    answer: str


def loop(**options: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("again", lambda state: {"n": state.get("n", 0) + 1})
    graph.add_edge(START, "again")
    graph.add_edge("again", "again")
    return graph.compile(name="loop", validate=False, **options)


class Handler(BaseHTTPRequestHandler):
    """Answers every request with a completion of 10 tokens, 6 of them given."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1  # type: ignore[attr-defined]
        body = json.dumps({
            "id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": "yes"}}],
            "usage": {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10},
        }).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Model:
    """A model's server."""

    def __init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.asked = 0  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def asked(self) -> int:
        found: int = self.server.asked  # type: ignore[attr-defined]
        return found

    def ask(self, ctx: Context) -> None:
        ctx.llm("go on?", model="gpt-4o-mini", base_url=self.url, api_key="k")


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    yield made
    made.server.shutdown()
    made.server.server_close()


def asking(model: Model, *, times: int = 1, **options: Any) -> Any:
    """A loop of five rounds whose node asks a model so many times in each."""

    def ask(state: State, ctx: Context) -> dict[str, Any]:
        for _ in range(times):
            model.ask(ctx)
        return {"n": state.get("n", 0) + 1}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", lambda state: "ask" if state["n"] < 5 else END)
    return graph.compile(name="asking", **options)


@pytest.mark.parametrize("is_async", [False, True])
def test_an_execution_that_wants_another_step_than_its_budget_has_is_stopped(
    is_async: bool, project: Any
) -> None:
    app = loop(budget=Budget(steps=7))

    with pytest.raises(StepBudgetError, match="7 steps") as raised:
        asyncio.run(app.ainvoke({"n": 0})) if is_async else app.invoke({"n": 0})

    error = raised.value
    assert (error.limit, error.spent, error.state) == (7, 7, {"n": 7})
    assert error.code == "execution.budget_steps"
    assert error.execution_id == app.last_execution_id


def test_as_many_steps_as_the_budget_has_are_enough(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_sequence([("a", lambda state: {"n": 1}), ("b", lambda state: {"n": 2})])
    graph.add_edge(START, "a")

    assert graph.compile(name="two", budget={"steps": 2}).invoke({}) == {"n": 2}


def test_a_call_may_have_another_budget_than_its_graph(project: Any) -> None:
    app = loop(budget=Budget(steps=7))

    for given in ({"steps": 3}, Budget(steps=3)):
        with pytest.raises(StepBudgetError) as raised:
            app.invoke({"n": 0}, {"budget": given})
        assert raised.value.state == {"n": 3}
    with pytest.raises(ValueError, match="A budget has"):
        app.invoke({"n": 0}, {"budget": {"steps": "few"}})
    with pytest.raises(StepBudgetError):
        loop().invoke({"n": 0}, {"budget": {"steps": 3}})


def test_the_recursion_limit_is_not_the_budget_and_keeps_the_state_too(project: Any) -> None:
    with pytest.raises(GraphRecursionError) as raised:
        loop(budget=Budget(steps=70)).invoke({"n": 0}, {"recursion_limit": 4})

    assert raised.value.code == "execution.recursion_limit"
    assert raised.value.state == {"n": 4}


@pytest.mark.anyio
async def test_a_deadline_ends_the_node_that_runs_and_keeps_what_was_done(project: Any) -> None:
    cleaned = []

    async def first(state: State) -> dict[str, Any]:
        return {"n": 1}

    async def second(state: State) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("second")
        return {"n": 2}

    graph = StateGraph(State)
    graph.add_sequence([("first", first), ("second", second)])
    graph.add_edge(START, "first")
    app = graph.compile(name="late", budget=Budget(deadline_s=0.05))

    with pytest.raises(DeadlineBudgetError, match=r"0\.05 s") as raised:
        await app.ainvoke({})

    assert isinstance(raised.value, TimeoutError)
    assert raised.value.spent >= 0.05
    assert (raised.value.state, cleaned) == ({"n": 1}, ["second"])


def test_a_deadline_is_looked_at_after_each_sync_node(project: Any) -> None:
    app = loop(budget=Budget(deadline_s=0.02))

    with pytest.raises(DeadlineBudgetError):
        app.invoke({"n": 0}, {"recursion_limit": 10_000_000})


@pytest.mark.parametrize("recorded", [True, False])
def test_tokens_are_counted_with_and_without_the_record(
    recorded: bool, model: Model, project: Any
) -> None:
    app = asking(model, budget=Budget(tokens=25))
    if not recorded:
        app = app.without_introspection()

    with pytest.raises(TokenBudgetError, match=r"25 tokens.*30 are spent") as raised:
        app.invoke({})

    assert (raised.value.limit, raised.value.spent) == (25, 30)
    assert raised.value.state == {"n": 3}
    assert model.asked == 3


def test_a_model_is_not_called_when_nothing_is_left(model: Model, project: Any) -> None:
    app = asking(model, times=2, budget=Budget(tokens=30))

    with pytest.raises(TokenBudgetError) as raised:
        app.invoke({})

    assert (raised.value.spent, model.asked) == (30, 3)
    assert raised.value.state == {"n": 1}


def test_a_budget_that_is_just_enough_is_enough(model: Model, project: Any) -> None:
    assert asking(model, budget=Budget(tokens=50)).invoke({}) == {"n": 5}


def test_cost_is_counted_by_the_models_price(model: Model, project: Any) -> None:
    with pytest.raises(CostBudgetError, match="USD") as raised:
        asking(model, budget=Budget(cost_usd=5e-6)).invoke({})

    each = raised.value.spent / model.asked
    assert each == pytest.approx(6 * 0.15e-6 + 4 * 0.6e-6)
    assert model.asked == 2


def test_a_clients_calls_are_counted_and_refused_too(model: Model, project: Any) -> None:
    def ask(state: State) -> dict[str, Any]:
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "go on?"}]
        )
        return {"n": state.get("n", 0) + 1}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", lambda state: "ask" if state["n"] < 5 else END)
    app = graph.compile(name="client", budget=Budget(tokens=20))

    with (
        openai.OpenAI(base_url=model.url, api_key="k", max_retries=0) as client,
        inwit.capture(),
        pytest.raises(TokenBudgetError) as raised,
    ):
        app.invoke({})

    assert (raised.value.spent, model.asked) == (20, 2)


def test_what_a_graph_within_spends_is_spent_of_the_budget_around_it(
    model: Model, project: Any
) -> None:
    inner = asking(model)
    outer = StateGraph(State)
    outer.add_node("first", lambda state: {"answer": "kept"})
    outer.add_node("inner", inner)
    outer.add_edge(START, "first")
    outer.add_edge("first", "inner")
    app = outer.compile(name="outer", budget=Budget(tokens=25))

    with pytest.raises(TokenBudgetError) as raised:
        app.invoke({})

    assert model.asked == 3
    assert raised.value.state == {"answer": "kept"}


def test_a_budget_that_ran_out_is_neither_tried_again_nor_covered_up(
    model: Model, project: Any
) -> None:
    def ask(state: State, ctx: Context) -> dict[str, Any]:
        model.ask(ctx)
        model.ask(ctx)
        return {}

    graph = StateGraph(State)
    graph.add_node(
        "ask", ask, fallback=lambda state: {"answer": "covered up"},
        retry_policy=inwit.RetryPolicy(initial_interval=0, jitter=False, retry_on=Exception),
    )  # fmt: skip
    graph.add_edge(START, "ask")

    with pytest.raises(TokenBudgetError):
        graph.compile(name="no", budget=Budget(tokens=10)).invoke({})
    assert model.asked == 1


@pytest.mark.anyio
async def test_branches_spend_of_one_budget(model: Model, project: Any) -> None:
    async def ask(state: State, ctx: Context) -> dict[str, Any]:
        await ctx.llm("go on?", model="gpt-4o-mini", base_url=model.url, api_key="k")
        return {}

    graph = StateGraph(State)
    for name in "abc":
        graph.add_node(name, ask)
        graph.add_edge(START, name)
    app = graph.compile(name="branches", budget=Budget(tokens=25))

    with pytest.raises(TokenBudgetError) as raised:
        await app.ainvoke({})
    assert raised.value.spent == 30


def around_loops(n: int, **options: Any) -> Any:
    """A graph of two steps, of which the first is `n` graphs of three steps at once."""
    inner = StateGraph(State)
    for name, after in (("a", "b"), ("b", "c"), ("c", END)):
        inner.add_node(name, lambda state: {})
        inner.add_edge(name, after)
    within = inner.add_edge(START, "a").compile(name="inner")
    graph = StateGraph(State).add_node("last", lambda state: {"answer": "done"})
    for number in range(n):
        graph.add_node(f"within{number}", lambda state: within.invoke({}) and None)
        graph.add_edge(START, f"within{number}").add_edge(f"within{number}", "last")
    return graph.compile(name="around", **options)


@pytest.mark.parametrize(("steps", "n"), [(5, 1), (8, 2)])
def test_steps_of_graphs_within_are_steps_of_the_budget_and_as_many_as_it_has_are_enough(
    steps: int, n: int, project: Any
) -> None:
    assert around_loops(n, budget=Budget(steps=steps)).invoke({})["answer"] == "done"


@pytest.mark.parametrize(("steps", "n"), [(1, 1), (2, 1), (3, 1), (4, 1), (6, 2), (7, 2)])
def test_a_budget_of_fewer_steps_runs_out_within_or_after_the_graphs_within(
    steps: int, n: int, project: Any
) -> None:
    app = around_loops(n, budget=Budget(steps=steps))

    with pytest.raises(StepBudgetError) as raised:
        app.invoke({})

    assert (raised.value.limit, raised.value.spent) == (steps, steps)


def test_a_budget_that_ran_out_of_steps_within_is_not_covered_up(project: Any) -> None:
    inner = loop()
    graph = StateGraph(State)
    graph.add_node("within", inner, fallback=lambda state: {"answer": "covered up"})
    app = graph.add_edge(START, "within").compile(name="outer", budget=Budget(steps=5))

    with pytest.raises(StepBudgetError):
        app.invoke({})


def test_a_graph_within_may_run_out_of_a_budget_of_its_own_and_be_stood_in_for(
    project: Any,
) -> None:
    inner = loop(budget=Budget(steps=3))
    graph = StateGraph(State).add_node("within", inner, fallback=lambda state: {"answer": "less"})
    app = graph.add_edge(START, "within").compile(name="outer", budget=Budget(steps=50))

    assert app.invoke({})["answer"] == "less"
