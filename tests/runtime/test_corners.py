"""What is rarely met: drawings of nothing, odd messages, types that cannot be read, calls in odd places."""

from __future__ import annotations

import errno
import time
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from inwit import (
    END,
    START,
    Command,
    InMemoryCache,
    InMemoryCheckpointer,
    RetryPolicy,
    StateGraph,
    entrypoint,
    interrupt,
    task,
)
from inwit.errors import (
    InvalidAnswerError,
    InvalidMessageError,
    InvalidNameError,
    InvalidStateError,
    NodeTimeoutError,
    OutsideNodeError,
    ReplayedError,
    StepBudgetError,
    StoreReadOnlyError,
    UnknownCheckpointError,
    UnreplayableError,
)
from inwit.runtime import project as projects
from inwit.runtime.capture.dialects import ResponsesReading
from inwit.runtime.commands import GraphInterrupt
from inwit.runtime.describe import _code_bytes
from inwit.runtime.destinations import _of_function
from inwit.runtime.diff import _side
from inwit.runtime.drawing.frontmatter import frontmatter
from inwit.runtime.drawing.shape import Graph, _kind
from inwit.runtime.drawing.text import draw
from inwit.runtime.graph import _checked_name, as_callable
from inwit.runtime.interrupts import _as_json, check_answer
from inwit.runtime.memory.items import NOT_PROVIDED
from inwit.runtime.memory.matching import get_text_at_path
from inwit.runtime.messages import push_message
from inwit.runtime.messages.classes import _joined
from inwit.runtime.messages.convert import _make, to_openai
from inwit.runtime.messages.openai_blocks import _block
from inwit.runtime.policies.breaker import CircuitBreaker
from inwit.runtime.policies.checking import _adapter, _reason, _taken_by
from inwit.runtime.policies.node import NodePolicy
from inwit.runtime.policies.retry import NO_RETRY
from inwit.runtime.project import Project
from inwit.runtime.reconfigured import changed_policy
from inwit.runtime.record import EVENT, Unrecorded
from inwit.runtime.record import START as BEGUN
from inwit.runtime.replay_nodes import Players
from inwit.runtime.replay_record import PastVisit, _check
from inwit.runtime.serial import freeze
from inwit.runtime.time_travel import INPUT, StateUpdate, _turns
from tests.runtime.test_parts import Made, Model, State, one_node

# Drawings


def test_settings_of_a_drawing_are_written_as_yaml() -> None:
    given = {
        "config": {"theme": "x y", "list": ["a", 1, True], "no": "off", "empty": [], "odd": "it's"}
    }

    assert frontmatter(given, "basis") == [
        "config:", "  empty: []", "  flowchart:", "    curve: basis", "  list:", "  - a", "  - 1",
        "  - true", "  'no': 'off'", "  odd: 'it''s'", "  theme: x y",
    ]  # fmt: skip


def test_drawings_of_little_are_little(capsys: pytest.CaptureFixture[str]) -> None:
    empty, graph = Graph(), Graph()
    assert (bool(empty), draw(empty), empty.reid() == empty) == (False, "", True)
    empty.trim_first_node()
    empty.trim_last_node()
    node = graph.add_node(None, "a")
    graph.add_edge(node, node)

    graph.print_ascii()

    assert capsys.readouterr().out == "+---+\n| a |\n+---+\n"
    assert (bool(graph), graph.reid() == graph, graph.reid() is graph) == (True, True, False)
    assert _kind(SimpleNamespace(lc_id=lambda: ("a", "b"))) == ["a", "b"]
    assert _kind(len) != _kind(SimpleNamespace(get_graph=1))


# Messages


@pytest.mark.parametrize(
    ("block", "written"),
    [
        (
            {"type": "image", "base64": "Yg==", "mime_type": "image/png"},
            "data:image/png;base64,Yg==",
        ),
        ({"type": "image", "url": "http://x"}, "http://x"),
        ({"image": {"format": "png", "source": {"bytes": b"b"}}}, "data:image/png;base64,Yg=="),
    ],
)
def test_an_image_is_written_however_it_is_given(block: Any, written: str) -> None:
    assert _block(block) == {"type": "image_url", "image_url": {"url": written}}


