from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import httpx
import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph

import inwit
from inwit.errors import NotWatchableError
from tests.runtime.capture.record import recorded
from tests.runtime.capture.server import chat, serving, whole
from tests.runtime.watched import (
    State,
    execution,
    one_node,
    plan,
    searching,
    store,
    write,
)

pytestmark = pytest.mark.usefixtures("project")


# What is known of the graph


def test_a_graph_is_registered_as_it_is_written() -> None:
    app = inwit.watch(searching())

    manifest = store().graph("searching").manifest

    assert manifest.framework == "langgraph"
    assert [node.name for node in manifest.nodes] == ["plan", "web", "docs", "judge", "write"]
    planned = manifest.node("plan")
    assert planned is not None
    assert planned.source is not None
    assert planned.source.file == plan.__code__.co_filename
    assert planned.source.line == plan.__code__.co_firstlineno
    assert (planned.description, planned.is_entry_point) == ("Plan the next try.", True)
    assert (planned.reads, planned.writes) == (("tries",), ("tries",))
    assert manifest.entry_points == ("plan",)
    assert manifest.terminal_nodes == ("write",)
    assert manifest.decision_points == ("judge",)
    assert (manifest.has_cycles, manifest.has_parallel_paths) == (True, True)
    assert manifest.version == app.version()


def test_its_edges_have_their_conditions_and_joins() -> None:
    inwit.watch(searching())

    edges = store().graph("searching").manifest.edges

    again = next(edge for edge in edges if edge.label == "again")
    assert (again.source, again.target, again.condition) == ("judge", "plan", "enough")
    assert again.reads == ("tries",)
    joined = {edge.source: edge.joins for edge in edges if edge.target == "judge"}
    assert joined == {"web": ("docs", "web"), "docs": ("docs", "web")}
    assert {edge.target for edge in edges if edge.is_parallel} == {"web", "docs"}


def test_its_state_has_types_and_reducers() -> None:
    inwit.watch(searching())

    manifest = store().graph("searching").manifest

    assert manifest.state_type == "State"
    fields = {field.name: (field.field_type, field.reducer) for field in manifest.fields}
    assert fields["tries"] == ("int", "")
    assert fields["found"][0] == "list[str]"
    assert fields["found"][1]


def test_the_same_graph_has_the_same_version_and_another_one_another() -> None:
    one, two = inwit.watch(searching()), inwit.watch(searching())

    other = one_node(write)

    assert one.version() == two.version() != other.version()


def test_a_graph_without_a_name_is_named_after_its_place() -> None:
    graph = StateGraph(State)
    graph.add_node("write", write)
    graph.add_edge(START, "write")

    app = inwit.watch(graph.compile())

    assert app.name.endswith("test_a_graph_without_a_name_is_named_after_its_place")


def test_watching_twice_gives_the_same() -> None:
    graph = searching()

    app = inwit.watch(graph)

    assert inwit.watch(graph) is app
    assert inwit.watch(app) is app


@pytest.mark.parametrize("given", [None, object(), "graph"])
def test_what_is_no_graph_of_langgraph_is_refused(given: Any) -> None:
    with pytest.raises(NotWatchableError, match="no compiled graph"):
        inwit.watch(given)


def test_a_graph_that_is_not_compiled_is_refused_with_the_way_out() -> None:
    with pytest.raises(NotWatchableError, match="Compile it first"):
        inwit.watch(StateGraph(State))


