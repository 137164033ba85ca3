"""Which tests run a line, those first that are likely to tell soonest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeGuard

from coverage import CoverageData

Block = ast.stmt | ast.ExceptHandler
THOROUGH = "test_whole_answers.py"
"""Tests that compare whole answers notice most, however long they take."""


@dataclass(frozen=True, kw_only=True)
class Covering:
    """What one run of the whole suite told."""

    data: CoverageData
    root: Path
    seconds: dict[str, float]
    """Of each test that passed."""

    def tests(self, path: str, first: int, last: int) -> list[str]:
        """The tests that run any of these lines, of the same room those that are `THOROUGH`, then the fastest.

        Lines that run when the module is imported are taken for those of their class or module:
        whoever runs that depends on them.
        """
        contexts = self._contexts(path)
        for begin, end, enough in _around((self.root / path).read_text("utf-8"), first, last):
            found = {test for line in range(begin, end + 1) for test in contexts.get(line, ())}
            if len(found) >= enough:
                return sorted(found, key=lambda test: self._order(path, test))
        return []

    def _order(self, path: str, test: str) -> tuple[bool, bool, float, str]:
        is_near = test.startswith(f"tests/{path.split('/')[1]}/")
        return not is_near, THOROUGH not in test, self.seconds[test], test

    @cache  # noqa: B019  # one object for the whole run
    def _contexts(self, path: str) -> dict[int, list[str]]:
        (file,) = (one for one in self.data.measured_files() if one.endswith(f"/{path}"))
        told = self.data.contexts_by_lineno(file)
        return {
            line: [test for test in tests if test in self.seconds] for line, tests in told.items()
        }

    __hash__ = object.__hash__


def covering(data: Path, times: Path, root: Path) -> Covering:
    """Read what a run of the suite kept; tests that failed then tell nothing."""
    read = CoverageData(str(data))
    read.read()
    seconds: dict[str, float] = {}
    failed = set()
    for line in times.read_text("utf-8").splitlines():
        test, outcome, took = line.rsplit("\t", 2)
        seconds[test] = seconds.get(test, 0) + float(took)
        if outcome != "passed":
            failed.add(test)
    return Covering(
        data=read, root=root, seconds={k: v for k, v in seconds.items() if k not in failed}
    )


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _around(source: str, first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """The lines of the innermost statement, of its function, class and module.

    With each, how many tests have to run it: when a module is imported, one test is charged.
    """
    around = [node for node in ast.walk(ast.parse(source)) if _holds(node, first, last)]
    innermost = max(around, key=_begin)
    if any(isinstance(node, FUNCTIONS) and node.body[0].lineno <= first for node in around):
        yield _begin(innermost), _header_end(innermost), 1
    outer = [node for node in around if isinstance(node, (*FUNCTIONS, ast.ClassDef))]
    for node in sorted(outer, key=_begin, reverse=True):
        yield node.body[0].lineno, node.end_lineno or node.lineno, 2
    yield 1, len(source.splitlines()), 1


def _holds(node: ast.AST, first: int, last: int) -> TypeGuard[Block]:
    if not isinstance(node, ast.stmt | ast.ExceptHandler):
        return False
    return _begin(node) <= first and last <= (node.end_lineno or node.lineno)


def _begin(node: Block) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([int(node.lineno), *(int(one.lineno) for one in decorators)])


def _header_end(node: Block) -> int:
    body = getattr(node, "body", None)
    if body:
        return max(node.lineno, _begin(body[0]) - 1)
    return node.end_lineno or node.lineno
