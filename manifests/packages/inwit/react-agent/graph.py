"""ReAct: think, act, observe, until there is an answer."""

from __future__ import annotations

import inspect
import json
import operator
import types
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict, Union, get_args, get_origin, get_type_hints

from inwit import END, Context, StateGraph

Message = dict[str, Any]
Model = Callable[[list[Message], list[dict[str, Any]]], Message | Awaitable[Message]]

SYSTEM = (
    "Answer the question. Call a tool where you lack a fact or a calculation, read its result, and go "
    "on. When you know the answer, give it in plain words and call no tool."
)
_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array"}


class AgentState(TypedDict, total=False):
    """What the agent was asked, what was said since, and its answer."""

    question: str
    messages: Annotated[list[Message], operator.add]
    turns: int
    answer: str


def build(
    model: Model,
    tools: Mapping[str, Callable[..., Any]],
    *,
    system: str = SYSTEM,
    max_turns: int = 8,
) -> StateGraph[AgentState]:
    """Write the graph: ``think`` → ``act`` → ``think`` … → ``answer``."""
    described = [describe_tool(name, function) for name, function in tools.items()]

    async def think(state: AgentState) -> AgentState:
        """Ask the model what to do next."""
        opening: list[Message] = []
        if not state.get("messages"):
            opening = [
                {"role": "system", "content": system},
                {"role": "user", "content": state["question"]},
            ]
        turns = state.get("turns", 0) + 1
        messages = [*state.get("messages", []), *opening]
        reply = model(messages, described if turns <= max_turns else [])
        said = await reply if inspect.isawaitable(reply) else reply
        return {"messages": [*opening, said], "turns": turns}

    async def act(state: AgentState, ctx: Context) -> AgentState:
        """Call every tool that the model asked for, and keep what each returned."""
        asked = state["messages"][-1].get("tool_calls") or []
        return {"messages": [await _call(one, tools, ctx) for one in asked]}

    def answer(state: AgentState) -> AgentState:
        """Keep the model's last words as the answer."""
        return {"answer": state["messages"][-1].get("content") or ""}

    def decide(state: AgentState) -> Literal["act", "answer"]:
        asks = bool(state["messages"][-1].get("tool_calls"))
        return "act" if asks and state["turns"] <= max_turns else "answer"

    graph = StateGraph(AgentState)
    graph.add_node("think", think)
    graph.add_node("act", act)
    graph.add_node("answer", answer)
    graph.set_entry_point("think")
    graph.add_conditional_edges("think", decide, {"act": "act", "answer": "answer"})
    graph.add_edge("act", "think")
    graph.add_edge("answer", END)
    return graph


async def _call(
    asked: Mapping[str, Any], tools: Mapping[str, Callable[..., Any]], ctx: Context
) -> Message:
    """Run one tool call; what goes wrong is told to the model."""
    function = asked.get("function", asked)
    name = str(function.get("name"))
    try:
        content = _shown(await _run(name, function.get("arguments"), tools, ctx))
    except Exception as exc:  # noqa: BLE001 - a tool may raise anything, and the model shall read it
        content = f"error: {type(exc).__name__}: {exc}"
    return {"role": "tool", "tool_call_id": asked.get("id"), "name": name, "content": content}


async def _run(name: str, given: Any, tools: Mapping[str, Callable[..., Any]], ctx: Context) -> Any:
    if name not in tools:
        raise LookupError(f"no tool {name!r}; there are {', '.join(sorted(tools))}")
    arguments = json.loads(given or "{}") if isinstance(given, str) else given or {}
    if not isinstance(arguments, dict):
        raise TypeError("the arguments must be an object")
    result = ctx.tool(tools[name], **arguments)
    return await result if inspect.isawaitable(result) else result


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def describe_tool(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """Describe a function as a tool of OpenAI's chat API, from its signature and docstring."""
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    named = [one for one in parameters if one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}]
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": inspect.getdoc(function) or name,
            "parameters": {
                "type": "object",
                "properties": {one.name: _json_type(hints.get(one.name, str)) for one in named},
                "required": [one.name for one in named if one.default is one.empty],
                "additionalProperties": False,
            },
        },
    }


def _json_type(hint: Any) -> dict[str, Any]:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"type": "string", "enum": list(inner)}
    if origin in {Union, types.UnionType}:
        return _json_type(next(one for one in inner if one is not type(None)))
    if origin in {list, Sequence, tuple}:
        return {"type": "array", "items": _json_type(inner[0] if inner else str)}
    return {"type": _JSON_TYPES.get(hint, "object")}
