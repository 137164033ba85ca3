"""Rules of a package, run by an interpreter that can reach nothing: predicates and transforms.

A function that chooses an edge or merges a key is small and asked often. Where its text stands for
itself it runs in pydantic-monty, within limits of time and memory; what that does not speak is
left to the sandbox.
"""

from __future__ import annotations

import atexit
import operator
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any

from inwit.errors import SandboxError

SECONDS = 2.0
MEMORY_BYTES = 64 << 20
PLAIN = {"operator.add": operator.add, "operator.or_": operator.or_, "operator.mul": operator.mul}


class Rule:
    """One function, called in the interpreter; by `otherwise` where it cannot be."""

    def __init__(self, name: str, text: str, otherwise: Callable[..., Any]) -> None:
        self.__name__ = name
        self._name, self._text, self._otherwise = name, text, otherwise
        self._is_foreign = False

    def __call__(self, *values: Any) -> Any:
        """What the function gives for plain values."""
        if not self._is_foreign:
            import pydantic_monty as monty

            try:
                return self._asked(values)
            except (monty.MontySyntaxError, monty.MontyConversionError, monty.MontyTypingError):
                self._is_foreign = True
            except monty.MontyRuntimeError as exc:
                self._judge(exc)
            except monty.MontyCrashedError:
                self._is_foreign = True
        return self._otherwise(*values)

    def _judge(self, exc: Exception) -> None:
        """A name or module that the interpreter lacks may be there in the sandbox; a limit is one."""
        told = str(exc)
        if any(name in told for name in ("TimeoutError", "MemoryError", "RecursionError")):
            message = f"The rule {self._name!r} went over its limit: {told[:200]}"
            raise SandboxError(message, hint=f"It has {SECONDS} s.") from exc
        self._is_foreign = True

    def _asked(self, values: Sequence[Any]) -> Any:
        names = [f"value_{number}" for number in range(len(values))]
        call = f"{self._text}\n{self._name}({', '.join(names)})"
        # A session holds one of few processes, so it lasts for one call.
        with _pool().checkout(limits=_LIMITS) as session:
            return session.feed_run(call, inputs=dict(zip(names, values, strict=True)))


_LIMITS: Any = {
    "max_feed_duration_secs": SECONDS,
    "max_memory": MEMORY_BYTES,
    "max_recursion_depth": 200,
}
_stack = ExitStack()
_lock = threading.Lock()
atexit.register(_stack.close)


def _pool() -> Any:
    with _lock:
        return _opened()


@cache
def _opened() -> Any:
    import pydantic_monty

    return _stack.enter_context(pydantic_monty.Monty())


def rule_of(name: str, text: str, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """The rule that a worker told of: ours, the interpreter's, or the sandbox's."""
    if name in PLAIN:
        return PLAIN[name]
    return Rule(name, text, otherwise) if text else otherwise
