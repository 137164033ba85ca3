"""Doing something to a module once it is imported, without importing it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

Then = Callable[[ModuleType], None]


class _Watcher:
    """A finder that finds nothing itself, and sees what is found."""

    def __init__(self) -> None:
        self.then: dict[str, list[Then]] = {}
        self._looking = threading.local()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if name not in self.then or getattr(self._looking, "is_on", False):
            return None
        self._looking.is_on = True
        try:
            spec = find_spec(name)
        finally:
            self._looking.is_on = False
        if spec is not None and spec.loader is not None:
            self._follow(spec.loader, name)
        return spec

    def _follow(self, loader: Any, name: str) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            loader.exec_module = execute
            execute(module)
            for then in self.then.pop(name, ()):
                then(module)

        loader.exec_module = exec_module


_watcher = _Watcher()


def when_imported(name: str, then: Then) -> Callable[[], None]:
    """Call `then` with the module `name`, now or when it is imported; gives what calls it off."""
    module = sys.modules.get(name)
    if module is not None:
        then(module)
        return lambda: None
    if _watcher not in sys.meta_path:
        sys.meta_path.insert(0, _watcher)
    _watcher.then.setdefault(name, []).append(then)
    return lambda: _call_off(name, then)


def _call_off(name: str, then: Then) -> None:
    waiting = _watcher.then.get(name, [])
    if then in waiting:
        waiting.remove(then)
    if not waiting:
        _watcher.then.pop(name, None)
