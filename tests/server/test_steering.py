from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inwit import END, START, StateGraph
from inwit.errors import ExecutionCancelledError
from inwit.runtime.project import Project
from inwit.server import lifecycle
from inwit.server.auth_setup import host_token
from inwit.server.offers import Offers
from tests.asking import State, asking


@pytest.fixture
def writing(project: Path) -> Iterator[httpx.Client]:
    """A client with the host's token, of a host that may write."""
    running = lifecycle.start(Project.find(), port=0, offers=Offers(allow_write=True))
    headers = {"Authorization": f"Bearer {host_token(Project.find())}"}
    with httpx.Client(base_url=running.url, timeout=30, headers=headers) as client:
        yield client
    running.stop()


def post(client: httpx.Client, execution_id: str, action: str, **body: Any) -> httpx.Response:
    return client.post(f"/mcp/live/executions/{execution_id}/{action}", json=body)


def test_an_execution_is_paused_resumed_and_cancelled_over_http(writing: httpx.Client) -> None:
    is_begun = threading.Event()

    def count(state: State) -> State:
        is_begun.set()
        threading.Event().wait(0.002)
        return {"n": state.get("n", 0) + 1}

    graph = StateGraph(State)
    graph.add_node("count", count)
    graph.add_edge(START, "count")
    graph.add_conditional_edges("count", lambda _: "more", {"more": "count", "done": END})
    app = graph.compile(name="counter")

    def run() -> None:
        with pytest.raises(ExecutionCancelledError):
            app.invoke({}, {"recursion_limit": 10**6}, execution_id="counting")

    thread = threading.Thread(target=run)
    thread.start()
    assert is_begun.wait(30)

    paused = post(writing, "counting", "pause").json()
    stale = post(writing, "counting", "resume", expected_seq=paused["seq"] - 1)
    resumed = post(writing, "counting", "resume", expected_seq=paused["seq"]).json()
    cancelled = post(writing, "counting", "cancel").json()
    over = post(writing, "counting", "pause")
    thread.join(10)

    assert [paused["status"], resumed["status"], cancelled["status"]] == [
        "paused", "running", "cancelled",
    ]  # fmt: skip
    assert (stale.status_code, stale.json()["code"]) == (409, "execution.stale")
    assert (over.status_code, over.json()["code"]) == (409, "execution.over")


def test_an_answer_over_http_is_checked_against_the_questions_schema(writing: httpx.Client) -> None:
    app = asking()
    app.invoke({}, execution_id="asked")

    refused = post(writing, "asked", "resume", value="perhaps")
    answered = post(writing, "asked", "resume", value=True)

    assert (refused.status_code, refused.json()["code"]) == (422, "execution.invalid_answer")
    assert answered.status_code == 200


def test_a_host_that_only_answers_steers_nothing(project: Path) -> None:
    asking().invoke({}, execution_id="asked")
    running = lifecycle.start(Project.find(), port=0)
    headers = {"Authorization": f"Bearer {host_token(Project.find())}"}
    with httpx.Client(base_url=running.url, headers=headers) as client:
        refused = post(client, "asked", "cancel")
    running.stop()

    assert (refused.status_code, refused.json()["code"]) == (403, "request.forbidden")


def test_steering_asks_for_the_hosts_token(writing: httpx.Client) -> None:
    asking().invoke({}, execution_id="asked")

    with httpx.Client(base_url=writing.base_url) as stranger:
        refused = post(stranger, "asked", "cancel")

    assert refused.status_code == 401


def test_what_cannot_be_steered_is_refused_by_its_kind(writing: httpx.Client) -> None:
    asking().invoke({}, execution_id="asked")

    found = [
        post(writing, "nobody", "pause"),
        post(writing, "asked", "resume"),
        post(writing, "asked", "cancel", expected_seq="soon"),
    ]

    assert [one.json()["code"] for one in found] == [
        "execution.unknown", "execution.answer_needed", "request.malformed",
    ]  # fmt: skip
