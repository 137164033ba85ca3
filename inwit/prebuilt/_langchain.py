"""Fitting our classes into langchain-core's families, where a program uses it.

langchain-core tells by base classes which arguments of a tool its caller fills, and which results are
to be left as they are. Ours get those bases when its modules are imported, in whichever order that
happens; nothing is imported for it.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from inwit.runtime.capture.imports import when_imported
from inwit.runtime.commands import Adoptable


class AdoptableError(Exception):
    """The same for an error."""


def adopt(cls: type, module: str, base: str) -> None:
    """Give `cls` the class `base` of `module` as a base, now or when that module is imported."""

    def then(found: ModuleType) -> None:
        wanted = getattr(found, base, None)
        if wanted is not None and wanted not in cls.__mro__:
            kept = (one for one in cls.__bases__ if one not in (Adoptable, AdoptableError))
            cls.__bases__ = (wanted, *kept)

    _when(module, then)


def _when(module: str, then: Any) -> None:
    waiting = _waiting.setdefault(module, [])
    waiting.append(then)
    if len(waiting) == 1 or module in sys.modules:
        when_imported(module, _all_of(module))


def _all_of(module: str) -> Any:
    def run(found: ModuleType) -> None:
        for then in _waiting.pop(module, []):
            then(found)

    return run


_waiting: dict[str, list[Any]] = {}


def is_langchain_tool(value: Any) -> bool:
    """Whether it is a tool of langchain-core's."""
    module = sys.modules.get("langchain_core.tools.base")
    return module is not None and isinstance(value, module.BaseTool)


def is_runnable(value: Any) -> bool:
    """Whether it is something of langchain-core's that is invoked, such as a model."""
    module = sys.modules.get("langchain_core.runnables.base")
    return module is not None and isinstance(value, module.Runnable)


def is_recorded(tool: Any) -> bool:
    """Whether `inwit.capture` records what this tool does."""
    module = sys.modules.get("inwit.runtime.capture.langchain")
    return module is not None and module.is_on() and is_langchain_tool(tool)
