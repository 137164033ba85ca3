"""Plans as introspection sees them: rows of a table that the room above keeps.

Introspection imports nothing above itself, so it reads the record's table `plans` and changes none.
"""

from __future__ import annotations

import msgspec

from inwit.errors import UnknownPlanError
from inwit.plans import Plan
from inwit.runtime.store import Store


def plans(store: Store) -> list[Plan]:
    """List the plans of the project; none when nothing has ever been proposed."""
    if not store.read("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'plans'"):
        return []
    return [_decode(row[0]) for row in store.read("SELECT json FROM plans")]


def plan(store: Store, plan_id: str) -> Plan:
    """Find a plan.

    Raises:
        UnknownPlanError: There is none of that id.
    """
    found = next((one for one in plans(store) if one.id == plan_id), None)
    if found is None:
        raise UnknownPlanError(plan_id)
    return found


def _decode(raw: bytes | str) -> Plan:
    return msgspec.json.decode(raw, type=Plan)
