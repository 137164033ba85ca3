"""Recording the model and tool calls that nodes make.

`Context.llm` and `Context.tool` record what they call. `capture` records what client libraries
call: any over httpx and httpx2 (among them openai's and anthropic's), and langchain-core's models
and tools.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Self

from inwit.runtime.capture.imports import when_imported

__all__ = ["Capture", "capture"]

_INSTALLERS = {
    "httpx": "inwit.runtime.capture.http",
    "httpx2": "inwit.runtime.capture.http",
    "langchain_core.tracers.context": "inwit.runtime.capture.langchain",
}


class Capture:
    """A running capture. As a context manager it stops at the end of the block."""

    def __init__(self) -> None:
        self.is_on = True

    def stop(self) -> None:
        """Record no further calls, unless another capture runs."""
        if self.is_on:
            self.is_on = False
            _patches.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.stop()


class _Patches:
    """What is changed in client libraries while at least one capture runs."""

    def __init__(self) -> None:
        self._holders = 0
        self._undo: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def hold(self) -> None:
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                for name in _INSTALLERS:
                    self._undo.append(when_imported(name, self._install))

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                while self._undo:
                    self._undo.pop()()

    def _install(self, module: ModuleType) -> None:
        undo = import_module(_INSTALLERS[module.__name__]).install(module)
        self._undo.append(undo)


_patches = _Patches()


def record_langchain() -> None:
    """Record the models and tools of langchain-core in nodes from now on, or once it is imported."""
    global _is_listening  # noqa: PLW0603 - once in a process
    if not _is_listening:
        _is_listening = True
        when_imported("langchain_core.tracers.context", _listen)


_is_listening = False


@cache
def join_chains() -> None:
    """Let langchain-core's chains take compiled graphs from now on, or once it is imported."""
    when_imported("langchain_core.runnables.base", _join)


def _join(module: ModuleType) -> None:
    from inwit.runtime.capture.langchain_runnable import join

    join(module)


def _listen(module: ModuleType) -> None:
    from inwit.runtime.capture.langchain import listen

    listen(module)


def capture() -> Capture:
    """Record the model calls of client libraries that are made inside of nodes.

    Those of langchain-core's models are recorded in any case, and with it those in watched graphs.
    One line, before or after the libraries are imported; more than one changes nothing. What a
    client sends and gets stays as it is, and no key is recorded. Calls outside of a node pass
    unrecorded.

    Example:
        >>> from inwit.runtime.capture import capture
        >>> with capture() as running:
        ...     running.is_on
        True
    """
    _patches.hold()
    return Capture()
