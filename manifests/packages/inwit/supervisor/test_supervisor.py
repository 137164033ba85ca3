from __future__ import annotations

from typing import Any

import pytest

from inwit.registry.packages import load


def weather(question: str, notes: list[Any]) -> str:
    """Knows about rain, sun, wind and temperature."""
    return "It will rain."


async def trains(question: str, notes: list[Any]) -> str:
    """Knows about trains, timetables and delays."""
    return f"The train leaves at nine; {len(notes)} spoke before."


def test_the_worker_that_shares_the_questions_words_is_asked() -> None:
    app = load("inwit/supervisor")({"weather": weather, "trains": trains}).compile(name="desk")

    result = app.invoke({"question": "Are there delays of trains today?"})

    assert result["notes"] == [
        {"worker": "trains", "text": "The train leaves at nine; 0 spoke before."}
    ]
    assert result["answer"] == "The train leaves at nine; 0 spoke before."


def test_a_question_about_two_subjects_reaches_both_workers() -> None:
    app = load("inwit/supervisor")({"weather": weather, "trains": trains}).compile(name="desk")

    result = app.invoke({"question": "How do rain and delays of trains go together?"})

    assert [note["worker"] for note in result["notes"]] == ["trains", "weather"]


def test_an_own_chooser_decides_until_the_rounds_are_used_up() -> None:
    async def always(question: str, notes: list[Any], workers: dict[str, Any]) -> str:
        return "weather"

    build = load("inwit/supervisor")
    app = build({"weather": weather}, choose=always, max_rounds=3).compile(name="desk")

    result = app.invoke({"question": "?"})

    assert [note["worker"] for note in result["notes"]] == ["weather"] * 3


def test_a_chooser_that_names_nobody_fails_with_the_names_there_are() -> None:
    build = load("inwit/supervisor")
    app = build({"weather": weather}, choose=lambda *_: "whether").compile(name="desk")

    with pytest.raises(LookupError, match="No worker 'whether'; there are weather"):
        app.invoke({"question": "?"})


def test_a_worker_cannot_take_the_name_of_a_node_of_the_template() -> None:
    with pytest.raises(ValueError, match="finish"):
        load("inwit/supervisor")({"finish": weather})
