"""The rows of one execution of a watched graph, from what its callbacks tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from inwit.runtime.capture.langchain import plain
from inwit.runtime.capture.place import Place
from inwit.runtime.failures import failure_of, mark
from inwit.runtime.program import START
from inwit.runtime.record import APPLY, END, ENTER, EVENT, EXIT, Recording
from inwit.runtime.record import START as START_ROW
from inwit.runtime.serial import freeze, freeze_delta, pack
from inwit.runtime.watch.shape import Branch, Shape, fields_of

Edge = str | tuple[str, str, dict[str, Any], str | None]
_BY_COMMAND = "the node decides by itself, with a Command"


class Visit:
    """One visit of a node, over all its attempts."""

    def __init__(self, node: str, number: int) -> None:
        self.node = node
        self.number = number
        self.attempt = 0
        self.started_ns = 0
        self.failed_ns = 0
        self.error: BaseException | None = None
        self.is_waiting = False
        self.edges: list[Edge] = []
        self.routers: dict[str, int] = {}
        """How many routers of a name have begun: two may have one name."""


class Watching:
    """One execution. Its methods may be called from any thread."""

    def __init__(self, shape: Shape, recording: Recording) -> None:
        self.shape = shape
        self.recording = recording
        self._lock = threading.Lock()
        self._visits: dict[str, Visit] = {}
        """By the key that LangGraph gives a task; a retry has its first attempt's."""
        self._counts: dict[str, int] = {}
        self._step = 0
        self._state: dict[str, Any] = {}
        self._unsure: set[str] = set(shape.reducers)
        """Keys whose value in the record may not be the graph's: a reducer made it."""
        self._ahead: set[str] = {*shape.plain.get(START, ())}
        """Where the last step leads."""
        self._left: set[str] = set()
        """The nodes of the last step that are done."""
        self._exits = 0
        """How many visits of the last step are done."""
        self._is_stopped = False

    def place(self, visit: Visit) -> Place:
        """Where a call within a visit belongs."""
        return Place(self.recording, visit.node, visit.number, visit.attempt)

    def begin(self, given: Any) -> None:
        """Record the start, with the input."""
        shown = {key: plain(value) for key, value in fields_of(given).items()}
        self._state = dict(shown)
        rows = {key: freeze(value) for key, value in shown.items()}
        self.recording.add(START_ROW, time.monotonic_ns(), rows or freeze(plain(given)))

    def resume(self, recording: Recording, value: Any) -> None:
        """Go on after an interrupt, in a recording that continues the first."""
        recording.seq = self.recording.seq
        self.recording = recording
        self._is_stopped = False
        self._emit("status_changed", None, status="running", reason="resumed")
        for visit in self._visits.values():
            if visit.is_waiting and visit.error is not None:
                for interrupt in _interrupts(visit.error):
                    self._emit(
                        "interrupt_resumed", visit, interrupt_id=str(interrupt.id),
                        value=freeze(plain(value)),
                    )  # fmt: skip

    def enter(self, node: str, key: str, step: int, given: Any, is_push: bool) -> Visit:
        """Record that a node is called; `is_push` where it is given something else than the state."""
        now = time.monotonic_ns()
        with self._lock:
            if step > self._step:
                self._step = step
                self._ahead.clear()
                self._left.clear()
                self._exits = 0
                if not is_push:
                    self._reconcile(fields_of(given))
            visit = self._visits.get(key)
            if visit is None:
                self._counts[node] = self._counts.get(node, 0) + 1
                visit = self._visits[key] = Visit(node, self._counts[node])
        self._count_attempt(visit, now)
        return visit

    def _count_attempt(self, visit: Visit, now: int) -> None:
        visit.started_ns = now
        if visit.is_waiting:
            visit.is_waiting, visit.error = False, None
            return
        if visit.error is not None:
            self._emit(
                "retry_scheduled", visit, delay_ms=(now - visit.failed_ns) / 1e6,
                max_attempts=self._max_attempts(visit),
            )  # fmt: skip
            visit.error = None
        visit.attempt += 1
        self.recording.add(ENTER, visit.node, visit.number, visit.attempt, now)

    def _max_attempts(self, visit: Visit) -> int:
        return max(self.shape.max_attempts(visit.node) or 0, visit.attempt + 1)

    def router(self, visit: Visit | None, source: str, run_name: str) -> Branch | None:
        """Say which router of a node a run is, if any."""
        named = [b for b in self.shape.branches.get(source, ()) if b.run_name == run_name]
        if not named:
            return None
        counts = visit.routers if visit is not None else {}
        number = counts.get(run_name, 0)
        counts[run_name] = number + 1
        return named[min(number, len(named) - 1)]

    def decide(self, visit: Visit | None, branch: Branch, given: Any, answer: Any) -> None:
        """Take a router's answer, with the values that its source reads."""
        values = fields_of(given)
        read = {key: freeze(plain(values[key])) for key in branch.reading.reads if key in values}
        unread = branch.reading.reads_unknown or None
        for label, target in branch.ways(answer):
            if visit is not None:
                visit.edges.append((target, label, read, unread))
                continue
            self._ahead.add(target)
            more = {"unread": unread} if unread else {}
            self.recording.add_event("edge_taken", START, None, None, {
                "target": target, "conditional": True, "label": label, "read": read, **more,
            })  # fmt: skip

    def exit(self, visit: Visit, output: Any) -> None:
        """Record that a node returned, what changed, and the ways on."""
        now = time.monotonic_ns()
        who = (visit.node, visit.number, visit.attempt)
        self.recording.add(EXIT, *who, visit.started_ns, now)
        updates, gone = _unpack(output)
        edges = (*self._plain(visit, gone), *visit.edges, *gone)
        with self._lock:
            self._left.add(visit.node)
            self._exits += 1
            self._ahead.update(edge if isinstance(edge, str) else edge[0] for edge in edges)
            update = self._apply(updates)
        seqs = len(edges) + (1 if update else 0)
        if seqs:
            self.recording.add(APPLY, *who, now, update or None, edges, None, seqs=seqs)

    def _plain(self, visit: Visit, gone: Iterable[Edge]) -> list[Edge]:
        """The edges that are always taken; the drawn end of a node that decides itself is none."""
        targets = self.shape.plain.get(visit.node, [])
        return [] if gone and targets == ["__end__"] else list(targets)

    def fail(self, visit: Visit, error: BaseException) -> None:
        """Record that a node raised, or that it waits for a person."""
        now = time.monotonic_ns()
        visit.error, visit.failed_ns = error, now
        interrupts = _interrupts(error)
        if interrupts:
            visit.is_waiting = True
            for interrupt in interrupts:
                self._emit(
                    "interrupt_raised", visit, interrupt_id=str(interrupt.id),
                    value=freeze(plain(interrupt.value)),
                )  # fmt: skip
            return
        fields = {"error": failure_of(error), "duration_ms": (now - visit.started_ns) / 1e6}
        self.recording.add(
            EVENT, now, "node_failed", visit.node, visit.number, visit.attempt, fields
        )

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a person: in a node, or where the graph is written to stop."""
        return self._is_stopped or any(visit.is_waiting for visit in self._visits.values())

    def complete(self, output: Any) -> None:
        """Record the end of an execution that was not broken off."""
        values = fields_of(output)
        with self._lock:
            self._reconcile(values)
            self._is_stopped = self.shape.stops(self._left, self._ahead)
        if self.is_waiting:
            self._end("waiting_for_input", None, None, "", None)
        else:
            shown = {key: freeze(plain(value)) for key, value in values.items()}
            self._end("completed", shown if values else freeze(plain(output)), None, "", None)

    def break_off(self, error: BaseException) -> None:
        """Record the end by an error, a cancellation, or a reader that left."""
        if not isinstance(error, Exception):
            self._end("cancelled", None, None, type(error).__name__, None)
        else:
            node = next((v.node for v in self._visits.values() if v.error is error), None)
            self._end("failed", None, failure_of(error, with_traceback=True), "", node)
        mark(error, self.recording.execution_id)

    def _end(self, *rest: Any) -> None:
        self.recording.add(END, time.monotonic_ns(), *rest)
        self.recording.is_done = True

    def _emit(self, type_name: str, visit: Visit | None, **fields: Any) -> None:
        if visit is None:
            self.recording.add_event(type_name, None, None, None, fields)
        else:
            self.recording.add_event(type_name, visit.node, visit.number, visit.attempt, fields)

    def _apply(self, updates: Mapping[str, Any]) -> dict[str, Any]:
        """Follow an update, and give what of it is known for the record."""
        recorded: dict[str, Any] = {}
        for key, given in updates.items():
            value = given
            if key not in self.shape.keys:
                continue
            reducer = self.shape.reducers.get(key)
            if type(value).__name__ == "Overwrite" and hasattr(value, "value"):
                reducer, value = None, value.value
            shown = plain(value)
            if reducer is None:
                recorded[key], self._state[key] = freeze(shown), shown
            else:
                self._reduce(key, reducer, shown, recorded)
        return recorded

    def _reduce(self, key: str, reducer: Any, value: Any, recorded: dict[str, Any]) -> None:
        """Follow a reducer: built-in ones are computed, lists are taken to grow, others awaited.

        What is not sure is put right when the graph next shows its state.
        """
        is_builtin = getattr(reducer, "__module__", "") in ("_operator", "operator")
        before = self._state.get(key)
        if isinstance(before, list) or (before is None and isinstance(value, list)):
            items = value if isinstance(value, list) else [value]
            recorded[key] = freeze_delta(items)
            self._state[key] = [*(before or []), *items]
            if not is_builtin or self._exits > 1:  # the graph may merge a step in another order
                self._unsure.add(key)
        elif is_builtin and before is not None:
            self._state[key] = reducer(before, value)
            recorded[key] = freeze(self._state[key])
        else:
            self._unsure.add(key)

    def _reconcile(self, values: Mapping[str, Any]) -> None:
        """Put the record right where the graph's state is another: defaults, memory, reducers."""
        patch = []
        for key, value in values.items():
            if key not in self.shape.keys:
                continue
            is_new = key not in self._state
            if not is_new and key not in self._unsure:
                continue
            shown = plain(value)
            self._unsure.discard(key)
            if is_new or pack(shown, strict=False) != pack(self._state[key], strict=False):
                self._state[key] = shown
                path = "/" + key.replace("~", "~0").replace("/", "~1")
                op = "add" if is_new else "replace"
                patch.append({"op": op, "path": path, "value": freeze(shown)})
        if patch:
            self.recording.add_event("state_changed", None, None, None, {"patch": patch})


def _interrupts(error: BaseException) -> list[Any]:
    """The questions to a person that an error of LangGraph's carries."""
    given = error.args[0] if error.args and type(error).__name__ == "GraphInterrupt" else ()
    listed = given if isinstance(given, list | tuple) else [given]
    return [one for one in listed if hasattr(one, "id")]


def _unpack(output: Any) -> tuple[dict[str, Any], list[Edge]]:
    """Split what a node returned into its update and where it says to go."""
    updates: dict[str, Any] = {}
    gone: list[Edge] = []
    for one in output if isinstance(output, list | tuple) else [output]:
        if not hasattr(one, "goto"):
            updates.update(fields_of(one))
            continue
        if one.graph is None:
            update = one.update
            updates.update(dict(update) if isinstance(update, list | tuple) else fields_of(update))
            goto = one.goto if isinstance(one.goto, list | tuple) else [one.goto]
            names = [str(getattr(target, "node", target)) for target in goto if target]
            gone += [(name, name, {}, _BY_COMMAND) for name in names]
    return updates, gone
