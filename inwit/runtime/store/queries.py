"""Questions to the table of executions, and the cursors of its lists."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any, Final

import apsw

from inwit.errors import MalformedInputError, UnknownExecutionError, shorten
from inwit.events import timestamp
from inwit.ids import check_id
from inwit.runtime.store.connection import query
from inwit.runtime.store.expand import failure_of
from inwit.runtime.store.redact import Redactor
from inwit.runtime.views import Execution, Page

PREFIX_LENGTH: Final = 4
_COLUMNS: Final = (
    "id, graph, version, status, started_ns, ended_ns, duration_ns, thread, parent, current_node,"
    " iteration, last_seq, error, error_node, reason, llm_calls, tool_calls, retries, input_tokens,"
    " output_tokens, cost_usd, unpriced_calls, number"
)
SELECT: Final = f"SELECT {_COLUMNS} FROM executions"


class Filter:
    """Conditions on executions."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._values: list[Any] = []
        self._all_but: tuple[str, list[Any]] | None = None
        """Where most of the record is wanted: what it is a part of, counted without its rest."""

    def add(self, condition: str, value: Any) -> None:
        """Ask for a condition, if a value is given for it; each of its marks stands for that."""
        if value is not None:
            self._parts.append(condition)
            self._values += [value] * condition.count("?")

    def add_graph(self, graph: str | None, status: str | Iterable[str] | None) -> None:
        """Ask for a graph and for one of several statuses; before any other condition."""
        self.add("graph = ?", graph)
        wanted = [status] if isinstance(status, str) else None if status is None else list(status)
        if wanted is None:
            return
        if wanted == ["completed"]:
            self._all_but = self._where(), [*self._values]
        self._parts.append(f"status IN ({', '.join('?' for _ in wanted)})")
        self._values += wanted
        if "completed" not in wanted:
            self._parts.append("status <> 'completed'")  # what the indexes of the rare ones say

    def page(
        self, connection: apsw.Connection, limit: int, cursor: str | None, redactor: Redactor
    ) -> Page[Execution]:
        """Give the newest ones before the cursor, and how many there are in all."""
        total = self._total(connection)
        after = Filter()
        after._parts, after._values = [*self._parts], [*self._values]
        if cursor is not None:
            after.add("number < ?", read_cursor(cursor))
        wanted = max(limit, 0)
        found = after.newest(connection, wanted + 1, redactor)
        items = tuple(found[:wanted])
        more = len(found) > len(items) and bool(items)
        return Page(
            items=items,
            total_count=total,
            cursor=write_cursor(items[-1].position) if more else None,
        )

    def _total(self, connection: apsw.Connection) -> int:
        """How many there are; of the completed ones by the few that are not."""
        if self._all_but is None or len(self._parts) > len(self._all_but[1]) + 1:
            return _count(connection, self._where(), self._values)
        where, values = self._all_but
        rest = f"{where} {'AND' if where else 'WHERE'} status <> 'completed'"
        return _count(connection, where, values) - _count(connection, rest, values)

    def newest(
        self, connection: apsw.Connection, limit: int, redactor: Redactor
    ) -> list[Execution]:
        """Give the newest ones, without counting the others."""
        sql = f"{SELECT}{self._where()} ORDER BY number DESC LIMIT ?"
        rows = query(connection, sql, [*self._values, limit])
        return [execution_of(row, redactor) for row in rows]

    def _where(self) -> str:
        return f" WHERE {' AND '.join(self._parts)}" if self._parts else ""


def _count(connection: apsw.Connection, where: str, values: list[Any]) -> int:
    found: int = query(connection, f"SELECT count(*) FROM executions{where}", values)[0][0]
    return found


def write_cursor(number: int) -> str:
    """Make the opaque resume point of a list."""
    return base64.urlsafe_b64encode(f"n{number}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> int:
    """Read a resume point.

    Raises:
        MalformedInputError: It is none of ours.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        if text[:1] == "n" and text[1:].isdecimal():
            return int(text[1:])
    except (ValueError, binascii.Error):
        pass
    raise MalformedInputError(
        f"{shorten(cursor)} is no cursor.", hint="Give one back as a list gave it."
    )


def find_execution(connection: apsw.Connection, name: str, redactor: Redactor) -> Execution:
    """Find an execution by its id or by a prefix of it that no other has.

    Raises:
        UnknownExecutionError: None has it, or several do.
        MalformedIdError: It cannot be an id.
    """
    check_id("execution", name)
    rows = query(connection, f"{SELECT} WHERE id = ?", (name,))
    if not rows and len(name) >= PREFIX_LENGTH:
        rows = query(
            connection, f"{SELECT} WHERE id >= ? AND id < ? LIMIT 6", (name, name + "\U0010ffff")
        )
    if len(rows) != 1:
        raise UnknownExecutionError(name, matches=[row[0] for row in rows])
    return execution_of(rows[0], redactor)


def execution_of(row: tuple[Any, ...], redactor: Redactor) -> Execution:
    """Read one row."""
    (
        execution_id, graph, version, status, started_ns, ended_ns, duration_ns, thread, parent,
        current_node, iteration, last_seq, error, error_node, reason, llm_calls, tool_calls,
        retries, input_tokens, output_tokens, cost_usd, unpriced_calls, number,
    ) = row  # fmt: skip
    return Execution(
        execution_id=execution_id, graph_name=graph, graph_version=version, status=status,
        started_at=timestamp(started_ns),
        ended_at=None if ended_ns is None else timestamp(ended_ns),
        duration_ms=None if duration_ns is None else duration_ns / 1e6, thread_id=thread,
        parent_execution_id=parent, current_node=current_node, iteration=iteration,
        last_seq=last_seq,
        error=None if error is None else failure_of(redactor.value(json.loads(error))),
        error_node=error_node, reason=redactor.text(reason), llm_calls=llm_calls,
        tool_calls=tool_calls, retries=retries, input_tokens=input_tokens,
        output_tokens=output_tokens, cost_usd=cost_usd, unpriced_calls=unpriced_calls, position=number,
    )  # fmt: skip
