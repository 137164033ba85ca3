"""Recording one model call or one tool call, from its start to its end.

All of it is safe from any thread, and does nothing outside of a node. A call ends once: what comes
after its first end is ignored, so that a stream may be closed, exhausted and collected in any
order.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec

from inwit.events import Failure
from inwit.ids import new_id
from inwit.runtime.capture import messages as by_reference
from inwit.runtime.capture.place import Place
from inwit.runtime.capture.prices import Usage, cost_of
from inwit.runtime.failures import failure_of
from inwit.runtime.message_stream import tell_spoken, tell_token
from inwit.runtime.serial import freeze

P = ParamSpec("P")

CHUNK_CHARACTERS = 512
CHUNK_NS = 100_000_000
"""Streamed text is recorded at once for the first token, then by pieces of this size or age."""

_seen = by_reference.Seen()
_enclosing: ContextVar[ModelCall | None] = ContextVar("inwit_model_call", default=None)
_logger = logging.getLogger("inwit")


def is_inside_call() -> bool:
    """Whether the code here serves a model call that is being recorded already."""
    call = _enclosing.get()
    return call is not None and call.is_open


def unharmed(record: Callable[P, None]) -> Callable[P, None]:
    """Keep a fault in recording away from the program that is recorded; it is logged."""

    @functools.wraps(record)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            record(*args, **kwargs)
        except Exception:  # the border between the program and what watches it
            _logger.warning("A call could not be recorded.", exc_info=True)

    return guarded


class _Call:
    __slots__ = ("_ending", "_place", "call_id")

    def __init__(self, place: Place | None) -> None:
        self._place = place
        self.call_id = new_id()
        self._ending = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether the call has not ended yet."""
        return not self._ending.locked()

    def _end(self) -> bool:
        return self._ending.acquire(blocking=False)

    def _emit(self, type_name: str, **fields: Any) -> None:
        if self._place is not None:
            shown = {key: value for key, value in fields.items() if value is not None}
            self._place.emit(type_name, {"call_id": self.call_id, **shown})


class ModelCall(_Call):
    """A model call that has started.

    Raises:
        BudgetExceededError: The execution has nothing left for it.
    """

    __slots__ = (
        "_last_ns", "_model", "_pieces", "_provider", "_said", "_size", "_spending", "is_streamed",
    )  # fmt: skip

    def __init__(
        self, place: Place | None, *, model: str, provider: str, messages: Sequence[Any],
        parameters: Mapping[str, Any],
    ) -> None:  # fmt: skip
        super().__init__(place)
        self._spending = None if place is None else place.spending
        over = None if self._spending is None else self._spending.refusal()
        if over is not None:
            raise over
        self._model = model
        self._provider = provider
        self._pieces: list[str] = []
        self._said: list[str] = []
        """What readers of the stream's messages were told."""
        self._size = 0
        self._last_ns = 0
        self.is_streamed = False
        """Whether the answer came piece by piece."""
        if place is not None:
            self._start(place, messages, parameters)

    @unharmed
    def _start(self, place: Place, messages: Sequence[Any], parameters: Mapping[str, Any]) -> None:
        names, contents = by_reference.by_hash(messages)
        self._emit(
            "llm_started", model=self._model, provider=self._provider, messages=names,
            new_messages=_seen.only_new(place.recording.execution_id, contents),
            parameters={key: freeze(value) for key, value in parameters.items()},
        )  # fmt: skip

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Keep other recorders from recording the same call while this one makes it."""
        token = _enclosing.set(self)
        try:
            yield
        finally:
            _enclosing.reset(token)

    @contextmanager
    def made(self) -> Iterator[None]:
        """Like `serving`; and an error ends the call."""
        with self.serving():
            try:
                yield
            except BaseException as exc:
                self.fail(exc)
                raise

    def enclose(self) -> None:
        """Like `serving`, where nobody says when it is over: until the call ends."""
        _enclosing.set(self)

    @unharmed
    def token(self, text: str) -> None:
        """Take a piece of streamed output."""
        self.is_streamed = True
        if self._place is not None and self._place.context is not None:
            self._place.context.progressed_ns = time.monotonic_ns()
        if not text or not self.is_open:
            return
        self._pieces.append(text)
        self._size += len(text)
        if self._size >= CHUNK_CHARACTERS or time.monotonic_ns() - self._last_ns >= CHUNK_NS:
            self._flush()

    def speak(self, text: str) -> None:
        """Take a piece of streamed output, and tell it to who reads the stream's messages."""
        self.token(text)
        if self._place is not None and tell_token(self._place.context, text, self.call_id):
            self._said.append(text)

    @unharmed
    def complete(
        self, output: Any, usage: Usage, *, model: str = "", error: Failure | None = None,
        message: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """End the call with what the model answered, or with the error that broke it off.

        `message` is what more its message holds; for replays, readers don't see it.
        """
        if not self._end():
            return
        self._flush()
        if self._said and self._place is not None:
            tell_spoken(self._place.context, "".join(self._said))
        model = model or self._model
        cost = cost_of(model, usage)
        if cost.usd is None:
            cost = cost_of(self._model, usage)
        if self._spending is not None:
            self._spending.add((usage.input or 0) + (usage.output or 0), cost.usd or 0.0)
        self._emit(
            "llm_completed", model=model, provider=self._provider, output=freeze(output),
            input_tokens=usage.input, output_tokens=usage.output, cached_tokens=usage.cached,
            cost_usd=cost.usd, price_date=cost.date, streamed=self.is_streamed, error=error,
            message=None if message is None else freeze(message),
        )  # fmt: skip

    def fail(self, error: BaseException | Failure) -> None:
        """End the call with an error."""
        failure = error if isinstance(error, Failure) else failure_of(error)
        self.complete(None, Usage(), error=failure)

    def _flush(self) -> None:
        if self._pieces:
            pieces, self._pieces, self._size = self._pieces, [], 0
            self._last_ns = time.monotonic_ns()
            self._emit("token_chunk", text="".join(pieces))


class ToolCall(_Call):
    """A tool call that has started."""

    __slots__ = ("_tool",)

    def __init__(self, place: Place | None, *, tool: str, given: Any) -> None:
        super().__init__(place)
        self._tool = tool
        self._start(given)

    @unharmed
    def _start(self, given: Any) -> None:
        self._emit("tool_started", tool=self._tool, input=freeze(given))

    @unharmed
    def complete(self, output: Any) -> None:
        """End the call with what the tool returned."""
        if self._end():
            self._emit("tool_completed", tool=self._tool, output=freeze(output))

    @unharmed
    def fail(self, error: BaseException | Failure) -> None:
        """End the call with an error."""
        if self._end():
            failure = error if isinstance(error, Failure) else failure_of(error)
            self._emit("tool_failed", tool=self._tool, error=failure)
