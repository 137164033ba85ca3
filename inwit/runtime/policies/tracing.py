"""What the record shows of a node's output, where that is not to be kept as it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inwit.runtime.record import APPLY, VISIT
from inwit.runtime.serial import Delta, freeze, freeze_delta, thaw

Process = Callable[[Any], Any]
OMITTED = "[omitted]"
"""Stands in the record for the value of a key that a policy left out."""

_UPDATE = {VISIT: 8, APPLY: 6}
"""Where a row has its update."""
_NODE = {VISIT: 3, APPLY: 2}
_logger = logging.getLogger("inwit")


@dataclass(frozen=True)
class TracePolicy:
    """How a node's work is recorded; the graph runs the same.

    `process_outputs` is given what the node changed in the state, by key, and gives what the record
    shows instead; a key that it leaves out is shown as ``[omitted]``. A node's input is nothing that
    the record keeps beside the state: `process_inputs` is for tracers of langchain-core, which are
    told what both give. It is for payloads that are large, and no way to keep secrets: checkpoints, results and model calls keep them.
    """

    process_inputs: Process | None = None
    process_outputs: Process | None = None


def omit_payload(_value: Any) -> dict[str, Any]:
    """Leave everything out: for a `TracePolicy`."""
    return {}


def masked(rows: Sequence[tuple[Any, ...]], masks: Mapping[str, Process]) -> list[tuple[Any, ...]]:
    """The rows as they are to be recorded."""
    return [_masked(row, masks) for row in rows]


def _masked(row: tuple[Any, ...], masks: Mapping[str, Process]) -> tuple[Any, ...]:
    place = _UPDATE.get(row[0])
    if place is None or not row[place]:
        return row
    process = masks.get(row[_NODE[row[0]]])
    if process is None:
        return row
    return (*row[:place], _processed(process, row[place]), *row[place + 1 :])


def _processed(process: Process, update: Mapping[str, Any]) -> dict[str, Any]:
    values = {key: thaw(value) for key, value in update.items()}
    appended = {key for key, value in values.items() if isinstance(value, Delta)}
    given = {key: values[key].items if key in appended else values[key] for key in values}
    try:
        found = process(given)
    except Exception:  # the border of the user's function, in the journal
        _logger.exception("inwit: a trace_policy failed; what it was given is left out.")
        found = None
    shown: dict[str, Any] = dict.fromkeys(update, OMITTED)
    if isinstance(found, dict):
        shown |= found
    return {
        str(key): freeze_delta(value)
        if key in appended and isinstance(value, list)
        else freeze(value)
        for key, value in shown.items()
    }
