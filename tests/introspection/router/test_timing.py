"""Times in plain words mean spans of time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inwit.introspection.router import parse_time

NOW = datetime(2030, 5, 15, 15, 30, tzinfo=UTC)
"""A Wednesday."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2030-{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("yesterday", "05-14T00:00", "05-15T00:00"),
        ("what failed today?", "05-15T00:00", "05-15T15:30"),
        ("in the last hour", "05-15T14:30", "05-15T15:30"),
        ("last 24h", "05-14T15:30", "05-15T15:30"),
        ("in the last 10 minutes", "05-15T15:20", "05-15T15:30"),
        ("over the past two days", "05-13T15:30", "05-15T15:30"),
        ("this week", "05-13T00:00", "05-15T15:30"),
        ("last week", "05-06T00:00", "05-13T00:00"),
        ("last month", "04-01T00:00", "05-01T00:00"),
        ("since monday", "05-13T00:00", "05-15T15:30"),
        ("on thursday", "05-09T00:00", "05-10T00:00"),
        ("since yesterday", "05-14T00:00", "05-15T15:30"),
        ("after noon", "05-15T12:00", "05-15T15:30"),
        ("before noon", "05-15T00:00", "05-15T12:00"),
        ("this morning", "05-15T05:00", "05-15T12:00"),
        ("last night", "05-14T18:00", "05-15T06:00"),
        ("around 14:00", "05-15T13:45", "05-15T14:15"),
        ("at 3pm", "05-15T14:45", "05-15T15:15"),
        ("at 18:00", "05-14T17:45", "05-14T18:15"),
        ("2 hours ago", "05-15T13:15", "05-15T13:45"),
        ("3 days ago", "05-12T00:00", "05-13T00:00"),
        ("on 2030-05-01", "05-01T00:00", "05-02T00:00"),
        ("since 2030-05-01", "05-01T00:00", "05-15T15:30"),
        ("since last week", "05-06T00:00", "05-15T15:30"),
    ],
)
def test_a_time_means_a_span(text: str, since: str, until: str) -> None:
    assert parse_time(text, NOW) == (at(since), at(until))


@pytest.mark.parametrize(
    "text", ["", "the last run", "am I stuck", "in 2s", "version 1.2.3", "2030-99-99", "p95"]
)
def test_other_words_mean_no_time(text: str) -> None:
    assert parse_time(text, NOW) is None


@given(text=st.text(max_size=60), unit=st.sampled_from(["days", "years", "h", "weeks"]))
def test_a_span_never_ends_before_it_begins(text: str, unit: str) -> None:
    for wording in (text, f"last 999999 {unit}", f"{text} 12:59 since {text}"):
        span = parse_time(wording, NOW)

        assert span is None or span[0] <= span[1]
