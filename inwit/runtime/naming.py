"""Names: which ones nodes and graphs may have, and what a graph without one is called."""

from __future__ import annotations

import re
from types import CodeType, FrameType

_NODE = re.compile(r"[^/:|<>\x00-\x1f\x7f]{1,100}")
_GRAPH = re.compile(r"[A-Za-z0-9_][\w.:~-]{0,199}")
_STORES = {"STORE_NAME", "STORE_GLOBAL", "STORE_FAST", "STORE_DEREF"}


def is_node_name(name: str) -> bool:
    """Whether a node may be called that."""
    return bool(_NODE.fullmatch(name)) and name.strip() == name and ".." not in name


def is_graph_name(name: str) -> bool:
    """Whether a graph may be called that."""
    return bool(_GRAPH.fullmatch(name)) and ".." not in name


def caller_of(frame: FrameType) -> FrameType:
    """Whoever has a graph compiled: what calls a ready pattern, not the pattern's own module."""
    found = frame
    while str(found.f_globals.get("__name__", "")).startswith("inwit.prebuilt."):
        if found.f_back is None:
            return frame
        found = found.f_back
    return found


_names: dict[tuple[CodeType, int], str] = {}


def name_of(frame: FrameType) -> str:
    """Name a graph after the place that compiles it.

    In a module's body that is the module, with the variable that the graph is assigned to; in a
    function it is the function with its module, in a method with its class too, which stands alone
    for its ``__init__``; otherwise ``module:line``.
    """
    key = (frame.f_code, frame.f_lasti)
    found = _names.get(key)
    if found is None:
        found = _names[key] = _find_name(frame)
    return found


def _find_name(frame: FrameType) -> str:
    module = module_name(frame)
    function = frame.f_code.co_name
    if not function.startswith("<"):  # as <module>, <lambda> and <listcomp> do
        inner = frame.f_code.co_qualname.rpartition("<locals>.")[2]
        return f"{module}.{inner.removesuffix('.__init__')}"
    variable = _assigned_name(frame)
    return f"{module}.{variable}" if variable else f"{module}:{frame.f_lineno}"


def module_name(frame: FrameType) -> str:
    """The module of a frame; a script's is its file's name."""
    from pathlib import Path

    name = str(frame.f_globals.get("__name__", "graph"))
    file = str(frame.f_globals.get("__file__", ""))
    if name == "__main__":
        name = Path(file).stem if file else "main"
    return re.sub(r"[^\w.-]", "_", name)


def _assigned_name(frame: FrameType) -> str | None:
    """The variable that the running call's result is stored in, read from the bytecode."""
    import dis

    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset > frame.f_lasti and instruction.opname != "CACHE":
            return instruction.argval if instruction.opname in _STORES else None
    return None
