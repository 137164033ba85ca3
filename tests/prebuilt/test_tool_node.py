"""`ToolNode` beside LangGraph's: the same tools, the same inputs, the same outputs."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import threading
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypedDict

import anyio
import pytest
from langchain_core import messages as theirs
from langchain_core.tools import BaseTool
from langchain_core.tools import ToolException as TheirToolException
from langchain_core.tools import tool as their_tool
from langgraph import prebuilt as langgraph
from langgraph.prebuilt import tool_node as langgraph_tools
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command as TheirCommand
from langgraph.types import Send as TheirSend
from pydantic import BaseModel

from inwit import prebuilt
from inwit.prebuilt import tool_node as our_tools
from inwit.runtime import messages as ours
from inwit.runtime.commands import Command, GraphInterrupt, Send
from tests.prebuilt.injecting import injecting, mover

STORE = InMemoryStore()
STORE.put(("facts",), "sky", {"colour": "blue"})


class OURS:
    """Names as a program of inwit has them."""

    ToolNode: Any = our_tools.ToolNode
    tools = our_tools
    Command: Any = Command
    Send: Any = Send


class THEIRS:
    """The same names of LangGraph's."""

    ToolNode: Any = langgraph.ToolNode
    tools = langgraph_tools
    Command: Any = TheirCommand
    Send: Any = TheirSend


def config(store: Any = None) -> Any:
    runtime = SimpleNamespace(
        store=store,
        context=None,
        stream_writer=lambda _: None,
        execution_info=None,
        server_info=None,
    )
    return {"configurable": {"__pregel_runtime": runtime}}


def call(name: str, id: str = "c1", **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": id, "type": "tool_call"}


def asking(*calls: Any, kind: Any = theirs) -> Any:
    return kind.AIMessage("", tool_calls=list(calls))


def plain(value: Any) -> Any:
    """Outputs without what tells the two libraries apart."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, Command | TheirCommand):
        return ["Command", plain(value.update), plain(value.goto), value.graph]
    if isinstance(value, Send | TheirSend):
        return ["Send", value.node, plain(value.arg)]
    return value


async def outcome(made: Awaitable[Any]) -> Any:
    """What is given, or of which of Python's own kinds the error is."""
    try:
        return plain(await made)
    except Exception as exc:  # noqa: BLE001 - both libraries' errors are compared
        kinds = (ValueError, TypeError, KeyError, AttributeError, OSError)
        return "raised", [kind.__name__ for kind in kinds if isinstance(exc, kind)]


def divide(left: int, right: int = 2) -> float:
    """Divide."""
    if right == 0:
        raise ValueError("by zero")
    return left / right


async def adivide(left: int, right: int) -> str:
    """Divide, slowly."""
    if right == 0:
        raise TheirToolException("not by zero")
    return f"{left / right:g}"


def records() -> Any:
    """Give records."""
    return [{"a": 1}, {"b": "月"}]


def blocks() -> Any:
    """Give blocks."""
    return [{"type": "text", "text": "x"}]


def words() -> Any:
    """Give words."""
    return ["a", "b"]


def nothing() -> None:
    """Give nothing."""


def odd() -> Any:
    """Give what no JSON is of."""
    return {1}


def broken(error: str) -> str:
    """Fail."""
    raise {"key": KeyError, "os": OSError, "value": ValueError}[error]("broken")


@their_tool(return_direct=True)
def shout(text: str) -> str:
    """Shout."""
    return text.upper()


@their_tool(response_format="content_and_artifact")
def paint(colour: str) -> tuple[str, dict[str, str]]:
    """Paint."""
    return f"painted {colour}", {"colour": colour}


@their_tool
def sulk() -> str:
    """Sulk."""
    raise TheirToolException("no")


sulk.handle_tool_error = "in a mood"


class OnlySync(BaseTool):
    name: str = "only_sync"
    description: str = "Runs in sync only."

    def _run(self, text: str) -> str:
        return f"sync {text}"

    async def _arun(self, text: str) -> str:
        return f"async {text}"


TOOLS: list[Any] = [
    divide, adivide, records, blocks, words, nothing, odd, broken, shout, paint, sulk, OnlySync(),
]  # fmt: skip

INPUTS: dict[str, Any] = {
    "one call": [call("divide", left=1, right=4)],
    "a default": [call("divide", left=1)],
    "a text for a number": [call("divide", left="3", right="6")],
    "two calls": [call("divide", left=1, right=4), call("adivide", "c2", left=1, right=4)],
    "records": [call("records")],
    "blocks": [call("blocks")],
    "words": [call("words")],
    "nothing": [call("nothing")],
    "no JSON": [call("odd")],
    "an unknown tool": [call("divdie", left=1), call("divide", "c2", left=1)],
    "a missing argument": [call("adivide", left=1)],
    "arguments of no use": [call("adivide", top="x", right="y")],
    "more arguments than there are": [call("divide", left=1, more=2)],
    "an error": [call("divide", left=1, right=0)],
    "a tool's own error": [call("adivide", left=1, right=0)],
    "a key error": [call("broken", error="key")],
    "langchain's tool": [call("shout", text="hi")],
    "an artifact": [call("paint", colour="red")],
    "a tool that handles its errors": [call("sulk")],
    "a tool of both kinds": [call("only_sync", text="x")],
    "no calls": [],
}


def handle_value_error(error: ValueError) -> str:
    return f"value: {error}"


def handle_two(error: KeyError | TheirToolException) -> str:
    return f"two: {error}"


handle_two.__annotations__ = {"error": KeyError | TheirToolException}  # LangGraph reads no text

HANDLERS: dict[str, Any] = {
    "default": None,
    "True": True,
    "False": False,
    "a text": "went wrong",
    "a type": ValueError,
    "types": (KeyError, TheirToolException),
    "a function": handle_value_error,
    "a function of two": handle_two,
}


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("case", INPUTS)
@pytest.mark.anyio
async def test_tools_give_what_langgraph_gives(case: str, handler: str) -> None:
    how = {} if HANDLERS[handler] is None else {"handle_tool_errors": HANDLERS[handler]}
    node, expected = OURS.ToolNode(TOOLS, **how), THEIRS.ToolNode(TOOLS, **how)
    given = {"messages": [theirs.HumanMessage("?"), asking(*INPUTS[case])]}

    result = await outcome(node.ainvoke(given, config()))

    assert result == await outcome(expected.ainvoke(given, config()))


SYNC = ["one call", "a default", "records", "an unknown tool", "a tool of both kinds", "no JSON"]


@pytest.mark.parametrize("case", SYNC)
@pytest.mark.parametrize("shape", ["dict", "list", "calls"])
def test_every_shape_of_input_gives_what_langgraph_gives(case: str, shape: str) -> None:
    message = asking(*INPUTS[case])
    given = {"dict": {"messages": [message]}, "list": [message], "calls": INPUTS[case]}[shape]

    result = OURS.ToolNode(TOOLS).invoke(given, config())

    assert plain(result) == plain(THEIRS.ToolNode(TOOLS).invoke(given, config()))


@pytest.mark.parametrize("given", [{}, {"messages": []}, {"messages": [theirs.HumanMessage("?")]}])
def test_an_input_without_a_models_message_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="found in input"):
        OURS.ToolNode(TOOLS).invoke(given, config())
    with pytest.raises(ValueError, match="found in input"):
        THEIRS.ToolNode(TOOLS).invoke(given, config())


