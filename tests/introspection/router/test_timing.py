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


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("why slow between 14:50 and 15:00", "05-15T14:50", "05-15T15:00"),
        ("between 9 and 11 am", "05-15T09:00", "05-15T11:00"),
        ("from 9:00 until 11:30 yesterday", "05-14T09:00", "05-14T11:30"),
        ("yesterday between 9:00 and 11:00", "05-14T09:00", "05-14T11:00"),
        ("between 23:50 and 00:10", "05-14T23:50", "05-15T00:10"),
        ("between 14:00 and now", "05-15T14:00", "05-15T15:30"),
        ("14:00-14:30", "05-15T14:00", "05-15T14:30"),
        ("between monday and tuesday", "05-13T00:00", "05-15T00:00"),
        ("between 2030-05-01 and 2030-05-03", "05-01T00:00", "05-04T00:00"),
        ("from monday 14:00 to tuesday 9:00", "05-13T14:00", "05-14T09:00"),
        ("yesterday afternoon", "05-14T12:00", "05-14T18:00"),
        ("since Tuesday", "05-14T00:00", "05-15T15:30"),
        ("since yesterday 18:00", "05-14T18:00", "05-15T15:30"),
        ("since 8am this morning", "05-15T08:00", "05-15T15:30"),
        ("since the 3rd of march", "03-03T00:00", "05-15T15:30"),
        ("since march", "03-01T00:00", "05-15T15:30"),
        ("on 3 March", "03-03T00:00", "03-04T00:00"),
        ("on March 3rd", "03-03T00:00", "03-04T00:00"),
        ("in april", "04-01T00:00", "05-01T00:00"),
        ("yesterday at 14:30", "05-14T14:15", "05-14T14:45"),
        ("monday morning", "05-13T05:00", "05-13T12:00"),
        ("last weekend", "05-11T00:00", "05-13T00:00"),
        ("in the past hour and a half", "05-15T14:00", "05-15T15:30"),
        ("half an hour ago", "05-15T14:45", "05-15T15:15"),
        ("since 3 days", "05-12T15:30", "05-15T15:30"),
        ("the day before yesterday", "05-13T00:00", "05-14T00:00"),
        ("12.5. was slow", "05-12T00:00", "05-13T00:00"),
    ],
)
def test_ranges_dates_and_clock_times_mean_spans(text: str, since: str, until: str) -> None:
    assert parse_time(text, NOW) == (at(since), at(until))


@pytest.mark.parametrize(
    "text", ["between plan and answer", "from one to two", "why was it 12.5", "on 30 february"]
)
def test_names_numbers_and_impossible_dates_are_no_times(text: str) -> None:
    assert parse_time(text, NOW) is None
