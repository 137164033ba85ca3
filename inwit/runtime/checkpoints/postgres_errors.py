"""PostgreSQL's errors as ours."""

from __future__ import annotations

from inwit.errors import (
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreUnreachableError,
)

_PLACE = "The PostgreSQL server"
_CONFLICTS = {"23505", "40P01", "40001"}
"""A unique violation, a deadlock, a failure to serialise."""
_READ_ONLY = {"42501", "25006"}
_FULL = {"53100"}
_LOCKED = {"55P03", "57014"}
_STOPPING = {"57P01", "57P02", "57P03"}


def is_conflict(error: Exception) -> bool:
    """Whether another process wrote at the same time, so that a second try sees its rows."""
    return getattr(error, "sqlstate", None) in _CONFLICTS


def is_unreachable(error: Exception) -> bool:
    """Whether the connection, and not the statement, is at fault."""
    import psycopg

    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is not None:
        return error.sqlstate.startswith("08") or error.sqlstate in _STOPPING
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def typed(error: Exception) -> Exception:
    """Say what an error of psycopg means; anything else is itself."""
    import psycopg

    if not isinstance(error, psycopg.Error):
        return error
    reason = " ".join(str(error).split())
    if is_unreachable(error):
        return StoreUnreachableError(_PLACE, reason)
    if error.sqlstate in _FULL:
        return StoreFullError(_PLACE, reason)
    if error.sqlstate in _LOCKED:
        return StoreLockedError(_PLACE)
    if error.sqlstate in _READ_ONLY:
        return StoreReadOnlyError(_PLACE, reason)
    return StoreError(f"{_PLACE}: {reason}")
