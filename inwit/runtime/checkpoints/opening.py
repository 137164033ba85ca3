"""Opening and closing a backend, in the ways that LangGraph's savers have."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any, Self

from inwit.runtime.checkpoints.tuples import ReadInTuples


class Done:
    """The result of something that is done already; it may be awaited, and needs not be."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


class Opened(ReadInTuples):
    """A backend as it is opened, closed and read by those who know LangGraph's savers."""

    @classmethod
    def from_conn_string(cls, conn_string: str, **options: Any) -> Self:
        """Make one; ``with`` and ``async with`` close it."""
        return cls(conn_string, **options)  # type: ignore[call-arg] # as its subclasses take it

    def setup(self) -> Done:
        """Make what the backend needs, where it is missing; the first use does so as well."""
        self._set_up()
        return Done()

    def _set_up(self) -> None:
        """Make what the backend needs."""

    def close(self) -> None:
        """Write what waits and close the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