class DictState(TypedDict):
    messages: list[Any]
    mood: str


class ModelState(BaseModel):
    messages: list[Any]
    mood: str


@dataclasses.dataclass
class DataState:
    messages: list[Any]
    mood: str


INJECTING = [one.__name__ for one in injecting(OURS)]


@pytest.mark.parametrize("decorated", [False, True], ids=["functions", "langchain's tools"])
@pytest.mark.parametrize("shape", ["dict", "model", "dataclass", "list", "no mood"])
@pytest.mark.parametrize("name", INJECTING)
@pytest.mark.anyio
async def test_what_a_tool_asks_of_its_node_is_filled_as_by_langgraph(
    name: str, shape: str, decorated: bool
) -> None:
    args: Any = {} if name == "said" else {"n": 1}
    asked = asking(call(name, state={"mood": "forged"}, mood="forged", **args))
    shapes: dict[str, Any] = {
        "dict": {"messages": [asked], "mood": "good"},
        "model": ModelState(messages=[asked], mood="good"),
        "dataclass": DataState([asked], "good"),
        "list": [asked],
        "no mood": {"messages": [asked]},
    }

    async def run(of: Any) -> Any:
        tools = injecting(of)
        node = of.ToolNode([their_tool(one) for one in tools] if decorated else tools)
        return await outcome(node.ainvoke(shapes[shape], config(STORE)))

    result = await run(OURS)

    if name == "around" and shape in ("model", "dataclass", "list"):
        # LangGraph's ToolRuntime takes a dict alone.
        (message,) = result if shape == "list" else result["messages"]
        assert message.content.startswith("1 c1 None")
        return
    assert result == await run(THEIRS)


