"""What a new package starts with, one template for each kind; each builds, loads and is tested."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from inwit.errors import InvalidPackageError, MalformedInputError, nearest
from inwit.registry.archive import Archive, build_archive
from inwit.registry.manifest import read_manifest
from inwit.registry.package import FILE_NAME, KINDS, Kind, PackageManifest

_MANIFEST = """[package]
namespace = "{namespace}"
name = "{name}"
version = "0.1.0"
kind = "{kind}"
description = "{description}"
keywords = []
authors = ["{author}"]
licence = "Apache-2.0"
inwit = ">=0.1"  # versions of inwit that it runs with
requires = []    # Python packages, as pip reads them

[provides]
{provides}

[dependencies]
# "acme/retriever" = ">=1.2,<2"

[permissions]
network = []      # hosts, as "api.example.com"
read = []         # files and folders
write = []
environment = []  # variables
process = false   # whether it starts programs
models = []

[entry_points]
default = "{entry_point}"
"""
_README = "# {name}\n\n{description}\n\n```python\nimport inwit\n\n{usage}\n```\n"
_GRAPH = '''"""The graph of this package."""

from __future__ import annotations

from typing import TypedDict

from inwit import END, START, StateGraph


class State(TypedDict, total=False):
    """What the graph is given and what it answers."""

    question: str
    answer: str


def answer(state: State) -> State:
    """Answer the question."""
    return {"answer": f"You asked: {state['question']}"}


def build() -> StateGraph[State]:
    """Make the graph; compile it with `.compile(name=...)`."""
    graph = StateGraph(State)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph
'''
_NODES = '''"""Nodes: functions from a state to an update of it."""

from __future__ import annotations

from typing import Any


def shorten(state: dict[str, Any]) -> dict[str, Any]:
    """Cut `text` to its first 100 characters."""
    return {"text": state["text"][:100]}
'''
_TOOLS = '''"""Tools that agents call: functions whose types and docstrings tell how."""

from __future__ import annotations


def word_count(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


TOOLS = [word_count]
'''
_CHECKPOINTER = '''"""A checkpointer; replace the memory by a place of your own."""

from __future__ import annotations

from inwit import InMemorySaver


def open_saver() -> InMemorySaver:
    """Give a saver for `compile(checkpointer=...)`."""
    return InMemorySaver()
'''
_MODEL = '''"""A connector: a function that is given messages and answers with one."""

from __future__ import annotations

from typing import Any


def chat(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer the last message; replace this by a call of your model."""
    return {"role": "assistant", "content": messages[-1]["content"]}
'''
_PROMPTS = '''"""Prompts by name; `{braces}` are filled by `str.format`."""

from __future__ import annotations

