"""Errors as the record keeps them."""

from __future__ import annotations

import traceback

from inwit.errors import InwitError
from inwit.events import Failure

_TEXT_LIMIT = 4000


def failure_of(error: BaseException, *, with_traceback: bool = False) -> Failure:
    """Describe an error by class, text, and code where it has one."""
    trace, kind = "", type(error).__name__
    if with_traceback:
        trace = "".join(traceback.format_exception(error))[-_TEXT_LIMIT:]
    if isinstance(error, InwitError):
        message = error.message[:_TEXT_LIMIT]
        return Failure(
            type=kind, message=message, code=error.code, hint=error.hint, traceback=trace
        )
    return Failure(type=kind, message=_text(error)[:_TEXT_LIMIT], traceback=trace)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as exc:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"<unreadable: {type(exc).__name__}>"


def mark(error: BaseException, execution_id: str) -> None:
    """Note on an error which execution raised it first."""
    if getattr(error, "execution_id", None) is None:
        try:
            error.execution_id = execution_id  # type: ignore[attr-defined]
        except AttributeError:
            return


def mark_node(error: BaseException, node: str) -> None:
    """Note on an error which node raised it first."""
    if getattr(error, "__inwit_node__", None) is None:
        try:
            error.__inwit_node__ = node  # type: ignore[attr-defined]
            error.add_note(f"In the node {node!r}.")
        except AttributeError:
            return


def node_of(error: BaseException | None) -> str | None:
    """The node that raised an error first, where that was noted."""
    return getattr(error, "__inwit_node__", None)
