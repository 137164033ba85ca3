"""Taking the trace of one execution apart: inputs of visits, calls of tools and models, failures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inwit.events import Failure
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.store.expand import failure_of
from inwit.runtime.views import Execution
from inwit.self_improve.calls import (
    Called,
    FailedAttempt,
    FailedCall,
    NodeCall,
    OuterCall,
    Score,
)
from inwit.self_improve.contents import (
    Content,
    Shape,
    StateTrail,
    content_of,
    shape_of,
)

VALUES_MOST = 24
"""Attributes and sizes that are read of one execution at most."""
SHORT = 48
"""Longer texts are content and no attribute."""
Key = tuple[str, int]


@dataclass(slots=True)
class Gathered:
    """What all executions of a window gave."""

    calls: list[NodeCall] = field(default_factory=list)
    outer_calls: list[OuterCall] = field(default_factory=list)
    failures: list[FailedAttempt] = field(default_factory=list)
    failed_calls: list[FailedCall] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    called: list[Called] = field(default_factory=list)


class Shared:
    """What the executions of a window have in common: equal texts, shapes and contents once."""

    def __init__(self, manifest: GraphManifest | None) -> None:
        self.reads: dict[str, tuple[str, ...] | None] = {}
        if manifest is not None:
            self.reads = {n.name: n.reads if n.reads_known else None for n in manifest.nodes}
        self.has_loops = manifest is None or manifest.has_cycles
        self.writes: dict[str, set[str]] = {}
        self.sent: set[str] = set()
        self.taken: dict[tuple[str, str, str], int] = {}
        self.message_sizes: list[tuple[int, str]] = []
        self._messages: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        self._numbers: dict[int, int] = {}
        self._shapes: dict[Shape, Shape] = {}
        self._ways: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._contents: dict[int, Content] = {}

    def text(self, text: str) -> str:
        """The same text, once."""
        return self._texts.setdefault(text, text)

    def number(self, number: int) -> int:
        """The same number, once: only the small ones are shared anyway."""
        return self._numbers.setdefault(number, number) if number < 100_000 else number

    def shape(self, value: Any) -> Shape:
        """The shape of a value."""
        found = shape_of(value)
        return self._shapes.setdefault(found, found)

    def content(self, value: Any) -> Content:
        """The content of a value; a few that come again and again are kept once."""
        return self.once(content_of(value))

    def once(self, content: Content) -> Content:
        """The same content, once, as far as a small table goes."""
        known = self._contents.get(content.key)
        if known is not None:
            return known
        if len(self._contents) < 10_000:
            self._contents[content.key] = content
        return content

    def names(self, names: Iterable[str]) -> tuple[str, ...]:
        """The same names, once."""
        found = tuple(names)
        return self._ways.setdefault(found, found)

    def ways(self, edges: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """The targets of edges."""
        if not edges:
            return ()
        return self.names(str(edge.get("target")) for edge in edges)

    def message(self, name: str, content: Any = None) -> int:
        """The number of a message by its hash; its size is learnt where the content comes along."""
        number = self._messages.get(name)
        if number is None:
            number = self._messages[name] = len(self.message_sizes)
            self.message_sizes.append((0, ""))
        if content is not None and not self.message_sizes[number][0]:
            role = str(content.get("role", "")) if isinstance(content, Mapping) else ""
            body = content.get("content", content) if isinstance(content, Mapping) else content
            size = len(body) if isinstance(body, str) else content_of(body).size_bytes
            self.message_sizes[number] = (max(size, 1), self.text(role[:20]))
        return number


class Gatherer:
    """Takes the steps of one execution; see `inwit.self_improve.tracing.Intake`."""

    def __init__(self, execution: Execution, shared: Shared, found: Gathered) -> None:
        self.execution = execution
        self._shared = shared
        self._found = found
        self._trail: StateTrail | None = None
        self._is_given = self._has_begun = False
        self._begun: dict[str, tuple[str, int, Mapping[str, Any]]] = {}
        self._asked: dict[Key, list[tuple[str, int]]] = {}
        self._called: set[str] = set()
        self.given: dict[Key, Content] = {}
        self.states: dict[Key, tuple[int, int]] = {}
        self.cached: set[Key] = set()

    def start_with(self, state: Mapping[str, Any]) -> None:
        """Say with what state the first node was entered."""
        self._trail, self._is_given = StateTrail(state), True

    def begin(self, seq: int, given: Any, called: Mapping[str, Any]) -> None:
        """The execution began with an input."""
        if isinstance(given, Mapping) and not self._is_given:
            self._trail = StateTrail(given)
        self._has_begun = True
        values, sizes = attributes(given, called.get("config"), called.get("context"))
        self._found.called.append(
            Called(
                execution=self.execution,
                seq=seq,
                names=self._shared.names(values),
                values=tuple(values.values()),
                size_names=self._shared.names(sizes),
                sizes=tuple(sizes.values()),
            )
        )

    def enter(self, node: str, visit: int) -> None:
        """A node was entered: what it reads is what the state holds now."""
        self._is_given = False  # what comes from here on is not in the state that was given
        trail, shared = self._trail, self._shared
        key = (node, visit)
        if trail is None or not trail.is_known or key in self.given:
            return
        self.given[key] = trail.content(shared.reads.get(node))
        if shared.has_loops:
            self.states[key] = trail.canonical()

    def update(self, changes: Mapping[str, Any]) -> None:
        """A node's update changed the state."""
        if self._trail is not None:
            self._trail.update(changes)

    def patch(self, patch: list[dict[str, Any]]) -> None:
        """The state was changed by a patch."""
        if self._is_given:
            return
        if self._trail is None and self._has_begun:  # resumed, it says what it goes on with
            self._trail = StateTrail({})
        if self._trail is not None:
            self._trail.apply(patch)

    def event(self, kind: str, seq: int, place: Key, fields: Mapping[str, Any]) -> None:
        """Something else happened in a visit."""
        if kind in ("tool_started", "llm_started"):
            self._begun[str(fields.get("call_id"))] = (kind, seq, fields)
        elif kind in ("tool_completed", "llm_completed", "tool_failed"):
            self._ended(kind, seq, place, fields)
        elif kind == "cache_hit":
            self.cached.add(place)
        elif kind == "node_failed":
            self._failed(seq, place, failure_of(fields.get("error")))
        elif kind == "custom" and fields.get("name") == "score":
            self._scored(seq, place, fields.get("data"))

    def _failed(self, seq: int, place: Key, error: Failure) -> None:
        self._found.failures.append(
            FailedAttempt(
                node=self._shared.text(place[0]), visit=place[1], execution=self.execution,
                seq=seq, error=error,
            )
        )  # fmt: skip
        if error.type == "UnknownToolError":
            self._missing(seq, place[0], _quoted_name(error.message), error)

    def _scored(self, seq: int, place: Key, data: Any) -> None:
        value = data.get("value") if isinstance(data, Mapping) else None
        if not isinstance(value, int | float) or not math.isfinite(value):
            return
        self._found.scores.append(
            Score(
                name=self._shared.text(str(data.get("score"))[:SHORT]), value=float(value),
                node=self._shared.text(place[0]), execution=self.execution, seq=seq,
            )
        )  # fmt: skip

    def _ended(self, kind: str, seq: int, place: Key, fields: Mapping[str, Any]) -> None:
        started = self._begun.pop(str(fields.get("call_id")), None)
        if started is None:
            return
        if kind == "tool_failed" or fields.get("error") is not None:
            error = failure_of(fields.get("error"))
            name = str(started[2].get("tool") or started[2].get("model"))
            self._found.failed_calls.append(
                FailedCall(
                    kind="model" if kind == "llm_completed" else "tool", node=place[0],
                    name=self._shared.text(name), execution=self.execution, seq=seq, error=error,
                )
            )  # fmt: skip
            self._called.add(name)
            return
        call = _tool_call if kind == "tool_completed" else _model_call
        made = call(self.execution, self._shared, place, started, (seq, fields))
        self._found.outer_calls.append(made)
        if made.kind == "tool":
            self._called.add(made.name)
        for name in made.asked:
            self._asked.setdefault(place, []).append((name, seq))

    def _missing(self, seq: int, node: str, name: str, error: Failure) -> None:
        self._found.failed_calls.append(
            FailedCall(
                kind="tool", name=self._shared.text(name), node=self._shared.text(node),
                execution=self.execution, seq=seq, error=error, is_missing=True,
            )
        )  # fmt: skip

    def close(self) -> None:
        """The execution's trace is over: a tool that was asked for and never called is missing."""
        if self.execution.status not in ("completed", "failed"):
            return
        for place, asked in self._asked.items():
            for name, seq in asked:
                if name not in self._called:
                    error = Failure(type="ToolNotCalled", message=f"{name} was asked for")
                    self._missing(seq, place[0], name, error)


