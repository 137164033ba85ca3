"""The program within the sandbox: imports the package and calls what it is asked to.

Everything here may be taken over by the package: the host believes nothing but values.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inwit.registry.sandbox import frames

MEMORY_BYTES = 4 << 30
FILE_BYTES = 64 << 20
FILES = 256
NAMES = 500
"""Public names of a module that are told."""


class Worker:
    """Resolves paths to the package's objects and calls them."""

    def __init__(self, folder: Path, source: int, target: int) -> None:
        self._folder = folder
        self._source, self._target = source, target
        self._objects: dict[str, Any] = {}
        self._package: Any = None

    def serve(self) -> None:
        """Answer until the host is gone."""
        while True:
            try:
                asked = frames.read(self._source, functions=self._function)
            except frames.FrameError:
                return
            try:
                answer = {"value": self._answer(asked)}
                frames.write(self._target, answer)
            except BaseException as exc:  # noqa: BLE001 - whatever the package raises is told
                frames.write(self._target, {"error": _error(exc)})

    def _answer(self, asked: dict[str, Any]) -> Any:
        found = self._resolve(asked["key"], asked["path"])
        if "args" in asked:
            found = _awaited(found(*asked["args"], **asked["kwargs"]))
            if asked.get("keep"):
                self._objects[asked["keep"]] = found
        return describe(found)

    def _resolve(self, key: str, path: list[Any]) -> Any:
        if key not in self._objects:
            found: Any = None
            for step, *more in path:
                found = getattr(self, f"_{step}")(found, *more)
            self._objects[key] = found
        return self._objects[key]

    def _entry(self, _: Any, name: str) -> Any:
        from inwit.registry.loading import load_entry_point
        from inwit.registry.manifest import read_package

        if self._package is None:
            self._package = read_package(self._folder, "installed", in_place=False)
        return load_entry_point(self._package, name)

    @staticmethod
    def _attr(found: Any, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(found, name)

    @staticmethod
    def _item(found: Any, key: Any) -> Any:
        return found[key]

    @staticmethod
    def _call(found: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return _awaited(found(*args, **kwargs))

    @staticmethod
    def _node(found: Any, name: str) -> Any:
        return _of_state(found, found.nodes[name].function)

    @staticmethod
    def _router(found: Any, number: int) -> Any:
        return _of_state(found, found.routers()[number].call)

    @staticmethod
    def _reducer(found: Any, key: str) -> Any:
        return found.schema.channels[key].reducer

    def _function(self, number: int) -> Callable[..., Any]:
        """A function of the host's, called there."""

        def call(*args: Any, **kwargs: Any) -> Any:
            frames.write(self._target, {"call": number, "args": args, "kwargs": kwargs})
            answer = frames.read(self._source, functions=self._function)
            if "error" in answer:
                raise RuntimeError(answer["error"])
            return answer["value"]

        return call


def _of_state(graph: Any, function: Any) -> Any:
    """A function of the graph's state class; states come as dicts."""
    cls = graph.schema.cls
    if not (hasattr(cls, "__dataclass_fields__") or hasattr(cls, "model_fields")):
        return function

    def call(state: dict[str, Any]) -> Any:
        return function(cls(**state))

    return call


def describe(found: Any) -> dict[str, Any]:
    """Tell what an object is: a value, or how a stand-in of it looks."""
    from inwit import StateGraph

    if isinstance(found, StateGraph):
        return {"kind": "graph", **_graph(found)}
    if inspect.ismodule(found):
        names = [name for name in vars(found) if not name.startswith("_")][:NAMES]
        own = [name for name in names if getattr(getattr(found, name), "__module__", found.__name__)
               == found.__name__]  # fmt: skip
        return {"kind": "module", "names": own, "doc": found.__doc__}
    if callable(found):
        return {"kind": "function", **_function(found)}
    if isinstance(found, list | tuple) and any(callable(one) for one in found):
        return {"kind": "list", "items": [describe(one) for one in found]}
    if isinstance(found, dict) and any(callable(one) for one in found.values()):
        return {"kind": "dict", "items": {key: describe(one) for key, one in found.items()}}
    return {"kind": "value", "value": found}


def _function(function: Any) -> dict[str, Any]:
    try:
        parameters = [
            [one.name, one.kind.name, one.default is not one.empty, str(one.annotation)
             if one.annotation is not one.empty else ""]
            for one in inspect.signature(function).parameters.values()
        ]  # fmt: skip
    except (TypeError, ValueError):
        parameters = None
    name = getattr(function, "__name__", type(function).__name__)
    code = getattr(inspect.unwrap(function), "__code__", None)
    place = {} if code is None else {
        "file": code.co_filename, "line": code.co_firstlineno, "code": code.co_name,
    }  # fmt: skip
    doc = inspect.getdoc(function) or ""
    return {"name": name, "doc": doc, "parameters": parameters, **place}


def _graph(graph: Any) -> dict[str, Any]:
    return {
        "nodes": {name: _function(one.function) for name, one in graph.nodes.items()},
        "defer": [name for name, one in graph.nodes.items() if one.is_deferred],
        "edges": [[list(sources), target] for sources, target in graph.edges],
        "routers": [
            [one.source, one.path_map and {str(k): v for k, v in one.path_map.items()},
             _source(one.call), one.name]
            for one in graph.routers()
        ],
        "keys": {
            name: _source(one.reducer) if one.reducer is not None else None
            for name, one in graph.schema.channels.items()
        },
        "defaults": {
            name: one.factory() for name, one in graph.schema.channels.items()
            if one.reducer is not None and one.factory is not None
        },
    }  # fmt: skip


def _source(function: Any) -> list[str]:
    """The name and text of a rule that stands for itself; empty for what is more."""
    module = getattr(function, "__module__", "")
    if module in {"_operator", "operator"}:
        return [f"operator.{function.__name__}", ""]
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        return ["", ""]
    if getattr(function, "__closure__", None) or not text.startswith("def "):
        return ["", ""]
    return [function.__name__, text]


def _awaited(found: Any) -> Any:
    return asyncio.run(_await(found)) if inspect.isawaitable(found) else found


async def _await(found: Any) -> Any:
    return await found


def _error(exc: BaseException) -> dict[str, Any]:
    lines = traceback.format_exception(exc)
    return {"type": type(exc).__name__, "message": str(exc)[:2000], "trace": "".join(lines)[-4000:]}


def _bound() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _lead_to_proxy() -> None:
    """Listen where the environment says that the proxy is, and hand on to the host's socket."""
    from inwit.registry.sandbox.bubble import PROXY, PROXY_PORT
    from inwit.registry.sandbox.proxy import forward

    if os.path.exists(PROXY):  # noqa: PTH110
        forward(PROXY_PORT, PROXY)


def main() -> None:
    """Keep the pipes for messages alone, and serve."""
    source, target = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    _bound()
    _lead_to_proxy()
    Worker(Path(sys.argv[1]), source, target).serve()


if __name__ == "__main__":
    main()
