from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inwit.registry.packages import load


@pytest.fixture
def tools() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = load("inwit/text-tools")
    return found


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Callable[..., Any]]:
    root = tmp_path / "docs"
    (root / "deep").mkdir(parents=True)
    (root / "one.md").write_text("first\nsecond line\nthird\n")
    (root / "deep" / "two.md").write_text("another second\n")
    (root / "picture.bin").write_bytes(b"second\0")
    (tmp_path / "secret.md").write_text("second secret\n")
    (root / "link.md").symlink_to(tmp_path / "secret.md")
    found: dict[str, Callable[..., Any]] = load("inwit/text-tools", "files_below")(root)
    return found


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("17 / 100 * 3400", 578.0),
        ("-(2 + 3) * 4", -20),
        ("sqrt(16) + max(1, 2)", 6.0),
        ("2 ** 10 % 1000", 24),
        ("round(pi, 2)", 3.14),
    ],
)
def test_arithmetic_is_worked_out(tools: Any, expression: str, value: float) -> None:
    assert tools["calculate"](expression) == pytest.approx(value)


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').getcwd()",
        "(1).real",
        "[1, 2][0]",
        "'a' * 9",
        "True + 1",
        "9 ** 9 ** 9",
        "(-8) ** 0.5",
        "open('x')",
        "1 if 1 else 2",
        "1" + "0" * 600,
        "*".join(["99999999999999999999999999999999999999999999"] * 11) + " ** 80",
    ],
)
def test_what_is_no_bounded_arithmetic_is_refused(tools: Any, expression: str) -> None:
    with pytest.raises(ValueError, match=r"is no arithmetic|too large|no real number|characters"):
        tools["calculate"](expression)


def test_days_are_counted_over_a_leap_day(tools: Any) -> None:
    assert tools["days_between"]("2024-02-28", "2024-03-01") == 2


def test_today_has_a_weekday_and_a_zone(tools: Any) -> None:
    assert re.fullmatch(r"\w+day \d{4}-\d\d-\d\d \d\d:\d\d UTC", tools["today"]())


def test_files_are_listed_by_a_pattern(files: Any) -> None:
    assert files["list_files"]("**/*.md") == ["deep/two.md", "one.md"]


def test_lines_of_a_file_are_read(files: Any) -> None:
    assert files["read_file"]("one.md", start=2, lines=1) == "second line"


def test_matching_lines_are_found_in_text_files_below_the_folder_only(files: Any) -> None:
    assert files["search_files"]("second") == [
        "deep/two.md:1: another second",
        "one.md:2: second line",
    ]


@pytest.mark.parametrize("path", ["../secret.md", "link.md", "/etc/passwd", "missing.md", "deep"])
def test_nothing_outside_of_the_folder_is_read(files: Any, path: str) -> None:
    with pytest.raises(FileNotFoundError, match="below the folder"):
        files["read_file"](path)


def test_a_pattern_that_climbs_finds_nothing_outside(files: Any) -> None:
    assert files["list_files"]("../*.md") == []
