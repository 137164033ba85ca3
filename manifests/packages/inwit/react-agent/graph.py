"""ReAct: think, act, observe, until there is an answer."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal, TypedDict

from inwit import END, StateGraph
from inwit.prebuilt import Tool, ToolNode

Message = dict[str, Any]
Model = Callable[[list[Message], list[dict[str, Any]]], Message | Awaitable[Message]]

SYSTEM = (
    "Answer the question. Call a tool where you lack a fact or a calculation, read its result, and go "
    "on. When you know the answer, give it in plain words and call no tool."
)


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
    made = [_tool(name, function) for name, function in tools.items()]
    described = [one.openai() for one in made]

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

    def answer(state: AgentState) -> AgentState:
        """Keep the model's last words as the answer."""
        return {"answer": state["messages"][-1].get("content") or ""}

    def decide(state: AgentState) -> Literal["act", "answer"]:
        asks = bool(state["messages"][-1].get("tool_calls"))
        return "act" if asks and state["turns"] <= max_turns else "answer"

    graph = StateGraph(AgentState)
    graph.add_node("think", think)
    graph.add_node("act", ToolNode(made, name="act", handle_tool_errors=True))
    graph.add_node("answer", answer)
    graph.set_entry_point("think")
    graph.add_conditional_edges("think", decide, {"act": "act", "answer": "answer"})
    graph.add_edge("act", "think")
    graph.add_edge("answer", END)
    return graph


def describe_tool(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """Describe a function as a tool of OpenAI's chat API, from its signature and docstring."""
    return _tool(name, function).openai()


def _tool(name: str, function: Callable[..., Any]) -> Tool:
    return Tool(function, name=name, description=inspect.getdoc(function) or name)
