"""The record on disk: the journal writes it, the store reads it, and nobody else opens the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inwit.runtime.store.database import Database
    from inwit.runtime.store.journal import Journal
    from inwit.runtime.store.reader import Store

__all__ = ["Database", "Journal", "Store"]
_HOMES = {"Database": "database", "Journal": "journal", "Store": "reader"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
