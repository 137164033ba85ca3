"""Rows to events: the one place that knows which events a stored row stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from inwit.events import (
    CheckpointCreated,
    Custom,
    EdgeTaken,
    Event,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    Failure,
    NodeEntered,
    NodeExited,
    StateChanged,
    StatusChanged,
    Types,
    timestamp,
)
from inwit.runtime.serial import Delta

Fields = dict[str, Any]


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the events of one execution have in common."""

    execution_id: str = ""
    graph_name: str = ""
    graph_version: str = ""
    thread_id: str | None = None
    parent_execution_id: str | None = None


class Expander:
    """Expands the batches of one execution."""

    def __init__(self, about: About) -> None:
        self._common: Fields = {
            name: getattr(about, name) for name in About.__struct_fields__ if getattr(about, name)
        }
        self._anchor_ns = 0

    def expand(self, rows: list[Any], first_seq: int, anchor_ns: int) -> list[Event]:
        """Give a batch's events in the order of their seqs.

        What is below `first_seq` was in an earlier batch: a visit's entry, seen while it ran.
        """
        self._anchor_ns = anchor_ns
        events = [event for row in rows for event in _EXPAND[row[0]](self, row)]
        for seq, event in enumerate(events, first_seq):
            if event.seq != seq:  # several threads wrote, or events were given up
                later = {event.seq: event for event in events if event.seq >= first_seq}
                return [later[seq] for seq in sorted(later)]
        return events

    def _at(self, t: int) -> str:
        return timestamp(t + self._anchor_ns)

    def on_start(self, row: Any) -> Iterator[Event]:
        called = row[4] if len(row) > 4 else {}
        yield ExecutionStarted(
            **self._common, seq=row[1], ts=self._at(row[2]), input=row[3],
            config=called.get("config"), context=called.get("context", called.get("context_type")),
        )  # fmt: skip

    def on_visit(self, row: Any) -> Iterator[Event]:
        _, entry, seq, node, visit, attempt, t0, t1, update, edges, checkpoint = row
        place = {**self._common, "node": node, "visit": visit, "attempt": attempt}
        yield NodeEntered(**place, seq=entry, ts=self._at(t0))
        ts = self._at(t1)
        yield NodeExited(**place, seq=seq, ts=ts, duration_ms=(t1 - t0) / 1e6)
        yield from self._after(place, seq + 1, ts, (update, edges, checkpoint))

    def on_enter(self, row: Any) -> Iterator[Event]:
        _, seq, node, visit, attempt, t0 = row
        yield NodeEntered(
            **self._common, seq=seq, ts=self._at(t0), node=node, visit=visit, attempt=attempt
        )

    def on_exit(self, row: Any) -> Iterator[Event]:
        _, seq, node, visit, attempt, t0, t1 = row
        yield NodeExited(
            **self._common, seq=seq, ts=self._at(t1), node=node, visit=visit, attempt=attempt,
            duration_ms=(t1 - t0) / 1e6,
        )  # fmt: skip

    def on_apply(self, row: Any) -> Iterator[Event]:
        _, seq, node, visit, attempt, t, update, edges, checkpoint = row
        place = {**self._common, "node": node, "visit": visit, "attempt": attempt}
        yield from self._after(place, seq, self._at(t), (update, edges, checkpoint))

    def _after(self, place: Fields, seq: int, ts: str, given: Sequence[Any]) -> Iterator[Event]:
        update, edges, checkpoint = given
        if update:
            yield StateChanged(**place, seq=seq, ts=ts, patch=patch_of(update))
            seq += 1
        for edge in edges:
            yield EdgeTaken(**place, seq=seq, ts=ts, **edge_of(edge))
            seq += 1
        if checkpoint is not None:
            yield CheckpointCreated(
                **place, seq=seq, ts=ts, checkpoint_id=checkpoint[0], step=checkpoint[1]
            )

    def on_event(self, row: Any) -> Iterator[Event]:
        _, seq, t, type_name, node, visit, attempt, fields = row
        place = {**self._common, "node": node, "visit": visit, "attempt": attempt}
        yield event_of(type_name, place, seq, self._at(t), fields or {})

    def on_end(self, row: Any) -> Iterator[Event]:
        _, seq, t, status, output, failure, reason, node = row
        common, ts = self._common, self._at(t)
        if status == "completed":
            yield ExecutionCompleted(**common, seq=seq, ts=ts, output=output)
        elif status == "failed":
            error = failure_of(failure)
            yield ExecutionFailed(
                **common, seq=seq, ts=ts, node=node, error=error, reason=reason or ""
            )
        elif status == "cancelled":
            yield ExecutionCancelled(**common, seq=seq, ts=ts, node=node, reason=reason or "")
        else:
            yield StatusChanged(
                **common, seq=seq, ts=ts, node=node, status=status, reason=reason or ""
            )


def event_of(type_name: str, place: Fields, seq: int, ts: str, fields: Fields) -> Event:
    """Build an event from its own fields; what does not fit its type is a custom event's data."""
    kind = Types.by_name.get(type_name)
    known = {} if kind is None else {k: v for k, v in fields.items() if k in kind.__struct_fields__}
    if kind is not None:
        if "error" in known and known["error"] is not None:
            known["error"] = failure_of(known["error"])
        try:
            return kind(**{**place, "seq": seq, "ts": ts, **known})
        except TypeError:  # a field is missing
            pass
    return Custom(**{**place, "seq": seq, "ts": ts, "name": type_name, "data": fields})


def failure_of(found: Any) -> Failure:
    """Read a recorded error."""
    if isinstance(found, Failure):
        return found
    if not isinstance(found, dict):
        return Failure(type="Exception", message=str(found) if found is not None else "")
    texts = {name: str(found.get(name) or "") for name in Failure.__struct_fields__}
    return Failure(**texts)


def edge_of(edge: Any) -> Fields:
    """An edge's own fields: of a plain edge its target alone."""
    if isinstance(edge, str):
        return {"target": edge}
    target, label, read, unread = edge
    shown: Fields = {"target": target, "conditional": True, "label": label, "read": read}
    if unread:
        shown["unread"] = unread
    return shown


def patch_of(update: dict[str, Any]) -> list[Fields]:
    """An update as an RFC 6902 patch: ``add`` replaces a key's value or appends a list's items."""
    patch: list[Fields] = []
    for key, value in update.items():
        path = "/" + str(key).replace("~", "~0").replace("/", "~1")
        if isinstance(value, Delta):
            patch += [{"op": "add", "path": f"{path}/-", "value": item} for item in value.items]
        else:
            patch.append({"op": "add", "path": path, "value": value})
    return patch


_EXPAND: Final[tuple[Callable[[Expander, Any], Iterator[Event]], ...]] = (
    Expander.on_start, Expander.on_visit, Expander.on_enter, Expander.on_exit, Expander.on_apply,
    Expander.on_event, Expander.on_end,
)  # fmt: skip
