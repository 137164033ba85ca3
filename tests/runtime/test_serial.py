"""Values as bytes and back: nothing is lost, and nothing but data is built from a file."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections import Counter, OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import ormsgpack
import pytest

from inwit.errors import UnserialisableError
from inwit.runtime import serial
from inwit.runtime.serial import pack, unpack


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: int


class Title(str):
    __slots__ = ()


class Row(msgspec.Struct):
    cells: list[Any]


@dataclass(frozen=True)
class Pair:
    left: Any
    right: Any = ()


class Share:
    """Names of the standard library's classes are not reserved."""

    @dataclass
    class Fraction:
        of: str


@pytest.mark.parametrize(
    "value",
    [
        (1, (2, {3}), frozenset({4})),
        {1: "a", None: [b"\x00"], 2.5: True},
        2**80,
        -(2**70),
        dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
        dt.date(2026, 1, 2),
        dt.timedelta(days=-1, microseconds=7),
        uuid.UUID(int=7),
        Decimal("1.10"),
        Fraction(1, 3),
        Path("a/b"),
        Colour.RED,
        Level.HIGH,
        Point(1, 2),
        Title("a title"),
        Row([(1, 2)]),
        Pair({1}, Pair(None)),
        Share.Fraction("the cake"),
        OrderedDict(b=1, a=2),
        10**5000,
        -(10**5000),
        "half \ud800",
        {"a": ["half \ud800"], "b": ({"half \udfff"}, Pair("\ud800"), Title("\ud801"))},
        Counter("aab"),
    ],
    ids=lambda value: type(value).__qualname__,
)
def test_a_value_comes_back_as_what_it_was(value: Any) -> None:
    found = unpack(pack(value))

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("code", "content"),
    [
        (serial._TEXT, ["subprocess.Popen", "touch"]),
        (serial._OBJECT, ["subprocess", "Popen", {"args": ["touch", "made"]}]),
        (serial._OBJECT, ["subprocess", "Popen", ["touch", "made"]]),
        (serial._ENUM, ["subprocess", "Popen", ["touch", "made"]]),
        (serial._OBJECT, ["pathlib", "Path", {}]),
    ],
)
def test_a_file_cannot_call_what_is_no_data(
    code: int, content: list[Any], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *given, **_: called.append(given))

    with pytest.raises(UnserialisableError):
        unpack(ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(content))))

    assert called == []


def test_a_class_whose_module_is_not_imported_is_named_and_not_imported() -> None:
    packed = ormsgpack.packb(
        ormsgpack.Ext(serial._OBJECT, ormsgpack.packb(["antigravity", "Flight", {}]))
    )

    with pytest.raises(UnserialisableError, match=r"antigravity\.Flight"):
        unpack(packed)


@pytest.mark.parametrize("is_strict", [True, False])
def test_a_key_with_half_a_character_is_kept_without_it(is_strict: bool) -> None:
    packed = pack({"half \ud800": 1, "whole": (2,)}, strict=is_strict)

    assert unpack(packed) == {"half ?": 1, "whole": (2,)}


def test_a_reader_sees_half_a_character_and_a_number_beyond_all_digits_as_json_values() -> None:
    shown = serial.plain(pack({"text": ("half \ud800",), "number": 10**5000}))

    assert shown == {"text": ["half ?"], "number": hex(10**5000)}


def test_what_surrounds_an_odd_value_is_kept_beside_it() -> None:
    shown = serial.plain(pack({"text": "half \ud800", "odd": object()}, strict=False))

    assert shown == {"text": "half ?", "odd": "<builtins.object>"}
