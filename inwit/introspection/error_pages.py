"""What is known of each error: its meaning, what it says, its way out, and who raises it.

Messages are read from the sources, with `{name}` where a value stands, so that a page cannot say
what the code does not.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import inwit
from inwit.errors import InwitError

PACKAGE = Path(inwit.__file__).parent
_BESIDE = ("inwit.runtime.commands",)
"""Modules that define errors outside `inwit.errors`: those that are ways through a graph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of an error, with `{name}` for each value; `hint` may be empty."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """One error as a reader needs it."""

    code: str
    name: str
    kind_of: tuple[str, ...]
    """The classes that catch it, nearest first, up to `InwitError`."""
    status: int
    meaning: str
    said: tuple[Said, ...] = ()
    raised_by: tuple[str, ...] = ()
    """The modules that make it."""


@cache
def classes() -> dict[str, type[InwitError]]:
    """Every error by its code; of those that share one, the most general."""
    from importlib import import_module

    for module in _BESIDE:
        import_module(module)
    found: dict[str, type[InwitError]] = {}
    for cls in _tree(InwitError):
        if cls.__module__.startswith("inwit.") and _is_public(cls):
            found.setdefault(cls.code, cls)
    return dict(sorted(found.items()))


def find(named: str) -> type[InwitError] | None:
    """The error that a code or a class's name names."""
    known = classes()
    by_name = {cls.__name__: cls for cls in known.values()}
    return known.get(named) or by_name.get(named)


def page(cls: type[InwitError]) -> ErrorPage:
    """Say all that is known of an error; reads the sources that name it."""
    bases = [base for base in cls.__mro__[1:] if base not in (object, BaseException, Exception)]
    return ErrorPage(
        code=cls.code,
        name=cls.__name__,
        kind_of=tuple(base.__name__ for base in bases),
        status=cls.status,
        meaning=inspect.getdoc(cls) or "",
        said=_said_by(cls),
        raised_by=tuple(dict.fromkeys(module for module, _ in _calls(cls.__name__))),
    )


def to_json(page: ErrorPage) -> dict[str, Any]:
    """Show a page as commands and uris give it."""
    return {
        "code": page.code,
        "error": page.name,
        "kind_of": list(page.kind_of),
        "status": page.status,
        "text": page.meaning,
        "said": [{"message": one.message, "hint": one.hint} for one in page.said],
        "raised_by": list(page.raised_by),
    }


def to_markdown(page: ErrorPage) -> str:
    """Write a page for people, below a heading of the first order."""
    caught = ", ".join(f"`{name}`" for name in page.kind_of)
    told = f"`{page.name}`, caught as {caught}." if caught else f"`{page.name}`."
    text = f"# {page.code}\n\n{page.meaning}\n\n{told} HTTP status {page.status}.\n"
    if page.said:
        text += "\n## What it says, and the way out\n\n" + "\n".join(map(_quoted, page.said))
    if page.raised_by:
        text += "\n## Raised by\n\n" + "\n".join(f"- `{one}`" for one in page.raised_by) + "\n"
    return text + "\n[All errors](README.md)\n"


def _quoted(said: Said) -> str:
    lines = [f"> {line}" for line in said.message.splitlines()]
    return "\n".join([*lines, *(["", said.hint] if said.hint else []), ""])


def _is_public(cls: type[InwitError]) -> bool:
    return not cls.__name__.startswith("_")


def _tree(cls: type[InwitError]) -> Iterator[type[InwitError]]:
    """A class and those below it, each level before the next, so that the general comes first."""
    level = [cls]
    while level:
        yield from level
        level = [sub for one in level for sub in one.__subclasses__()]


def _said_by(cls: type[InwitError]) -> tuple[Said, ...]:
    """What it says: its own words where its class composes them, else those of who makes it."""
    maker = next(base for base in cls.__mro__ if "__init__" in vars(base))
    if maker is not InwitError:
        own = _own_words(maker)
        if own.message:
            return (own,)
    made = [_from_call(call, {}) for _, call in _calls(cls.__name__)]
    return tuple(dict.fromkeys(one for one in made if one.message))


