"""`create_react_agent` beside LangGraph's, with one scripted model each, and on a server."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NotRequired, TypedDict

import pytest
from langchain_core import messages as theirs
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool as their_tool
from langgraph.graph.message import add_messages as langgraph_add
from langgraph.managed import RemainingSteps
from pydantic import BaseModel

from inwit import (
    AIMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    add_messages,
    create_react_agent,
    tool,
)
from inwit.errors import AgentDefinitionError, ChatHistoryError, ModelDefinitionError
from tests.prebuilt.model import Scripted
from tests.runtime.capture.record import recorded
from tests.runtime.capture.server import Scripted as Server
from tests.runtime.capture.server import chat, serving, whole

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from langgraph.prebuilt import create_react_agent as langgraph_agent


def theirs_agent(*args: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return langgraph_agent(*args, **kwargs)


def call(name: str, id: str = "c1", **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": id, "type": "tool_call"}


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def fails(left: int) -> int:
    """Fail."""
    raise ValueError(f"not {left}")


@their_tool(return_direct=True)
def at_once(text: str) -> str:
    """Answer at once."""
    return text.upper()


TOOLS: list[Any] = [add, at_once]
TWO = [call("add", left=1, right=2), call("add", "c2", left=5, right=2)]


def say_before(state: Any) -> list[Any]:
    return [theirs.SystemMessage("from a function"), *state["messages"]]


def short(state: Any) -> dict[str, Any]:
    return {"llm_input_messages": [theirs.SystemMessage("short"), state["messages"][-1]]}


def note(state: Any) -> dict[str, Any]:
    return {"messages": [theirs.HumanMessage("noted", id=f"n{len(state['messages'])}")]}


def unharmful(state: Any) -> dict[str, Any]:
    return {}


AGENTS: dict[str, dict[str, Any]] = {
    "no tools": {"tools": [], "rounds": []},
    "an answer": {"tools": TOOLS, "rounds": [[]]},
    "one call": {"tools": TOOLS, "rounds": [TWO[:1], []]},
    "two calls": {"tools": TOOLS, "rounds": [TWO, []]},
    "two rounds": {"tools": TOOLS, "rounds": [TWO, TWO[:1], []]},
    "a direct answer": {"tools": TOOLS, "rounds": [[call("at_once", text="hi")]]},
    "a direct answer beside another": {
        "tools": TOOLS,
        "rounds": [[call("add", left=1, right=2), call("at_once", "c2", text="hi")], []],
    },
    "an unknown tool": {"tools": TOOLS, "rounds": [[call("nobody")], []]},
    "wrong arguments": {"tools": TOOLS, "rounds": [[call("add", left="x")], []]},
    "a text before": {"tools": TOOLS, "rounds": [TWO[:1], []], "prompt": "Be kind."},
    "a message before": {
        "tools": TOOLS, "rounds": [[]], "prompt": theirs.SystemMessage("Be brief."),
    },
    "a function before": {"tools": TOOLS, "rounds": [TWO[:1], []], "prompt": say_before},
    "a runnable before": {"tools": TOOLS, "rounds": [[]], "prompt": RunnableLambda(say_before)},
    "a hook before": {"tools": TOOLS, "rounds": [TWO[:1], []], "pre_model_hook": short},
    "a hook after": {"tools": TOOLS, "rounds": [TWO, []], "post_model_hook": unharmful},
    "hooks on both sides": {
        "tools": TOOLS,
        "rounds": [TWO[:1], []],
        "pre_model_hook": short,
        "post_model_hook": unharmful,
    },
    "a hook after, no tools": {"tools": [], "rounds": [], "post_model_hook": note},
    "an answer in a format": {
        "tools": TOOLS, "rounds": [TWO[:1], []], "response_format": {"title": "n"},
    },
    "an answer in a format, with a prompt": {
        "tools": [], "rounds": [], "response_format": ("Say a number.", {"title": "n"}),
    },
    "an answer in a format after a hook": {
        "tools": TOOLS,
        "rounds": [TWO[:1], []],
        "response_format": {"title": "n"},
        "post_model_hook": unharmful,
    },
    "a name": {"tools": TOOLS, "rounds": [TWO[:1], []], "name": "ada"},
    "tools of the provider": {"tools": [*TOOLS, {"type": "search"}], "rounds": [TWO[:1], []]},
}  # fmt: skip


def built(make: Callable[..., Any], case: str, **more: Any) -> Any:
    parts = dict(AGENTS[case])
    model = Scripted(rounds=parts.pop("rounds"), answer={"n": 1})
    return make(model, parts.pop("tools"), **parts, **more)


def plain(value: Any) -> Any:
    """Messages without the ids that were drawn."""
    if isinstance(value, theirs.BaseMessage):
        drawn = value.id is None or len(value.id) > 8
        return value.model_copy(update={"id": None if drawn else value.id})
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("case", AGENTS)
def test_an_agent_ends_with_what_langgraphs_ends_with(
    case: str, version: str, project: Any
) -> None:
    given = {"messages": [("user", "hi")]}

    result = built(create_react_agent, case, version=version).invoke(given)

    # LangGraph's version v1 does not run with a hook after the model.
    other = "v2" if "post_model_hook" in AGENTS[case] else version
    assert plain(result) == plain(built(theirs_agent, case, version=other).invoke(given))


@pytest.mark.parametrize("case", ["two rounds", "hooks on both sides", "an answer in a format"])
@pytest.mark.anyio
async def test_an_agent_gives_the_updates_that_langgraphs_gives(case: str, project: Any) -> None:
    given = {"messages": [("user", "hi")]}

    async def updates(make: Callable[..., Any]) -> list[Any]:
        stream = built(make, case).astream(given, stream_mode="updates")
        return [shared(plain(one)) async for one in stream]

    def shared(update: dict[str, Any]) -> dict[str, Any]:
        """Without the key that is the hook's and the model's alone."""
        return {
            node: {key: one for key, one in (said or {}).items() if key != "llm_input_messages"}
            for node, said in update.items()
        }

    assert await updates(create_react_agent) == await updates(theirs_agent)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("limit", [2, 4, 6])
def test_an_agent_that_runs_out_of_steps_says_so_as_langgraphs_does(
    limit: int, version: str, project: Any
) -> None:
    def last(make: Callable[..., Any]) -> Any:
        app = make(Scripted(rounds=[TWO[:1]]), [add], version=version)
        config = {"recursion_limit": limit}
        return app.invoke({"messages": [("user", "hi")]}, config)["messages"][-1].content

    told = last(create_react_agent)

    assert told == last(theirs_agent) == "Sorry, need more steps to process this request."


def test_a_thread_remembers_its_conversation(project: Any) -> None:
    app = create_react_agent(Scripted(rounds=[[]]), [add], name="talker")
    config = {"configurable": {"thread_id": "t1"}}

    app.invoke({"messages": [("user", "one")]}, config)
    result = app.invoke({"messages": [("user", "two")]}, config)

    assert result["messages"][-1].content == "human:one-ai:human:one-human:two"


def test_a_function_chooses_the_model_by_state_and_context(project: Any) -> None:
    class Who(TypedDict):
        user: str

    def choose(state: Any, runtime: Any) -> Any:
        return Scripted(rounds=[[]]) if runtime.context["user"] == "ada" else named

    async def chooses(state: Any, runtime: Any) -> Any:
        return choose(state, runtime)

    named: Any = RunnableLambda(lambda messages: theirs.AIMessage(f"{len(messages)} said"))
    for function in (choose, chooses):
        app = create_react_agent(function, [add], prompt="Hm.", context_schema=Who)
        by_ada = app.invoke({"messages": [("user", "hi")]}, context={"user": "ada"})
        by_bob = app.invoke({"messages": [("user", "hi")]}, context={"user": "bob"})

        assert by_ada["messages"][-1].content == "system:Hm.-human:hi"
        assert by_bob["messages"][-1].content == "2 said"


class Own(TypedDict):
    messages: Annotated[list[Any], add_messages]
    remaining_steps: NotRequired[int]
    mood: str


class OwnOfTheirs(TypedDict):
    messages: Annotated[list[Any], langgraph_add]
    remaining_steps: RemainingSteps
    mood: str


def test_tools_read_a_state_of_ones_own(project: Any) -> None:
    from langgraph.prebuilt import InjectedState as TheirInjected

    from inwit import InjectedState

    def build(make: Callable[..., Any], schema: Any, mark: Any) -> Any:
        def mood(word: str, found: Any) -> str:
            """Tell the mood."""
            return f"{word} {found}"

        mood.__annotations__ = {"word": str, "found": Annotated[str, mark("mood")]}
        model = Scripted(rounds=[[call("mood", word="so"), call("mood", "c2", word="very")], []])
        return make(model, [mood], state_schema=schema)

    given = {"messages": [("user", "hi")], "mood": "good"}

    result = build(create_react_agent, Own, InjectedState).invoke(given)

    assert plain(result) == plain(build(theirs_agent, OwnOfTheirs, TheirInjected).invoke(given))
    assert [one.content for one in result["messages"][2:4]] == ["so good", "very good"]


def test_a_tools_error_ends_the_agent_unless_its_node_handles_it(project: Any) -> None:
    from inwit import ToolNode

    rounds = [[call("fails", left=1)], []]
    strict = create_react_agent(Scripted(rounds=rounds), [fails])
    lenient = create_react_agent(
        Scripted(rounds=rounds), ToolNode([fails], handle_tool_errors=True)
    )

    with pytest.raises(ValueError, match="not 1"):
        strict.invoke({"messages": [("user", "hi")]})
    result = lenient.invoke({"messages": [("user", "hi")]})
    assert "not 1" in result["messages"][2].content


def test_parts_that_do_not_fit_are_refused() -> None:
    class Lacking(TypedDict):
        messages: list[Any]

    bound = Scripted().bind_tools([their_tool(add)])
    with pytest.raises(AgentDefinitionError, match="remaining_steps"):
        create_react_agent(Scripted(), [add], state_schema=Lacking)
    with pytest.raises(AgentDefinitionError, match="v3"):
        create_react_agent(Scripted(), [add], version="v3")  # type: ignore[arg-type]
    with pytest.raises(ModelDefinitionError, match="must match"):
        create_react_agent(bound, [add, fails])
    with pytest.raises(ModelDefinitionError, match="Missing tools"):
        create_react_agent(bound, [fails])
    with pytest.raises(ModelDefinitionError, match="is no model"):
        create_react_agent(7, [add])
    with pytest.raises(AgentDefinitionError, match="prompt"):
        create_react_agent(Scripted(), [add], prompt=7)


def test_a_conversation_with_an_unanswered_call_is_refused(project: Any) -> None:
    app = create_react_agent(Scripted(), [add])
    said = [("user", "hi"), theirs.AIMessage("", tool_calls=TWO), ("user", "well?")]

    with pytest.raises(ChatHistoryError, match="do not have a corresponding ToolMessage"):
        app.invoke({"messages": said})


# On a server


@pytest.fixture
def server(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    with serving() as scripted:
        monkeypatch.setenv("OPENAI_BASE_URL", scripted.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        monkeypatch.setenv("OPENAI_MODEL", "gpt-4o-mini")
        yield scripted


def asks(*calls: dict[str, Any]) -> Any:
    said = chat("")
    said["choices"][0]["message"]["tool_calls"] = [
        {
            "id": one["id"],
            "type": "function",
            "function": {"name": one["name"], "arguments": json.dumps(one["args"])},
        }
        for one in calls
    ]
    said["choices"][0]["finish_reason"] = "tool_calls"
    return said


@tool
def add_slowly(left: int, right: int = 1) -> int:
    """Add two numbers, taking one's time."""
    return left + right


