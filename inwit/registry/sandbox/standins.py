"""What loading a sandboxed package gives: functions and graphs that run over there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Annotated, Any, TypedDict

from inwit.registry.sandbox.process import Worker
from inwit.registry.sandbox.reading import read_function
from inwit.registry.sandbox.rules import rule_of
from inwit.runtime.graph import StateGraph

Path = tuple[Any, ...]
_TYPES: Mapping[str, Any] = {
    "str": str, "int": int, "float": float, "bool": bool, "bytes": bytes, "None": None,
    "list": list, "dict": dict, "list[str]": list[str], "list[int]": list[int],
    "list[float]": list[float], "dict[str, Any]": dict[str, Any], "list[dict[str, Any]]":
    list[dict[str, Any]], "str | None": str | None, "int | None": int | None,
}  # fmt: skip


class Standin:
    """A function of a sandboxed package: called here, run there."""

    def __init__(self, worker: Worker, path: Path, told: Mapping[str, Any]) -> None:
        self._worker, self._path = worker, path
        self.__name__ = str(told.get("name") or "function")
        self.__qualname__ = self.__name__
        self.__doc__ = str(told.get("doc") or "") or None
        self.__module__ = f"sandbox:{worker.package}"
        self.__signature__, self.__annotations__ = _signature(told.get("parameters"))
        read = read_function(
            worker.folder, str(told.get("file")), told.get("line") or 0, str(told.get("code")),
            self.__module__,
        )  # fmt: skip
        if read is not None:
            self.__wrapped__ = read

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives.

        Raises:
            PackageCodeError: It raised.
            SandboxError: It took too long, or gave what cannot come out.
        """
        step = ("call", list(args), kwargs)
        path = (*self._path, step)
        asked = {"key": _key(self._path), "path": [list(one) for one in self._path]}
        told = self._worker.ask({**asked, "args": list(args), "kwargs": kwargs, "keep": _key(path)})
        return standin(self._worker, path, told)

    def __repr__(self) -> str:
        return f"<{self.__name__} of {self._worker.package}, sandboxed>"


class Module:
    """A module of a sandboxed package, with the functions and values that are its own."""

    def __init__(self, worker: Worker, path: Path, told: Mapping[str, Any]) -> None:
        self._worker, self._path = worker, path
        self.__doc__ = told.get("doc")
        self._names = tuple(str(name) for name in told["names"])

    def __dir__(self) -> list[str]:
        return list(self._names)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._names:
            raise AttributeError(name)
        path = (*self._path, ("attr", name))
        found = fetch(self._worker, path)
        self.__dict__[name] = found
        return found


def fetch(worker: Worker, path: Path) -> Any:
    """The stand-in of what a path leads to."""
    told = worker.ask({"key": _key(path), "path": [list(one) for one in path]})
    return standin(worker, path, told)


def standin(worker: Worker, path: Path, told: Mapping[str, Any]) -> Any:
    """Make what a worker describes; of values, the value itself."""
    match told.get("kind"):
        case "value":
            return told.get("value")
        case "function":
            return Standin(worker, path, told)
        case "module":
            return Module(worker, path, told)
        case "list":
            items = enumerate(told["items"])
            return [standin(worker, (*path, ("item", key)), one) for key, one in items]
        case "dict":
            pairs = told["items"].items()
            return {key: standin(worker, (*path, ("item", key)), one) for key, one in pairs}
        case _:
            return _graph(worker, path, told)


def _graph(worker: Worker, path: Path, told: Mapping[str, Any]) -> StateGraph[Any]:
    """The same graph, its nodes over there and its rules in an interpreter that reaches nothing."""
    keys: dict[str, Any] = {}
    for key, rule in told["keys"].items():
        if rule is None:
            keys[key] = Any
            continue
        away = Standin(worker, (*path, ("reducer", key)), {"name": rule[0] or "reducer"})
        keys[key] = Annotated[_type_of(told["defaults"].get(key)), rule_of(rule[0], rule[1], away)]
    state = TypedDict("State", keys, total=False)  # type: ignore[misc]
    graph: StateGraph[Any] = StateGraph(state)
    for name, function in told["nodes"].items():
        node = Standin(worker, (*path, ("node", name)), function)
        graph.add_node(name, node, defer=name in told["defer"], thread=True)
    for sources, target in told["edges"]:
        graph.add_edge(sources[0] if len(sources) == 1 else sources, target)
    for number, (source, path_map, rule, name) in enumerate(told["routers"]):
        away = Standin(worker, (*path, ("router", number)), {"name": name})
        chosen: Callable[..., Any] = rule_of(rule[0], rule[1], away)
        graph.add_conditional_edges(source, _of_state(chosen, name), _mapped(path_map))
    return graph


def _of_state(rule: Callable[..., Any], name: str) -> Callable[[dict[str, Any]], Any]:
    def route(state: dict[str, Any]) -> Any:
        return rule(state)

    route.__name__ = name
    return route


def _mapped(path_map: Mapping[str, str] | None) -> dict[Any, str] | None:
    """Labels as the router gives them: truth and numbers too."""
    if path_map is None:
        return None
    spelt: dict[str, Any] = {"True": True, "False": False, "None": None}
    return {spelt.get(key, key): target for key, target in path_map.items()}


def _type_of(default: Any) -> Any:
    return Any if default is None else type(default)


def _key(path: Path) -> str:
    return repr(path)


def _signature(told: Sequence[Any] | None) -> tuple[inspect.Signature, dict[str, Any]]:
    """A signature of plain types, so that a tool's schema can be told from it."""
    if told is None:
        told = (["args", "VAR_POSITIONAL", False, ""], ["kwargs", "VAR_KEYWORD", False, ""])
    parameters, annotations = [], {}
    for name, kind, has_default, annotation in told:
        found = _TYPES.get(re.sub(r"^<class '(\w+)'>$", r"\1", annotation), Any)
        annotations[name] = found
        default = None if has_default else Parameter.empty
        parameters.append(Parameter(name, Parameter.__dict__[kind], default=default,
                                    annotation=found))  # fmt: skip
    return inspect.Signature(parameters), annotations