PROMPTS = {
    "summarise": "Summarise in one sentence:\\n{text}",
}
'''


class _Template:
    def __init__(self, entry_point: str, provides: str, code: str, check: str, usage: str) -> None:
        self.entry_point, self.provides, self.code = entry_point, provides, code
        self.check, self.usage = check, usage
        self.module = entry_point.partition(":")[0]


_TEMPLATES: Mapping[Kind, _Template] = {
    "graph-template": _Template(
        "graph:build", 'nodes = ["answer"]\nstates = ["State"]', _GRAPH,
        'build().compile(name="checked").invoke({"question": "why"})["answer"] == "You asked: why"',
        'app = inwit.load("{id}")().compile(name="{name}")',
    ),
    "node-library": _Template(
        "nodes", 'nodes = ["shorten"]', _NODES,
        'shorten({"text": "x" * 200}) == {"text": "x" * 100}',
        'nodes = inwit.load("{id}")\ngraph.add_node("shorten", nodes.shorten)',
    ),
    "tool-pack": _Template(
        "tools:TOOLS", 'tools = ["word_count"]', _TOOLS, 'word_count("one two") == 2',
        'tools = inwit.load("{id}")',
    ),
    "checkpointer-backend": _Template(
        "saver:open_saver", 'checkpointers = ["open_saver"]', _CHECKPOINTER,
        "open_saver() is not open_saver()", 'saver = inwit.load("{id}")()',
    ),
    "model-connector": _Template(
        "model:chat", 'models = ["chat"]', _MODEL,
        'chat([{"role": "user", "content": "hi"}])["content"] == "hi"',
        'chat = inwit.load("{id}")',
    ),
    "prompt-library": _Template(
        "prompts:PROMPTS", 'prompts = ["summarise"]', _PROMPTS,
        '"{text}" in PROMPTS["summarise"]', 'prompts = inwit.load("{id}")',
    ),
}  # fmt: skip


def start_package(folder: Path, package_id: str, kind: str, *, author: str) -> list[Path]:
    """Write a package that can be built and loaded, and name its files. Nothing is overwritten.

    Raises:
        MalformedInputError: There is no such kind, or a file is there already.
        InvalidPackageError: The id cannot be one.
    """
    template = next((one for name, one in _TEMPLATES.items() if name == kind), None)
    if template is None:
        raise MalformedInputError(f"No kind of packages {kind!r}.", hint=nearest(kind, KINDS))
    namespace, _, name = package_id.partition("/")
    told = {
        "namespace": namespace, "name": name, "kind": kind, "id": package_id,
        "description": f"What {name} does, in a sentence.", "author": author.replace('"', "'"),
        "entry_point": template.entry_point, "provides": template.provides,
    }  # fmt: skip
    function = template.check.partition("(")[0] if "(" in template.check else "PROMPTS"
    imported = "PROMPTS" if kind == "prompt-library" else function
    files = {
        FILE_NAME: _MANIFEST.format(**told),
        f"{template.module}.py": template.code,
        "README.md": _README.format(**told, usage=template.usage.format(**told)),
        f"test_{name.replace('-', '_')}.py": (
            f"from {template.module} import {imported}\n\n\n"
            f"def test_it_does_what_it_says() -> None:\n    assert {template.check}\n"
        ),
    }
    return _written(folder, files)


def start_project(folder: Path, name: str) -> list[Path]:
    """Write a project with one graph that runs, and name its files. Nothing is overwritten.

    Raises:
        MalformedInputError: A file is there already.
    """
    code = _GRAPH.replace('"""The graph of this package."""', f'"""{name}: a graph of its own."""')
    return _written(folder, {"app.py": f'{code}\n\napp = build().compile(name="{name}")\n'})


def start_from(folder: Path, source: Path, package_id: str, name: str) -> list[Path]:
    """Copy a graph template's code into a project of one's own, with a program that loads it.

    Raises:
        MalformedInputError: A file is there already.
        InvalidPackageError: The template is at fault.
    """
    archive = build_archive(source)
    entry = archive.manifest.entry_points["default"]
    module, _, attribute = entry.partition(":")
    files = {
        one.path: (source / one.path).read_text(encoding="utf-8")
        for one in archive.files
        if one.path != FILE_NAME and not one.path.startswith("test_")
    }
    files["app.py"] = (
        f'"""{name}: made from {package_id} {archive.manifest.package.version}.\n\n'
        f"README.md says what `{attribute}` takes.\n"
        f'"""\n\nfrom {module} import {attribute}\n\n__all__ = ["{attribute}"]\n'
    )
    return _written(folder, files)


def check_package(folder: Path) -> tuple[Archive, list[str]]:
    """Build a package in memory, and say what is not wrong but could be better.

    Raises:
        InvalidPackageError: Its manifest is at fault.
        ArchiveError: A file or path is not allowed.
    """
    archive = build_archive(folder)
    return archive, list(_advice(folder, archive))


def _advice(folder: Path, archive: Archive) -> list[str]:
    manifest: PackageManifest = read_manifest(folder)
    paths = {one.path for one in archive.files}
    found = []
    if "README.md" not in paths:
        found.append("README.md is missing: it is what people read first.")
    if not any(Path(path).name.startswith("test_") for path in paths):
        found.append("There is no test: test_*.py shows that it works.")
    if not manifest.package.keywords:
        found.append("package.keywords is empty: it is found by them.")
    if not manifest.provides:
        found.append("[provides] is empty: say which nodes, tools or prompts it has.")
    for place in ("permissions.network", "permissions.read", "permissions.write"):
        values = getattr(manifest.permissions, place.partition(".")[2])
        if any(value in {"/", "~", "*", "*.*"} for value in values):
            found.append(f"{place} asks for everything: users will refuse it.")
    return found


def _written(folder: Path, files: Mapping[str, str]) -> list[Path]:
    there = [name for name in files if (folder / name).exists()]
    if there:
        message = f"{folder / there[0]} is there already."
        raise MalformedInputError(message, hint="Take an empty folder.")
    _check_manifest(files)
    written = []
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _check_manifest(files: Mapping[str, str]) -> None:
    from inwit.registry.manifest import parse_manifest

    if FILE_NAME in files:
        try:
            parse_manifest(files[FILE_NAME].encode())
        except InvalidPackageError as exc:
            raise InvalidPackageError("the package's id", exc.field, exc.value, exc.hint) from exc
