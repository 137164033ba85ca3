"""Waiting for people: questions, answers, break points, restarts, other processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel, field_validator

from inwit import (
    END,
    START,
    Command,
    Interrupt,
    Send,
    SqliteCheckpointer,
    StateGraph,
    interrupt,
)
from inwit.errors import InvalidAnswerError, InvalidStateError, OpenQuestionsError
from inwit.runtime.project import Project
from inwit.runtime.store import Store


def joined(old: list[str], new: list[str]) -> list[str]:
    return [*old, *new]


class State(TypedDict, total=False):
    to: str
    said: Annotated[list[str], joined]


def one_node(node: Any, **options: Any) -> Any:
    graph = StateGraph(State).add_node("ask", node).add_edge(START, "ask").add_edge("ask", END)
    return graph.compile(name="asking", **options)


def here(thread: str = "t") -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}}


def test_an_answer_goes_on_with_the_same_execution(project: Path) -> None:
    app = one_node(lambda state: {"said": [interrupt("name?")]})

    waiting = app.invoke({"to": "ada"}, here())
    first = app.last_execution_id
    done = app.invoke(Command(resume="eve"), here())

    assert waiting["__interrupt__"][0].value == "name?"
    assert done["said"] == ["eve"]
    assert app.last_execution_id == first
    app.journal.flush()
    events = Store.of(app.project).events(first)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    types = [event.type for event in events]
    assert types.index("interrupt_raised") < types.index("interrupt_resumed")
    assert types[-1] == "execution_completed"


@pytest.mark.parametrize("thread", ["t", None])
@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_who_waits_is_at_the_step_before_the_question(
    thread: str | None, ahead: int, project: Path
) -> None:
    graph = StateGraph(State)
    nodes: list[Any] = [(f"n{number}", lambda state: {}) for number in range(ahead)]
    graph.add_sequence([*nodes, ("ask", lambda state: {"said": [interrupt("name?")]})])
    graph.set_entry_point("n0" if nodes else "ask")
    app = graph.compile(name="later")

    app.invoke({"to": "ada"}, thread_id=thread)

    found: Any = app.get_state(here(thread or str(app.last_execution_id)))
    assert (found.next, found.metadata["step"]) == (("ask",), ahead)


def test_a_waiting_execution_says_so_in_the_record(project: Path) -> None:
    app = one_node(lambda state: {"said": [interrupt("name?")]})

    app.invoke({"to": "ada"}, here())

    app.journal.flush()
    [found] = Store.of(app.project).executions(status="waiting_for_input").items
    assert found.execution_id == app.last_execution_id


def test_without_a_thread_the_execution_waits_under_its_own_id(project: Path) -> None:
    app = one_node(lambda state: {"said": [interrupt("name?")]})

    app.invoke({"to": "ada"})
    done = app.invoke(Command(resume="eve"), thread_id=app.last_execution_id)

    assert done == {"to": "ada", "said": ["eve"]}


def test_several_questions_of_one_node_are_answered_in_their_order(project: Path) -> None:
    app = one_node(lambda state: {"said": [interrupt("one?"), interrupt("two?")]})

    app.invoke({"to": "ada"}, here())
    second = app.invoke(Command(resume="1"), here())
    done = app.invoke(Command(resume="2"), here())

    assert second["__interrupt__"][0].value == "two?"
    assert done["said"] == ["1", "2"]


def test_questions_of_parallel_branches_are_answered_by_their_ids(project: Path) -> None:
    ran: list[str] = []

    def quiet(state: Any) -> dict[str, Any]:
        ran.append("quiet")
        return {"said": ["quiet"]}

    graph = StateGraph(State)
    graph.add_node("quiet", quiet)
    graph.add_edge(START, "quiet")
    for name in ("left", "right"):
        graph.add_node(name, lambda state, name=name: {"said": [f"{name}:{interrupt(name)}"]})
        graph.add_edge(START, name)
    app = graph.compile(name="both")

    asked = {one.value: one.id for one in app.invoke({"to": "a"}, here())["__interrupt__"]}
    with pytest.raises(OpenQuestionsError):
        app.invoke(Command(resume="x"), here())
    half = app.invoke(Command(resume={asked["left"]: "L"}), here())
    done = app.invoke(Command(resume={asked["right"]: "R"}), here())

    assert [one.value for one in half["__interrupt__"]] == ["right"]
    assert sorted(done["said"]) == ["left:L", "quiet", "right:R"]
    assert ran == ["quiet"]


def test_each_sent_branch_asks_for_itself(project: Path) -> None:
    graph = StateGraph(State)
    graph.add_node("plan", lambda state: None)
    graph.add_node("ask", lambda state: {"said": [interrupt(state["to"])]})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges(
        "plan", lambda state: [Send("ask", {"to": name}) for name in ("ada", "eve")], ["ask"]
    )
    app = graph.compile(name="sent")

    asked = app.invoke({"to": "x"}, here())["__interrupt__"]
    done = app.invoke(Command(resume={one.id: one.value.upper() for one in asked}), here())

    assert [one.value for one in asked] == ["ada", "eve"]
    assert done["said"] == ["ADA", "EVE"]


def test_an_answer_that_does_not_fit_is_refused_and_the_execution_still_waits(
    project: Path,
) -> None:
    app = one_node(lambda state: {"said": [str(interrupt("how many?", schema=int) + 1)]})
    app.invoke({"to": "ada"}, here())

    with pytest.raises(InvalidAnswerError, match="'many'"):
        app.invoke(Command(resume="many"), here())

    assert app.get_state(here()).next == ("ask",)
    assert app.invoke(Command(resume=3), here())["said"] == ["4"]


class Verdict(BaseModel):
    by: str

    @field_validator("by")
    @classmethod
    def known(cls, value: str) -> str:
        if value != "ada":
            raise ValueError("only ada may say")
        return value


def test_an_answer_that_only_the_type_refuses_is_asked_for_again(project: Path) -> None:
    app = one_node(lambda state: {"said": [interrupt("who?", schema=Verdict).by]})
    app.invoke({"to": "x"}, here())

    with pytest.raises(InvalidAnswerError, match="only ada may say"):
        app.invoke(Command(resume={"by": "eve"}), here())

    assert len(app.get_state(here()).interrupts) == 1
    assert app.invoke(Command(resume={"by": "ada"}), here())["said"] == ["ada"]


def test_an_answer_to_a_thread_where_nothing_waits_is_refused(project: Path) -> None:
    app = one_node(lambda state: {"said": ["x"]})
    app.invoke({"to": "ada"}, here())

    with pytest.raises(InvalidStateError, match="No question waits"):
        app.invoke(Command(resume=1), here())


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_break_point_stops_and_none_goes_on(where: str, project: Path) -> None:
    ran: list[str] = []

    def note(name: str) -> Any:
        return lambda state: ran.append(name)

    graph = StateGraph(State)
    for name in ("a", "b"):
        graph.add_node(name, note(name))
    graph.add_edge(START, "a").add_edge("a", "b")
    points: dict[str, Any] = (
        {"interrupt_before": ["b"]} if where == "before" else {"interrupt_after": ["a"]}
    )
    app = graph.compile(name="stops", **points)

    app.invoke({"to": "x"}, here())
    at_the_point = list(ran)
    app.invoke(None, here())

    assert at_the_point == ["a"]
    assert ran == ["a", "b"]


def test_a_question_in_a_graph_within_is_answered_from_outside(project: Path) -> None:
    inner = one_node(lambda state: {"said": [interrupt("inner?")]})
    app = StateGraph(State).add_node("sub", inner).add_edge(START, "sub").compile(name="outer")

    waiting = app.invoke({"to": "x"}, here())
    done = app.invoke(Command(resume="yes"), here())

    assert waiting["__interrupt__"][0].value == "inner?"
    assert done["said"] == ["yes"]


async def charge(calls: list[str]) -> str:
    calls.append("charged")
    return "receipt"


def test_a_step_that_was_done_before_a_question_is_not_done_again(project: Path) -> None:
    calls: list[str] = []

    async def pay(state: Any, ctx: Any) -> dict[str, Any]:
        receipt = await ctx.step("charge", charge, calls)
        return {"said": [receipt, interrupt("fine?")]}

    app = one_node(pay)

    app.invoke({"to": "x"}, here())
    done = app.invoke(Command(resume="yes"), here())

    assert calls == ["charged"]
    assert done["said"] == ["receipt", "yes"]


ASKING = """
import sys
from typing import TypedDict
from inwit import Command, START, SqliteCheckpointer, StateGraph, interrupt

