"""Answering client libraries from the record, while a replay runs.

What they ask a model for in a replayed node is not sent: httpx's and httpx2's clients get the answer
that was recorded for the same messages, and langchain-core's models give it.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from inwit.errors import ReplayedError, UnrecordedCallError
from inwit.runtime.capture.imports import when_imported
from inwit.runtime.capture.wire import Asked, read_request
from inwit.runtime.capture.written import written
from inwit.runtime.context import current
from inwit.runtime.replay_tape import NOTHING, tape_of

_LIBRARIES = ("httpx", "httpx2")
_MODELS = "langchain_core.language_models.chat_models"
_undo: list[Callable[[], None]] = []
_lock = threading.Lock()
_running = 0


@contextmanager
def answering() -> Iterator[None]:
    """Answer client libraries in replayed nodes; elsewhere they ask as ever."""
    global _running  # noqa: PLW0603 - replays of several threads share what is changed
    with _lock:
        _running += 1
        if _running == 1:
            _undo.extend(when_imported(name, _install_http) for name in _LIBRARIES)
            _undo.append(when_imported(_MODELS, _install_langchain))
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            while not _running and _undo:
                _undo.pop()()


def _install_langchain(module: ModuleType) -> None:
    _undo.append(import_module("inwit.runtime.capture.answered_langchain").install(module))


def _install_http(module: Any) -> None:
    sync_send, async_send = module.Client.send, module.AsyncClient.send

    @functools.wraps(sync_send)
    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        known = _known(module, request)
        return sync_send(self, request, **kwargs) if known is None else known

    @functools.wraps(async_send)
    async def asend(self: Any, request: Any, **kwargs: Any) -> Any:
        known = _known(module, request)
        return await async_send(self, request, **kwargs) if known is None else known

    module.Client.send, module.AsyncClient.send = send, asend

    def undo() -> None:
        if module.Client.send is send:
            module.Client.send = sync_send
        if module.AsyncClient.send is asend:
            module.AsyncClient.send = async_send

    _undo.append(undo)


def _known(module: Any, request: Any) -> Any:
    """The recorded answer to a request, as a response; None where it is to be sent."""
    ctx = current()
    tape = None if ctx is None else tape_of(ctx)
    if ctx is None or tape is None or request.method != "POST":
        return None
    asked = _asked(request)
    if asked is None:
        return None
    try:
        told = tape.call(ctx, asked.model, asked.messages)
        return None if told is NOTHING else _response(module, request, asked, told, tape.refuse)
    except ReplayedError as exc:
        return _refusal(module, request, exc)
    except UnrecordedCallError as exc:
        # A client would take an error for a lost connection, and try again.
        return _refusal(module, request, exc)


def _asked(request: Any) -> Asked | None:
    try:
        return read_request(request.url.path, request.content)
    except Exception:  # noqa: BLE001 - a body that is sent in pieces cannot be read before
        return None


def _response(module: Any, request: Any, asked: Asked, told: Any, refuse: Any) -> Any:
    is_streamed = bool(asked.parameters.get("stream"))
    body = written(asked.reading, told, is_streamed=is_streamed)
    if body is None:
        ctx = current()
        refuse(ctx, f"the model {asked.model!r} (whose answer is not recorded whole)")
        return None
    kind = "text/event-stream" if is_streamed else "application/json"
    return module.Response(200, headers={"content-type": kind}, content=body, request=request)


def _refusal(module: Any, request: Any, error: ReplayedError | UnrecordedCallError) -> Any:
    """What was refused then is so now, by the same status; what was not asked then, by 400."""
    status, message = 400, error.message
    if isinstance(error, ReplayedError):
        given, _, rest = message.partition(": ")[2].partition(": ")
        status, message = (int(given), rest) if given.isdigit() else (500, message)
    body = json.dumps({"error": {"message": message, "type": error.code, "code": error.code}})
    headers = {"content-type": "application/json", "x-should-retry": "false"}
    return module.Response(status, headers=headers, content=body.encode(), request=request)
