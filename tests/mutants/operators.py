"""What may be changed in a line: the operators of cosmic-ray, and two of our own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import parso
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator, operator_names

Span = tuple[tuple[int, int], tuple[int, int]]
MUTABLE = frozenset(
    {
        *("assert_stmt", "break_stmt", "comparison", "continue_stmt", "decorator", "except_clause"),
        *("factor", "for_stmt", "if_stmt", "keyword", "not_test", "number", "operator"),
        *("return_stmt", "simple_stmt", "test", "try_stmt", "while_stmt"),
    }
)
"""The kinds of parso's nodes that any operator changes; the others are passed over unasked."""
ALIKE = frozenset({"Eq_Is", "Is_Eq", "NotEq_IsNot", "IsNot_NotEq"})
"""Exchanges that change nothing for the interned values which they stand between."""
BINARY = frozenset({"+", "-", "*", "/", "//", "%", "**", ">>", "<<", "|", "&", "^"})


class RemoveCall(Operator):  # type: ignore[misc]  # it has no types
    """Leave out a call whose result nobody takes."""

    def mutation_positions(self, node: Any) -> Iterator[Span]:
        if node.type == "simple_stmt" and node.children[0].type == "atom_expr":
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children[0] = parso.parse(f"{_prefix(node)}pass")
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("close(x)\n", "pass\n"),)


class ReturnNone(Operator):  # type: ignore[misc]  # it has no types
    """Return nothing where something is returned."""

    def mutation_positions(self, node: Any) -> Iterator[Span]:
        if node.type == "return_stmt" and node.children[1].get_code().strip() != "None":
            yield node.children[1].start_pos, node.children[1].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children[1] = parso.parse(" None")
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("def f(): return 1", "def f(): return None"),)


def _prefix(node: Any) -> str:
    return str(node.get_first_leaf().prefix)


@cache
def operators() -> dict[str, Any]:
    """Every operator by its name; those that need arguments are left out."""
    ours = {"RemoveCall": RemoveCall(), "ReturnNone": ReturnNone()}
    found = {name.partition("/")[2]: get_operator(name) for name in sorted(operator_names())}
    theirs = {
        name: kind()
        for name, kind in found.items()
        if not kind.arguments() and name.partition("_")[2] not in ALIKE and name != "NoOp"
    }
    return ours | theirs


def is_mutable(node: Any) -> bool:
    """Whether an operator may change this node; quick, since there are a million of them."""
    return node.type in MUTABLE and (node.type != "operator" or node.value in BINARY)


def family(operator: str) -> str:
    """The operator without what it replaces by what."""
    return operator.partition("_")[0]
