"""Messages that wait until their peer answers: bounded, retried with growing pauses, expiring."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from inwit.errors import InwitError, PeerUnreachableError, QueueFullError, StoreError
from inwit.registry.peers import PeerBook, Row, rows
from inwit.registry.peers_client import PeerClient
from inwit.registry.peers_messages import LASTS, MessageKind, compose

QUEUE_LIMIT = 200
"""Messages that may wait for one peer."""
KEPT_DONE = 1000
"""Messages that are done and still listed."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
LOOK_S = 2.0


class Outbox:
    """The messages that this project sends and need not wait for."""

    def __init__(self, client: PeerClient) -> None:
        self._client = client
        self._book: PeerBook = client.book

    def post(self, name: str, kind: MessageKind, body: dict[str, Any]) -> dict[str, Any]:
        """Send a message now, or leave it to be sent; give what became of it.

        Raises:
            UnknownPeerError: There is no such peer.
            QueueFullError: Too many wait for it already.
        """
        peer = self._client.known(self._book.get(name))
        message, envelope = compose(self._book.signer(), peer.key_id, kind, body)
        now = time.time_ns()
        until = now + int(LASTS.total_seconds() * 1e9)
        self._book.declare()
        with self._book.database.transaction() as connection:
            waiting = "SELECT count(*) FROM outbox WHERE peer = ? AND status = 'waiting'"
            if rows(connection, waiting, peer.name)[0][0] >= QUEUE_LIMIT:
                raise QueueFullError(peer.name, QUEUE_LIMIT)
            connection.execute(
                "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, 0, 'waiting', '')",
                (message.id, peer.name, kind, envelope, now, now, until),
            )
        self.deliver_due()
        return self.get(message.id)

    def deliver_due(self) -> int:
        """Try whatever is due; give how many were acknowledged."""
        done = 0
        now = time.time_ns()
        for number, name, envelope, attempts, expires in self._due(now):
            if expires <= now:
                self._mark(number, "expired", "its peer did not answer in time")
                continue
            try:
                self._client.deliver(self._book.get(name), envelope, number)
            except PeerUnreachableError as exc:
                self._postpone(number, attempts + 1, exc.message)
            except InwitError as exc:
                self._mark(number, "refused", exc.message)
            else:
                self._mark(number, "acknowledged", "")
                done += 1
        return done

    def messages(self) -> list[dict[str, Any]]:
        """All messages, the newest first."""
        return [_shown(row) for row in self._rows("ORDER BY made_ns DESC")]

    def get(self, message_id: str) -> dict[str, Any]:
        """One message."""
        return _shown(self._rows("WHERE id = ?", message_id)[0])

    def _due(self, now: int) -> list[Row]:
        return self._book.read(
            "SELECT id, peer, envelope, attempts, expires_ns FROM outbox"
            " WHERE status = 'waiting' AND next_ns <= ? ORDER BY next_ns LIMIT 50",
            now,
        )

    def _postpone(self, number: str, attempts: int, error: str) -> None:
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempts - 1))
        # Peers that were away come back at once; they are not asked by all at the same moment.
        pause *= random.uniform(0.5, 1.0)  # noqa: S311 - it keeps no secret
        with self._book.database.transaction() as connection:
            connection.execute(
                "UPDATE outbox SET attempts = ?, next_ns = ?, error = ? WHERE id = ?",
                (attempts, time.time_ns() + int(pause * 1e9), error[:500], number),
            )

    def _mark(self, number: str, status: str, error: str) -> None:
        with self._book.database.transaction() as connection:
            connection.execute(
                "UPDATE outbox SET status = ?, attempts = attempts + 1, error = ? WHERE id = ?",
                (status, error[:500], number),
            )
            connection.execute(
                "DELETE FROM outbox WHERE status <> 'waiting' AND id NOT IN"
                " (SELECT id FROM outbox WHERE status <> 'waiting' ORDER BY made_ns DESC LIMIT ?)",
                (KEPT_DONE,),
            )

    def _rows(self, where: str, *values: Any) -> list[Row]:
        columns = "id, peer, kind, made_ns, expires_ns, attempts, status, error"
        return self._book.read(f"SELECT {columns} FROM outbox {where}", *values)


class Courier:
    """A thread of the host that delivers what waits."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inwit-courier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the delivery that is under way."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            with suppress(StoreError):  # the record may be away for a moment; it is tried again
                self._outbox.deliver_due()


def _shown(row: Row) -> dict[str, Any]:
    number, peer, kind, made, expires, attempts, status, error = row
    return {
        "id": number, "peer": peer, "kind": kind, "status": status, "attempts": attempts,
        "made_at": _time(made), "expires_at": _time(expires), "error": error,
    }  # fmt: skip


def _time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat().replace("+00:00", "Z")
