"""Facts of the platform level: what this installed version of inwit is and can do.

Read from the package itself (public names, docstrings, error codes, commands, examples, pages) and
from `features.toml`, whose every implemented feature names the symbol that proves it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import inwit
from inwit.events import Status, Types
from inwit.introspection import error_pages
from inwit.introspection.terms import TERMS

PACKAGE = Path(inwit.__file__).parent
NODE_TYPES = {
    "function": "A Python function that takes the state and returns an update of it.",
    "async function": "A coroutine function; it is cancelled when its time-out passes.",
    "subgraph": "A compiled graph that runs as a node, in an execution of its own.",
    "decision": "A node with conditional edges: after it, a router chooses the way on.",
}
EDGE_TYPES = {
    "simple": "add_edge(a, b): b follows a.",
    "conditional": "add_conditional_edges(a, router, routes): the router's value chooses the way.",
    "parallel": "add_parallel_edges(a, [b, c]): b and c follow a at the same time.",
    "join": "add_edge([a, b], c): c follows when a and b have both ended.",
    "send": "a router gives Send(b, state): b follows with a state of its own, once per Send.",
    "command": "a node returns Command(goto=b): b follows, as the node itself decided.",
}
STATES = {
    "running": "A node is at work, or the next one is about to be.",
    "paused": "Stopped between two nodes until it is resumed.",
    "waiting_for_input": "An interrupt waits for a person's answer.",
    "completed": "It reached its end.",
    "failed": "An error ended it; also `host lost`, when its process died.",
    "cancelled": "Somebody or something cancelled it.",
}


def version() -> dict[str, Any]:
    """Name the installed version and the Python it runs on."""
    import platform

    return {
        "name": "inwit",
        "version": installed_version(),
        "python": platform.python_version(),
        "licence": _said_of("license_expression") or _said_of("license"),
        "requires_python": _said_of("requires_python"),
        "total_count": 1,
    }


@cache
def _said_of(field: str) -> str:
    """A field of the installed distribution's metadata; empty without one."""
    try:
        return str(metadata.metadata("inwit").json.get(field) or "")
    except metadata.PackageNotFoundError:
        return ""


@cache
def installed_version() -> str:
    """The version of the distribution, or of the source tree that is imported."""
    try:
        return metadata.version("inwit")
    except metadata.PackageNotFoundError:
        return str(getattr(inwit, "__version__", "0"))


