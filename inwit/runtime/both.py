"""Telling two readers at once: of a stream that a node reads, and of the stream around that node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from inwit.runtime.sink import Sink

if TYPE_CHECKING:
    from inwit.runtime.context import Context
    from inwit.runtime.engine import Execution


class _Seen(set[Any]):
    """The ids that both know; each goes on with its own."""

    def __init__(self, sinks: tuple[Sink, Sink]) -> None:
        super().__init__()
        self._sinks = sinks

    def add(self, element: Any, /) -> None:
        for one in self._sinks:
            one.seen.add(element)

    def __contains__(self, element: object, /) -> bool:
        return any(element in one.seen for one in self._sinks)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._sinks[0].seen | self._sinks[1].seen)


class Both(Sink):
    """Puts what is told where each of two sinks puts it; only the first one's reader is waited for."""

    def __init__(self, own: Sink, around: Sink) -> None:
        super().__init__(
            own.modes | around.modes, own.delivery, own.keys,
            with_subgraphs=own.with_subgraphs or around.with_subgraphs,
        )  # fmt: skip
        self._sinks = (own, around)
        self.within = own.within
        self.seen = _Seen(self._sinks)

    def child(self, ns: str) -> Sink:
        """See `Sink.child`."""
        own, *others = [one.child(ns) for one in self._sinks if one.with_subgraphs]
        return Both(own, others[0]) if others else own

    def put(self, mode: str, value: Any) -> None:
        """See `Sink.put`; what a node writes by itself is the nearest reader's, who may hand it on."""
        own, around = self._sinks
        own.put(mode, value)
        if mode != "custom" or not own.wants(mode):
            around.put(mode, value)

    def _update(self, execution: Execution, name: str, returned: Any, ctx: Context) -> None:
        spoken, is_cached = ctx.spoken, ctx.is_cached
        for one in self._sinks:
            ctx.spoken, ctx.is_cached = spoken, is_cached
            one._update(execution, name, returned, ctx)  # noqa: SLF001 - each its own


__all__ = ["Both"]
