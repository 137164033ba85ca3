"""Running the file that a graph is written in, so that the graph can run in this process."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from inwit.errors import GraphNotHereError
from inwit.runtime import at_hand

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.project import Project

_lock = threading.Lock()
_loaded: dict[Path, ModuleType] = {}


def look_in(folder: Path) -> None:
    """Let what a file imports from beside itself be found."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def run_file(path: Path) -> ModuleType:
    """Run a Python file as a module of its name; what it raises goes on.

    Raises:
        ImportError: It is no Python file.
    """
    look_in(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where pickles, dataclasses and get_type_hints look
    spec.loader.exec_module(module)
    return module


def find_graph(project: Project, name: str, file: str | None) -> CompiledGraph[Any]:
    """The compiled graph of that name: one that lives here, else the one that its file makes.

    Only files of the project's own folder are run, each once in a process.

    Raises:
        GraphNotHereError: It cannot run here, and why.
    """
    found = at_hand.find(project, name)
    if found is not None:
        return found
    module = _load(project, name, file)
    made = _of_module(module, name)
    if made is None:
        raise GraphNotHereError(name, f"{file} makes no graph of that name when it is imported")
    return made


def can_find(project: Project, name: str, file: str | None) -> bool:
    """Whether `find_graph` may find it; only trying shows whether its file can be run."""
    if at_hand.find(project, name) is not None:
        return True
    return file is not None and _within(project, Path(file)) and Path(file).is_file()


def _within(project: Project, path: Path) -> bool:
    return path.resolve().is_relative_to(project.root.resolve())


def _load(project: Project, name: str, file: str | None) -> ModuleType:
    if file is None:
        raise GraphNotHereError(name, "where it is written is not known")
    path = Path(file).resolve()
    if not _within(project, path):
        raise GraphNotHereError(name, f"{file} is outside of the project's folder")
    if not path.is_file():
        raise GraphNotHereError(name, f"{file} is not there any more")
    with _lock:
        module = _loaded.get(path)
        if module is None:
            try:
                module = _import(path)
            except Exception as exc:  # the border to code that is not ours
                raise GraphNotHereError(name, f"{file} raised {type(exc).__name__}: {exc}") from exc
            _loaded[path] = module
    return module


def _import(path: Path) -> ModuleType:
    """Import a module of a package by its dotted name, any other file by itself."""
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    if len(parts) == 1:
        return run_file(path)
    look_in(folder)
    return importlib.import_module(".".join(parts).removesuffix(".__init__"))


def _of_module(module: ModuleType, name: str) -> CompiledGraph[Any] | None:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.graph import StateGraph

    plain = name.partition("~")[0]
    for value in vars(module).values():
        if isinstance(value, CompiledGraph) and value.name.partition("~")[0] == plain:
            return value
    value = getattr(module, plain, None)
    if callable(value) and not isinstance(value, CompiledGraph | StateGraph):
        value = value()
    if isinstance(value, StateGraph):
        value = value.compile(name=plain)
    return value if isinstance(value, CompiledGraph) else None