def test_parameters_by_old_names_are_taken_and_unknown_ones_refused() -> None:
    class Dependencies(TypedDict):
        tenant: str

    with pytest.warns(DeprecationWarning, match="use 'context_schema'"):
        app = create_react_agent(Scripted(), [], config_schema=Dependencies)

    assert app.context_schema is Dependencies
    with pytest.raises(TypeError, match=r"unexpected keyword arguments: \{'extra': 1\}"):
        create_react_agent(Scripted(), [], extra=1)


@pytest.mark.parametrize(
    "state", ["AgentStatePydantic", "AgentStateWithStructuredResponsePydantic"]
)
def test_states_as_pydantic_models_may_be_extended(state: str) -> None:
    from inwit.prebuilt import react

    class Own(getattr(react, state)):  # type: ignore[misc]
        tenant: str = "none"

    app = create_react_agent(Scripted(), [], state_schema=Own)

    assert "tenant" in app.get_input_jsonschema()["properties"]


@pytest.mark.parametrize("model", [None, "gpt-4o-mini", "openai:gpt-4o-mini"])
def test_a_model_that_is_named_is_called_at_the_server(model: Any, server: Server) -> None:
    server.says(whole(asks(call("add_slowly", left=2))), whole(chat("It is 3.")))
    app = create_react_agent(model, [add_slowly], prompt="Be kind.", name="served")

    result = app.invoke({"messages": [HumanMessage("2 + 1?")]})

    assert [type(one) for one in result["messages"]] == [
        HumanMessage, AIMessage, ToolMessage, AIMessage,
    ]  # fmt: skip
    assert result["messages"][-1].text == "It is 3."
    assert result["messages"][-1].name == "served"
    assert result["messages"][1].usage_metadata["total_tokens"] == 1200
    first, second = server.asked
    assert first["model"] == "gpt-4o-mini"
    assert first["tools"][0]["function"]["parameters"]["properties"] == {
        "left": {"type": "integer"},
        "right": {"type": "integer", "default": 1},
    }
    assert [one["role"] for one in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert second["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"left": 2}'
    assert second["messages"][3]["content"] == "3"


def test_the_record_has_the_calls_of_model_and_tools(server: Server) -> None:
    server.says(
        whole(asks(call("add_slowly", left=2), call("add_slowly", "c2", left=5))),
        whole(chat("Done.")),
    )
    app = create_react_agent("gpt-4o-mini", [add_slowly], name="served")

    app.invoke({"messages": [HumanMessage("?")]})

    assert [one["node"] for one in recorded(app, "llm_completed")] == ["agent", "agent"]
    started, completed = recorded(app, "tool_started"), recorded(app, "tool_completed")
    assert [(one["tool"], one["input"]) for one in started] == [
        ("add_slowly", {"left": 2}),
        ("add_slowly", {"left": 5}),
    ]
    assert sorted(one["output"] for one in completed) == ["3", "6"]
    assert {one["node"] for one in completed} == {"tools"}


class Sum(BaseModel):
    total: int


@pytest.mark.parametrize("schema", [Sum, Sum.model_json_schema()], ids=["model", "JSON schema"])
def test_a_served_model_answers_in_the_format_that_it_is_asked_for(
    schema: Any, server: Server
) -> None:
    server.says(whole(chat("It is 3.")), whole(chat('{"total": 3}')))
    app = create_react_agent(None, [], response_format=("Give the sum.", schema))

    result = app.invoke({"messages": [HumanMessage("1 + 2?")]})

    assert result["structured_response"] == (Sum(total=3) if schema is Sum else {"total": 3})
    asked = server.asked[1]
    assert asked["response_format"]["json_schema"]["schema"]["properties"]["total"]
    assert asked["messages"][0] == {"role": "system", "content": "Give the sum."}


def test_an_answer_that_does_not_fit_its_format_is_an_error(server: Server) -> None:
    server.says(whole(chat("It is 3.")), whole(chat("three")))
    app = create_react_agent(None, [], response_format=Sum)

    with pytest.raises(ValueError, match="which is no Sum"):
        app.invoke({"messages": [HumanMessage("1 + 2?")]})


def test_a_call_that_is_no_json_is_told_to_the_model(server: Server) -> None:
    broken = asks(call("add_slowly", left=1))
    broken["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = "{left"
    both = asks(call("add_slowly", "c2", left=1))
    calls = both["choices"][0]["message"]["tool_calls"]
    calls.append(broken["choices"][0]["message"]["tool_calls"][0])
    server.says(whole(both), whole(chat("Done.")))
    app = create_react_agent(None, [add_slowly], version="v1")

    result = app.invoke({"messages": [HumanMessage("?"), SystemMessage("!")]})

    assert [one.status for one in result["messages"][3:5]] == ["success", "error"]
    assert "not valid JSON" in result["messages"][4].content


def test_an_object_like_a_model_will_do(project: Any) -> None:
    class Plain:
        def __init__(self) -> None:
            self.tools: Sequence[Any] = ()

        def bind_tools(self, tools: Sequence[Any]) -> Plain:
            self.tools = tools
            return self

        def invoke(self, messages: Any, config: Any) -> Any:
            if len(messages) > 2:
                return AIMessage(f"{messages[-1].content} by {self.tools[0].name}")
            return AIMessage("", tool_calls=[call("add", left=1, right=2)])

    app = create_react_agent(Plain(), [add])

    result = app.invoke({"messages": [HumanMessage("?")]})

    assert result["messages"][-1].content == "3 by add"


def test_an_agent_is_known_by_the_file_that_made_it_and_by_its_tools() -> None:
    app = create_react_agent(Scripted(), TOOLS)

    manifest = app.manifest()
    [tools] = [node.tools for node in manifest.nodes if node.name == "tools"]
    assert tools == ("add", "at_once")
    assert manifest.source is not None
    assert manifest.source.file == __file__
    assert app.name.endswith(
        "test_react.test_an_agent_is_known_by_the_file_that_made_it_and_by_its_tools"
    )
    assert "add (in tools) and at_once (in tools)" in str(
        app.ask("Which tools does the graph call?")
    )
