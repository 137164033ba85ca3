"""Messages: what people, models and tools say, and how a conversation is kept."""

from __future__ import annotations

from inwit.runtime.messages.classes import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from inwit.runtime.messages.convert import convert_to_messages, to_openai
from inwit.runtime.messages.merge import REMOVE_ALL_MESSAGES, MessagesState, add_messages
from inwit.runtime.messages.push import push_message

__all__ = [
    "REMOVE_ALL_MESSAGES",
    "AIMessage",
    "AIMessageChunk",
    "AnyMessage",
    "BaseMessage",
    "FunctionMessage",
    "HumanMessage",
    "MessagesState",
    "RemoveMessage",
    "SystemMessage",
    "ToolMessage",
    "add_messages",
    "convert_to_messages",
    "push_message",
    "to_openai",
]