def test_a_tool_that_needs_a_store_says_so() -> None:
    node = OURS.ToolNode(injecting(OURS))

    with pytest.raises(ValueError, match="needs a store"):
        node.invoke({"messages": [asking(call("stored", n=1))]}, config())


def test_a_langchain_tool_does_not_show_what_is_filled() -> None:
    tools: list[Any] = [their_tool(one) for one in injecting(OURS)]

    shown = {
        one.name: sorted(one.tool_call_schema.model_json_schema()["properties"]) for one in tools
    }

    assert shown == {name: [] if name == "said" else ["n"] for name in INJECTING}


def commanding(of: Any) -> dict[str, Callable[..., Any]]:
    def answered(at: str) -> Any:
        return {"messages": [theirs.ToolMessage("moved", tool_call_id=at)]}

    parent = of.Command.PARENT
    return {
        "to a node": lambda at: of.Command(update=answered(at), goto="next"),
        "to the parent": lambda at: of.Command(update=answered(at), goto="bob", graph=parent),
        "sends to the parent": lambda at: of.Command(
            goto=[of.Send("bob", answered(at))], graph=parent
        ),
        "without an answer": lambda at: of.Command(update={"mood": "good"}),
        "without an answer, to the parent": lambda at: of.Command(
            update={"messages": []}, graph=parent
        ),
        "with another's answer": lambda at: of.Command(update=answered("c9")),
        "a list to a dict": lambda at: of.Command(update=answered(at)["messages"]),
        "no update": lambda at: of.Command(goto="next"),
        "all removed": lambda at: of.Command(
            update={"messages": [theirs.RemoveMessage(id="__remove_all__")]}
        ),
        "dicts for messages": lambda at: of.Command(
            update={"messages": [{"role": "tool", "content": "x", "tool_call_id": at}]}
        ),
        "several": lambda at: [
            of.Command(update={"mood": "good"}),
            theirs.ToolMessage("moved", tool_call_id=at),
        ],
        "several without an answer": lambda at: [of.Command(update={"mood": "good"})],
        "several answers": lambda at: [
            of.Command(update=answered(at)),
            of.Command(update=answered(at)),
        ],
        "a message of its own": lambda at: theirs.ToolMessage(["a", "b"], tool_call_id=at),
    }


COMMANDS = list(commanding(OURS))


@pytest.mark.parametrize("shape", ["dict", "list", "calls"])
@pytest.mark.parametrize("decorated", [False, True], ids=["functions", "langchain's tools"])
@pytest.mark.parametrize("case", COMMANDS)
@pytest.mark.anyio
async def test_commands_that_tools_give_are_handled_as_by_langgraph(
    case: str, decorated: bool, shape: str
) -> None:
    calls = [call("move"), call("divide", "c2", left=1), call("move", "c3")]
    given: Any = {"dict": {"messages": [asking(*calls)]}, "list": [asking(*calls)], "calls": calls}[
        shape
    ]

    async def run(of: Any) -> Any:
        give = commanding(of)[case]

        move = mover(give)
        tools = [their_tool(one) if decorated else one for one in (move, divide)]
        node = of.ToolNode(tools)
        return await outcome(node.ainvoke(given, config()))

    assert await run(OURS) == await run(THEIRS)


@pytest.mark.anyio
async def test_calls_run_at_the_same_time_in_sync_and_async_tools() -> None:
    met = threading.Barrier(2, timeout=30)
    aside, event = [], asyncio.Event()

    def meet() -> str:
        """Wait for the other."""
        met.wait()
        return "met"

    async def wave() -> str:
        """Wait for the other."""
        aside.append(1)
        if len(aside) == 2:
            event.set()
        await event.wait()
        return "waved"

    node = OURS.ToolNode([meet, wave])
    calls = [call("meet"), call("wave", "2"), call("meet", "3"), call("wave", "4")]
    with anyio.fail_after(30):
        result = await node.ainvoke([asking(*calls)], config())

    assert [one.content for one in result] == ["met", "waved", "met", "waved"]


@pytest.mark.anyio
async def test_a_failing_call_cancels_the_others_and_waits_for_their_cleanup() -> None:
    cleaned = []

    async def slow() -> str:
        """Wait."""
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("slow")
        return ""

    node = OURS.ToolNode([slow, broken])
    with anyio.fail_after(30), pytest.raises(OSError, match="broken"):
        await node.ainvoke([asking(call("slow"), call("broken", "2", error="os"))], config())

    assert cleaned == ["slow"]


