"""The numbers that modules name, and those that are taken where nobody says another, as reviewed.

Limits, thresholds and defaults hold wherever no case happens to stand at them: one that moves is
a change to look at. `python -m tests.house.numbers` takes what they are now for reviewed.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]
ROOMS = {
    "registry": ("inwit/registry", "inwit/registry/install"),
    "self_improve": ("inwit/self_improve",),
    "introspection": ("inwit/introspection/analyses",),
}
"""Folders of modules by the folder of tests that keeps their numbers."""


def _modules(room: str) -> list[str]:
    found = (path for folder in ROOMS[room] for path in sorted((ROOT / folder).glob("*.py")))
    return [path.relative_to(ROOT).as_posix() for path in found]


def kept(room: str) -> dict[str, dict[str, Any]]:
    """The numbers of each module of a room as they were reviewed; what is new since is not there."""
    found: dict[str, dict[str, Any]] = json.loads(_file(room).read_text("utf-8"))
    return found


def check(room: str, path: str) -> None:
    """Compare a module's numbers with those that were reviewed."""
    known, found = kept(room)[path], numbers(path)
    moved = {name: found.get(name) for name, value in known.items() if found.get(name) != value}
    assert not moved, f"{path}: {moved}; once reviewed: python -m tests.house.numbers {room}"


def numbers(path: str) -> dict[str, Any]:
    """All numbers of a module, which is run anew: constants, defaults of fields and of arguments."""
    module = _run(path)
    own = _assigned((ROOT / path).read_text("utf-8"))
    found = {name: _plain(value) for name, value in vars(module).items()
             if name in own and _holds_numbers(value)}  # fmt: skip
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            found |= {f"{name}.{one}": what for one, what in _of_class(value)}
        elif inspect.isfunction(value):
            found |= {f"{name}({one})": what for one, what in _of_function(value)}
    return found


def _run(path: str) -> ModuleType:
    name = path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
    spec = spec_from_file_location(name, ROOT / path)
    assert spec is not None and spec.loader is not None
    import_module(name)  # annotations are looked up in the module that is known by its name
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _assigned(source: str) -> set[str]:
    """The constants that a module makes itself."""
    targets: list[ast.expr] = []
    for line in ast.parse(source).body:
        if isinstance(line, ast.Assign):
            targets += line.targets
        elif isinstance(line, ast.AnnAssign):
            targets.append(line.target)
    return {one.id for target in targets for one in ast.walk(target)
            if isinstance(one, ast.Name) and one.id.isupper()}  # fmt: skip


def _holds_numbers(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_numbers, (*value, *value.values())))
    if isinstance(value, tuple | list | frozenset | set):
        return any(map(_holds_numbers, value))
    return isinstance(value, int | float | timedelta)


def _plain(value: Any) -> Any:
    """A constant as JSON has it."""
    if isinstance(value, Mapping):
        return {str(_plain(one)): _plain(what) for one, what in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(map(str, value))
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if isinstance(value, int | float | str) else getattr(value, "__name__", "a value")


def _of_class(found: type) -> Iterator[tuple[str, Any]]:
    if issubclass(found, msgspec.Struct):
        fields = found.__struct_fields__[-len(found.__struct_defaults__) :]
        told = zip(fields, found.__struct_defaults__, strict=False)
        yield from ((name, value) for name, value in told if _is_number(value))
        config = found.__struct_config__
        yield "omit_defaults", config.omit_defaults
        yield "forbid_unknown_fields", config.forbid_unknown_fields
    elif dataclasses.is_dataclass(found):
        yield from ((one.name, one.default) for one in dataclasses.fields(found)
                    if _is_number(one.default))  # fmt: skip
    is_made = issubclass(found, msgspec.Struct) or dataclasses.is_dataclass(found)
    for name, value in vars(found).items():
        own = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if inspect.isfunction(own) and not (is_made and name in ("__init__", "__replace__")):
            yield from ((f"{name}({one})", what) for one, what in _of_function(own))


def _of_function(found: Any) -> Iterator[tuple[str, Any]]:
    for argument in inspect.signature(found).parameters.values():
        if _is_number(argument.default):
            yield argument.name, argument.default


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float)


def _file(room: str) -> Path:
    return ROOT / "tests" / room / "numbers.json"


def main() -> None:
    """Keep what the numbers are now."""
    for room in sys.argv[1:] or ROOMS:
        found = {path: told for path in _modules(room) if (told := numbers(path))}
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        _file(room).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
