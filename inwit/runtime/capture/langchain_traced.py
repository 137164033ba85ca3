"""What langchain-core's tracers are told of nodes with a `TracePolicy`; other callbacks are told all."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy
from typing import Any

from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_core.tracers.base import BaseTracer

_logger = logging.getLogger("inwit")


def begin(manager: Any, given: Any, name: str, process: Callable[[Any], Any] | None) -> Any:
    """Tell that a node begins; gives by what its end is told."""
    shown = _processed(given, process)
    if shown is given:
        return manager.on_chain_start(None, given, name=name)
    others, tracers = _parted(manager)
    told = others.on_chain_start(None, given, name=name)
    tracers.on_chain_start(None, shown, name=name, run_id=told.run_id)
    told.handlers = manager.handlers
    return told


def end(told: Any, update: Any, process: Callable[[Any], Any] | None) -> None:
    """Tell that a node ended."""
    shown = _processed(update, process)
    if shown is update:
        told.on_chain_end(update)
        return
    others, tracers = _parted(told)
    tracers.on_chain_end(shown)
    others.on_chain_end(update)


def _processed(value: Any, process: Callable[[Any], Any] | None) -> Any:
    if process is None:
        return value
    try:
        return process(value)
    except Exception:  # the border of the user's function
        _logger.exception("inwit: a trace_policy failed; tracers are told of it all.")
        return value


def _parted(manager: Any) -> tuple[Any, Any]:
    """The same manager with the handlers that are no tracers, and with those that are."""
    others, tracers = copy(manager), copy(manager)
    tracers.handlers = [one for one in manager.handlers if _is_tracer(one)]
    others.handlers = [one for one in manager.handlers if not _is_tracer(one)]
    return others, tracers


def _is_tracer(handler: Any) -> bool:
    # What makes a stream of a model's words is a tracer by its class alone.
    return (
        isinstance(handler, BaseTracer) and _StreamingCallbackHandler not in type(handler).__mro__
    )