class State(TypedDict, total=False):
    to: str
    ok: bool

graph = StateGraph(State)
graph.add_node("draft", lambda state: print("drafted"))
graph.add_node("send", lambda state: {"ok": interrupt({"to": state["to"]}, schema=bool)})
graph.add_edge(START, "draft").add_edge("draft", "send")
app = graph.compile(name="mail", checkpointer=SqliteCheckpointer("saved.db"))
given = {"to": "ada"} if sys.argv[1] == "begin" else Command(resume=True)
print(app.invoke(given, thread_id="t"), app.last_execution_id)
"""


def test_another_process_answers(project: Path) -> None:
    Path("asking.py").write_text(ASKING)

    def run(mode: str) -> str:
        done = subprocess.run(
            [sys.executable, "asking.py", mode], capture_output=True, text=True, check=True
        )
        return done.stdout

    begun, ended = run("begin"), run("answer")

    assert "drafted" in begun
    assert "__interrupt__" in begun
    assert "drafted" not in ended
    assert "'ok': True" in ended
    assert begun.split()[-1] == ended.split()[-1]


@pytest.mark.parametrize("saver", ["SqliteCheckpointer('saved.db')", "SqliteCheckpointer()"])
def test_what_waits_in_a_file_is_in_the_record_when_its_process_dies(
    project: Path, saver: str
) -> None:
    dying = ASKING.replace('SqliteCheckpointer("saved.db")', saver).partition("given =")[0]
    dying += "app.invoke({'to': 'ada'}, thread_id='t')\nimport os\nos.kill(os.getpid(), 9)\n"
    Path("dying.py").write_text(dying)

    killed = subprocess.run([sys.executable, "dying.py"], capture_output=True, check=False)

    assert killed.returncode == -9
    store = Store.of(Project.find())
    [waiting] = store.executions().items
    assert waiting.status == "waiting_for_input"
    assert [event.seq for event in store.events(waiting.execution_id)][:1] == [1]


def test_what_waits_in_a_file_is_found_by_a_new_graph(project: Path) -> None:
    def app() -> Any:
        return one_node(
            lambda state: {"said": [interrupt("q")]}, checkpointer=SqliteCheckpointer("saved.db")
        )

    app().invoke({"to": "x"}, here())

    assert [one.value for one in app().get_state(here()).interrupts] == ["q"]
    assert app().invoke(Command(resume="a"), here())["said"] == ["a"]


def test_questions_are_equal_by_what_they_ask_and_their_id() -> None:
    one = Interrupt(["a"], "1")

    assert one == Interrupt(["a"], "1") and len({one, Interrupt(["a"], "1")}) == 1
    assert one != Interrupt(["a"], "2") and one != Interrupt(["b"], "1") and one != "a"
    assert repr(one) == "Interrupt(value=['a'], id='1')"
