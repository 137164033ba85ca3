"""The record as it was at some execution: what was looked at once can be looked at again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inwit.runtime.store import Store
    from inwit.runtime.views import Execution


class AsOf:
    """A store without the executions that came after a position."""

    def __init__(self, store: Store, position: int) -> None:
        self._store = store
        self.position = position

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def newest(self, limit: int, **wanted: Any) -> list[Execution]:
        """The newest executions up to the position, newest first."""
        asked = limit
        while True:
            found = self._store.newest(asked, **wanted)
            kept = [one for one in found if one.position <= self.position]
            if len(kept) >= limit or len(found) < asked:
                return kept[:limit]
            asked = 2 * asked + len(found) - len(kept)


def position_of(store: Store) -> int:
    """The position of the newest execution; 0 without any."""
    found = store.newest(1)
    return found[0].position if found else 0
