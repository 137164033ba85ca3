"""Prebuilt parts: tools and the agent that uses them."""

from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import InjectedToolCallId, tool
from pydantic import BaseModel, Field

from tests.langgraph.scenarios.telling import araised, listed, raised, thread, told, waiting


class Scripted(BaseChatModel):
    """A chat model that answers from a list, and keeps what it was asked."""

    script: list[Any]
    asked: list[Any] = Field(default_factory=list)
    offered: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Any:
        self.asked.append([(one.type, one.content) for one in messages])
        answer = self.script[min(len(self.asked), len(self.script)) - 1]
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        self.offered.extend(getattr(one, "name", getattr(one, "__name__", "")) for one in tools)
        return self


def _call(name: str, id: str = "1", **args: Any) -> Any:
    return {"name": name, "args": args, "id": id, "type": "tool_call"}


def _calling(*calls: Any, id: str = "ai") -> AIMessage:
    return AIMessage("", tool_calls=[*calls], id=id)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def fails(text: str) -> str:
    """Fail."""
    raise ValueError(f"cannot {text}")


def _tools(lib: Any, *tools: Any, **options: Any) -> Any:
    graph = lib.StateGraph(lib.MessagesState).add_node("tools", lib.ToolNode([*tools], **options))
    return graph.add_edge(lib.START, "tools").compile()


def _last(result: Any) -> Any:
    return [
        (one.type, one.content, getattr(one, "tool_call_id", None), getattr(one, "status", None))
        for one in result["messages"][1:]
    ]


def tools_are_called(lib):
    app = _tools(lib, add)
    calls = _calling(_call("add", a=1, b=2), _call("add", id="2", a=3, b=4))
    return _last(app.invoke({"messages": [calls]}))


async def tools_are_called_async(lib):
    @tool
    async def later(text: str) -> str:
        """Answer later."""
        return text + "!"

    app = _tools(lib, later, add)
    calls = _calling(_call("later", text="x"), _call("add", id="2", a=3, b=4))
    return _last(await app.ainvoke({"messages": [calls]}))


def functions_are_tools(lib):
    def shout(text: str) -> str:
        """Shout."""
        return text.upper()

    return _last(_tools(lib, shout).invoke({"messages": [_calling(_call("shout", text="a"))]}))


def an_unknown_tool_is_answered_with_an_error(lib):
    found = _tools(lib, add).invoke({"messages": [_calling(_call("nope"))]})
    one = found["messages"][-1]
    return [one.status, "nope" in one.content, "add" in one.content]


def wrong_arguments_are_answered_with_an_error(lib):
    found = _tools(lib, add).invoke({"messages": [_calling(_call("add", a="x"))]})
    return [found["messages"][-1].status, found["messages"][-1].name]


def an_error_of_a_tool_comes_out_by_default(lib):
    app = _tools(lib, fails)
    return raised(
        lambda: app.invoke({"messages": [_calling(_call("fails", text="x"))]}), "cannot x"
    )


def errors_of_tools_may_be_handled(lib):
    given = {"messages": [_calling(_call("fails", text="x"))]}

    def said(error: ValueError) -> str:
        return f"said {error}"

    found = []
    for handle in (True, "fixed words", said, (ValueError,), ValueError):
        found.append(_last(_tools(lib, fails, handle_tool_errors=handle).invoke(given))[0][1:])
    return [
        found,
        raised(lambda: _tools(lib, fails, handle_tool_errors=False).invoke(given)),
        raised(lambda: _tools(lib, fails, handle_tool_errors=(KeyError,)).invoke(given)),
    ]


def tools_need_a_message_that_calls_them(lib):
    return [
        raised(lambda: _tools(lib, add).invoke({"messages": [HumanMessage("hi")]})),
        raised(lambda: _tools(lib, add).invoke({"messages": []})),
    ]


