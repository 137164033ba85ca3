"""Tests made of traces: a recorded execution kept in a file, and run again by the real graph.

A case holds what was given, what tools and models replied, and what is expected: the path, the
state, the error, the figures. Nodes run; those that are declared ``side_effects=True`` give what they
gave. Nothing is recorded, saved, retried or asked of the world outside.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import zstandard

from inwit.errors import MalformedInputError, UnknownGraphError, shorten
from inwit.runtime.compiled import CompiledGraph
from inwit.runtime.graph import StateGraph
from inwit.runtime.loading import look_in, run_file
from inwit.runtime.replay import Divergence, Replay, play_past
from inwit.runtime.replay_record import Past, past_of
from inwit.runtime.replay_tape import shown
from inwit.runtime.serial import IMMUTABLE, Delta, encode_rows, freeze, freeze_delta, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA: Final = 1
_DELTA: Final = "\0delta"


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """How a case went when it was run again."""

    path: list[str]
    state: dict[str, Any]
    status: str
    error: str
    steps: int
    tool_calls: int
    model_calls: int
    divergence: Divergence | None
    """Where it first went another way than it was recorded: a node's output, an edge, an error."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded execution, and what is expected of it."""

    schema: int = SCHEMA
    graph: str
    """The graph's name."""
    target: str
    """Where the graph is: a file, seen from the folder of the tests, a colon, and a name in it."""
    execution_id: str
    thread_id: str
    begun_ns: int
    path: list[str]
    state: dict[str, Any]
    """By declared fields; without those that differ from run to run."""
    unstable: list[str] = []
    status: str
    error: str
    steps: int
    tool_calls: int
    model_calls: int
    structure: dict[str, Any]
    record: str
    """The rows of the record: msgpack, compressed, in base 64."""

    @classmethod
    def load(cls, path: str | Path) -> Case:
        """Read a golden file.

        Raises:
            MalformedInputError: It is none, or of a later form.
        """
        try:
            found = msgspec.json.decode(Path(path).read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError) as exc:
            raise MalformedInputError(
                f"{shorten(str(path))} is no golden file: {exc}.",
                hint="`inwit self-improve generate-tests` writes them.",
            ) from exc
        if found.schema != SCHEMA:
            raise MalformedInputError(
                f"{shorten(str(path))} is of form {found.schema}, not {SCHEMA}.",
                hint="Generate it again with this version.",
            )
        return found

    def save(self, path: str | Path) -> None:
        """Write a golden file, one value a line, so that changes can be read."""
        text = json.dumps(msgspec.to_builtins(self), indent=1, sort_keys=True, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    def app(self, folder: str | Path) -> CompiledGraph[Any]:
        """The graph; `folder` is that of the tests.

        Raises:
            UnknownGraphError: It is not there any more.
        """
        file, _, name = self.target.rpartition(":")
        path = (Path(folder) / file).resolve()
        if not path.exists():
            raise UnknownGraphError(self.graph, ())
        found = getattr(_module(path), name, None)
        if callable(found) and not isinstance(found, CompiledGraph | StateGraph):
            found = found()
        if isinstance(found, StateGraph):
            found = found.compile(name=self.graph)
        if not isinstance(found, CompiledGraph):
            raise UnknownGraphError(f"{self.target}", ())
        return found

    def past(self) -> Past:
        """The recorded execution."""
        packed = zstandard.ZstdDecompressor().decompress(base64.b64decode(self.record))
        past = past_of(unpack(packed))
        past.execution_id, past.graph_name = self.execution_id, self.graph
        past.thread_id, past.begun_ns = self.thread_id, self.begun_ns
        return past

    def play(self, app: CompiledGraph[Any]) -> Played:
        """Run the graph on what was recorded."""
        past = self.past()
        replay, tape = play_past(app, past, runnable(app, past))
        return Played(
            path=list(replay.path), state=_plain(replay.state), status=replay.status,
            error=_error(replay), steps=len(replay.path), tool_calls=tape.calls("tool"),
            model_calls=tape.calls("llm"), divergence=_named(replay.divergence, self.unstable),
        )  # fmt: skip


def _named(found: Divergence | None, unstable: list[str]) -> Divergence | None:
    """A divergence that is of more than what differs from run to run."""
    if found is None or found.kind != "output" or not unstable:
        return found
    keys = {str(step.get("path", "")).split("/")[1] for step in found.patch}
    return None if keys <= set(unstable) else found


def runnable(app: CompiledGraph[Any], past: Past) -> list[str]:
    """The nodes that run again.

    Graphs within do not, nor do nodes that are declared to have side effects, or never gave
    anything: what gives nothing is called for its effect.
    """
    gave = {visit.node for visit in past.visits.values() if visit.update or visit.failure}
    silent = {visit.node for visit in past.visits.values()} - gave
    return [
        name
        for name, one in app.builder.nodes.items()
        if not one.policy.has_side_effects
        and name not in silent
        and not hasattr(type(one.function), "run_within")
    ]


def _error(replay: Replay) -> str:
    if replay.error is None:
        return ""
    return f"{type(replay.error).__name__}: {replay.error}"


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state as JSON has it, so that it compares with what a file holds."""
    found: dict[str, Any] = json.loads(json.dumps(shown(dict(state)), default=repr))
    return found


def structure_of(app: CompiledGraph[Any]) -> dict[str, Any]:
    """How a graph is built: its nodes, edges, fields and reducers, in a fixed order."""
    manifest = app.manifest()
    edges = [
        [edge.source, edge.target, edge.condition, edge.label, sorted(edge.joins)]
        for edge in manifest.edges
    ]
    return {
        "nodes": sorted(node.name for node in manifest.nodes),
        "edges": sorted(edges),
        "fields": {one.name: [one.field_type, one.reducer] for one in manifest.fields},
    }


def packed(rows: Any, clean: Callable[[Any], Any] = lambda value: value) -> str:
    """Rows of the record as a case holds them; `clean` hides what nobody should read."""
    marked = _marked(rows)
    data = encode_rows(_frozen(clean(marked)))
    return base64.b64encode(zstandard.ZstdCompressor(level=9).compress(data)).decode()


def _marked(value: Any) -> Any:
    """Values of which plain containers are made of, with what was appended marked."""
    if isinstance(value, Delta):
        return {_DELTA: [_marked(one) for one in value.items]}
    if type(value) in (list, tuple):
        return [_marked(one) for one in value]
    if type(value) is dict:
        return {key: _marked(one) for key, one in value.items()}
    return value


def _frozen(value: Any) -> Any:
    kind = type(value)
    if kind in IMMUTABLE:
        return value
    if kind is dict:
        if value.keys() == {_DELTA}:
            return freeze_delta(value[_DELTA])
        return {key: _frozen(one) for key, one in value.items()}
    if kind in (list, tuple):
        return [_frozen(one) for one in value]
    return freeze(value)


def _module(path: Path) -> Any:
    """Import a file once: a package's by its dotted name, any other under its own."""
    if path.is_dir():
        path = path / "app.py" if (path / "app.py").exists() else path / "__init__.py"
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    known = sys.modules.get(".".join(parts))
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    try:
        if len(parts) == 1:
            return run_file(path)
        look_in(folder)
        return importlib.import_module(".".join(parts).removesuffix(".__init__"))
    except ImportError as exc:
        raise MalformedInputError(f"{shorten(str(path))} cannot be imported: {exc}.") from exc


__all__ = ["Case", "Played", "packed", "runnable", "structure_of"]