def test_odd_messages_are_passed_or_refused() -> None:
    assert _block({"type": "file", "file": {"id": 1}}) == {"type": "file", "file": {"id": 1}}
    with pytest.raises(InvalidMessageError, match="A content block cannot be read"):
        _block({"type": "image"})
    with pytest.raises(InvalidMessageError, match="A message of 'tool' cannot be made"):
        _make("tool", "x", {})
    given = MappingProxyType({"role": "user", "content": "Hi."})
    assert to_openai(given) == {"role": "user", "content": "Hi."}
    assert [_joined(*pair) for pair in (("a", "b"), ("a", ["b"]), ([], ""), (["a"], "b"))] == [
        "ab", ["a", "b"], [], ["a", "b"],
    ]  # fmt: skip


def test_a_message_is_pushed_from_a_node_alone() -> None:
    with pytest.raises(OutsideNodeError, match="push_message"):
        push_message({"role": "assistant", "content": "Hi.", "id": "1"})


def test_messages_in_any_object_that_a_node_returns_are_told(project: Any) -> None:
    from inwit.runtime.message_stream import _messages
    from inwit.runtime.messages import AIMessage

    one, other = AIMessage("a"), AIMessage("b")

    assert list(_messages(one)) == [one]
    assert list(_messages({"x": [one, 1], "y": other})) == [one, other]
    assert list(_messages(SimpleNamespace(x=other, y=[one]))) == [other, one]
    assert list(_messages([Command(update={"x": one}), {"y": other}])) == [one, other]
    assert [list(_messages(given)) for given in (State, 7, None)] == [[], [], []]


def test_an_answer_that_tells_of_an_error_is_one() -> None:
    reading = ResponsesReading()

    reading.piece(
        b'{"type": "response.failed", "response": {"error": {"message": "no", "code": "x"}}}'
    )

    assert reading.error is not None
    assert "no" in reading.error.message


# Memory


def test_texts_are_found_at_paths() -> None:
    given = MappingProxyType({"a": {"b": ["x", 2]}, "c": "y"})

    found = {path: get_text_at_path(given, path) for path in ("a.b[*]", "a.b[0]", "a.b[9]", "a[0]", "a.b[x]", "*", "{c,a.b[1]}", "no")}  # fmt: skip

    assert found["a.b[*]"] == ["x", "2"]
    assert (found["a.b[0]"], found["{c,a.b[1]}"]) == (["x"], ["y"])
    assert [found[path] for path in ("a.b[9]", "a[0]", "a.b[x]", "no")] == [[]] * 4
    assert (bool(NOT_PROVIDED), repr(NOT_PROVIDED)) == (False, "NOT_PROVIDED")


# Policies


class Own(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    n: int


class Odd:
    pass


def one_of(first: Any) -> Any:
    return first


def unreadable(first: Any, second: NoSuchName) -> Any:  # type: ignore[name-defined]  # noqa: F821
    return first


def test_values_are_checked_by_every_type_that_says_something() -> None:
    known: dict[str, Any] = {"nobody": None}

    assert _reason(known, "n", int, "x") == "Input should be a valid integer."
    assert _reason(known, "l", list[int], [1, "x"]) == "[1] Input should be a valid integer."
    assert _reason(known, "own", Own, Own(n=1)) is None
    assert _reason(known, "nobody", int, "x") is None
    assert _adapter(Odd) is not None
    for reducer, found in ((None, int), (max, int), (one_of, int), (unreadable, int)):
        assert _taken_by(SimpleNamespace(reducer=reducer, type=int)) is found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "numbers", [{"failure_threshold": 0}, {"half_open_calls": 0}, {"recovery_s": -1}]
)
def test_a_circuit_s_numbers_are_checked(numbers: Any) -> None:
    with pytest.raises(
        ValueError, match="A circuit's numbers are at least 1, its time not below 0"
    ):
        CircuitBreaker(**numbers)