def _own_words(cls: type) -> Said:
    tree = ast.parse(_unindented(inspect.getsource(cls)))
    maker = next(
        node for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )  # fmt: skip
    known = {
        target.id: node.value
        for node in ast.walk(maker) if isinstance(node, ast.Assign)
        for target in node.targets if isinstance(target, ast.Name)
    }  # fmt: skip
    for node in ast.walk(maker):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "__init__":
            is_bound = isinstance(node.func, ast.Attribute) and isinstance(
                node.func.value, ast.Call
            )
            args = node.args if is_bound else node.args[1:]
            return _from_call(ast.Call(node.func, args, node.keywords), known)
    return Said(message="")


def _from_call(call: ast.Call, known: dict[str, ast.expr]) -> Said:
    hint = next((one.value for one in call.keywords if one.arg == "hint"), None)
    message = _words(call.args[0], known) if call.args else ""
    told = _words(hint, known) if hint is not None else ""
    return Said(message=_unless_bare(message), hint=_unless_bare(told))


def _unless_bare(text: str) -> str:
    """A text that says something beside its values; else nothing."""
    return text if re.search(r"[A-Za-z]{2}", re.sub(r"\{[^{}]*\}", "", text)) else ""


def _words(node: ast.expr, known: dict[str, ast.expr]) -> str:
    """Write what a string is composed of, with `{name}` where a value stands."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_words(part, known) for part in parts)
        case ast.FormattedValue(value=value, conversion=conversion):
            name = _words(value, known)
            return f"'{name}'" if conversion == ord("r") else name
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _words(left, known) + _words(right, known)
        case ast.IfExp(body=body, orelse=other):
            return _words(body, known) or _words(other, known)
        case ast.Name(id=name) if name in known and not _is_about(name, known[name]):
            return _words(known[name], {key: value for key, value in known.items() if key != name})
        case ast.Call(func=ast.Name(id="nearest")):
            return "Did you mean '{name}'?"
    return f"{{{_name_of(node)}}}"


def _is_about(name: str, value: ast.expr) -> bool:
    """Whether a local name is a list made ready, rather than words."""
    return isinstance(value, ast.Call) and getattr(value.func, "id", "") in ("sorted", "list", name)


def _name_of(node: ast.expr) -> str:
    """A short name for a value: the last name in it that is no function's."""
    called = {id(one.func) for one in ast.walk(node) if isinstance(one, ast.Call)}
    named = [
        one.id if isinstance(one, ast.Name) else one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Name | ast.Attribute) and id(one) not in called
    ]
    return next((name.strip("_") for name in named if name not in ("self", "cls")), "…")


def _calls(name: str) -> list[tuple[str, ast.Call]]:
    """Where an error is made: the module, and the call."""
    found = [(module, _made_in(module)) for module, text in _sources().items() if name in text]
    return [(module, call) for module, made in found for call in made.get(name, ())]


@cache
def _sources() -> dict[str, str]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return {_module(path): path.read_text(encoding="utf-8") for path in paths}


@cache
def _made_in(module: str) -> dict[str, list[ast.Call]]:
    """The calls in a module by the name of what is called, and what is raised without a call."""
    found: dict[str, list[ast.Call]] = {}
    for node in ast.walk(ast.parse(_sources()[module])):
        if isinstance(node, ast.Call):
            found.setdefault(_called(node.func), []).append(node)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
            found.setdefault(node.exc.id, []).append(ast.Call(node.exc, [], []))
    return found


def _called(node: ast.expr) -> str:
    return str(getattr(node, "id", getattr(node, "attr", "")))


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _unindented(source: str) -> str:
    return inspect.cleandoc("\n" + source)