@pytest.mark.parametrize("handler", [True, (GraphInterrupt,), "no", lambda error: "no", False])
def test_an_interrupt_passes_every_handler(handler: Any) -> None:
    def ask() -> str:
        """Ask a person."""
        raise GraphInterrupt([])

    for one in (ask, their_tool(ask)):
        with pytest.raises(GraphInterrupt):
            OURS.ToolNode([one], handle_tool_errors=handler).invoke([asking(call("ask"))], config())


def wrappers() -> dict[str, Callable[[Any, Any], Any]]:
    def again(request: Any, execute: Any) -> Any:
        first = execute(request)
        return execute(request) if first.status == "error" else first

    def other(request: Any, execute: Any) -> Any:
        return execute(request.override(tool_call={**request.tool_call, "args": {"left": 9}}))

    def short(request: Any, execute: Any) -> Any:
        return theirs.ToolMessage(
            f"no {request.tool is None}", tool_call_id=request.tool_call["id"]
        )

    def fails(request: Any, execute: Any) -> Any:
        raise ValueError("the wrapper broke")

    return {"again": again, "other": other, "short": short, "fails": fails}


@pytest.mark.parametrize(
    "asked", [call("divide", left=1), call("nobody")], ids=["known", "unknown"]
)
@pytest.mark.parametrize("handler", [True, False])
@pytest.mark.parametrize("case", wrappers())
@pytest.mark.anyio
async def test_a_wrapper_stands_between_the_call_and_its_tool(
    case: str, handler: bool, asked: Any
) -> None:
    wrap = wrappers()[case]

    async def awrap(request: Any, execute: Any) -> Any:
        loop = asyncio.get_running_loop()
        found = await asyncio.to_thread(
            wrap, request, lambda r: asyncio.run_coroutine_threadsafe(execute(r), loop).result(5)
        )
        return await found if inspect.isawaitable(found) else found

    async def run(of: Any, **how: Any) -> Any:
        node = of.ToolNode([divide], handle_tool_errors=handler, **how)
        found = await outcome(node.ainvoke([asking(asked)], config()))
        return found if found[0] == "raised" else [message.content for message in found]

    in_sync = await run(OURS, wrap_tool_call=wrap)
    in_async = await run(OURS, awrap_tool_call=awrap)

    assert in_sync == in_async == await run(THEIRS, wrap_tool_call=wrap)


def test_a_request_is_changed_by_overriding_it() -> None:
    request = our_tools.ToolCallRequest(call("divide"), None, {}, None)

    changed = request.override(tool_call=call("other"))

    assert (request.tool_call["name"], changed.tool_call["name"]) == ("divide", "other")
    with pytest.warns(DeprecationWarning, match=r"deprecated.*override"):
        request.tool_call = call("third")
    assert request.tool_call["name"] == "third"


def test_messages_of_our_own_are_answered_in_kind() -> None:
    result = OURS.ToolNode([divide, shout]).invoke(
        {
            "messages": [
                asking(call("divide", left=1), call("shout", "c2", text="hi"), kind=ours),
            ]
        }
    )

    assert result["messages"] == [
        ours.ToolMessage("0.5", tool_call_id="c1", name="divide"),
        ours.ToolMessage("HI", tool_call_id="c2", name="shout"),
    ]


def test_plain_dicts_are_answered_by_plain_dicts() -> None:
    asked = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "function": {"name": "divide", "arguments": json.dumps({"left": 1})}}
        ],
    }

    result = OURS.ToolNode([divide]).invoke({"messages": [asked]})

    assert result["messages"] == [
        {"role": "tool", "content": "0.5", "name": "divide", "tool_call_id": "c1"}
    ]


@pytest.mark.parametrize("of", [OURS, THEIRS], ids=["ours", "theirs"])
def test_the_condition_leads_to_the_tools_where_some_are_asked_for(of: Any) -> None:
    condition, asked = of.tools.tools_condition, asking(call("divide"))

    assert condition([asked]) == condition({"messages": [asked]}) == "tools"
    assert condition(SimpleNamespace(messages=[asked])) == "tools"
    assert condition({"said": [asked]}, messages_key="said") == "tools"
    assert condition([asked, theirs.HumanMessage("?")]) == "__end__"
    with pytest.raises(ValueError, match="No messages found"):
        condition({"messages": []})


def test_prebuilt_names_are_those_of_langgraph() -> None:
    wanted = {"ToolNode", "tools_condition", "InjectedState", "InjectedStore", "ToolRuntime"}

    assert wanted <= set(langgraph.__all__)
    assert all(hasattr(prebuilt, name) for name in wanted)
