"""Values of every type through a graph and a file: they come back as they were, or never enter."""

from __future__ import annotations

import datetime as dt
import enum
import operator
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypedDict

import numpy as np
import pytest
from pydantic import BaseModel

from inwit import InMemoryCheckpointer, Send, SqliteCheckpointer, StateGraph
from inwit.errors import UnserialisableError
from inwit.runtime.serial import freeze, thaw

CONFIG = {"configurable": {"thread_id": "t"}}
RECORDS = np.dtype([("id", "<i4"), ("at", "<f8", (2,))])


class Colour(enum.Enum):
    RED = "red"


@dataclass(slots=True)
class Slotted:
    """Has a variable of its class, and one that its maker alone is given."""

    n: int
    log: list[int] = field(default_factory=list)
    kind: ClassVar[str] = "slotted"


@dataclass
class Scaled:
    n: int
    by: InitVar[int] = 1

    def __post_init__(self, by: int) -> None:
        self.n *= by


class Model(BaseModel):
    price: Decimal
    inner: dict[str, Any] = {}


class State(TypedDict, total=False):
    value: Any


class Growing(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def keeping(make: Callable[[], Any], path: Path) -> Any:
    graph = StateGraph(State).add_node("make", lambda state: {"value": make()})
    graph.set_entry_point("make")
    return graph.compile(name="values", checkpointer=SqliteCheckpointer(path))


def kept(make: Callable[[], Any], path: Path) -> Any:
    """What another connection reads of a value that a node has returned."""
    app = keeping(make, path)
    app.invoke({}, CONFIG, durability="sync")
    app.checkpointer.close()
    return keeping(make, path).get_state(CONFIG).values["value"]


ARRAYS: dict[str, Any] = {
    "table": np.arange(6, dtype=np.float32).reshape(2, 3),
    "by columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "big-endian": np.array([1, 2], dtype=">i4"),
    "empty": np.zeros((0, 3)),
    "without dimensions": np.array(5),
    "texts": np.array(["a", "bcd"]),
    "times": np.array(["2026-01-02", "NaT"], dtype="datetime64[ns]"),
    "complex": np.array([1 + 2j]),
    "records": np.array([(1, (2.0, 3.0)), (4, (5.0, 6.0))], dtype=RECORDS),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_as_it_was_and_can_be_changed(
    name: str, project: Path, tmp_path: Path
) -> None:
    array = ARRAYS[name]

    found = kept(lambda: array, tmp_path / "own.db")

    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()
    assert found.flags.writeable


@pytest.mark.parametrize(
    "number",
    [
        np.float64(1.5),
        np.float16(0.5),
        np.int64(-4),
        np.bool_(True),
        np.str_("né"),
        np.datetime64("2026-01-02T03"),
        ARRAYS["records"][1],
    ],
    ids=lambda number: type(number).__name__,
)
def test_an_element_of_an_array_stays_one(number: Any, project: Path, tmp_path: Path) -> None:
    found = kept(lambda: {"score": (number, [number])}, tmp_path / "own.db")["score"]

    assert [type(one) for one in (found[0], found[1][0])] == [type(number)] * 2
    assert found[0].dtype == number.dtype
    assert found[0].tobytes() == number.tobytes()


@pytest.mark.parametrize(
    "value",
    [
        Slotted(1, [2]),
        Scaled(2, by=3),
        Model(price=Decimal("1.10"), inner={"at": (dt.date(2026, 1, 2), Colour.RED)}),
        {dt.date(2026, 1, 2): 1, dt.datetime(2026, 1, 2, tzinfo=dt.UTC): 2},
        {uuid.UUID(int=1): {Colour.RED: [1]}, 2: "two"},
        ({(1, dt.date(2026, 1, 2)): Slotted(1)}, [{Decimal("1.0"): {None: {2.5: True}}}]),
        {1: {b"\x00": {(1, 2): frozenset({3})}}},
        b"\x00\xff",
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_with_its_keys_and_types(
    value: Any, project: Path, tmp_path: Path
) -> None:
    found = kept(lambda: value, tmp_path / "own.db")

    assert found == value
    assert repr(found) == repr(value)
    assert type(found) is type(value)


def test_a_class_within_a_function_is_read_by_its_own_process_and_named_by_others() -> None:
    @dataclass
    class Local:
        n: int

    packed = freeze(Local(1), strict=True)

    assert thaw(packed) == Local(1)
    elsewhere = type(packed)(bytes(packed).replace(b"Local", b"Lokal"))
    with pytest.raises(UnserialisableError, match=r"Lokal.*not imported here"):
        thaw(elsewhere)


def test_a_value_whose_class_has_changed_since_is_named() -> None:
    packed = freeze(Colour.RED, strict=True)

    with pytest.raises(UnserialisableError, match=r"Colour cannot be kept: .*'rot' is not a valid"):
        thaw(type(packed)(bytes(packed).replace(b"red", b"rot")))


class Plain:
    pass


class Table(np.ndarray[Any, Any]):
    pass


def own_list() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"in": found}
    return found


UNKNOWN: dict[str, Callable[[], Any]] = {
    "Plain": Plain,
    "object": lambda: {"deep": [(object(),)]},
    "list, at key .value., cannot be kept: it holds itself": own_list,
    "dict, at key .value., cannot be kept: it holds itself": lambda: nested(5000),
    "lock": threading.Lock,
    "function": lambda: lambda: 0,
    "iterator": lambda: iter([1]),
    "deque": deque,
    "ndarray": lambda: np.array([object()]),
    "matrix": lambda: np.matrix([[1]]),
    "Table": lambda: np.arange(2).view(Table),
    "MaskedArray": lambda: np.ma.masked_array([1], mask=[True]),
    "ValueError": lambda: ValueError("no value"),
}


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_an_unknown_type_is_refused_by_name_when_it_enters_the_state(
    name: str, project: Path, tmp_path: Path
) -> None:
    app = keeping(UNKNOWN[name], tmp_path / "own.db")

    with pytest.raises(UnserialisableError, match=name):
        app.invoke({}, CONFIG)

    assert app.get_state(CONFIG).values == {}
    assert app.get_state(CONFIG).next == ("make",)


@pytest.mark.parametrize("way", ["input", "update", "send", "delta"])
def test_an_unknown_type_is_refused_whichever_way_it_takes(
    way: str, project: Path, tmp_path: Path
) -> None:
    app = keeping(lambda: 1, tmp_path / "own.db")
    sending = StateGraph(State).add_node("make", lambda state: {"value": 1})
    sending.add_node("begin", lambda state: {}).set_entry_point("begin")
    sending.add_conditional_edges(
        "begin", lambda state: [Send("make", {"value": Plain()})], ["make"]
    )

    with pytest.raises(UnserialisableError, match="Plain"):
        if way == "input":
            app.invoke({"value": Plain()}, CONFIG)
        elif way == "update":
            app.update_state(CONFIG, {"value": Plain()}, as_node="make")
        elif way == "send":
            sending.compile(checkpointer=SqliteCheckpointer(tmp_path / "own.db")).invoke({}, CONFIG)
        else:
            growing(lambda state: {"log": [Plain()]}, tmp_path).invoke({}, CONFIG)


def growing(node: Any, folder: Path) -> Any:
    graph = StateGraph(Growing).add_node("node", node).set_entry_point("node")
    return graph.compile(name="growing", checkpointer=SqliteCheckpointer(folder / "own.db"))


def test_nothing_is_ever_pickled(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []
    for name in ("dumps", "dump", "loads", "load"):
        monkeypatch.setattr(f"pickle.{name}", lambda *_, name=name, **__: used.append(name))
    monkeypatch.setattr(Model, "__reduce_ex__", lambda *_: used.append("reduce"), raising=False)

    found = kept(lambda: [Model(price=Decimal(1)), np.arange(3)], tmp_path / "own.db")

    assert found[0] == Model(price=Decimal(1))
    assert used == []


def test_what_each_task_wrote_by_an_update_is_told_by_a_file_as_by_memory(
    project: Path, tmp_path: Path
) -> None:
    told = []
    for saver in (InMemoryCheckpointer(), SqliteCheckpointer(tmp_path / "own.db")):
        graph = StateGraph(State).add_node("make", lambda state: {"value": 1})
        graph.set_entry_point("make")
        app = graph.compile(checkpointer=saver, interrupt_before=["make"])
        app.invoke({"value": 0}, CONFIG)
        app.update_state(CONFIG, {"value": (7,)}, as_node="make")
        told.append([[one.result for one in shot.tasks] for shot in app.get_state_history(CONFIG)])

    assert told[0] == told[1]
    assert [{"value": (7,)}] in told[1]
