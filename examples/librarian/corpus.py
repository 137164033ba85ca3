"""The books: docstrings of the standard library, and the texts of installed distributions.

Python source is read, never imported; of modules written in C only those are asked for their
docstrings that the interpreter carries itself or that are known to do nothing when imported.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, TypeGuard, cast

LIMIT = 10_000
WORDS = 80
CHARACTERS = 560
"""The most that a passage holds: about 128 word pieces of English with names in it."""
SHORTEST = 24
"""Characters that a docstring needs to say something."""
C_MODULES = (
    "_asyncio",
    "_bisect",
    "_collections",
    "_csv",
    "_datetime",
    "_functools",
    "_heapq",
    "_io",
    "_json",
    "_operator",
    "_pickle",
    "_queue",
    "_random",
    "_struct",
    "array",
    "atexit",
    "binascii",
    "builtins",
    "cmath",
    "errno",
    "fcntl",
    "gc",
    "itertools",
    "marshal",
    "math",
    "mmap",
    "posix",
    "resource",
    "select",
    "signal",
    "sys",
    "time",
    "unicodedata",
    "zlib",
)
_PUBLIC_NAMES = {"_io": "io", "posix": "os"}
"""What C calls a module by, and what everybody else does; else a leading underscore is dropped."""
_SKIPPED = {
    "antigravity",
    "curses",
    "distutils",
    "encodings",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "msilib",
    "pydoc_data",
    "site-packages",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "test",
    "tests",
    "this",
    "tkinter",
    "turtle",
    "turtledemo",
    "__phello__",
}
_DIRECTIVE = re.compile(r"^\s*(\.\. .*|:[a-z-]+:.*|\[!\[.*|!\[.*|<.*>|[=\-~^#*+]{3,}|```.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of text and where it is from.

    `name` is the qualified name of what it documents, such as ``json.dumps``, or
    ``distribution:click``; `id` is the name with the number of the passage within its text.
    """

    id: str
    name: str
    kind: str
    text: str


def passages(limit: int = LIMIT) -> list[Passage]:
    """Read all books, at most `limit` passages: the standard library first."""
    read: dict[str, Passage] = {}
    for passage in _all():
        if len(read) == limit:
            break
        read.setdefault(passage.id, passage)
    return list(read.values())


def _all() -> Iterator[Passage]:
    for name, kind, text in _documents():
        for number, piece in enumerate(cut(text)):
            yield Passage(id=f"{name}#{number}", name=name, kind=kind, text=piece)


def _documents() -> Iterator[tuple[str, str, str]]:
    for module in C_MODULES:
        yield from _from_c(module)
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if not any(
            part in _SKIPPED or (part.startswith("_") and part != "__init__") for part in parts
        ):
            yield from _from_source(path, ".".join(p for p in parts if p != "__init__"))
    yield from _from_distributions(distributions())


def cut(text: str) -> Iterator[str]:
    """Cut a text into passages, at the ends of paragraphs where it can."""
    current = ""
    for paragraph in re.split(r"\n\s*\n", text):
        joined = " ".join([current, *paragraph.split()]).strip()
        if current and not _fits(joined):
            yield current
            joined = " ".join(paragraph.split())
        while not _fits(joined):
            piece = " ".join(joined[:CHARACTERS].split()[:WORDS])
            yield piece
            joined = joined[len(piece) :].strip()
        current = joined
    if len(current) >= SHORTEST:
        yield current


def _fits(text: str) -> bool:
    return len(text) <= CHARACTERS and text.count(" ") < WORDS


def _from_source(path: Path, module: str) -> Iterator[tuple[str, str, str]]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    yield from _documented(module, "module", tree, "")
    yield from _members(module, tree)


def _members(prefix: str, body: ast.Module | ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    for node in body.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _documented(f"{prefix}.{node.name}", "class", node, "")
            yield from _members(f"{prefix}.{node.name}", node)
        elif _is_function(node) and not node.name.startswith("_"):
            signature = f"{node.name}({ast.unparse(node.args)})"
            yield from _documented(f"{prefix}.{node.name}", "function", node, signature)


def _is_function(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _documented(name: str, kind: str, node: Any, signature: str) -> Iterator[tuple[str, str, str]]:
    text = ast.get_docstring(node)
    if text and len(text) >= SHORTEST:
        yield name, kind, f"{signature}\n\n{text}" if signature else text


def _from_c(module: str) -> Iterator[tuple[str, str, str]]:
    try:
        found = importlib.import_module(module)
    except ImportError:
        return
    public = _PUBLIC_NAMES.get(module, module.lstrip("_"))
    members: list[tuple[str, Any]] = [(public, found)]
    members += [
        (f"{public}.{name}", value) for name, value in vars(found).items() if name[0] != "_"
    ]
    for name, value in members:
        if inspect.isclass(value) and not issubclass(value, BaseException):
            methods = [(k, v) for k, v in vars(value).items() if not k.startswith("_")]
            yield from _c_texts((f"{name}.{key}", method) for key, method in methods)
    yield from _c_texts(members)


def _c_texts(members: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for name, value in members:
        is_module = inspect.ismodule(value) and "." not in name
        if not (is_module or inspect.isclass(value) or callable(value)):
            continue
        text = inspect.getdoc(value)
        if text and len(text) >= SHORTEST:
            kind = "module" if is_module else "class" if inspect.isclass(value) else "function"
            yield name, kind, text


def _from_distributions(found: Iterable[Distribution]) -> Iterator[tuple[str, str, str]]:
    by_name = {dist.metadata["Name"]: dist for dist in found if dist.metadata["Name"]}
    for name in sorted(by_name, key=str.lower):
        metadata = cast(Message, by_name[name].metadata)
        summary = metadata.get("Summary") or ""
        body = metadata.get_payload() if isinstance(metadata.get_payload(), str) else ""
        readme = "\n".join(
            line
            for line in str(body or metadata.get("Description") or "").splitlines()[:200]
            if not _DIRECTIVE.match(line)
        )
        yield (
            f"distribution:{name}",
            "distribution",
            f"{name} {metadata['Version']}: {summary}\n\n{readme}",
        )


if __name__ == "__main__":
    books = passages()
    print(f"{len(books):,} passages, Python {sys.version.split()[0]}")
