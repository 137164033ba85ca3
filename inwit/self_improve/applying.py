"""Applying a plan's changes, keeping them, and taking them back: each as rows of the record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from inwit.errors import InapplicableError
from inwit.plans import Plan, Principal
from inwit.runtime import node_config
from inwit.runtime.node_config import config_of_row, insert_row, row_of, rows_of
from inwit.runtime.reconfigured import trials_of
from inwit.runtime.serial import unpack
from inwit.self_improve.actions import Changes

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.node_config import Row
    from inwit.runtime.store import Store

SHARE: Final = 0.5
"""The share of the threads that a change counts for while it is on trial."""
FOLDER: Final = "patches"


class Applied:
    """The rows that a plan has written in one transaction, to be told as events afterwards."""

    def __init__(self, store: Store, plan_id: str, by: Principal) -> None:
        self._store = store
        self._plan = plan_id
        self._by = by
        self._rows: list[tuple[str, Row]] = []

    def declare(self) -> None:
        """Bring the tables of nodes' configuration to this version."""
        self._store.declare(node_config.ROOM, node_config.MIGRATIONS)

    def begin(self, connection: apsw.Connection, changes: Changes, share: float, why: str) -> None:
        """Write the changes, for a share of the threads; 1 is all of them.

        Raises:
            InapplicableError: Another plan is on trial at one of the nodes.
        """
        known = rows_of(connection, changes.graph)
        busy = _busy(known)
        for node, values in changes.configs.items():
            if node in busy and busy[node] != self._plan:
                raise InapplicableError(
                    f"Plan {busy[node]} is on trial at {node!r} of {changes.graph!r}.",
                    hint="Wait until it is measured, or roll it back.",
                )
            own, base = _of_node(known, node)
            merged = {**_values(base), **_joined(_values(base), values)}
            trial = (None if share >= 1 else share, self._plan)
            parent = base[1] if base is not None else 0
            self._add(
                connection, changes.graph, row_of(node, own, self._said(why), merged, parent, trial)
            )

    def keep(self, connection: apsw.Connection, changes: Changes, why: str) -> None:
        """Let the changes count for everyone."""
        known = rows_of(connection, changes.graph)
        for node, values in changes.configs.items():
            own, base = _of_node(known, node)
            if not any(row[9] == self._plan and row[8] is not None for row in own[-1:]):
                continue
            merged = {**_values(base), **_joined(_values(base), values)}
            parent = base[1] if base is not None else 0
            row = row_of(node, own, self._said(why), merged, parent, (None, self._plan))
            self._add(connection, changes.graph, row)

    def take_back(self, connection: apsw.Connection, changes: Changes, why: str) -> None:
        """End a trial, and give the values that were kept back what they were before."""
        known = rows_of(connection, changes.graph)
        for node, values in changes.configs.items():
            own, base = _of_node(known, node)
            made = next((row for row in reversed(own) if row[9] == self._plan), None)
            if made is None:
                continue
            before = next((row for row in own if row[1] == made[7]), None)
            was, current = _values(before), _values(base)
            is_kept = any(row[9] == self._plan and row[8] is None for row in own)
            if is_kept:
                current = {name: one for name, one in current.items() if name not in values}
                current |= {name: was[name] for name in values if name in was}
            parent = base[1] if base is not None else 0
            row = row_of(node, own, self._said(why), current, parent)
            self._add(connection, changes.graph, row)

    def tell(self) -> None:
        """Write the events of what was changed, and let this process see it at once."""
        from inwit.runtime.store import Journal

        journal = Journal.of(self._store.project)
        for graph, row in self._rows:
            change = config_of_row(row).to_json()
            journal.emit("node_config_changed", graph_name=graph, node=row[0], change=change)
        journal.flush()

    def _add(self, connection: apsw.Connection, graph: str, row: Row) -> None:
        insert_row(connection, graph, row)
        self._rows.append((graph, row))

    def _said(self, why: str) -> tuple[str, str]:
        return str(self._by), why


def _busy(rows: Sequence[Row]) -> dict[str, str]:
    """The nodes at which a plan is on trial, and which."""
    trials = trials_of(rows)
    last = {row[0]: row for row in rows}
    return {node: row[9] for node, row in last.items() if row[8] is not None and row[9] in trials}


def _of_node(rows: Sequence[Row], node: str) -> tuple[list[Row], Row | None]:
    """The versions of a node, and the last that counts for everyone."""
    own = [row for row in rows if row[0] == node]
    return own, next((row for row in reversed(own) if row[8] is None), None)


def _values(row: Row | None) -> dict[str, Any]:
    return {} if row is None else dict(unpack(row[6]))


def _joined(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values to set; pairs of parallel nodes and parts of a policy join what is there."""
    found = dict(values)
    if "parallel" in values:
        known = [list(pair) for pair in before.get("parallel") or ()]
        found["parallel"] = [*known, *(p for p in values["parallel"] if list(p) not in known)]
    for name, value in values.items():
        if isinstance(value, Mapping) and isinstance(before.get(name), Mapping):
            found[name] = {**before[name], **value}
    return found


def write_patch(store: Store, plan: Plan, changes: Changes) -> Path:
    """Write what a person has to review and apply: a diff of source, or a JSON Patch.

    The text stands in the file alone; nothing of it is run.
    """
    folder = store.project.folder / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    diffs = [str(one["diff"]) for one in changes.patches if isinstance(one.get("diff"), str)]
    others = [dict(one) for one in changes.patches if not isinstance(one.get("diff"), str)]
    if diffs:
        path = folder / f"{plan.id}.patch"
        text = "\n".join(one.rstrip("\n") for one in diffs) + "\n"
    else:
        path = folder / f"{plan.id}.json"
        text = json.dumps(msgspec.to_builtins(others, enc_hook=repr), indent=2) + "\n"
    path.write_text(text, encoding="utf-8")
    return path