Started = tuple[str, int, Mapping[str, Any]]
Ended = tuple[int, Mapping[str, Any]]


def _tool_call(
    execution: Execution, shared: Shared, place: Key, started: Started, ended: Ended
) -> OuterCall:
    (_, start_seq, begun), (seq, fields) = started, ended
    output = fields.get("output")
    return OuterCall(
        kind="tool", name=shared.text(str(begun.get("tool"))), execution=execution,
        node=shared.text(place[0]), number=place[1], seq=seq, start_seq=start_seq,
        given=shared.content(begun.get("input")),
        gave=None if output is None else shared.content(output), duration_ms=_spent(begun, fields),
        shape=None if output is None else shared.shape(output if isinstance(output, Mapping) else {"": output}),
    )  # fmt: skip


def _model_call(
    execution: Execution, shared: Shared, place: Key, started: Started, ended: Ended
) -> OuterCall:
    (_, start_seq, begun), (seq, fields) = started, ended
    for name, content in (begun.get("new_messages") or {}).items():
        shared.message(name, content)
    names = begun.get("messages") or []
    output, sent = fields.get("output"), fields.get("input_tokens") or 0
    return OuterCall(
        kind="model", name=shared.text(str(begun.get("model"))), execution=execution,
        node=shared.text(place[0]), number=place[1], seq=seq, start_seq=start_seq,
        given=shared.content([names, begun.get("parameters")]),
        gave=None if output is None else shared.content(output), duration_ms=_spent(begun, fields),
        tokens=sent + (fields.get("output_tokens") or 0), input_tokens=sent,
        cached_tokens=fields.get("cached_tokens"), cost_usd=fields.get("cost_usd"),
        messages=tuple(shared.message(name) for name in names), asked=tuple(_asked(output)),
    )  # fmt: skip


