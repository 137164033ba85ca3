"""How many executions come in a unit of time, on made records; and lists of what the platform has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from inwit.events import timestamp
from inwit.introspection import platform
from inwit.introspection.analyses import pace, whatis_platform
from inwit.introspection.claims import Draft, count
from inwit.introspection.scene import Scene, Window
from inwit.runtime.project import Project
from inwit.runtime.views import Execution
from tests.introspection.test_told_by_hand import ran, said, scene

NOON_S = 20_000 * 86_400 + 43_200
STARTS_S = (0, 10, 59, 60, 61, 200)


def record(*starts_s: int, **more: Any) -> Any:
    """Executions that began so many seconds after noon, newest first; the last one within another."""
    every = [
        ran(at, started_at=timestamp((NOON_S + at) * 10**9))
        for at in sorted(starts_s, reverse=True)
    ]
    inner = [ran(99, started_at=timestamp((NOON_S + 500) * 10**9), parent_execution_id="e0")]
    asked: list[Any] = []

    def newest(most: int, *, graph: str) -> list[Execution]:
        asked.append((most, graph))
        return inner + every

    found = SimpleNamespace(newest=newest, asked=asked)
    return scene(store=found, scope="shop", **more)


def asks(words: str, *starts_s: int, **more: Any) -> Draft | None:
    asked = record(*starts_s, **more)
    told = scene(words)
    asked.words, asked.says = told.words, told.says
    return pace.answer(asked)


@pytest.mark.parametrize(
    ("words", "unit", "units", "average", "most", "at_s"),
    [
        ("how many executions run per minute", "minute", 4, 1.5, 3, 0),
        ("which is the busiest minute", "minute", 4, 1.5, 3, 0),
        ("which is the quietest minute", "minute", 4, 1.5, 1, 180),
        ("how many executions run per second", "second", 201, 0.03, 1, 0),
        ("how many executions run per hour", "hour", 1, 6.0, 6, 0),
        ("how many executions run per day", "day", 1, 6.0, 6, -43_200),
        ("what is the throughput", "minute", 4, 1.5, 3, 0),
    ],
)  # fmt: skip
def test_executions_are_counted_by_the_unit_that_is_asked_for(
    words: str, unit: str, units: int, average: float, most: int, at_s: int
) -> None:
    draft = asks(words, *STARTS_S)

    assert draft is not None
    assert draft.data["values"] == {
        "executions": 6,
        "unit": unit,
        "units": units,
        "average": average,
    }
    at = timestamp((NOON_S + at_s) * 10**9)
    assert draft.data["times"] == [{"what": f"most in a {unit}", "ts": at, "count": most}]
    first, last = (timestamp((NOON_S + one) * 10**9) for one in (0, 200))
    which = "Fewest" if "quietest" in words else "Most"
    assert said(draft) == [
        (f"The last 6 executions of shop started in {count(units, unit)}, from {first} to {last}: "
         f"{6 / units:.3g} a {unit} on average."),
        f"{which} started in the {unit} from {at}: {count(most, 'execution')}.",
    ]  # fmt: skip
    ends = [ref.uri for ref in draft.claims[0].refs]
    assert ends == ["execution://e0/summary", "execution://e200/summary", "graph://shop/executions"]


def test_only_a_span_s_own_executions_are_counted() -> None:
    span = Window(since_ns=(NOON_S + 10) * 10**9, until_ns=(NOON_S + 61) * 10**9, words="then")

    draft = asks("how many executions run per minute", *STARTS_S, window=span)

    assert draft is not None
    assert draft.data["values"]["executions"] == 3
    assert "of shop (then) started in 2 minutes" in said(draft)[0]


@pytest.mark.parametrize("words", ["how many tokens per minute", "how many retries per hour"])
def test_other_figures_are_told_elsewhere(words: str) -> None:
    assert asks(words, *STARTS_S) is None


@pytest.mark.parametrize("topic", ["node-types", "edge-types", "states", "errors", "cli", "events"])
def test_a_topic_lists_its_first_twelve_entries(topic: str) -> None:
    entries = platform.entries(topic)

    draft = whatis_platform._topic(scene(), Draft(), topic)

    (text,) = said(draft)
    assert draft.data["available"] is True
    assert draft.data[topic.replace("-", "_")] == [one["name"] for one in entries]
    assert text.startswith(f"{len(entries)} {topic.replace('-', ' ')}: {entries[0]['name']} (")
    shown = [one for one in entries if f"{one['name']} (" in text]
    assert len(shown) >= min(len(entries), 12)
    assert text.endswith(f", and {len(entries) - 12} more.") is (len(entries) > 12)
    assert draft.claims[0].refs[0].uri == f"platform://{topic}"


def test_templates_are_the_packages_that_have_one(project: object) -> None:
    asked = cast("Scene", SimpleNamespace(project=Project.find()))

    draft = whatis_platform._topic(asked, Draft(), "templates")

    ids = draft.data["templates"]
    assert "inwit/supervisor" in ids
    (text,) = said(draft)
    assert text.startswith(f"{len(ids)} graph templates: inwit/")
    assert [ref.uri for ref in draft.claims[0].refs] == [f"package://{one}" for one in ids]
