"""Parameters by the names that LangGraph gave them before; each says so with a warning."""

from __future__ import annotations

import warnings
from typing import Any

_NEW = {
    "config_schema": "context_schema",
    "input": "input_schema",
    "output": "output_schema",
    "retry": "retry_policy",
}


def renamed(given: dict[str, Any], known: tuple[str, ...], what: str) -> dict[str, Any]:
    """Give old names' values their new names.

    Raises:
        TypeError: A name is neither.
    """
    found = {}
    for name, value in given.items():
        if name not in known:
            raise TypeError(f"{what} got an unexpected keyword argument {name!r}")
        warnings.warn(
            f"{what}: {name!r} is deprecated, use {_NEW[name]!r}.", DeprecationWarning, stacklevel=3
        )
        found[_NEW[name]] = value
    return found
