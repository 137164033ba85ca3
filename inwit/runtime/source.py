"""What a function's source says of the state: the keys it reads and writes, the values it returns.

Only what is written is known: `ReadSet.unknown` says in words why more may be read. Nothing is
executed. Results are kept per code object.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import msgspec

_LAYERS = 10
"""How deep functions may be wrapped; a cycle of wrappers ends here."""
_READ_METHODS = {"get", "pop", "setdefault"}


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the source of one function of the state says."""

    reads: tuple[str, ...] = ()
    reads_unknown: str = ""
    writes: tuple[str, ...] = ()
    writes_unknown: str = ""
    literal: tuple[str, ...] = ()
    """Those of `writes` that are keys of a dict which it returns as written there."""
    returns: tuple[str, ...] | None = None
    """Every string that it can return, where all of its returns are literal."""
    calls: tuple[str, ...] = ()


def unwrap(function: Any) -> Any:
    """Find the Python function under partials, bound methods and callable objects."""
    if function.__class__ is FunctionType and not function.__dict__:
        return function
    for _ in range(_LAYERS):
        inner = _beneath(function)
        if inner is None:
            return function
        function = inner
    return function


def _beneath(function: Any) -> Any:
    """What is one layer further down, or None where nothing is."""
    if isinstance(function, functools.partial):
        return function.func
    for name in ("__wrapped__", "__func__"):
        if hasattr(function, name):
            return getattr(function, name)
    if hasattr(function, "__code__") or not callable(function):
        return None
    call = type(function).__call__
    return call if hasattr(call, "__code__") else None


def read(function: Callable[..., Any]) -> Reading:
    """Read the source of a node or router, whose first parameter is the state."""
    inner = unwrap(function)
    code = getattr(inner, "__code__", None)
    if code is None:
        return Reading(
            reads_unknown="it has no Python source", writes_unknown="it has no Python source"
        )
    return _read_code(code, inner)


_known: dict[CodeType, Reading] = {}


def _read_code(code: CodeType, function: Any) -> Reading:
    found = _known.get(code)
    if found is None:
        found = _known[code] = _parse(function, code)
    return found


def _parse(function: Any, code: CodeType) -> Reading:
    tree = _tree(function, code)
    if tree is None:
        return Reading(
            reads_unknown="its source is not at hand", writes_unknown="its source is not at hand"
        )
    names = [arg.arg for arg in (*tree.args.posonlyargs, *tree.args.args)]
    if names[:1] in (["self"], ["cls"]):
        names = names[1:]
    if not names:
        return Reading(reads_unknown="it takes no state", writes_unknown="")
    visitor = _Visitor(names[0])
    body = tree.body if isinstance(tree.body, list) else [tree.body]
    for statement in body:
        visitor.visit(statement)
    if isinstance(tree, ast.Lambda):
        visitor.take_return(tree.body)
    return visitor.reading()


def _tree(
    function: Any, code: CodeType
) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return None
    try:
        parsed: ast.AST = ast.parse(text)
    except SyntaxError:
        parsed = _parse_fragment(text)
    found = [
        node
        for node in ast.walk(parsed)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        and _name(node) == code.co_name
    ]
    # Two lambdas on one line cannot be told apart by their source.
    if not found or (len(found) > 1 and isinstance(found[0], ast.Lambda)):
        return None
    return found[0]