def test_without_langgraph_the_error_names_it() -> None:
    code = """
import sys
sys.modules["langgraph"] = None
import inwit
from inwit.errors import MissingPackageError
try:
    inwit.watch(object())
except MissingPackageError as error:
    assert "langgraph" in str(error) and "pip install" in error.hint
else:
    raise SystemExit("no error")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Calls


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_model_and_tool_calls_belong_to_the_node_that_makes_them() -> None:
    def node(state: State) -> State:
        said = GenericFakeChatModel(messages=iter(["Hello."])).invoke("Hi.")
        return {"answer": f"{said.content} {add.invoke({'a': 1, 'b': 2})}"}

    app = one_node(node)

    result = app.invoke({"question": "Who?"})

    assert result["answer"] == "Hello. 3"
    (call,) = recorded(app, "llm_completed")
    assert (call["node"], call["visit"], call["output"]["content"]) == ("speak", 1, "Hello.")
    (started,) = recorded(app, "tool_started")
    assert (started["node"], started["tool"], started["input"]) == (
        "speak", "add", {"a": 1, "b": 2},
    )  # fmt: skip
    found = execution(app)
    assert (found.llm_calls, found.tool_calls) == (1, 1)


@pytest.mark.parametrize("is_async", [False, True])
def test_captured_clients_belong_to_the_node_too(is_async: bool) -> None:
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi."}]}
    with serving() as server, inwit.capture():
        server.says(whole(chat("Hello.")))

        def node(state: State) -> State:
            return {"answer": httpx.post(f"{server.url}/chat/completions", json=asked).text}

        async def anode(state: State) -> State:
            async with httpx.AsyncClient() as client:
                answer = await client.post(f"{server.url}/chat/completions", json=asked)
            return {"answer": answer.text}

        app = one_node(anode if is_async else node)

        asyncio.run(app.ainvoke({})) if is_async else app.invoke({"question": "Who?"})

    (call,) = recorded(app, "llm_completed")
    assert (call["node"], call["output"]["content"]) == ("speak", "Hello.")


def test_with_capture_a_model_is_still_recorded_once() -> None:
    app = one_node(
        lambda state: {
            "answer": GenericFakeChatModel(messages=iter(["Hello."])).invoke("Hi.").content
        }
    )

    with inwit.capture():
        app.invoke({"question": "Who?"})

    assert len(recorded(app, "llm_completed")) == 1


def test_a_switched_off_record_leaves_the_graph_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INWIT_OFF", "1")
    graph = searching()

    app = inwit.watch(graph)

    assert app.invoke({"question": "Who?"})["answer"] == "6 found"
    assert not graph.config


# Questions


QUESTIONS = {
    "Is checkpointing on by default?": "platform",
    "Is distillation implemented?": "platform",
    "What graphs do I have?": "app",
    "Which nodes write `answer`?": "app",
    "What happens after judge?": "app",
    "Why did plan run 3 times?": "live",
    "What is running now?": "live",
    "What if web were cached?": "live",
    "How can I be faster?": "live",
    "Am I performing well?": "live",
    "What RAG packages exist?": "network",
    "Which hosts are near?": "network",
}


def test_the_questions_about_a_graph_are_answered() -> None:
    app = inwit.watch(searching())
    app.invoke({"question": "Who?"})

    answers = {question: app.ask(question) for question in QUESTIONS}

    assert {question: answer.level for question, answer in answers.items()} == QUESTIONS
    for answer in answers.values():
        assert answer.evidence
        assert all(app.resolve(evidence.uri) for evidence in answer.evidence)
    why = answers["Why did plan run 3 times?"]
    assert (why.intent, why.data["visits"]) == ("why", {"plan": 3})
    decisions = {event["seq"] for event in recorded(app, "edge_taken") if event["node"] == "judge"}
    shown = {evidence.uri.rpartition("/")[2] for evidence in why.evidence}
    assert {str(seq) for seq in sorted(decisions)[:2]} <= shown
    assert "write" in answers["Which nodes write `answer`?"].text
    after = answers["What happens after judge?"].text
    assert "plan" in after
    assert "write" in after


def test_why_and_when_an_execution_failed_is_answered() -> None:
    def fail(state: State) -> State:
        raise ValueError("no luck")

    app = one_node(fail)
    with pytest.raises(ValueError, match="no luck"):
        app.invoke({"question": "Who?"})

    why, when = app.ask("Why did the last execution fail?"), app.ask("When did the error occur?")

    assert "speak" in why.text
    assert "no luck" in why.text
    (failed,) = recorded(app, "node_failed")
    uri = f"execution://{app.last_execution_id}/events/{failed['seq']}"
    assert uri in [evidence.uri for evidence in why.evidence]
    assert failed["ts"] in when.text
    assert when.intent == "when"
