"""A seeded sample of mutants, equally many from each room."""

from __future__ import annotations

import ast
import hashlib
import random
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutants.operators import Span, family, is_mutable, operators

ROOMS = {
    "engine": ("inwit/runtime/*.py",),
    "journal": ("inwit/runtime/store/*.py",),
    "analyses": ("inwit/introspection/analyses/*.py",),
    "plans": ("inwit/self_improve/*.py",),
    "resolver": ("inwit/registry/install/*.py", "inwit/registry/*.py"),
}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of one place in one file."""

    room: str
    path: str
    operator: str
    occurrence: int
    line: int
    column: int
    end_line: int

    @property
    def id(self) -> str:
        told = repr(sorted(asdict(self).items()))
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def applied(self, source: str) -> str:
        """The source with this change."""
        changed: str | None = mutate_code(source, operators()[self.operator], self.occurrence)
        assert changed is not None and changed != source, self
        return changed


def draw(root: Path, *, size: int, seed: int) -> list[Mutant]:
    """Draw a sample: places with equal chances within a room, then one operator for each.

    Where no operator makes Python of a place, such as at the ``**`` of a dict, another is drawn.
    """
    chance = random.Random(seed)
    drawn: list[Mutant] = []
    for room in ROOMS:
        places = _places(root, room)
        chosen = chance.sample(sorted(places), size // len(ROOMS))
        sound = [_sound(root, chance.choice(places[place]), places[place]) for place in chosen]
        spare = random.Random(seed)
        left = sorted(places.keys() - set(chosen))
        while None in sound:
            place = spare.choice(left)
            sound[sound.index(None)] = _sound(root, spare.choice(places[place]), places[place])
        drawn += [one for one in sound if one is not None]
    chance.shuffle(drawn)
    return drawn


def _sound(root: Path, drawn: Mutant, others: list[Mutant]) -> Mutant | None:
    """The one that was drawn, or the first in its place that is Python at all."""
    source = (root / drawn.path).read_text("utf-8")
    return next((one for one in (drawn, *others) if _is_python(one, source)), None)


def _is_python(mutant: Mutant, source: str) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(mutant.applied(source))
    except (SyntaxError, AttributeError):  # cosmic-ray fails itself at ``except module.Error``
        return False
    return True


def _places(root: Path, room: str) -> dict[tuple[Any, ...], list[Mutant]]:
    files = [path for pattern in ROOMS[room] for path in sorted(root.glob(pattern))]
    places: dict[tuple[Any, ...], list[Mutant]] = {}
    for path in files:
        for mutant in _of_file(room, path.relative_to(root).as_posix(), path.read_text("utf-8")):
            place = (mutant.path, mutant.line, mutant.column, family(mutant.operator))
            places.setdefault(place, []).append(mutant)
    return places


def _of_file(room: str, path: str, source: str) -> Iterator[Mutant]:
    counts = dict.fromkeys(operators(), 0)
    left_out = [*_uncounted(source), *_declared(source)]
    for node in ast_nodes(get_ast(source)):
        if not is_mutable(node):
            continue
        for name, operator in operators().items():
            for start, end in operator.mutation_positions(node):
                occurrence, counts[name] = counts[name], counts[name] + 1
                if _is_cache_left_out(name, source, start):
                    continue
                if not any(first <= start < last for first, last in left_out):
                    yield Mutant(
                        room=room, path=path, operator=name, occurrence=occurrence,
                        line=start[0], column=start[1], end_line=end[0],
                    )  # fmt: skip


DECLARING = frozenset({"frozen", "kw_only", "slots", "gc"})
"""What a class statement says of how its values may be made and changed, as decorators do."""


def _is_cache_left_out(operator: str, source: str, start: tuple[int, int]) -> bool:
    """Whether only time would tell: what a cached function gives is the same without."""
    if operator != "RemoveDecorator":
        return False
    return source.splitlines()[start[0] - 1].strip().startswith(("@cache", "@lru_cache"))


def _uncounted(source: str) -> Iterator[Span]:
    for number, line in enumerate(source.splitlines(), 1):
        if "pragma: no cover" in line:
            yield (number, 0), (number, len(line) + 1)


def _declared(source: str) -> Iterator[Span]:
    """What only declares: annotations, overloads, arguments of decorators.

    And the bare star of a signature, which is no product; what a class statement says of its
    values; and ``strict`` of a zip, which guards what cannot happen.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if _is_overload(node):
                yield (node.decorator_list[0].lineno, 0), _end(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from (_span(one) for one in node.decorator_list)
                yield from _bare_star(node.args, source)
                if node.returns:
                    yield _span(node.returns)
            case ast.ClassDef():
                yield from (_span(one) for one in node.decorator_list)
                yield from (_span(one.value) for one in node.keywords if one.arg in DECLARING)
            case ast.Call(func=ast.Name(id="zip"), keywords=[ast.keyword(arg="strict") as strict]):
                yield _span(strict.value)
            case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
                yield _span(node)
            case ast.arg(annotation=annotation) | ast.AnnAssign(annotation=annotation):
                if annotation:
                    yield _span(annotation)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield _span(node)
            case _:
                pass


def _bare_star(arguments: ast.arguments, source: str) -> Iterator[Span]:
    """The place of a star that only says: from here on by name."""
    if not arguments.kwonlyargs or arguments.vararg is not None:
        return
    first = arguments.kwonlyargs[0]
    lines = source.splitlines()
    for number in range(first.lineno, 0, -1):
        line = lines[number - 1]
        upto = first.col_offset if number == first.lineno else len(line)
        if (column := line.rfind("*", 0, upto)) >= 0:
            yield (number, column), (number, column + 1)
            return


def _is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list)


def _span(node: ast.expr | ast.stmt) -> Span:
    return (node.lineno, node.col_offset), _end(node)


def _end(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0
