"""Others asked at once: one deadline, partial results, each under the name of who says it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from inwit.errors import MalformedInputError
from inwit.introspection.others import ask_peers, gather


class Host:
    """A peer in this process: it answers, fails, or never comes back."""

    def __init__(self, name: str, how: str, never: threading.Event) -> None:
        self.name = name
        self._how = how
        self._never = never

    def ask(
        self, question: str, *, level: str | None, graph: str | None, deadline_s: float
    ) -> Mapping[str, Any]:
        if self._how == "silent":
            self._never.wait(10)
        if self._how == "broken":
            raise MalformedInputError("no such thing")
        return {
            "answer": f"{self.name} heard {question}", "level": "live", "intent": "state",
            "evidence": [{"uri": "execution://0123456789abcdef/summary", "quote": "q", "why": "w"}],
            "confidence": 0.7,
        }  # fmt: skip

    def packages(
        self, query: str, *, kind: str | None, limit: int, deadline_s: float
    ) -> Sequence[Mapping[str, Any]]:
        return [{"id": f"{self.name}/rag", "version": "1.0.0", "description": query}]


def test_what_is_not_there_in_time_is_named_and_the_rest_is_told() -> None:
    never = threading.Event()
    hosts = [
        Host("alpha", "fine", never),
        Host("beta", "silent", never),
        Host("gamma", "broken", never),
    ]

    begun = monotonic()
    answer = ask_peers(hosts, "What is running?", deadline_s=0.3)
    took = monotonic() - begun
    never.set()

    assert took < 9
    assert [(one["source"], one["status"]) for one in answer.data["peers"]] == [
        ("alpha", "answered"), ("beta", "late"), ("gamma", "failed")
    ]  # fmt: skip
    assert (
        answer.data["partial"] is True and "beta and gamma of 3 peers did not answer" in answer.text
    )
    assert "[alpha] alpha heard What is running?" in answer.text
    assert answer.confidence == 0.7
    assert [one.uri for one in answer.evidence] == [
        "peer://alpha/execution://0123456789abcdef/summary"
    ]


def test_all_are_asked_at_the_same_time() -> None:
    together = threading.Barrier(8)

    results = gather(dict.fromkeys(map(str, range(8)), together.wait), 5)

    assert {one.status for one in results} == {"answered"}
    assert [one.source for one in results] == [str(n) for n in range(8)]


def test_nobody_to_ask_is_no_answer() -> None:
    answer = ask_peers([], "What is running?")

    assert answer.evidence == () and answer.confidence == 0.0
