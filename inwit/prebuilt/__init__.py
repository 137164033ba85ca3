"""Graphs and nodes that need not be written anew: agents, tools, routing, approval, memory."""

from __future__ import annotations

from typing import Any

from inwit.prebuilt.approval import Approval, approval_node, expire
from inwit.prebuilt.concurrency import first_k, join_k, map_concurrent
from inwit.prebuilt.injection import (
    InjectedState,
    InjectedStore,
    InjectedToolArg,
    InjectedToolCallId,
    ToolRuntime,
)
from inwit.prebuilt.mapping import MapReduceState, map_reduce, paragraphs
from inwit.prebuilt.memory import approximate_tokens, summary_hook, truncate, truncation_hook
from inwit.prebuilt.planning import PlanState, plan_and_execute
from inwit.prebuilt.react import (
    AgentState,
    AgentStateWithStructuredResponse,
    create_react_agent,
)
from inwit.prebuilt.routing import (
    RoutePolicy,
    Ruling,
    policy_router,
    predicate_router,
    union_router,
)
from inwit.prebuilt.supervisor import TeamState, by_model, by_words, join_notes, supervisor
from inwit.prebuilt.tool_errors import ToolException, ToolInvocationError
from inwit.prebuilt.tool_node import ToolCallRequest, ToolNode, tools_condition
from inwit.prebuilt.tools import Tool, tool
from inwit.prebuilt.validation import ValidationNode


def __getattr__(name: str) -> Any:
    """The pydantic twins of the agents' states, made when they are first asked for."""
    if name in ("AgentStatePydantic", "AgentStateWithStructuredResponsePydantic"):
        from inwit.prebuilt import agent_models

        return getattr(agent_models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AgentState", "AgentStateWithStructuredResponse", "Approval", "InjectedState", "InjectedStore",
    "InjectedToolArg", "InjectedToolCallId", "MapReduceState", "PlanState", "RoutePolicy", "Ruling",
    "TeamState", "Tool", "ToolCallRequest", "ToolException", "ToolInvocationError", "ToolNode",
    "ToolRuntime", "ValidationNode", "approval_node", "approximate_tokens", "by_model", "by_words",
    "create_react_agent", "expire", "first_k", "join_k", "join_notes", "map_concurrent",
    "map_reduce", "paragraphs", "plan_and_execute", "policy_router", "predicate_router",
    "summary_hook", "supervisor", "tool", "tools_condition", "truncate", "truncation_hook",
    "union_router",
]  # fmt: skip
