"""Which versions of a graph are read, beside which others, and which rows of the record are sound."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from inwit.errors import ExpiredPlanError
from inwit.runtime.record import END, ENTER, START, VISIT
from inwit.runtime.store import Store
from inwit.self_improve import reading
from inwit.self_improve.validating import validate
from tests.self_improve.conftest import World, book, run, searcher
from tests.self_improve.test_shadow import configure, plan_of


def record(registered: str, ran: str) -> Store:
    """Versions by single letters: those registered, the first first, and those that ran, newest first."""
    known = [SimpleNamespace(version=one, registered_at=str(at), name="shop")
             for at, one in enumerate(registered)]  # fmt: skip
    done = [SimpleNamespace(graph_version=one, position=len(ran) - at, graph_name="shop")
            for at, one in enumerate(ran)]  # fmt: skip

    def newest(most: int, *, graph: str, version: str | None) -> list[Any]:
        assert graph == "shop"
        return [one for one in done if version in (None, one.graph_version)][:most]

    def graphs(*, name: str = "shop", all_versions: bool = False) -> list[Any]:
        return known if all_versions else known[-1:]

    return cast("Store", SimpleNamespace(newest=newest, graphs=graphs))


@pytest.mark.parametrize(
    ("registered", "ran", "before"),
    [("ab", "bbaa", "a"), ("abc", "cbaab", "b"), ("abc", "cab", "a"), ("ab", "bb", None), ("a", "aa", None),
     ("abcd", "dcbacb", "c")],
)  # fmt: skip
def test_the_version_before_is_the_one_of_the_others_that_ran_last(
    registered: str, ran: str, before: str | None
) -> None:
    assert reading._another_version(record(registered, ran), "shop", ran[0]) == before


@pytest.mark.parametrize(
    ("registered", "ran", "version"),
    [
        ("ab", "bbbb", "b"), ("ab", "abab", "b"), ("ba", "abab", "a"), ("ab", "aaaab", "b"),
        ("ab", "aaaaab", "a"), ("ab", "baaaaa", "a"), ("", "abab", "a"), ("abc", "aabbcc", "c"),
    ],
)  # fmt: skip
def test_of_the_versions_that_run_the_one_registered_last_is_read(
    registered: str, ran: str, version: str
) -> None:
    assert reading._version_of(record(registered, ran), "shop", list(ran)) == version


def test_rows_are_of_a_known_kind_and_whole() -> None:
    whole: list[list[Any]] = [[START, 1, 2, 3], [START, 1, 2, 3, 4], [VISIT, *range(10)],
                              [ENTER, *range(5)], [END, *range(7)]]  # fmt: skip
    odd: list[Any] = [
        [START, 1, 2],
        [VISIT, *range(9)],
        [VISIT, *range(11)],
        [99, 1, 2, 3],
        [],
        "row",
        None,
    ]

    assert reading._sound([*whole, *odd]) == whole
    assert reading._sound("rows") == reading._sound(None) == []


def test_what_a_proposal_is_about_has_to_be_there_when_it_is_looked_at(
    project: object, world: World
) -> None:
    run(searcher(world), 1, world)
    kept = book().enter(plan_of("searcher", configure("searcher", "gone", timeout_s=5))).plan

    with pytest.raises(ExpiredPlanError):
        validate(book(), kept.id)
    assert book().get(kept.id).status == "expired"
