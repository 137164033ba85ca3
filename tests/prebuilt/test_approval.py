from __future__ import annotations

import subprocess
import sys
from typing import Any, TypedDict

import pytest

from inwit import START, Command, SqliteCheckpointer, StateGraph, approval_node
from inwit.errors import AgentDefinitionError, InvalidAnswerError
from inwit.prebuilt import expire
from tests.runtime.capture.record import recorded


class State(TypedDict, total=False):
    amount: int
    approval: dict[str, Any]
    sent: bool


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def payment(clock: Any = None, *, checkpointer: Any = None, **how: Any) -> Any:
    node = approval_node("Pay?", approve="send", clock=clock or Clock(), **how)
    graph = StateGraph(State)
    graph.add_node("approve", node, destinations=("send",))
    graph.add_node("send", lambda state: {"sent": True})
    graph.add_edge(START, "approve")
    return graph.compile(name="payment", checkpointer=checkpointer)


THREAD = {"configurable": {"thread_id": "t1"}}


def asked(app: Any) -> list[dict[str, Any]]:
    return [one.value for task in app.get_state(THREAD).tasks for one in task.interrupts]


@pytest.mark.parametrize(
    ("answer", "sent", "comment"),
    [
        (True, True, ""),
        (False, None, ""),
        ({"approved": True, "comment": "fine", "by": "ada"}, True, "fine"),
        ({"approved": False, "comment": "too much"}, None, "too much"),
    ],
)
def test_an_answer_decides(answer: Any, sent: Any, comment: str, project: Any) -> None:
    app = payment(risk="high")

    app.invoke({"amount": 5}, THREAD)
    result = app.invoke(Command(resume=answer), THREAD)

    assert result.get("sent") is sent
    assert result["approval"]["comment"] == comment
    assert result["approval"]["how"] == "answered"
    (decision,) = [one["data"] for one in recorded(app, "custom") if one["name"] == "approval"]
    assert decision == result["approval"]


def test_the_question_says_what_is_asked_and_until_when(project: Any) -> None:
    app = payment(risk=lambda state: "high" if state["amount"] > 3 else "low", timeout_s=60)

    app.invoke({"amount": 5}, THREAD)

    assert asked(app) == [
        {
            "kind": "approval",
            "question": "Pay?",
            "risk": "high",
            "asked_at": 1000.0,
            "expires_at": 1060.0,
            "on_expiry": "reject",
        }
    ]


def test_an_answer_of_another_kind_is_refused_and_the_question_still_waits(project: Any) -> None:
    app = payment()
    app.invoke({"amount": 5}, THREAD)

    with pytest.raises(InvalidAnswerError):
        app.invoke(Command(resume={"comment": "hm"}), THREAD)

    assert len(asked(app)) == 1
    assert app.invoke(Command(resume=True), THREAD)["sent"] is True


def test_a_risk_that_is_approved_automatically_is_not_asked_about(project: Any) -> None:
    app = payment(risk="low", auto_approve=("low",))

    result = app.invoke({"amount": 5}, THREAD)

    assert result["sent"] is True
    assert result["approval"]["how"] == "automatic"


@pytest.mark.parametrize(("on_expiry", "sent"), [("approve", True), ("reject", None)])
def test_an_answer_after_the_limit_is_not_heeded(on_expiry: Any, sent: Any, project: Any) -> None:
    clock = Clock()
    app = payment(clock, timeout_s=60, on_expiry=on_expiry)
    app.invoke({"amount": 5}, THREAD)
    clock.now += 61

    result = app.invoke(Command(resume=not sent), THREAD)

    assert result.get("sent") is sent
    assert result["approval"]["how"] == "expired"


def test_an_expired_question_is_escalated_and_then_rejected(project: Any) -> None:
    clock = Clock()
    app = payment(clock, timeout_s=60, on_expiry="escalate", escalate_to="the boss")
    app.invoke({"amount": 5}, THREAD)
    clock.now += 61
    app.invoke(Command(resume=True), THREAD)

    (question,) = asked(app)
    assert question["for"] == "the boss"
    assert question["expires_at"] == 1121.0
    clock.now += 61
    result = app.invoke(Command(resume=True), THREAD)

    assert result["approval"] == {
        "approved": False, "how": "expired", "risk": "medium", "comment": "", "by": "",
        "escalated": True,
    }  # fmt: skip


def test_the_one_it_is_escalated_to_can_approve(project: Any) -> None:
    clock = Clock()
    app = payment(clock, timeout_s=60, on_expiry="escalate", escalate_to="the boss")
    app.invoke({"amount": 5}, THREAD)
    clock.now += 61
    app.invoke(Command(resume=False), THREAD)

    result = app.invoke(Command(resume=True), THREAD)

    assert result["sent"] is True
    assert result["approval"]["escalated"] is True


@pytest.mark.anyio
async def test_a_timer_expires_what_nobody_answered(project: Any) -> None:
    clock = Clock()
    app = payment(clock, timeout_s=60)
    await app.ainvoke({"amount": 5}, THREAD)

    early = await expire(app, THREAD, clock=clock)
    clock.now += 61
    late = await expire(app, THREAD, clock=clock)

    assert (early, late) == (False, True)
    assert app.get_state(THREAD).values["approval"]["how"] == "expired"
    assert asked(app) == []


OTHER = """
import sys, time
from inwit import Command, SqliteCheckpointer
from tests.prebuilt.test_approval import payment, THREAD
late = float(sys.argv[2])
app = payment(lambda: 1000.0 + late, checkpointer=SqliteCheckpointer(sys.argv[1]), timeout_s=60)
print(app.invoke(Command(resume=True), THREAD)["approval"]["how"])
"""


@pytest.mark.parametrize(("late", "how"), [("1", "answered"), ("61", "expired")])
def test_another_process_resumes_with_the_limit_of_the_first(
    late: str, how: str, project: Any, request: pytest.FixtureRequest
) -> None:
    file = project / "threads.db"
    saver = SqliteCheckpointer(file)
    app = payment(checkpointer=saver, timeout_s=60)
    app.invoke({"amount": 5}, THREAD, durability="sync")

    done = subprocess.run(
        [sys.executable, "-c", OTHER, str(file), late],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(request.config.rootpath), "INWIT_OFF": "1", "PATH": "/usr/bin"},
    )

    assert done.stdout.strip() == how, done.stderr


def test_an_action_or_risk_that_is_none_is_refused() -> None:
    with pytest.raises(AgentDefinitionError, match="'ignore'"):
        approval_node("?", on_expiry="ignore")  # type: ignore[arg-type]
    with pytest.raises(AgentDefinitionError, match="'huge'"):
        approval_node("?", risk="huge")  # type: ignore[arg-type]
