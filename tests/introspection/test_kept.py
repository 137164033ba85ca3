"""What was worked out of executions is kept for the next question, and no longer than is wanted."""

from __future__ import annotations

from functools import partial

import msgspec

from inwit.introspection.kept import Kept
from inwit.runtime.views import Execution

ONE = msgspec.convert(
    {
        "execution_id": "e1",
        "graph_name": "g",
        "graph_version": "v",
        "status": "completed",
        "started_at": "2026-01-01T00:00:00Z",
        "last_seq": 7,
    },
    Execution,
)


def test_a_thing_is_made_once_of_an_execution_as_it_is() -> None:
    kept, made = Kept[int](8), iter(range(100))

    def make() -> int:
        return next(made)

    assert [kept.of(ONE, make), kept.of(ONE, make)] == [0, 0]
    assert kept.of(msgspec.structs.replace(ONE, last_seq=8), make) == 1
    assert kept.of(ONE, make, "another version") == 2
    assert kept.of(ONE, make) == 0


def test_the_oldest_goes_when_there_are_too_many() -> None:
    kept = Kept[str](2)
    for name in "abc":
        kept.of(msgspec.structs.replace(ONE, execution_id=name), partial(str, name))
    again = [
        kept.of(msgspec.structs.replace(ONE, execution_id=name), lambda: "made anew")
        for name in "cba"
    ]
    assert again == ["c", "b", "made anew"]
