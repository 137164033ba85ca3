"""What is asked of model calls: which, by whom, at what cost; the server is a scripted one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import START, CompiledGraph, StateGraph
from inwit.answers import Answer
from inwit.runtime.context import Context
from tests.introspection.planting import evidence_holds, introspector, settled, uris
from tests.introspection.test_whatif_verified import chatting
from tests.runtime.capture.server import Scripted, chat, serving, whole

PRICED, UNPRICED = "gpt-4o-mini", "house-model-7b"


class Letter(TypedDict, total=False):
    model: str
    text: str


@pytest.fixture
def server(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    with serving() as scripted:
        monkeypatch.setenv("OPENAI_BASE_URL", scripted.url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield scripted


def writing() -> CompiledGraph[Letter]:
    """Open → draft, which is a graph whose node compose calls a model."""

    def compose(state: Letter, ctx: Context) -> dict[str, Any]:
        return {"text": ctx.llm("Write.", model=state["model"]).text}

    inner = StateGraph(Letter).add_node(compose).add_edge(START, "compose").compile(name="composer")
    graph = StateGraph(Letter).add_node("open", lambda state: {}).add_node("draft", inner)
    return graph.add_edge(START, "open").add_edge("open", "draft").compile(name="letters")


@pytest.fixture
def wrote(server: Scripted) -> dict[str, str]:
    """One execution with a price, in thread ada, and one without, in thread bob."""
    app, ran = writing(), {}
    for thread, model in (("ada", PRICED), ("bob", UNPRICED)):
        server.says(whole(chat(f"Dear {thread}", model=model)))
        app.invoke({"model": model}, thread_id=thread)
        ran[thread] = str(app.last_execution_id)
    return ran


def ask(question: str) -> Answer:
    answer = introspector().ask(question)
    assert evidence_holds(answer)
    return answer


def test_what_a_graph_within_spent_counts_for_the_execution_around_it(
    wrote: dict[str, str],
) -> None:
    values = ask("How many tokens did ada use?").data["values"]

    assert (values["executions"], values["llm_calls"], values["input_tokens"]) == (1, 1, 1000)
    assert values["cost_usd"] > 0


def test_a_sum_with_calls_that_have_no_price_is_said_to_be_at_least_that(
    wrote: dict[str, str],
) -> None:
    answer = ask("How much has everything cost so far?")

    assert answer.data["values"]["unpriced_calls"] == 1
    assert "at least $" in answer.text and "1 call has no price" in answer.text


def test_the_models_of_an_execution_are_named_with_what_they_said(wrote: dict[str, str]) -> None:
    answer = ask("What did the model say to ada?")

    assert answer.data["values"] == {PRICED: 1}
    assert "Dear ada" in answer.text and "compose" in answer.text


def test_a_model_is_found_by_its_name_in_all_that_called_it(wrote: dict[str, str]) -> None:
    answer = ask(f"Which executions used {UNPRICED}?")

    assert f"{UNPRICED} was called once by compose" in answer.text
    assert len(answer.data["values"]) == 1
    assert "Dear bob" in answer.text


def test_a_thread_in_which_a_model_was_not_called_says_so(project: Path) -> None:
    for thread, model in (("ada", PRICED), ("bob", UNPRICED)):
        app = chatting(model)
        app.invoke({}, thread_id=thread)
    bobs = str(app.last_execution_id)

    answer = settled().ask(f"Who called {PRICED} in thread bob?")

    assert answer.text == f"{PRICED} was not called in thread bob."
    assert uris(answer) == [f"execution://{bobs}/summary"]
    assert evidence_holds(answer)


def test_a_model_that_a_graph_within_called_was_called_in_the_thread_around_it(
    server: Scripted, wrote: dict[str, str]
) -> None:
    server.says(whole(chat("Dear ada, again", model=PRICED)))
    writing().invoke({"model": PRICED}, thread_id="ada")

    ada, bob = (ask(f"Who called {PRICED} in thread {name}?") for name in ("ada", "bob"))

    assert f"{PRICED} was called twice by compose, in 2 executions of the last 4" in ada.text
    assert "“Dear ada, again”" in ada.text
    assert bob.text == f"{PRICED} was not called in thread bob."


def test_nodes_are_ranked_by_their_tokens(wrote: dict[str, str]) -> None:
    answer = ask("Which node of composer spent the most tokens?")

    assert answer.data["values"]["compose"]["tokens"] == 2400
    assert all(uri.startswith("execution://") for uri in uris(answer))


def test_executions_are_ranked_by_their_cost(wrote: dict[str, str]) -> None:
    answer = ask("Which execution was the most expensive?")

    first = next(iter(answer.data["values"].values()))
    assert first is not None and first > 0
    assert "Calls without a price count as nothing in this order." in answer.text


def test_whether_it_is_too_expensive_tells_what_it_costs(wrote: dict[str, str]) -> None:
    answer = ask("Is composer too expensive?")

    (cost,) = [one for one in answer.data["verdicts"] if one["metric"] == "cost"]
    assert (cost["verdict"], cost["current"]) == ("unknown", None)
    assert "at a cost that is not known" in answer.text