def tools_may_return_commands(lib):
    @tool
    def move(to: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Go elsewhere."""
        said = ToolMessage(f"moved {to}", tool_call_id=tool_call_id, id="t")
        return lib.Command(update={"messages": [said]}, goto="after")

    graph = lib.StateGraph(lib.MessagesState).add_node("tools", lib.ToolNode([move]))
    graph.add_node("after", lambda s: {"messages": [AIMessage("after", id="z")]})
    app = graph.add_edge(lib.START, "tools").compile()
    return _last(app.invoke({"messages": [_calling(_call("move", to="x"))]}))


def tools_are_given_the_state(lib):
    @tool
    def count(state: Annotated[dict, lib.InjectedState], text: str) -> str:
        """Count messages."""
        return f"{len(state['messages'])} {text}"

    @tool
    def first(messages: Annotated[list, lib.InjectedState("messages")]) -> str:
        """First message's type."""
        return messages[0].type

    calls = _calling(_call("count", text="x"), _call("first", id="2"))
    return [_last(_tools(lib, count, first).invoke({"messages": [calls]})), sorted(count.tool_call_schema.model_json_schema()["properties"])]  # fmt: skip


def tools_are_given_the_store(lib):
    @tool
    def read(key: str, store: Annotated[Any, lib.InjectedStore()]) -> str:
        """Read."""
        return str(store.get(("a",), key).value)

    store = lib.InMemoryStore()
    store.put(("a",), "k", {"v": 1})
    graph = lib.StateGraph(lib.MessagesState).add_node("tools", lib.ToolNode([read]))
    app = graph.add_edge(lib.START, "tools").compile(store=store)
    return _last(app.invoke({"messages": [_calling(_call("read", key="k"))]}))


def tools_are_given_a_runtime(lib):
    @tool
    def look(text: str, runtime: lib.ToolRuntime) -> str:
        """Look."""
        return f"{text} {len(runtime.state['messages'])} {runtime.tool_call_id}"

    return _last(_tools(lib, look).invoke({"messages": [_calling(_call("look", text="x"))]}))


def tools_may_ask(lib):
    @tool
    def ask(text: str) -> str:
        """Ask."""
        return f"{text}: {lib.interrupt(text)}"

    graph = lib.StateGraph(lib.MessagesState).add_node("tools", lib.ToolNode([ask]))
    app = graph.add_edge(lib.START, "tools").compile(checkpointer=lib.InMemorySaver())
    first = app.invoke({"messages": [_calling(_call("ask", text="why?"))]}, thread())
    return [waiting(first), _last(app.invoke(lib.Command(resume="so"), thread()))]


def results_of_tools_are_text(lib):
    @tool
    def table() -> Any:
        """A table."""
        return {"a": [1, 2], "b": "ü"}

    @tool(response_format="content_and_artifact")
    def both() -> Any:
        """Both."""
        return "text", {"x": 1}

    calls = _calling(_call("table"), _call("both", id="2"))
    found = _tools(lib, table, both).invoke({"messages": [calls]})
    return [_last(found), found["messages"][-1].artifact]


def a_condition_leads_to_tools_or_the_end(lib):
    return [
        lib.tools_condition({"messages": [_calling(_call("add", a=1, b=2))]}),
        lib.tools_condition({"messages": [AIMessage("done")]}),
        lib.tools_condition([_calling(_call("add", a=1, b=2))]),
        lib.tools_condition({"chat": [AIMessage("done")]}, messages_key="chat"),
        raised(lambda: lib.tools_condition({})),
    ]


def _script() -> list[Any]:
    return [_calling(_call("add", a=1, b=2)), AIMessage("it is 3", id="end")]


def _types(messages: Any) -> Any:
    return [(one.type, one.content) for one in messages]


def an_agent_calls_tools_until_it_answers(lib):
    model = Scripted(script=_script())
    agent = lib.create_react_agent(model, [add])
    found = agent.invoke({"messages": [("user", "what is 1+2?")]})
    return [_types(found["messages"]), model.asked, model.offered]


async def an_agent_async(lib):
    agent = lib.create_react_agent(Scripted(script=_script()), [add])
    return _types((await agent.ainvoke({"messages": "hi"}))["messages"])


def an_agent_streams_its_steps(lib):
    agent = lib.create_react_agent(Scripted(script=_script()), [add])
    chunks = list(agent.stream({"messages": "hi"}))
    return [{name: _types(update["messages"]) for name, update in c.items()} for c in chunks]


def an_agent_without_tools_just_answers(lib):
    agent = lib.create_react_agent(Scripted(script=[AIMessage("hi")]), [])
    return [_types(agent.invoke({"messages": "hello"})["messages"]), sorted(agent.nodes)]


def an_agent_has_a_prompt(lib):
    found = []
    for prompt in (
        "be kind",
        SystemMessage("be short"),
        lambda s: [SystemMessage("made"), *s["messages"]],
    ):
        model = Scripted(script=[AIMessage("hi")])
        lib.create_react_agent(model, [], prompt=prompt).invoke({"messages": "hello"})
        found.append(model.asked)
    return found


def an_agent_remembers_its_thread(lib):
    model = Scripted(script=[AIMessage("one"), AIMessage("two")])
    agent = lib.create_react_agent(model, [], checkpointer=lib.InMemorySaver())
    agent.invoke({"messages": "a"}, thread())
    found = agent.invoke({"messages": "b"}, thread())
    return [_types(found["messages"]), told(agent.get_state(thread()))["next"]]


def an_agent_may_be_stopped_before_its_tools(lib):
    model = Scripted(script=_script())
    agent = lib.create_react_agent(
        model, [add], checkpointer=lib.InMemorySaver(), interrupt_before=["tools"]
    )
    agent.invoke({"messages": "hi"}, thread())
    waits = agent.get_state(thread()).next
    return [waits, _types(agent.invoke(None, thread())["messages"])]


def a_tool_may_end_an_agent(lib):
    @tool(return_direct=True)
    def final(text: str) -> str:
        """Answer at once."""
        return text + "!"

    model = Scripted(script=[_calling(_call("final", text="x"))])
    return _types(lib.create_react_agent(model, [final]).invoke({"messages": "hi"})["messages"])


def an_agent_gives_a_structured_answer(lib):
    class Sum(BaseModel):
        total: int

    class Structured(Scripted):
        def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
            from langchain_core.runnables import RunnableLambda

            return RunnableLambda(lambda messages: schema(total=len(messages)))

    model = Structured(script=[AIMessage("done")])
    found = lib.create_react_agent(model, [add], response_format=Sum).invoke({"messages": "hi"})
    return [_types(found["messages"]), found["structured_response"].total]


def an_agent_has_hooks_around_its_model(lib):
    model = Scripted(script=[AIMessage("done")])
    agent = lib.create_react_agent(
        model,
        [add],
        pre_model_hook=lambda s: {"llm_input_messages": [HumanMessage("instead")]},
        post_model_hook=lambda s: {"messages": [AIMessage("after", id="post")]},
    )
    found = agent.invoke({"messages": "hi"})
    return [_types(found["messages"]), model.asked, sorted(agent.nodes)]


def an_agent_that_runs_out_of_steps_says_so(lib):
    model = Scripted(script=[_calling(_call("add", a=1, b=2))])
    agent = lib.create_react_agent(model, [add])
    found = []
    for limit in (2, 3, 4, 5, 6):
        config = {"recursion_limit": limit}
        found.append(
            raised(lambda c=config: agent.invoke({"messages": "hi"}, c)["messages"][-1].content)
        )
    return found


def an_agents_history_must_answer_its_calls(lib):
    agent = lib.create_react_agent(Scripted(script=_script()), [add])
    given = [HumanMessage("hi"), _calling(_call("add", a=1, b=2)), HumanMessage("well?")]
    return raised(lambda: agent.invoke({"messages": given}))


def an_agent_has_a_name(lib):
    model = Scripted(script=[AIMessage("hi")])
    agent = lib.create_react_agent(model, [], name="helper")
    found = agent.invoke({"messages": "hello"})
    return [agent.name, found["messages"][-1].name]


async def an_agents_tools_run_at_once(lib):
    import asyncio

    begun: list[str] = []
    both = asyncio.Event()

    @tool
    async def meet(who: str) -> str:
        """Wait for the other."""
        begun.append(who)
        if len(begun) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 5)
        return who

    calls = _calling(_call("meet", who="a"), _call("meet", id="2", who="b"))
    model = Scripted(script=[calls, AIMessage("done")])
    agent = lib.create_react_agent(model, [meet])
    return _types((await agent.ainvoke({"messages": "hi"}))["messages"])


async def an_agents_stream_of_messages(lib):
    agent = lib.create_react_agent(Scripted(script=_script()), [add])
    chunks = await listed(agent.astream({"messages": "hi"}, stream_mode="messages"))
    return [(one.type, one.content, meta["langgraph_node"]) for one, meta in chunks]


async def errors_of_an_agents_tools(lib):
    model = Scripted(
        script=[_calling(_call("fails", text="x")), AIMessage("done")], asked=[], bound=[]
    )
    agent = lib.create_react_agent(model, lib.ToolNode([fails], handle_tool_errors=True))
    loose = lib.create_react_agent(model, [fails])
    found = await agent.ainvoke({"messages": "hi"})
    model.asked.clear()
    return [
        [(m.type, m.content[:17]) for m in found["messages"]],
        await araised(loose.ainvoke({"messages": "hi"})),
    ]
