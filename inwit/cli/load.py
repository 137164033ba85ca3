"""Finding the graph that `FILE:GRAPH` names, by running the file that defines it."""

from __future__ import annotations

import importlib
import os
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from inwit.cli.frame import Failure, NotFound
from inwit.errors import nearest, shorten
from inwit.runtime.compiled import CompiledGraph
from inwit.runtime.graph import StateGraph
from inwit.runtime.loading import look_in, run_file

FACTORIES = ("app", "graph", "build")
"""The names that are looked for where none is given, in this order."""


def load_graph(target: str) -> CompiledGraph[Any]:
    """Run the file of `FILE:GRAPH` and give its graph, compiled.

    FILE is a Python file, or a folder with an `app.py` or `__init__.py`. GRAPH names a compiled
    graph, a graph, or a function without arguments that gives one; it may be left out where the
    file holds one graph only, or one called `app`, `graph` or `build`.
    """
    file, colon, name = target.rpartition(":")
    module = load_module(file if colon else target)
    return _compiled(module, name if colon else _only_name(module))


def load_module(file: str, part: str = "app") -> ModuleType:
    """Run a Python file, or the module `part` of a folder, and give it as a module.

    Raises:
        NotFound: There is no such file.
        Failure: Running it failed.
    """
    path = Path(file).resolve()
    if not os.path.exists(path):  # noqa: PTH110 - unlike Path's, it takes what no file can be named
        raise NotFound(f"No file {shorten(file)}.")
    try:
        return _run_folder(path, part) if path.is_dir() else _run_file(path)
    except Failure:
        raise
    except Exception as exc:
        if not isinstance(exc, SyntaxError):
            click.echo("".join(traceback.format_tb(exc.__traceback__)[-3:]).rstrip(), err=True)
        raise Failure(f"{file} cannot be run: {type(exc).__name__}: {exc}") from exc


def _run_folder(folder: Path, part: str) -> ModuleType:
    if (folder / "__init__.py").exists():
        look_in(folder.parent)
        package = importlib.import_module(folder.name)
        if not (folder / f"{part}.py").exists():
            return package
        return importlib.import_module(f"{folder.name}.{part}")
    if not (folder / f"{part}.py").exists():
        raise NotFound(f"The folder {folder.name!r} has no {part}.py.")
    return _run_file(folder / f"{part}.py")


def _run_file(path: Path) -> ModuleType:
    try:
        return run_file(path)
    except ImportError as exc:
        if exc.name is not None:  # something that it imports
            raise
        raise Failure(str(exc)) from exc


def _only_name(module: ModuleType) -> str:
    graphs = _graphs(module)
    if len(graphs) == 1:
        return graphs[0]
    found = next((name for name in FACTORIES if hasattr(module, name)), None)
    if found is None:
        known = f"It has {', '.join(graphs)}." if graphs else "It defines no graph."
        raise click.UsageError(f"Say which graph of {module.__name__}: FILE:GRAPH. {known}")
    return found


def _graphs(module: ModuleType) -> list[str]:
    """The names of a module's graphs; a graph that has been compiled counts once."""
    compiled = [name for name, value in vars(module).items() if isinstance(value, CompiledGraph)]
    return compiled or [
        name for name, value in vars(module).items() if isinstance(value, StateGraph)
    ]


def _compiled(module: ModuleType, name: str) -> CompiledGraph[Any]:
    found = getattr(module, name, None)
    if found is None:
        known = _graphs(module)
        raise NotFound(f"{module.__name__} has no {name!r}. {nearest(name, known)}")
    if callable(found) and not isinstance(found, CompiledGraph | StateGraph):
        found = found()
    if isinstance(found, StateGraph):
        found = found.compile(name=name)
    if not isinstance(found, CompiledGraph):
        raise click.UsageError(f"{name!r} of {module.__name__} is no graph.")
    return found