@cache
def _manifest() -> tuple[dict[str, Any], ...]:
    text = (Path(__file__).parent / "features.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["feature"])


def features() -> dict[str, Any]:
    """List what is implemented and what is not, with defaults and how to opt out."""
    return _counted("features", [_feature(entry) for entry in _manifest()])


def _feature(entry: dict[str, Any]) -> dict[str, Any]:
    is_there = entry["implemented"]
    return {
        "name": entry["name"],
        "description": entry["description"],
        "implemented": is_there,
        "enabled": is_there and entry.get("default") != "off",
        "default": entry.get("default"),
        "opt_out_method": entry.get("opt_out_method", ""),
        "since": entry.get("since"),
        "proof": entry.get("proof"),
        "api": entry.get("api", []),
        "broad": entry.get("broad", False),
        "near": entry.get("near", []),
        "also": entry.get("also", []),
    }


def proven(proof: str) -> bool:
    """Whether ``module:attribute`` names something that exists in this installation."""
    module, _, path = proof.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in filter(None, path.split(".")):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return True


def node_types() -> dict[str, Any]:
    """List the kinds of node."""
    return _counted("node_types", _described(NODE_TYPES))


def edge_types() -> dict[str, Any]:
    """List the kinds of edge."""
    return _counted("edge_types", _described(EDGE_TYPES))


def states() -> dict[str, Any]:
    """List the statuses of an execution."""
    known = get_args(Status)
    return _counted("states", _described({name: STATES[name] for name in known}))


def events() -> dict[str, Any]:
    """List the types of event."""
    listed = {name: _first_line(cls) for name, cls in Types.by_name.items()}
    return _counted("events", _described(listed))


def terms() -> dict[str, Any]:
    """List the words that inwit uses in one sense."""
    return _counted("terms", _described(TERMS))


def errors() -> dict[str, Any]:
    """List the errors by their stable code."""
    listed = [
        {"name": code, "class": cls.__name__, "description": _first_line(cls)}
        for code, cls in error_pages.classes().items()
    ]
    return _counted("errors", listed)


@cache
def _api() -> tuple[dict[str, Any], ...]:
    listed: list[dict[str, Any]] = []
    for name in inwit.__all__:
        try:
            found = getattr(inwit, name)
        except ImportError:  # It needs a package that is not installed here.
            continue
        listed.append(_documented(name, found))
        if inspect.isclass(found) and not issubclass(found, BaseException):
            listed += [
                _documented(f"{name}.{part}", member)
                for part, member in inspect.getmembers(found)
                if not part.startswith("_") and callable(member) and _is_own(found, part)
            ]
    return tuple(listed)


def _is_own(cls: type, part: str) -> bool:
    """Whether a class of inwit has a member, not only what its class inherits from Python."""
    holder = next((one for one in cls.__mro__ if part in vars(one)), cls)
    return holder.__module__.startswith("inwit")


def api() -> dict[str, Any]:
    """List the public names with signature and docstring."""
    return _counted("api", list(_api()))


def examples() -> dict[str, Any]:
    """List the runnable examples of this version; tests run every one."""
    return _counted("examples", list(_examples()))


@cache
def _examples() -> tuple[dict[str, Any], ...]:
    listed = []
    for path in sorted((Path(__file__).parent / "examples").glob("*.py")):
        source = path.read_text(encoding="utf-8")
        doc = ast.get_docstring(ast.parse(source)) or path.stem
        title, _, rest = doc.partition("\n")
        code = source.split('"""', 2)[-1].strip()
        listed.append(
            {"name": path.stem, "description": title, "keywords": rest.strip(), "code": code}
        )
    return tuple(listed)


@cache
def _commands() -> tuple[dict[str, Any], ...]:
    found: dict[str, dict[str, Any]] = {}
    paths = sorted((PACKAGE / "cli").glob("**/*.py"))
    stems = {path.stem for path in paths}
    for path in paths:
        # `pkg_publish.py` holds commands of the group that `pkg.py` makes.
        around, _, rest = path.stem.partition("_")
        outer = f"{around} " if rest and around in stems else ""
        group = ""
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name, kind, is_inner = _command_name(node)
                if name and name != "inwit":
                    full = outer + (f"{group} {name}".strip() if is_inner else name)
                    group = name if kind == "group" and not is_inner else group
                    doc = (ast.get_docstring(node) or "").partition("\n")[0]
                    found.setdefault(full, {"name": full, "description": doc})
    return tuple(found.values())


def commands() -> dict[str, Any]:
    """List the commands of `inwit` that this version has, read from their source."""
    return _counted("cli", list(_commands()))


def docs() -> dict[str, Any]:
    """List the sections of the pages that ship with this version."""
    return _counted("docs", list(_docs()))


def docs_folder() -> Path | None:
    """The folder of the pages that ship with this version, or of the checkout that is imported."""
    shipped, written = PACKAGE / "_docs", PACKAGE.parent / "docs"
    return shipped if shipped.is_dir() else written if (written / "guide").is_dir() else None


@cache
def _docs() -> tuple[dict[str, Any], ...]:
    folder = docs_folder()
    if folder is None:
        return ()
    listed = []
    for path in sorted(folder.glob("**/*.md")):
        page = path.relative_to(folder).with_suffix("").as_posix()
        if page.startswith("reference/errors/"):  # they are a topic of their own
            continue
        text = path.read_text(encoding="utf-8")
        title = next((ln.lstrip("# ") for ln in text.splitlines() if ln.startswith("#")), page)
        listed.append({"name": page, "description": title, "text": text})
    return tuple(listed)


TOPICS = {
    "version": version,
    "features": features,
    "node-types": node_types,
    "edge-types": edge_types,
    "states": states,
    "events": events,
    "terms": terms,
    "errors": errors,
    "api": api,
    "examples": examples,
    "cli": commands,
    "docs": docs,
}
"""The facts that ``platform://{topic}`` names; `templates`, `network` and `project` need one."""


def entries(topic: str) -> list[dict[str, Any]]:
    """The things that a topic lists, each with a `name`."""
    page = TOPICS[topic]()
    return next((value for value in page.values() if isinstance(value, list)), [])


def entry(topic: str, name: str) -> dict[str, Any] | None:
    """One thing of a topic, by its exact name."""
    return next((one for one in entries(topic) if one["name"] == name), None)


def feature_line(feature: dict[str, Any]) -> str:
    """Say in one line whether a feature is there, and whether it is on."""
    if not feature["implemented"]:
        return f"{feature['name']}: not implemented in inwit {installed_version()}"
    default = f", {feature['default']} by default" if feature["default"] else ""
    return f"{feature['name']}: implemented{default}"


def _counted(name: str, listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: listed, "total_count": len(listed)}


def _described(known: dict[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "description": text} for name, text in known.items()]


def _first_line(found: Any) -> str:
    return (inspect.getdoc(found) or "").partition("\n")[0]


def _documented(name: str, found: Any) -> dict[str, Any]:
    try:
        signature = str(inspect.signature(found)) if callable(found) else ""
    except (TypeError, ValueError):
        signature = ""
    doc = inspect.getdoc(found) if callable(found) or inspect.ismodule(found) else ""
    return {
        "name": name,
        "description": (doc or "").partition("\n")[0],
        "signature": signature,
        "doc": doc or "",
    }


def _command_name(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, str, bool]:
    """A command's name, whether it is a command or a group, and whether it is in a group.

    Commands are made by click's decorators, or by one of our own around a function `command`.
    """
    for decorator in node.decorator_list:
        if not isinstance(decorator, ast.Call):
            continue
        given = decorator.args[0] if decorator.args else None
        name = str(given.value) if isinstance(given, ast.Constant) else node.name.replace("_", "-")
        is_top = node.name == "command"
        if isinstance(decorator.func, ast.Name) and (is_top or isinstance(given, ast.Constant)):
            return name, "command", not is_top
        if isinstance(decorator.func, ast.Attribute) and decorator.func.attr in (
            "command",
            "group",
        ):
            owner = decorator.func.value
            return name, decorator.func.attr, isinstance(owner, ast.Name) and owner.id != "click"
    return "", "", False
