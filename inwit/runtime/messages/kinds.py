"""Which of the two kinds of message classes values belong to: ours, or langchain-core's.

langchain-core is never imported for this: where a program has not imported it, no value can be its.
A kind is a module that has the classes by their names.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from inwit.runtime.messages import classes

Kind = ModuleType
OURS: Kind = classes


def langchain() -> Kind | None:
    """The module of langchain-core's messages, where the program has imported it."""
    return sys.modules.get("langchain_core.messages")


def is_langchain(value: Any) -> bool:
    """Whether it is a message of langchain-core's."""
    module = langchain()
    return module is not None and isinstance(value, module.BaseMessage)


def is_message(value: Any) -> bool:
    """Whether it is a message object of either kind."""
    return isinstance(value, classes.BaseMessage) or is_langchain(value)


def has_type(value: Any, *types: str) -> bool:
    """Whether it is a message object of one of these types, such as ``ai``."""
    found = getattr(value, "type", None)
    return (found if found != "AIMessageChunk" else "ai") in types and is_message(value)


def kind_of(*lists: list[Any]) -> Kind:
    """The kind in which messages like these are kept.

    langchain-core's where one of them is its; ours where one is ours; for dicts, pairs and texts
    langchain-core's where the program uses it.
    """
    module = langchain()
    if module is None:
        return OURS
    # A long conversation has few types.
    types = {found for listed in lists for found in set(map(type, listed))}
    if any(issubclass(found, module.BaseMessage) for found in types):
        return module
    return OURS if any(issubclass(found, classes.BaseMessage) for found in types) else module


def are_whole(messages: list[Any], kind: Kind) -> bool:
    """Whether all are message objects of that kind, and none a chunk."""
    chunk = kind.AIMessageChunk if kind is OURS else kind.BaseMessageChunk
    return all(
        issubclass(found, kind.BaseMessage) and not issubclass(found, chunk)
        for found in set(map(type, messages))
    )
