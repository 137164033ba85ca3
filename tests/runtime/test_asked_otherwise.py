"""A compiled graph asked in other ways than usual: awaited, copied, joined to chains, by some keys."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda

from inwit import Command, CompiledGraph, InMemoryStore, StateGraph, interrupt
from inwit.errors import (
    InvalidGraphError,
    InvalidStateError,
    MissingFunctionError,
    NotInThisVersionError,
    UnknownKeyError,
    UnknownNodeError,
)
from inwit.runtime.failures import failure_of
from inwit.runtime.state import schema_of

pytestmark = pytest.mark.usefixtures("project")


class State(TypedDict, total=False):
    text: str
    loud: str
    answer: str


def shout(state: State) -> State:
    return {"loud": state["text"].upper()}


def ask(state: State) -> State:
    return {"answer": interrupt("Is it loud enough?")}


def written(*, asks: bool = False) -> StateGraph[State]:
    graph = StateGraph(State)
    graph.add_node("shout", shout)
    graph.set_entry_point("shout")
    if asks:
        graph.add_node("ask", ask)
        graph.add_edge("shout", "ask").set_finish_point("ask")
    else:
        graph.set_finish_point("shout")
    return graph


def shouting() -> CompiledGraph[State]:
    return written().compile(name="shouting")


@pytest.mark.anyio
async def test_awaited_in_each_way_it_gives_what_the_sync_call_gives(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app, given = shouting(), {"text": "rain"}

    assert await app.ainvoke(given, output_keys="loud") == "RAIN"
    assert await app.ainvoke(given, output_keys=["loud"]) == {"loud": "RAIN"}
    assert await app.ainvoke(given, stream_mode="updates") == [{"shout": {"loud": "RAIN"}}]
    assert (await app.ainvoke(given, version="v2"))["loud"] == "RAIN"
    assert await app.ainvoke(given, print_mode="updates") == {"text": "rain", "loud": "RAIN"}
    assert "RAIN" in capsys.readouterr().out
    assert await app.abatch([given, {"text": "sun"}], {"tags": ["t"]}) == [
        {"text": "rain", "loud": "RAIN"}, {"text": "sun", "loud": "SUN"},
    ]  # fmt: skip


@pytest.mark.anyio
async def test_a_call_may_stop_where_the_graph_does_not() -> None:
    app = shouting()

    await app.ainvoke({"text": "rain"}, thread_id="t", interrupt_before=["shout"])

    found = app.get_state({"configurable": {"thread_id": "t"}})
    assert found.next == ("shout",) and found.values == {"text": "rain"}


def test_what_waits_is_told_beside_the_keys_that_were_asked_for() -> None:
    app = written(asks=True).compile(name="asking")

    found = app.invoke({"text": "rain"}, thread_id="t", output_keys=["loud"])
    done = app.invoke(Command(resume="yes"), thread_id="t", output_keys="answer")

    assert found["loud"] == "RAIN" and found["__interrupt__"][0].value == "Is it loud enough?"
    assert done == "yes"


def test_a_copy_is_the_graph_with_another_name_and_config() -> None:
    app, store = shouting(), InMemoryStore()

    made = app.copy({"name": "other", "config": {"tags": ["t"]}, "store": store})

    assert (app.name, made.name, made.store) == ("shouting", "other", store)
    assert made.config == {"tags": ["t"]} and made.invoke({"text": "a"})["loud"] == "A"
    assert app.copy().config == app.config and list(app.nodes) == ["__start__", "shout"]
    assert app.stream_mode == "updates"
    with pytest.raises(UnknownKeyError):
        app.copy({"nodes": {}})


@pytest.mark.anyio
async def test_a_graph_is_drawn_and_its_subgraphs_are_listed_without_blocking() -> None:
    outer = StateGraph(State)
    outer.add_node("inner", shouting())
    outer.set_entry_point("inner")
    outer.set_finish_point("inner")
    app = outer.compile(name="outer")

    drawn = await app.aget_graph(xray=True)
    found = [name async for name, _ in app.aget_subgraphs()]

    assert "shout" in drawn.draw_mermaid() and found == ["inner"]


@pytest.mark.anyio
async def test_a_graph_is_a_part_of_langchains_chains() -> None:
    def before(text: str) -> State:
        return {"text": text}

    after: Any = RunnableLambda(lambda state: state["loud"])
    chain = before | shouting() | after
    alike = RunnableLambda(before) | shouting() | after
    beside: Any = RunnableLambda(before) | {"said": shouting()}

    assert chain.invoke("rain") == "RAIN"
    assert alike.invoke("rain") == await alike.ainvoke("rain") == "RAIN"
    assert beside.invoke("rain")["said"]["loud"] == "RAIN"
    assert await chain.ainvoke("rain") == "RAIN"
    assert list(shouting().as_runnable().stream({"text": "a"})) == [{"shout": {"loud": "A"}}]
    assert [one async for one in shouting().as_runnable().astream({"text": "a"})] == [
        {"shout": {"loud": "A"}}
    ]
    kinds = [one["event"] async for one in shouting().astream_events({"text": "a"})]
    assert kinds[0] == "on_chain_start" and kinds[-1] == "on_chain_end"


def test_what_is_no_router_no_node_and_no_option_is_refused() -> None:
    graph: Any = written()

    with pytest.raises(MissingFunctionError, match="a router that is none"):
        graph.add_conditional_edges("shout", None)
    with pytest.raises(UnknownNodeError, match="a point to interrupt at"):
        graph.validate(["shoot"])
    with pytest.raises(NotInThisVersionError):
        graph.compile(transformers=[str])


def test_a_graph_is_validated_without_being_compiled() -> None:
    graph: Any = written()
    assert graph.validate(["shout"]) is graph
    graph.add_node("lonely", lambda state: state)

    with pytest.raises(InvalidGraphError, match="lonely"):
        graph.validate()


def test_what_has_only_invoke_is_a_node_too() -> None:
    class Louder:
        def invoke(self, state: State, config: Any) -> State:
            return {"loud": state["text"] + "!"}

    graph: Any = StateGraph(State)
    graph.add_node("louder", Louder())
    graph.set_entry_point("louder")
    graph.set_finish_point("louder")

    assert graph.compile(name="louder").invoke({"text": "a"})["loud"] == "a!"


def test_types_that_are_named_where_the_class_is_written_are_found() -> None:
    class Local:
        pass

    class Known(TypedDict):
        one: Local

    class Unknown(TypedDict):
        one: Nowhere  # type: ignore[name-defined]  # noqa: F821

    assert schema_of(Known).channels["one"].type is Local
    with pytest.raises(InvalidStateError, match="types of Unknown cannot be read"):
        schema_of(Unknown)
    with pytest.raises(InvalidStateError, match="'text' is no state class"):
        schema_of("text")


def test_an_error_that_cannot_be_read_is_told_as_such() -> None:
    class Silent(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert failure_of(Silent()).message == "<unreadable: RuntimeError>"
