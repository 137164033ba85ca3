"""The text of a sandboxed function, read and never run, so that introspection can tell of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import CellType, CodeType, FunctionType
from typing import Any

MAX_BYTES = 1 << 20


def read_function(folder: Path, file: str, line: int, name: str, module: str) -> Any:
    """A function object that holds the code of a package's function; nobody calls it.

    The worker says where it is, and is believed only within the package's folder. None where no
    such function is there.
    """
    path = Path(file)
    if not path.is_relative_to(folder) or ".." in path.parts:
        return None
    for code in _codes(str(path)):
        if code.co_name == name and code.co_firstlineno == line:
            flags = code.co_flags & ~(inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)
            cells = tuple(CellType() for _ in code.co_freevars)
            plain = code.replace(co_flags=flags)  # what stands in for it is called as it is
            return FunctionType(plain, {"__name__": module}, name, None, cells)
    return None


@lru_cache(maxsize=64)
def _codes(path: str) -> tuple[CodeType, ...]:
    """Every function's code in a file; compiling runs nothing of it."""
    try:
        content = Path(path).read_bytes()
        if len(content) > MAX_BYTES:
            return ()
        whole = compile(content, path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(_within(whole))


def _within(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _within(constant)
