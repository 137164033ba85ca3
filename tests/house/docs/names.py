"""docs/reference/python.md: the public names, with signature and what is said of them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

from tests.house.docs import MADE_BY

PACKAGES = (
    "inwit",
    "inwit.answers",
    "inwit.events",
    "inwit.plans",
    "inwit.prebuilt",
    "inwit.testing",
    "inwit.introspection",
    "inwit.registry.packages",
    "inwit.registry.manifest",
    "inwit.runtime.checkpoints",
    "inwit.runtime.caching",
    "inwit.runtime.drawing",
    "inwit.runtime.memory",
    "inwit.runtime.messages",
    "inwit.runtime.metrics",
    "inwit.runtime.policies",
    "inwit.runtime.replay",
)
"""Where users import from; what `inwit` itself gives is told there alone."""
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
HEAD = f"""# Public names

{MADE_BY}
What a program may import, by package. Everything under `inwit` is imported on first use, so that naming one thing
loads nothing else. The errors have [pages of their own](errors/README.md); [LangGraph's names](../langgraph.md) have
a table.
"""


def pages() -> dict[str, str]:
    """The page, with a section for each package."""
    text, told = HEAD, set[int]()
    for package in PACKAGES:
        module = importlib.import_module(package)
        first = (inspect.getdoc(module) or "").partition("\n")[0]
        parts = []
        for name in names_of(package):
            found = getattr(module, name)
            if id(found) not in told or package == "inwit":
                told.add(id(found))
                parts.append("\n".join(_told(name, found)))
        if parts:
            text += f"\n## {package}\n\n{first}\n\n" + "\n".join(parts)
    return {"docs/reference/python.md": text}


def names_of(package: str) -> list[str]:
    """The public names of a package: what it lists, else what it defines."""
    module = importlib.import_module(package)
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    own = vars(module).items()
    return sorted(
        name
        for name, value in own
        if name[0] != "_" and getattr(value, "__module__", "") == package
    )


def is_told(found: Any) -> bool:
    """Whether a public name is a thing of ours that has words of its own."""
    home = getattr(found, "__module__", "") or ""
    return (inspect.isclass(found) or inspect.isfunction(found)) and home.startswith("inwit")


def _told(name: str, found: Any) -> Iterator[str]:
    yield f"### `{name}`\n"
    if inspect.ismodule(found):
        yield f"{(inspect.getdoc(found) or '').partition(chr(10))[0]}\n"
        return
    if not is_told(found):
        value, said = assigned(name, found)
        yield f"```python\n{name} = {value}\n```\n\n{said}\n"
        return
    head, _, rest = (inspect.getdoc(found) or "").partition("\n")
    signature = signature_of(found)
    if signature:
        yield f"```python\n{name}{signature}\n```\n"
    yield f"{head}\n"
    if rest.strip():
        yield f"```text\n{rest.strip()}\n```\n"
    if inspect.isclass(found):
        yield from _members(found)


def assigned(name: str, found: Any) -> tuple[str, str]:
    """What a public name that is no class or function is made of, and what is said below it."""
    for module in _homes(name, found):
        body = ast.parse(inspect.getsource(module)).body
        for node, after in zip(body, [*body[1:], None], strict=True):
            if name in _targets(node):
                assert isinstance(node, ast.Assign | ast.AnnAssign)
                assert node.value is not None
                value = node.value
                said = ""
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    said = inspect.cleandoc(str(after.value.value))
                return ast.unparse(value), said
    raise LookupError(f"{name} is public, and nowhere assigned.")


def _homes(name: str, found: Any) -> list[Any]:
    """The modules of ours that hold the very thing under that name."""
    held = [
        module for key, module in sorted(sys.modules.items())
        if key.startswith("inwit") and vars(module).get(name, _homes) is found
    ]  # fmt: skip
    return [module for module in held if getattr(module, "__file__", None)]


def _targets(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [one.id for one in node.targets if isinstance(one, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id] if node.value is not None else []
    return []


def signature_of(found: Any) -> str:
    """A signature as one writes it: without addresses, and none where it says nothing."""
    try:
        written = str(inspect.signature(found))
    except (TypeError, ValueError):
        return ""
    return (
        ""
        if written in ("(*args, **kwargs)", "(*args: Any, **kwargs: Any)")
        else ADDRESS.sub("", written)
    )


def members_of(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class of ours defines or inherits from ours."""
    for name in sorted({name for base in cls.__mro__ for name in vars(base)}):
        holder = next(base for base in cls.__mro__ if name in vars(base))
        found = vars(holder)[name]
        is_ours = holder.__module__.startswith("inwit")
        if name[0] != "_" and is_ours and (callable(found) or isinstance(found, _WRAPPED)):
            yield name, found


_WRAPPED = (property, classmethod, staticmethod)


def _members(cls: type) -> Iterator[str]:
    rows = []
    for name, found in members_of(cls):
        inner = found.__func__ if isinstance(found, classmethod | staticmethod) else found
        first = (inspect.getdoc(inner) or "").partition("\n")[0]
        rows.append(f"- `.{name}`" + (f": {first}" if first else ""))
    if rows:
        yield "\n".join(rows) + "\n"
