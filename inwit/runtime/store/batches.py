"""Batches as readers get them: decoded, whole, redacted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import apsw

from inwit.errors import UnknownUriError
from inwit.events import Event
from inwit.runtime.store.codec import decode, decompress
from inwit.runtime.store.connection import query
from inwit.runtime.store.expand import About, Expander
from inwit.runtime.store.fold import Batch
from inwit.runtime.store.redact import Redactor

OFFSET_BITS: Final = 20
"""A position is a batch's number and, in its lowest bits, an event's place in the batch from 1."""
_PART: Final = 64
_MASK: Final = (1 << OFFSET_BITS) - 1


class Batches:
    """Reads batches on one connection."""

    def __init__(self, connection: apsw.Connection, redactor: Redactor) -> None:
        self._connection = connection
        self._redactor = redactor

    def of(self, execution_id: str, after: int = 0) -> Iterator[Batch]:
        """One execution's batches that hold events after a seq, in their order."""
        begun = 0
        while True:  # in parts, so that no statement stays open when the caller has enough
            found = query(
                self._connection,
                "SELECT rows, first_seq, last_seq, anchor_ns FROM batches"
                " WHERE execution = ? AND last_seq > ? AND first_seq > ?"
                " ORDER BY first_seq LIMIT ?",
                (execution_id, after, begun, _PART),
            )
            for packed, first_seq, last_seq, anchor_ns in found:
                yield self.rows(packed), first_seq, last_seq, anchor_ns
            if len(found) < _PART:
                return
            begun = found[-1][1]

    def rows(self, packed: bytes) -> list[Any]:
        """Decode one batch."""
        data = decompress(packed)
        rows: list[Any] = decode(data, self.blob)
        if self._redactor.may_hold(data):
            rows = [self._redactor.value(row) for row in rows]
        return rows

    def blob(self, digest: str) -> Any:
        """The value of a digest, or words that say that it is gone."""
        found = query(self._connection, "SELECT content FROM blobs WHERE digest = ?", (digest,))
        return self.value(found[0][0]) if found else f"<blob {digest} is gone>"

    def value(self, packed: bytes) -> Any:
        """Decode one blob."""
        data = decompress(packed)
        value = decode(data, self.blob)
        return self._redactor.value(value) if self._redactor.may_hold(data) else value

    def events(self, about: About, after: int = 0) -> Iterator[Event]:
        """One execution's events after a seq, in their order."""
        expander = Expander(about)
        for rows, first_seq, _, anchor_ns in self.of(about.execution_id, after):
            for event in expander.expand(rows, first_seq, anchor_ns):
                if event.seq > after:
                    yield event

    def event(self, about: About, seq: int) -> Event:
        """One event.

        Raises:
            UnknownUriError: The execution has no such seq.
        """
        found = query(
            self._connection,
            "SELECT rows, first_seq, anchor_ns FROM batches WHERE execution = ? AND first_seq <= ?"
            " ORDER BY first_seq DESC LIMIT 1",
            (about.execution_id, seq),
        )
        for packed, first_seq, anchor_ns in found:
            for event in Expander(about).expand(self.rows(packed), first_seq, anchor_ns):
                if event.seq == seq:
                    return event
        last = query(
            self._connection,
            "SELECT coalesce(max(last_seq), 0) FROM batches WHERE execution = ?",
            (about.execution_id,),
        )[0][0]
        raise UnknownUriError(
            f"execution://{about.execution_id}/events/{seq}", hint=f"Its last event is {last}."
        )

    def tail(self, after: int, limit: int) -> list[tuple[int, Event]]:
        """Events of all executions after a position, each with its own."""
        found: list[tuple[int, Event]] = []
        abouts: dict[str, About] = {}
        while len(found) < limit:
            part = query(
                self._connection,
                "SELECT number, execution, first_seq, anchor_ns, rows FROM batches"
                " WHERE number >= ? ORDER BY number LIMIT ?",
                ((after + 1) >> OFFSET_BITS, _PART),
            )
            for number, execution_id, first_seq, anchor_ns, packed in part:
                about = abouts.get(execution_id)
                if about is None:
                    about = abouts[execution_id] = self.about(execution_id)
                events = Expander(about).expand(self.rows(packed), first_seq, anchor_ns)
                for position, event in enumerate(events, (number << OFFSET_BITS) + 1):
                    if position > after:
                        found.append((position, event))
                if len(found) >= limit:
                    break
            if len(part) < _PART:
                break
            after = max(after, part[-1][0] << OFFSET_BITS | _MASK)
        return found[:limit]

    def about(self, execution_id: str) -> About:
        """What the events of an execution have in common."""
        found = query(
            self._connection,
            "SELECT id, graph, version, thread, parent FROM executions WHERE id = ?",
            (execution_id,),
        )
        if not found:
            return About(execution_id=execution_id)
        _, graph, version, thread, parent = found[0]
        return About(
            execution_id=execution_id, graph_name=graph, graph_version=version, thread_id=thread,
            parent_execution_id=parent,
        )  # fmt: skip

    def position(self) -> int:
        """The position after which nothing has been written yet."""
        used = query(self._connection, "SELECT seq FROM sqlite_sequence WHERE name = 'batches'")
        return int(used[0][0]) << OFFSET_BITS | _MASK if used else 0
