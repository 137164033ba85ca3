"""Answers of models that are written anew from the record read as they did at first."""

from __future__ import annotations

from typing import Any

import pytest

from inwit.runtime.capture.dialects import (
    AnthropicReading,
    ChatReading,
    EmbeddingsReading,
    Reading,
    ResponsesReading,
)
from inwit.runtime.capture.written import written

CALL = {"id": "c1", "name": "look", "arguments": '{"at": 1}'}
DIALECTS = [ChatReading, AnthropicReading, ResponsesReading]


def told(**output: Any) -> dict[str, Any]:
    return {
        "model": "m", "input_tokens": 7, "output_tokens": 3, "cached_tokens": 2, "output": output
    }  # fmt: skip


def reread(dialect: type[Reading], body: bytes, *, is_streamed: bool) -> tuple[Reading, str]:
    reading, said = dialect(), ""
    if not is_streamed:
        reading.whole(body)
    else:
        for line in body.decode().splitlines():
            if line.startswith("data: "):
                said += reading.piece(line.removeprefix("data: ").encode())
    return reading, said


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "output",
    [{"content": "Hi there"}, {"tool_calls": [CALL]}, {"content": "So", "tool_calls": [CALL]}, {}],
)
def test_an_answer_of_the_record_reads_as_it_did(
    dialect: type[Reading], output: dict[str, Any], is_streamed: bool
) -> None:
    body = written(dialect, told(**output), is_streamed=is_streamed)

    assert body is not None
    reading, said = reread(dialect, body, is_streamed=is_streamed)
    found = {key: value for key, value in reading.output.items() if key != "finish_reason"}
    assert found == {"content": "", **output}
    assert (reading.usage.input, reading.usage.output, reading.usage.cached) == (7, 3, 2)
    assert (reading.model, reading.error, reading.is_finished) == ("m", None, True)
    assert not is_streamed or said == output.get("content", "")


def test_a_dialect_without_a_way_back_has_none() -> None:
    assert written(EmbeddingsReading, told(), is_streamed=False) is None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_no_answer_is_an_error_and_what_is_no_event_adds_nothing(
    dialect: type[Reading],
) -> None:
    whole, refused, stream = dialect(), dialect(), dialect()

    whole.whole(b"<html>")
    refused.whole(b'{"error": {"message": "too many", "type": "rate"}}')
    added = stream.piece(b"...")
    failed = stream.piece(b'{"error": "no room"}')

    assert whole.error is not None and whole.error.type == "BrokenAnswer"
    assert refused.error is not None and (refused.error.message, refused.error.code) == (
        "200: too many", "rate",
    )  # fmt: skip
    assert (added, failed) == ("", "")
    assert stream.error is not None and stream.error.message == "200: no room"
