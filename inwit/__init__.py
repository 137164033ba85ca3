"""inwit: graphs that can look into themselves.

Write a graph with `StateGraph`; `compile` registers it; running it writes one complete record; then
`ask` what exists, what happens, why, what if, and how to do better.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inwit.answers import Answer, Evidence
    from inwit.errors import (
        BudgetExceededError,
        CircuitOpenError,
        EmptyInputError,
        GraphRecursionError,
        InvalidUpdateError,
        NodeTimeoutError,
    )
    from inwit.prebuilt import (
        InjectedState,
        InjectedStore,
        InjectedToolCallId,
        ToolNode,
        ToolRuntime,
        ValidationNode,
        approval_node,
        create_react_agent,
        join_k,
        map_concurrent,
        map_reduce,
        plan_and_execute,
        policy_router,
        predicate_router,
        summary_hook,
        supervisor,
        tool,
        tools_condition,
        truncation_hook,
        union_router,
    )
    from inwit.registry.packages import load
    from inwit.runtime import metrics
    from inwit.runtime.caching import BaseCache, CachePolicy, InMemoryCache
    from inwit.runtime.caching.sqlite import SqliteCache
    from inwit.runtime.capture import capture
    from inwit.runtime.checkpoints import (
        Checkpoint,
        Checkpointer,
        InMemoryCheckpointer,
        InMemorySaver,
        MemorySaver,
    )
    from inwit.runtime.checkpoints.base import Durability
    from inwit.runtime.checkpoints.compressed import CompressedCheckpointer
    from inwit.runtime.checkpoints.dynamodb import DynamoDBCheckpointer
    from inwit.runtime.checkpoints.encrypted import EncryptedCheckpointer
    from inwit.runtime.checkpoints.migrating import MigratingCheckpointer
    from inwit.runtime.checkpoints.postgres import PostgresCheckpointer
    from inwit.runtime.checkpoints.redis import RedisCheckpointer
    from inwit.runtime.checkpoints.retained import RetainedCheckpointer
    from inwit.runtime.checkpoints.s3 import S3Checkpointer
    from inwit.runtime.checkpoints.savers import (
        AsyncPostgresSaver,
        AsyncSqliteSaver,
        PostgresSaver,
        SqliteSaver,
    )
    from inwit.runtime.checkpoints.sqlite import SqliteCheckpointer
    from inwit.runtime.checkpoints.tiered import TieredCheckpointer
    from inwit.runtime.commands import (
        Command,
        GraphBubbleUp,
        GraphDrained,
        GraphInterrupt,
        Interrupt,
        Overwrite,
        ParentCommand,
        Send,
        interrupt,
    )
    from inwit.runtime.companion import HelpLevel
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.context import Context
    from inwit.runtime.delivery import StreamGap
    from inwit.runtime.diff import diff
    from inwit.runtime.facade import GraphOutput
    from inwit.runtime.functional import entrypoint, task
    from inwit.runtime.graph import END, START, StateGraph
    from inwit.runtime.managed import IsLastStep, RemainingSteps
    from inwit.runtime.mapped import mapped
    from inwit.runtime.memory import BaseStore, InMemoryStore, Item, SearchItem
    from inwit.runtime.memory.sqlite import SqliteStore
    from inwit.runtime.messages import (
        REMOVE_ALL_MESSAGES,
        AIMessage,
        AIMessageChunk,
        AnyMessage,
        BaseMessage,
        FunctionMessage,
        HumanMessage,
        MessagesState,
        RemoveMessage,
        SystemMessage,
        ToolMessage,
        add_messages,
        push_message,
    )
    from inwit.runtime.middleware import Middleware
    from inwit.runtime.open_project import OpenProject, ask, handle_help, project
    from inwit.runtime.policies import RetryPolicy, default_retry_on
    from inwit.runtime.policies.breaker import CircuitBreaker
    from inwit.runtime.policies.budgets import Budget
    from inwit.runtime.policies.flow import RateLimit
    from inwit.runtime.policies.relief import NodeError
    from inwit.runtime.policies.timeouts import TimeoutPolicy
    from inwit.runtime.policies.tracing import TracePolicy, omit_payload
    from inwit.runtime.runtime import (
        ExecutionInfo,
        RunControl,
        Runtime,
        StreamWriter,
        get_config,
        get_runtime,
        get_store,
        get_stream_writer,
    )
    from inwit.runtime.streaming import StreamMode
    from inwit.runtime.time_travel import PregelTask, StateSnapshot, StateUpdate
    from inwit.runtime.watch import watch

__version__ = "0.1.0"

_HOMES = {
    "AIMessage": "runtime.messages",
    "AIMessageChunk": "runtime.messages",
    "Answer": "answers",
    "AnyMessage": "runtime.messages",
    "BaseMessage": "runtime.messages",
    "Checkpoint": "runtime.checkpoints",
    "Checkpointer": "runtime.checkpoints",
    "Command": "runtime.commands",
    "CompiledGraph": "runtime.compiled",
    "Context": "runtime.context",
    "END": "runtime.graph",
    "Evidence": "answers",
    "FunctionMessage": "runtime.messages",
    "EmptyInputError": "errors",
    "GraphDrained": "runtime.commands",
    "GraphInterrupt": "runtime.commands",
    "GraphOutput": "runtime.facade",
    "GraphRecursionError": "errors",
    "HelpLevel": "runtime.companion",
    "HumanMessage": "runtime.messages",
    "InMemoryCheckpointer": "runtime.checkpoints",
    "InjectedState": "prebuilt",
    "InjectedStore": "prebuilt",
    "InjectedToolCallId": "prebuilt",
    "Interrupt": "runtime.commands",
    "IsLastStep": "runtime.managed",
    "RemainingSteps": "runtime.managed",
    "InvalidUpdateError": "errors",
    "MessagesState": "runtime.messages",
    "OpenProject": "runtime.open_project",
    "Overwrite": "runtime.commands",
    "REMOVE_ALL_MESSAGES": "runtime.messages",
    "RemoveMessage": "runtime.messages",
    "RetryPolicy": "runtime.policies",
    "START": "runtime.graph",
    "Send": "runtime.commands",
    "SqliteCheckpointer": "runtime.checkpoints.sqlite",
    "StateGraph": "runtime.graph",
    "StateSnapshot": "runtime.time_travel",
    "StateUpdate": "runtime.time_travel",
    "SystemMessage": "runtime.messages",
    "ToolMessage": "runtime.messages",
    "ToolNode": "prebuilt",
    "ToolRuntime": "prebuilt",
    "TracePolicy": "runtime.policies.tracing",
    "ValidationNode": "prebuilt",
    "add_messages": "runtime.messages",
    "approval_node": "prebuilt",
    "ask": "runtime.open_project",
    "capture": "runtime.capture",
    "create_react_agent": "prebuilt",
    "handle_help": "runtime.open_project",
    "interrupt": "runtime.commands",
    "join_k": "prebuilt",
    "load": "registry.packages",
    "map_concurrent": "prebuilt",
    "map_reduce": "prebuilt",
    "mapped": "runtime.mapped",
    "metrics": "runtime.metrics",
    "omit_payload": "runtime.policies.tracing",
    "plan_and_execute": "prebuilt",
    "policy_router": "prebuilt",
    "predicate_router": "prebuilt",
    "project": "runtime.open_project",
    "push_message": "runtime.messages",
    "summary_hook": "prebuilt",
    "supervisor": "prebuilt",
    "tool": "prebuilt",
    "tools_condition": "prebuilt",
    "truncation_hook": "prebuilt",
    "union_router": "prebuilt",
    "InMemorySaver": "runtime.checkpoints",
    "MemorySaver": "runtime.checkpoints",
    "BaseStore": "runtime.memory",
    "InMemoryStore": "runtime.memory",
    "Item": "runtime.memory",
    "SearchItem": "runtime.memory",
    "BaseCache": "runtime.caching",
    "CachePolicy": "runtime.caching",
    "InMemoryCache": "runtime.caching",
    "ExecutionInfo": "runtime.runtime",
    "RunControl": "runtime.runtime",
    "Runtime": "runtime.runtime",
    "get_config": "runtime.runtime",
    "get_runtime": "runtime.runtime",
    "get_store": "runtime.runtime",
    "get_stream_writer": "runtime.runtime",
    "GraphBubbleUp": "runtime.commands",
    "ParentCommand": "runtime.commands",
    "TimeoutPolicy": "runtime.policies.timeouts",
    "NodeError": "runtime.policies.relief",
    "NodeTimeoutError": "errors",
    "PregelTask": "runtime.time_travel",
    "Budget": "runtime.policies.budgets",
    "BudgetExceededError": "errors",
    "CircuitBreaker": "runtime.policies.breaker",
    "CircuitOpenError": "errors",
    "Middleware": "runtime.middleware",
    "RateLimit": "runtime.policies.flow",
    "SqliteCache": "runtime.caching.sqlite",
    "SqliteStore": "runtime.memory.sqlite",
    "default_retry_on": "runtime.policies",
    "AsyncPostgresSaver": "runtime.checkpoints.savers",
    "AsyncSqliteSaver": "runtime.checkpoints.savers",
    "PostgresSaver": "runtime.checkpoints.savers",
    "SqliteSaver": "runtime.checkpoints.savers",
    "CompressedCheckpointer": "runtime.checkpoints.compressed",
    "DynamoDBCheckpointer": "runtime.checkpoints.dynamodb",
    "EncryptedCheckpointer": "runtime.checkpoints.encrypted",
    "MigratingCheckpointer": "runtime.checkpoints.migrating",
    "PostgresCheckpointer": "runtime.checkpoints.postgres",
    "RedisCheckpointer": "runtime.checkpoints.redis",
    "RetainedCheckpointer": "runtime.checkpoints.retained",
    "S3Checkpointer": "runtime.checkpoints.s3",
    "TieredCheckpointer": "runtime.checkpoints.tiered",
    "watch": "runtime.watch",
    "StreamGap": "runtime.delivery",
    "StreamMode": "runtime.streaming",
    "StreamWriter": "runtime.runtime",
    "Durability": "runtime.checkpoints.base",
    "entrypoint": "runtime.functional",
    "task": "runtime.functional",
    "diff": "runtime.diff",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `inwit --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'inwit' has no attribute {name!r}")
    home = import_module(f"inwit.{_HOMES[name]}")
    found = globals()[name] = home if name == "metrics" else getattr(home, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "END",
    "REMOVE_ALL_MESSAGES",
    "START",
    "AIMessage",
    "AIMessageChunk",
    "Answer",
    "AnyMessage",
    "AsyncPostgresSaver",
    "AsyncSqliteSaver",
    "BaseCache",
    "BaseMessage",
    "BaseStore",
    "Budget",
    "BudgetExceededError",
    "CachePolicy",
    "Checkpoint",
    "Checkpointer",
    "CircuitBreaker",
    "CircuitOpenError",
    "Command",
    "CompiledGraph",
    "CompressedCheckpointer",
    "Context",
    "Durability",
    "DynamoDBCheckpointer",
    "EmptyInputError",
    "EncryptedCheckpointer",
    "Evidence",
    "ExecutionInfo",
    "FunctionMessage",
    "GraphBubbleUp",
    "GraphDrained",
    "GraphInterrupt",
    "GraphOutput",
    "GraphRecursionError",
    "HelpLevel",
    "HumanMessage",
    "InMemoryCache",
    "InMemoryCheckpointer",
    "InMemorySaver",
    "InMemoryStore",
    "InjectedState",
    "InjectedStore",
    "InjectedToolCallId",
    "Interrupt",
    "InvalidUpdateError",
    "IsLastStep",
    "Item",
    "MemorySaver",
    "MessagesState",
    "Middleware",
    "MigratingCheckpointer",
    "NodeError",
    "NodeTimeoutError",
    "OpenProject",
    "Overwrite",
    "ParentCommand",
    "PostgresCheckpointer",
    "PostgresSaver",
    "PregelTask",
    "RateLimit",
    "RedisCheckpointer",
    "RemainingSteps",
    "RemoveMessage",
    "RetainedCheckpointer",
    "RetryPolicy",
    "RunControl",
    "Runtime",
    "S3Checkpointer",
    "SearchItem",
    "Send",
    "SqliteCache",
    "SqliteCheckpointer",
    "SqliteSaver",
    "SqliteStore",
    "StateGraph",
    "StateSnapshot",
    "StateUpdate",
    "StreamGap",
    "StreamMode",
    "StreamWriter",
    "SystemMessage",
    "TieredCheckpointer",
    "TimeoutPolicy",
    "ToolMessage",
    "ToolNode",
    "ToolRuntime",
    "TracePolicy",
    "ValidationNode",
    "add_messages",
    "approval_node",
    "ask",
    "capture",
    "create_react_agent",
    "default_retry_on",
    "diff",
    "entrypoint",
    "get_config",
    "get_runtime",
    "get_store",
    "get_stream_writer",
    "handle_help",
    "interrupt",
    "join_k",
    "load",
    "map_concurrent",
    "map_reduce",
    "mapped",
    "metrics",
    "omit_payload",
    "plan_and_execute",
    "policy_router",
    "predicate_router",
    "project",
    "push_message",
    "summary_hook",
    "supervisor",
    "task",
    "tool",
    "tools_condition",
    "truncation_hook",
    "union_router",
    "watch",
]
