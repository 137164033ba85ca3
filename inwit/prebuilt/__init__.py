"""Graphs and nodes that need not be written anew: agents, tools, routing, approval, memory."""

from __future__ import annotations

from inwit.prebuilt.concurrency import first_k, join_k, map_concurrent
from inwit.prebuilt.injection import (
    InjectedState,
    InjectedStore,
    InjectedToolArg,
    InjectedToolCallId,
    ToolRuntime,
)
from inwit.prebuilt.react import (
    AgentState,
    AgentStateWithStructuredResponse,
    create_react_agent,
)
from inwit.prebuilt.tool_errors import ToolException, ToolInvocationError
from inwit.prebuilt.tool_node import ToolCallRequest, ToolNode, tools_condition
from inwit.prebuilt.tools import Tool, tool

__all__ = [
    "AgentState",
    "AgentStateWithStructuredResponse",
    "InjectedState",
    "InjectedStore",
    "InjectedToolArg",
    "InjectedToolCallId",
    "Tool",
    "ToolCallRequest",
    "ToolException",
    "ToolInvocationError",
    "ToolNode",
    "ToolRuntime",
    "create_react_agent",
    "first_k",
    "join_k",
    "map_concurrent",
    "tool",
    "tools_condition",
]
