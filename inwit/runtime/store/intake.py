"""The journal's near side: takes rows from recordings and turns them into entries.

Rows of one execution leave here only in runs without a missing seq, so that every batch continues
the one before. Whoever takes them holds the lock: the journal's thread, or a producer whose buffer
is full while that thread waits for the disk.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from inwit.runtime.record import ENTER, VISIT, Recording
from inwit.runtime.store.codec import Encoder, Row
from inwit.runtime.store.entry import Entry, fill, gap_row
from inwit.runtime.store.rollups import Key, Rollups
from inwit.runtime.store.tracking import Track

BACKLOG_BYTES: Final = 64 << 20
"""How much is kept in memory while the disk takes nothing."""
BACKLOG_ENTRIES: Final = 50_000
NO_ROOM: Final = "the disk took nothing and the buffer was full"
_LOOKS: Final = 3


class Intake:
    """The executions that are under way, and what of them waits to be written."""

    def __init__(self) -> None:
        self.new: deque[Recording] = deque()
        self.rollups = Rollups()
        self.aliases: dict[tuple[str, str], str] = {}
        """Names that registration changed, by the name a graph asked for and its version."""
        self.entries: list[Entry] = []
        self.size = 0
        self.gave_up = False
        """Whether events were given up that nobody who flushed was told of."""
        self._tracks: dict[Recording, Track] = {}
        self._lock = threading.Lock()
        self._encoder = Encoder()

    @property
    def is_open(self) -> bool:
        """Whether any execution is under way."""
        return bool(self._tracks or self.new)

    @property
    def has_room(self) -> bool:
        """Whether more may be taken without giving anything up."""
        return self.size < BACKLOG_BYTES and len(self.entries) < BACKLOG_ENTRIES

    def open_ids(self) -> set[str]:
        """The executions that are under way."""
        with self._lock:
            return {recording.execution_id for recording in self._tracks}

    def recording(self, execution_id: str) -> Recording | None:
        """The execution of that id, where it is under way."""
        with self._lock:
            self._admit()
            every = [one for one in self._tracks if one.execution_id == execution_id]
        return every[-1] if every else None

    def collect_all(self) -> None:
        """Take what every execution has; what is over is let go."""
        with self._lock:
            over = [recording for recording, track in self._tracks.items() if self._collect(track)]
            for recording in over:
                del self._tracks[recording]
            for _ in range(len(self.new)):  # and not those that come meanwhile
                recording = self.new.popleft()
                track = self._track(recording)
                if not self._collect(track):
                    self._tracks[recording] = track

    def collect(self, recording: Recording) -> None:
        """Take what one execution has, in its producer's thread."""
        with self._lock:
            self._admit()
            track = self._tracks.get(recording)
            if track is None:  # not of this process: inherited by a fork
                recording.rows.clear()
            elif self._collect(track):
                del self._tracks[recording]

    def take(self) -> tuple[list[Entry], set[Key], list[tuple[Any, ...]]]:
        """The entries to write, which stay until `written`, and what `Rollups.take` gives."""
        with self._lock:
            return (self.entries.copy(), *self.rollups.take())

    def written(self, entries: list[Entry]) -> None:
        """Let go of entries, which are the oldest ones."""
        with self._lock:
            del self.entries[: len(entries)]
            self.size -= sum(entry.size for entry in entries)

    def fence(self, execution_ids: Iterable[str]) -> None:
        """Write nothing more of these executions."""
        fenced = set(execution_ids)
        with self._lock:
            for track in self._tracks.values():
                if track.recording.execution_id in fenced:
                    track.is_fenced = True

    def _admit(self) -> None:
        while self.new:
            recording = self.new.popleft()
            self._tracks[recording] = self._track(recording)

    def _track(self, recording: Recording) -> Track:
        version = recording.version()
        name = recording.graph_name
        if self.aliases:
            name = self.aliases.get((name, version), name)
        return Track(recording, name, version, self.rollups)

    def _collect(self, track: Track) -> bool:
        """Take one execution's rows; True when it is over."""
        recording = track.recording
        is_done = recording.is_done
        track.until_t = 0
        for _ in range(_LOOKS):
            if self._look(track, recording) and track.held:
                self._release(track)
            if not track.held:
                return is_done
        if is_done:
            track.held += fill(track.held, track.taken + 1, track.top, track.last_t)
            self._release(track)
        return is_done

    def _look(self, track: Track, recording: Recording) -> bool:
        """Take rows in; True when none with a lower seq is missing."""
        current = recording.current
        many = len(recording.rows)
        rows = recording.rows[:many]
        del recording.rows[:many]
        if rows:
            if recording.masks:
                from inwit.runtime.policies.tracing import masked

                rows = masked(rows, recording.masks)
            track.take_in(rows)
            track.held = track.held + rows if track.held else rows
        is_whole = bool(track.held) and track.taken + track.count == track.top
        if current is None or current is not recording.current or current[0] <= track.taken:
            return is_whole
        would_be_whole = max(track.taken, 0) + track.count + 1 == max(track.top, current[0])
        if would_be_whole and not _holds(track.held, current[0]):
            row = (ENTER, *current)
            track.take_in([row])
            track.held.append(row)
            return True
        return is_whole

    def _release(self, track: Track) -> None:
        """Make an entry of what is held."""
        rows, first, last = track.held, track.taken + 1, track.top
        track.held, track.taken, track.count = [], last, 0
        if track.is_fenced:
            return
        if not self.has_room:
            self.gave_up = True
            track.blobs = {}
            if track.lost_from is None:
                track.lost_from = first
            if track.end is None or len(self.entries) >= BACKLOG_ENTRIES:
                return
            rows = [(*track.end[:4], None, *track.end[5:])]
            first = last = track.end[1]
        if track.lost_from is not None:
            if first > track.lost_from:
                rows = [gap_row(track.lost_from, first - 1, track.last_t, NO_ROOM), *rows]
            first, track.lost_from = track.lost_from, None
        entry = Entry(track, first, last, rows, self._encoder)
        self.entries.append(entry)
        self.size += entry.size


def _holds(rows: list[Row], entry_seq: int) -> bool:
    """Whether the visit that was entered there is among the rows."""
    for row in reversed(rows):
        if row[0] in (VISIT, ENTER):
            return bool(row[1] == entry_seq)
    return False
