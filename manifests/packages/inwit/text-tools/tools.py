"""Tools for agents: arithmetic, dates, and files below one folder."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

MAX_EXPRESSION = 500
MAX_BITS = 4096
MAX_FILES = 200
MAX_HITS = 50
MAX_FILE_BYTES = 4 << 20

Number = int | float

_OPERATORS: dict[type[ast.AST], Callable[..., Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": abs, "ceil": math.ceil, "cos": math.cos, "exp": math.exp, "floor": math.floor,
    "log": math.log, "log10": math.log10, "max": max, "min": min, "round": round,
    "sin": math.sin, "sqrt": math.sqrt, "tan": math.tan,
}  # fmt: skip
_CONSTANTS = {"pi": math.pi, "e": math.e}


def calculate(expression: str) -> Number:
    """Work out an arithmetic expression, such as "17 / 100 * 3400" or "sqrt(2) ** 3"."""
    if len(expression) > MAX_EXPRESSION:
        raise ValueError(
            f"The expression has {len(expression)} characters; {MAX_EXPRESSION} is the most."
        )
    return _value(ast.parse(expression.strip(), mode="eval").body)


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _bounded(_OPERATORS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*map(_value, arguments))
    raise ValueError(f"{ast.unparse(node)!r} is no arithmetic.")


def _power(base: Number, exponent: Number) -> Number:
    """Raise to a power whose result stays within `MAX_BITS`."""
    if abs(exponent) * math.log2(abs(base) + 2) > MAX_BITS:
        raise ValueError(f"{base} ** {exponent} is too large.")
    if base < 0 and exponent != int(exponent):
        raise ValueError(f"{base} ** {exponent} is no real number.")
    result: Number = base**exponent
    return result


def _bounded(number: Number) -> Number:
    if isinstance(number, int) and number.bit_length() > MAX_BITS:
        raise ValueError("The number is too large.")
    return number


def days_between(start: str, end: str) -> int:
    """Count the days from one date to another, each as YYYY-MM-DD."""
    return (date.fromisoformat(end) - date.fromisoformat(start)).days


def today(timezone: str = "UTC") -> str:
    """Give the date of today, its weekday and time in a time zone such as Europe/Zurich."""
    return f"{datetime.now(ZoneInfo(timezone)):%A %Y-%m-%d %H:%M %Z}"


TOOLS: dict[str, Callable[..., Any]] = {
    "calculate": calculate,
    "days_between": days_between,
    "today": today,
}


def files_below(folder: str | Path) -> dict[str, Callable[..., Any]]:
    """Make tools that list, read and search text files below one folder, and see nothing else."""
    root = Path(folder).resolve(strict=True)

    def list_files(pattern: str = "**/*") -> list[str]:
        """List files whose path fits a pattern such as "**/*.md"."""
        found = islice(_files(root, pattern), MAX_FILES)
        return [path.relative_to(root).as_posix() for path in found]

    def read_file(path: str, start: int = 1, lines: int = 200) -> str:
        """Read some lines of a text file, from line `start` on."""
        content = _text(_inside(root, path)).splitlines()
        return "\n".join(content[max(start, 1) - 1 : max(start, 1) - 1 + lines])

    def search_files(expression: str, pattern: str = "**/*") -> list[str]:
        """Find lines that match a regular expression, as "path:line: text"."""
        wanted, hits = re.compile(expression), list[str]()
        for path in _files(root, pattern):
            for number, line in enumerate(_text(path).splitlines(), start=1):
                if wanted.search(line[:1000]):
                    hits.append(
                        f"{path.relative_to(root).as_posix()}:{number}: {line.strip()[:300]}"
                    )
                    if len(hits) == MAX_HITS:
                        return hits
        return hits

    return {"list_files": list_files, "read_file": read_file, "search_files": search_files}


def _inside(root: Path, path: str) -> Path:
    found = (root / path).resolve()
    if not found.is_relative_to(root) or not found.is_file():
        raise FileNotFoundError(f"There is no file {path!r} below the folder.")
    return found


def _files(root: Path, pattern: str) -> Iterator[Path]:
    for path in sorted(root.glob(pattern)):
        found = path.resolve()
        if found.is_relative_to(root) and found.is_file():
            yield path


def _text(path: Path) -> str:
    """Read a text file; one that is binary or too large reads as empty."""
    if path.stat().st_size > MAX_FILE_BYTES:
        return ""
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8", "replace")