def test_a_policy_is_changed_by_what_is_said_and_by_nothing_else() -> None:
    policy = NodePolicy()
    found = changed_policy(
        policy,
        {"timeout_s": 2.5, "max_concurrency": 0.5, "rate_limit": None, "thread": True,
         "retry_policy": {"max_attempts": 0, "initial_interval": None}},
        NO_RETRY,
    )  # fmt: skip

    assert (found.timeout_s, found.max_concurrency, found.rate, found.in_thread) == (
        2.5,
        1,
        None,
        True,
    )
    assert isinstance(found.retry, tuple)
    assert found.retry[0] == NO_RETRY._replace(max_attempts=1)
    assert changed_policy(policy, {"max_concurrency": None}, NO_RETRY).max_concurrency is None
    assert changed_policy(policy, {"max_concurrency": 3.9}, NO_RETRY).max_concurrency == 3
    assert changed_policy(policy, {"retry_policy": None}, NO_RETRY) is policy


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"timeout_s": 0}, "timeout_s is a number above 0, not 0"),
        ({"timeout_s": True}, "timeout_s is a number above 0, not True"),
        ({"rate_limit": "x"}, "rate_limit is a number above 0, not 'x'"),
        ({"max_concurrency": 1e9}, "max_concurrency is a number above 0, not 1000000000.0"),
        ({"retry_policy": 3}, "retry_policy knows .*, not 3"),
        ({"retry_policy": {"odd": 1}}, "retry_policy knows .*max_attempts.*, not {'odd': 1}"),
    ],
)
def test_a_policy_s_values_are_checked(values: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        changed_policy(NodePolicy(), values, NO_RETRY)


def test_a_sync_node_that_took_too_long_fails_when_it_is_done(project: Any) -> None:
    def slow(state: Any) -> Any:
        begun = time.monotonic()
        while time.monotonic() - begun < 0.02:
            pass
        return {"n": 1}

    graph = StateGraph(State).add_node(
        "slow", slow, timeout_s=0.01, retry_policy=RetryPolicy(max_attempts=1)
    )
    graph.add_node("other", lambda state: {}).add_edge(START, "slow").add_edge(START, "other")
    with pytest.raises(NodeTimeoutError, match="slow"):
        graph.compile(name="late").invoke({})


def test_an_execution_may_take_so_many_steps_and_no_more(project: Any) -> None:
    graph = (
        StateGraph(State).add_node("a", lambda state: {}).add_edge(START, "a").add_edge("a", "a")
    )
    app = graph.compile(name="steps", validate=False)

    with pytest.raises(StepBudgetError):
        app.invoke({"n": 1}, {"budget": {"steps": 2}})


# What is written


def test_what_a_node_may_lead_to_is_read_where_it_can_be() -> None:
    def unknown(state: Any) -> Command[NoSuchName]:  # type: ignore[name-defined]  # noqa: F821
        return Command()

    written: list[Any] = [unknown, len, Made, lambda state: {}]

    assert [_of_function(one) for one in written] == [None, None, (), ()]


def test_a_function_s_hash_does_not_depend_on_the_order_of_a_set() -> None:
    def function(state: Any) -> Any:
        return state in {"a", "b", 1}

    found = _code_bytes(function.__code__)

    assert b"[\"'a'\", \"'b'\", '1']" in found


def test_what_is_called_or_invoked_can_be_a_node() -> None:
    class Invoked:
        def invoke(self, state: Any, config: Any) -> Any:
            return {"n": state["n"] + 1}

    assert as_callable(Invoked())({"n": 1}, None) == {"n": 2}
    assert (as_callable(3), as_callable(None), as_callable(len)) == (None, None, len)
    with pytest.raises(InvalidNameError, match="cannot be a graph's name"):
        _checked_name("a b")
    assert (_checked_name("a.b:1"), _checked_name(None)) == ("a.b:1", None)


# Functions as graphs


def test_the_types_of_a_function_are_those_of_its_graph(project: Any) -> None:
    @entrypoint(name="typed")
    def typed(given: int) -> entrypoint.final[str, int]:
        return entrypoint.final(value=str(given), save=given)

    @entrypoint(name="untyped")
    def untyped(given: NoSuchName) -> Any:  # type: ignore[name-defined]  # noqa: F821
        return given

    @entrypoint(name="final")
    def final(given: int) -> entrypoint.final:  # type: ignore[type-arg]
        return entrypoint.final(value=given, save=None)

    shown: list[Any] = [
        typed.get_input_schema().model_validate(3),
        typed.get_output_schema().model_validate("x"),
    ]
    assert [one.model_dump() for one in shown] == [3, "x"]
    assert typed.get_input_jsonschema() == {"title": "typedInput", "type": "integer"}
    assert (typed.invoke(3), untyped.invoke(3), final.invoke(3)) == ("3", 3, 3)


@pytest.mark.anyio
async def test_tasks_wait_ask_and_time_out_as_nodes_do(project: Any) -> None:
    calls: list[int] = []

    @task(retry_policy=RetryPolicy(max_attempts=2, initial_interval=0.001, jitter=False))
    async def flaky() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError("no")
        return "well"

    @task
    async def asks() -> str:
        return str(interrupt("which?"))

    @entrypoint(name="waits", checkpointer=InMemoryCheckpointer())
    async def waits(given: int) -> Any:
        return [await flaky(), await asks()]

    config: Any = {"configurable": {"thread_id": "t"}}
    parts = [one async for one in waits.astream(1, config, stream_mode=["tasks", "updates"])]
    found = await waits.ainvoke(Command(resume="this"), config)

    assert found == ["well", "this"]
    assert len(calls) == 2
    assert any("__interrupt__" in one[1] for one in parts if one[0] == "updates")


@pytest.mark.anyio
async def test_a_task_s_cache_is_cleared_by_await(project: Any) -> None:
    from inwit import CachePolicy

    calls: list[int] = []

    @task(cache_policy=CachePolicy())
    def counted(number: int) -> int:
        calls.append(number)
        return number

    @entrypoint(name="cached", cache=InMemoryCache())
    def cached(given: int) -> int:
        found: int = counted(given).result()
        return found

    cached.invoke(1)
    cached.invoke(1)
    await counted.aclear_cache(cached.cache)
    cached.invoke(1)

    assert calls == [1, 1]


# Going on


def test_an_answer_is_checked_by_its_schema() -> None:
    schema = {"type": "object", "required": ["n"]}

    check_answer(schema, Model(n=1))
    check_answer(schema, Made(1))
    with pytest.raises(InvalidAnswerError):
        check_answer(schema, {})
    check_answer(None, object())
    assert (_as_json(Model(n=1)), _as_json([1]), _as_json(Made(2))) == ({"n": 1}, [1], {"n": 2})


def test_a_question_that_is_raised_by_hand_waits_too(project: Any) -> None:
    def asks(state: Any) -> Any:
        raise GraphInterrupt(("which?",))  # type: ignore[arg-type]  # as some do

    found = one_node(asks).invoke({"n": 1}, thread_id="t")

    assert [one.value for one in found["__interrupt__"]] == ["which?"]
    with pytest.raises(InvalidStateError):
        interrupt("outside")


def test_a_thread_s_unknown_checkpoint_is_refused_everywhere(project: Any) -> None:
    app = one_node(lambda state: {"n": 2})
    app.invoke({"n": 1}, thread_id="t")
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_id": "nothing"}}

    for ask in (
        lambda: app.invoke(None, config), lambda: app.get_state(config),
        lambda: app.update_state(config, {"n": 3}),
    ):  # fmt: skip
        with pytest.raises(UnknownCheckpointError, match="nothing"):
            ask()


@pytest.mark.anyio
async def test_steps_are_written_by_await_and_inputs_apart(project: Any) -> None:
    app = one_node(lambda state: {"n": 2})

    await app.abulk_update_state(
        {"configurable": {"thread_id": "t"}}, [[StateUpdate({"n": 5}, "node")]]
    )

    assert app.get_state({"configurable": {"thread_id": "t"}}).values["n"] == 5
    given, start = StateUpdate({"n": 1}, INPUT), StateUpdate({"n": 2}, "__start__")
    other = StateUpdate({"n": 3}, "a")
    assert [(tuple(one[1] for one in updates), is_input) for updates, is_input in _turns(
        [[given], [start], [given], [other], [given]]
    )] == [(("__start__",), True), (("__start__",), True), (("a",), False), (("__start__",), True)]  # fmt: skip


def test_a_kept_state_can_be_compared() -> None:
    found = SimpleNamespace(checkpoint_id="c1", update={}, state={"n": freeze(7)})

    assert (_side(found, None).id, _side(found, None).state) == ("c1", {"n": 7})
    assert (_side({"n": 1}, None).id, _side({"n": 1}, None).state) == ("", {"n": 1})


# Replays


def test_what_is_missing_in_a_record_cannot_be_replayed() -> None:
    found: Any = SimpleNamespace(execution_id="e")
    for rows, said in (
        ([], "Its beginning is not in the record"),
        ([(EVENT, 1, 0, "custom")], "Its beginning is not in the record"),
        ([(BEGUN, 1, 0, {}), (EVENT, 2, 0, "gap")], "Its record has a gap"),
    ):
        with pytest.raises(UnreplayableError, match=said):
            _check(found, rows)
    _check(found, [(BEGUN, 1, 0, {}), (EVENT, 2, 0, "custom")])


def test_a_visit_that_has_no_end_cannot_be_given() -> None:
    players = Players.__new__(Players)
    players.past = SimpleNamespace(execution_id="e")  # type: ignore[assignment]
    players.app = SimpleNamespace(program=SimpleNamespace(masks={"masked": 1}))  # type: ignore[assignment]
    from inwit.events import Failure

    def past(visit: PastVisit | None, node: str = "a") -> Any:
        ctx: Any = SimpleNamespace(node=node, visit=2)
        return players._past(visit, ctx)

    ended = PastVisit(node="masked", visit=2, seq=3, status="completed")
    failed = PastVisit(
        node="a", visit=2, seq=3, status="failed", failure=Failure(type="E", message="m")
    )
    with pytest.raises(UnreplayableError, match="'a' has no visit 2 in it") as raised:
        past(None)
    assert raised.value.hint == "Run it again: name it among the nodes to run."
    with pytest.raises(ReplayedError):
        past(failed)
    with pytest.raises(UnreplayableError, match="What 'masked' returned was not recorded"):
        past(ended, "masked")
    with pytest.raises(UnreplayableError, match="Visit 2 of 'a' has no end in it"):
        past(PastVisit(node="a", visit=2, seq=3))


# Folders


def test_a_folder_that_is_there_is_enough_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Project(root=tmp_path, folder=tmp_path / ".inwit")
    wrong = [errno.ENOSPC]

    def fails(self: Path, text: str) -> int:
        raise OSError(wrong[0], "no")

    monkeypatch.setattr(Path, "write_text", fails)
    assert found.ensure() == tmp_path / ".inwit"
    wrong[0] = errno.EACCES
    with pytest.raises(StoreReadOnlyError):
        found.ensure()
    assert found.secret("key") == projects._process_secret
    assert not list((tmp_path / ".inwit").glob("key*"))


def test_nothing_is_kept_where_the_record_is_off() -> None:
    found = Unrecorded("e", "g")
    found.add(1)
    found.add_event("custom", None, None, None, {})

    assert (list(found.rows), found.recorded_id, found.version()) == ([], None, "")


# Savers that are asked as LangGraph's are


@pytest.mark.anyio
async def test_a_saver_answers_by_await_what_it_answers(project: Any) -> None:
    saver = InMemoryCheckpointer()
    graph = (
        StateGraph(State)
        .add_node("a", lambda state: {"n": 2})
        .add_edge(START, "a")
        .add_edge("a", END)
    )
    app = graph.compile(name="kept", checkpointer=saver)
    app.invoke({"n": 1}, thread_id="t")
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}

    newest = await saver.aget_tuple(config)
    every = [one async for one in saver.alist(config)]

    assert newest is not None
    assert newest.checkpoint == saver.get(config) == await saver.aget(config)
    assert [one.config for one in every] == [one.config for one in saver.list(config)]
    only = every[-1].config
    assert [one.config for one in saver.list(only)] == [only]
    before = list(saver.list(config, before=every[0].config, limit=1))
    assert [one.config for one in before] == [every[1].config]
    written = await saver.aput(newest.config, newest.checkpoint | {"id": "mine"}, {"step": 9}, {})
    await saver.aput_writes(written, [("n", 5)], "task")
    await saver.adelete_thread("t")
    assert await saver.aget_tuple(config) is None
    assert await saver.aget(config) is None
