"""Whether a checkpointer keeps its protocol."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from inwit.runtime.checkpoints.base import Checkpointer

Make = Callable[[str], Checkpointer]


class NonconformingError(AssertionError):
    """A checkpointer does not do what the protocol says."""


def expect(is_so: bool, what: str) -> None:
    """Refuse what is not so; unlike ``assert`` also where Python is told to optimise."""
    if not is_so:
        raise NonconformingError(what)


def expect_equal(found: Any, wanted: Any, what: str) -> None:
    """Refuse what is another value than the wanted one."""
    expect(found == wanted, f"{what}: expected {wanted!r}, found {found!r}.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a check keeps its checkpoints: a storage of its own, opened as often as it likes."""

    make: Make
    name: str
    stack: ExitStack = field(default_factory=ExitStack)

    def open(self) -> Checkpointer:
        """A checkpointer on this place's storage, as another process would have one."""
        saver = self.make(self.name)
        if hasattr(saver, "close"):
            self.stack.callback(saver.close)
        return saver


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a checkpointer has to do. Call it; it raises where that is not done."""

    name: str
    body: Callable[[Place], None]
    make: Make | None = None

    def __call__(self, make: Make | None = None) -> None:
        """Try it, with `make` where the suite was given none.

        Raises:
            NonconformingError: It is not done.
        """
        make = make or self.make
        if make is None:
            raise TypeError("Give a checkpointer to check: check(lambda name: …).")
        place = Place(make, f"suite-{uuid.uuid4().hex[:12]}")
        with place.stack:
            self.body(place)

    def __str__(self) -> str:
        return self.name


def checkpointer_suite(make: Make | None = None, *, is_shared: bool = True) -> Sequence[Check]:
    """Give the checks that every backend of inwit passes.

    Args:
        make: Gives a checkpointer on the storage of that name, a fresh one where the name is new.
            Two checkpointers of one name stand for two processes. What has a ``close`` is closed.
            Without it each check is called with one, which may come from a fixture.
        is_shared: False for a backend whose checkpointers share nothing, such as one in memory; the
            checks that need a second process are left out.

    Example:
        >>> from inwit import InMemoryCheckpointer
        >>> suite = checkpointer_suite(lambda name: InMemoryCheckpointer(), is_shared=False)
        >>> for check in suite:
        ...     check()
    """
    from inwit.testing import appending, reading, sharing

    bodies = [*reading.CHECKS, *appending.CHECKS, *(sharing.CHECKS if is_shared else ())]
    return [Check(body.__name__, body, make) for body in bodies]