def _name(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _parse_fragment(text: str) -> ast.AST:
    """A lambda inside a longer expression: cut from its word to where it parses."""
    start = text.find("lambda")
    if start >= 0:
        for end in range(len(text), start, -1):
            try:
                return ast.parse(text[start:end].strip(), mode="eval")
            except SyntaxError:
                continue
    return ast.Module(body=[], type_ignores=[])


class _Visitor(ast.NodeVisitor):
    def __init__(self, state: str) -> None:
        self._state = state
        self._reads: dict[str, None] = {}
        self._writes: dict[str, None] = {}
        self._literal: dict[str, None] = {}
        self._calls: dict[str, None] = {}
        self._returns: list[str] | None = []
        self._reads_unknown = ""
        self._writes_unknown = ""
        self._known_uses: set[int] = set()
        self._depth = 0

    def reading(self) -> Reading:
        returns = tuple(dict.fromkeys(self._returns)) if self._returns else None
        return Reading(
            reads=tuple(self._reads),
            reads_unknown=self._reads_unknown,
            writes=tuple(self._writes),
            writes_unknown=self._writes_unknown,
            literal=tuple(self._literal),
            returns=returns,
            calls=tuple(self._calls),
        )

    def _is_state(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == self._state

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self._is_state(node.value):
            self._known_uses.add(id(node.value))
            if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
                self._reads[node.slice.value] = None
            else:
                self._reads_unknown = self._reads_unknown or "it reads a key that is computed"
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self._is_state(node.value):
            self._known_uses.add(id(node.value))
            if node.attr in ("items", "values", "keys", "copy", "model_dump", "dict"):
                self._reads_unknown = (
                    self._reads_unknown or f"it takes the whole state by .{node.attr}()"
                )
            elif node.attr not in _READ_METHODS:
                self._reads[node.attr] = None
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and self._is_state(function.value):
            if function.attr in _READ_METHODS:
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    self._reads[first.value] = None
                else:
                    self._reads_unknown = self._reads_unknown or "it reads a key that is computed"
        else:
            self._calls[ast.unparse(function)] = None
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        left = node.left
        if (
            isinstance(left, ast.Constant)
            and isinstance(left.value, str)
            and isinstance(node.ops[0], ast.In | ast.NotIn)
            and self._is_state(node.comparators[0])
        ):
            self._known_uses.add(id(node.comparators[0]))
            self._reads[left.value] = None
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if self._is_state(node) and id(node) not in self._known_uses:
            self._reads_unknown = self._reads_unknown or "it hands the whole state on"

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inner(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._inner(node)

    def _inner(self, node: ast.AST) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_Return(self, node: ast.Return) -> None:
        if self._depth == 0:
            self.take_return(node.value)
        self.generic_visit(node)

    def take_return(self, value: ast.expr | None) -> None:
        """Look at what is returned: an update's keys, or a router's answer."""
        self._take_answer(value)
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            return
        if isinstance(value, ast.IfExp):
            self._take_update(value.body)
            self._take_update(value.orelse)
        else:
            self._take_update(value)

    def _take_update(self, value: ast.expr) -> None:
        if isinstance(value, ast.Dict):
            for key in value.keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    self._writes[key.value] = self._literal[key.value] = None
                else:
                    self._writes_unknown = (
                        self._writes_unknown or "it returns a key that is computed"
                    )
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.keywords:
            for keyword in value.keywords:
                if keyword.arg:
                    self._writes[keyword.arg] = None
        elif not isinstance(value, ast.Constant):
            self._writes_unknown = self._writes_unknown or "it returns a value that is computed"

    def _take_answer(self, value: ast.expr | None) -> None:
        if self._returns is None:
            return
        if isinstance(value, ast.IfExp):
            self._take_answer(value.body)
            self._take_answer(value.orelse)
        elif isinstance(value, ast.Constant) and isinstance(value.value, str | bool):
            self._returns.append(str(value.value))
        else:
            self._returns = None


def tools_of(function: Any) -> tuple[str, ...]:
    """The tools that a node is given to run, or calls by ``ctx.tool(name_or_function, …)``."""
    inner = function
    for _ in range(_LAYERS):
        owner = getattr(inner, "__self__", inner)
        if given := getattr(owner, "tools_by_name", None):
            return tuple(given)
        beneath = _beneath(inner)
        if beneath is None:
            break
        inner = beneath
    code = getattr(inner, "__code__", None)
    if code is None:
        return ()
    known = _known_tools.get(code)
    if known is None:
        known = _known_tools[code] = _find_tools(_tree(inner, code))
    return known


_known_tools: dict[CodeType, tuple[str, ...]] = {}


def _find_tools(tree: ast.AST | None) -> tuple[str, ...]:
    if tree is None:
        return ()
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        first = node.args[0] if node.args else None
        if node.func.attr != "tool" or first is None:
            continue
        if isinstance(first, ast.Constant):
            found[str(first.value)] = None
        elif isinstance(first, ast.Name | ast.Attribute):
            found[first.id if isinstance(first, ast.Name) else first.attr] = None
    return tuple(found)
