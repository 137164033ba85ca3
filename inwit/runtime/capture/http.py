"""Recording what clients ask models over httpx, and over httpx2, which openai and anthropic use.

`send` of both libraries' clients is replaced: a POST that is a request to a model is recorded, any
other passes. The answer reaches the client as it came; a stream is read along as the client reads
it. Headers are never looked at, so no key can be recorded.
"""

from __future__ import annotations

import functools
import logging
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from inwit.errors import BudgetExceededError
from inwit.events import Failure
from inwit.runtime.capture import place
from inwit.runtime.capture.client import provider_of
from inwit.runtime.capture.dialects import Reading, read_error
from inwit.runtime.capture.recorder import ModelCall, is_inside_call, unharmed
from inwit.runtime.capture.wire import ServerSentEvents, read_request

_BODY_LIMIT = 16 * 1024 * 1024
_logger = logging.getLogger("inwit")


class Watched:
    """A request to a model that is on its way."""

    def __init__(self, call: ModelCall, reading: Reading) -> None:
        self.call = call
        self._reading = reading
        self._status = 200
        self._is_events = False
        self._events = ServerSentEvents()
        self._body = bytearray()
        self._inflate: Callable[[bytes], bytes] | None = None
        self._encoding = ""

    @unharmed
    def read_whole(self, response: Any) -> None:
        """Take an answer that the client has read already."""
        self._expect(response)
        self._encoding, self._inflate = "", None  # the client has decoded it
        self._take(response.content)
        self._finish(is_whole=True)

    @unharmed
    def expect(self, response: Any) -> None:
        """Get ready for an answer that the client will read piece by piece."""
        self._expect(response)

    @unharmed
    def feed(self, chunk: bytes) -> None:
        """Take a piece as it came over the wire."""
        if self._encoding and self._inflate is None:
            self._keep(chunk)
        else:
            self._take(self._inflate(chunk) if self._inflate is not None else chunk)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Follow a stream to its end; a reader that leaves early closes it, which is seen there."""
        try:
            yield
        except GeneratorExit:
            raise
        except BaseException as exc:
            self.call.fail(exc)
            raise
        self.end(is_whole=True)

    @unharmed
    def end(self, *, is_whole: bool) -> None:
        """Take the end of a stream, or that the client read no further."""
        if self.call.is_open:
            self._finish(is_whole=is_whole)

    def _expect(self, response: Any) -> None:
        self._status = response.status_code
        self._is_events = "text/event-stream" in response.headers.get("content-type", "")
        self.call.is_streamed = self._is_events
        self._encoding = response.headers.get("content-encoding", "").strip().lower()
        if self._encoding in ("gzip", "deflate"):
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress

    def _keep(self, chunk: bytes) -> None:
        if len(self._body) < _BODY_LIMIT:
            self._body += chunk

    def _take(self, data: bytes) -> None:
        if not self._is_events or self._status >= 400:
            self._keep(data)
            return
        for event in self._events.feed(data):
            self.call.speak(self._reading.piece(event))

    def _finish(self, *, is_whole: bool) -> None:
        reading = self._reading
        if self._status >= 400:
            self.call.fail(read_error(self._status, bytes(self._body)))
        elif self._encoding and self._inflate is None:
            self.call.fail(
                Failure(type="Unread", message=f"The answer is encoded as {self._encoding}.")
            )
        else:
            self._read_rest(is_whole=is_whole)
            self.call.complete(
                reading.output, reading.usage, model=reading.model, error=reading.error
            )

    def _read_rest(self, *, is_whole: bool) -> None:
        reading = self._reading
        if self._is_events:
            for event in self._events.end():
                self.call.speak(reading.piece(event))
        elif is_whole:
            reading.whole(bytes(self._body))
        if not is_whole and not reading.is_finished and reading.error is None:
            reading.error = Failure(
                type="StreamClosed", message="The caller read no further than this."
            )


def watch(request: Any) -> Watched | None:
    """Begin the record of a request, where it is one to a model from within a node."""
    try:
        if request.method != "POST" or is_inside_call():
            return None
        at = place.here()
        asked = read_request(request.url.path, request.content) if at is not None else None
        if asked is None:
            return None
        call = ModelCall(
            at, model=asked.model, provider=provider_of(str(request.url)),
            messages=asked.messages, parameters=asked.parameters,
        )  # fmt: skip
        return Watched(call, asked.reading())
    except BudgetExceededError:
        raise
    except Exception:  # the border between the program and what watches it
        _logger.debug("A request could not be read.", exc_info=True)
        return None


def install(module: Any) -> Callable[[], None]:
    """Record the calls of one library's clients; gives what undoes it."""
    sync_send, async_send = module.Client.send, module.AsyncClient.send
    tee, atee = _tees(module)
    is_on = True

    @functools.wraps(sync_send)
    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        watched = watch(request) if is_on else None
        if watched is None:
            return sync_send(self, request, **kwargs)
        with watched.call.made():
            response = sync_send(self, request, **kwargs)
        _follow(watched, response, tee)
        return response

    @functools.wraps(async_send)
    async def asend(self: Any, request: Any, **kwargs: Any) -> Any:
        watched = watch(request) if is_on else None
        if watched is None:
            return await async_send(self, request, **kwargs)
        with watched.call.made():
            response = await async_send(self, request, **kwargs)
        _follow(watched, response, atee)
        return response

    module.Client.send, module.AsyncClient.send = send, asend

    def undo() -> None:
        nonlocal is_on
        is_on = False  # what another library has put on top since then keeps calling us
        if module.Client.send is send:
            module.Client.send = sync_send
        if module.AsyncClient.send is asend:
            module.AsyncClient.send = async_send

    return undo


@unharmed
def _follow(watched: Watched, response: Any, tee: Any) -> None:
    if response.is_stream_consumed:
        watched.read_whole(response)
    else:
        watched.expect(response)
        response.stream = tee(response.stream, watched)


def _tees(module: Any) -> tuple[type[Any], type[Any]]:
    """Streams of one library that show `Watched` what passes through them."""

    class Tee(module.SyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any, watched: Watched) -> None:
            self._stream = stream
            self._watched = watched

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

        def __iter__(self) -> Iterator[bytes]:
            with self._watched.reading():
                for chunk in self._stream:
                    self._watched.feed(chunk)
                    yield chunk

        def close(self) -> None:
            self._stream.close()
            self._watched.end(is_whole=False)

    class AsyncTee(module.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any, watched: Watched) -> None:
            self._stream = stream
            self._watched = watched

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            chunks = aiter(self._stream)
            try:
                with self._watched.reading():
                    async for chunk in chunks:
                        self._watched.feed(chunk)
                        yield chunk
            finally:
                if isinstance(chunks, AsyncGenerator):
                    await chunks.aclose()

        async def aclose(self) -> None:
            await self._stream.aclose()
            self._watched.end(is_whole=False)

    return Tee, AsyncTee