def _spent(begun: Mapping[str, Any], fields: Mapping[str, Any]) -> float:
    told = fields.get("duration_ms")
    if isinstance(told, int | float):
        return float(told)
    passed_ns: int = fields.get("at_ns", 0) - begun.get("at_ns", 0)
    return max(passed_ns / 1e6, 0.0)


def _asked(output: Any) -> Iterator[str]:
    """The names of the tools that a model asked for."""
    calls = output.get("tool_calls") if isinstance(output, Mapping) else None
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, Mapping):
            function = call.get("function")
            name = function.get("name") if isinstance(function, Mapping) else call.get("name")
            if isinstance(name, str) and name:
                yield name[:SHORT]


def _quoted_name(message: str) -> str:
    """The name between the first quotation marks of an error's text."""
    parts = message.split("'")
    return parts[1][:SHORT] if len(parts) > 2 else ""


def attributes(
    given: Any, config: Any, context: Any
) -> tuple[dict[str, str | bool], dict[str, float]]:
    """Short values by name, and sizes, of what an execution was called with."""
    values: dict[str, str | bool] = {}
    sizes: dict[str, float] = {}
    config = config if isinstance(config, Mapping) else {}
    sources = (
        ("input", given if isinstance(given, Mapping) else {"": given}),
        ("metadata", config.get("metadata")), ("configurable", config.get("configurable")),
        ("context", context),
    )  # fmt: skip
    for prefix, source in sources:
        for key, value in source.items() if isinstance(source, Mapping) else ():
            name = f"{prefix}.{key}" if key else prefix
            if isinstance(value, bool):
                values[name] = value
            elif isinstance(value, str):
                sizes[name] = float(len(value))
                if len(value) <= SHORT and "thread" not in str(key):
                    values[name] = value
            elif isinstance(value, int | float) and math.isfinite(value):
                sizes[name] = float(value)
            elif isinstance(value, list | tuple | Mapping):
                sizes[name] = float(len(value))
        if len(values) + len(sizes) > VALUES_MOST:
            break
    return values, sizes
