"""One leader for each project: a lease in the record, which runs out when its holder is gone."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from inwit.ids import new_id
from inwit.self_improve import tables

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.store import Store

LASTS_S: Final = 30.0
NAME: Final = "daemon"


class Lease:
    """A claim to lead, to be renewed before it runs out."""

    def __init__(self, store: Store, name: str = NAME, lasts_s: float = LASTS_S) -> None:
        self._store = store
        self._name = name
        self._lasts_ns = int(lasts_s * 1e9)
        self.holder = f"{os.getpid()}:{new_id()}"

    def take(self) -> bool:
        """Take or renew it; False where another holds it."""
        tables.declare(self._store)

        def write(connection: apsw.Connection) -> bool:
            now = time.time_ns()
            connection.execute(
                "INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " holder = excluded.holder, until_ns = excluded.until_ns"
                " WHERE leases.holder = excluded.holder OR leases.until_ns NOT BETWEEN ? AND ?",
                (self._name, self.holder, now + self._lasts_ns, now, self._farthest(now)),
            )
            return connection.changes() > 0

        return self._store.write(write)

    def leave(self) -> None:
        """Let another lead."""
        self._store.write(
            lambda connection: connection.execute(
                "DELETE FROM leases WHERE name = ? AND holder = ?", (self._name, self.holder)
            )
        )

    def leader(self) -> str | None:
        """Who holds it now; None where nobody does."""
        now = time.time_ns()
        rows = tables.rows(
            self._store, "leases",
            "SELECT holder FROM leases WHERE name = ? AND until_ns BETWEEN ? AND ?",
            (self._name, now, self._farthest(now)),
        )  # fmt: skip
        return str(rows[0][0]) if rows else None

    def _farthest(self, now: int) -> int:
        """Until when a lease may last: one that lasts longer was taken before the clock was set back."""
        return now + 2 * max(self._lasts_ns, int(LASTS_S * 1e9))
