"""What callers get who leave something out: ``python -m tests.runtime.defaults`` writes it anew.

Every default of a public function, method, record or class attribute of the engine and the journal,
and every public limit. Who changes one changes what a program does that says nothing of it.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

import inwit.runtime

KEPT = Path(__file__).parent.parent / "data" / "defaults.json"
ROOMS = ("*.py", "store/*.py")
PLAIN = (bool, int, float, str, type(None))


def found() -> dict[str, str]:
    """Each default by its place."""
    folder = Path(inwit.runtime.__file__).parent
    files = sorted(file for room in ROOMS for file in folder.glob(room))
    names = [".".join(file.relative_to(folder).with_suffix("").parts) for file in files]
    return {
        place: shown
        for name in names
        if not name.endswith("__init__")
        for place, shown in _of_module(name)
    }


def _of_module(name: str) -> Iterator[tuple[str, str]]:
    module = importlib.import_module(f"inwit.runtime.{name}")
    source = inspect.getsource(module)
    for key, value in vars(module).items():
        if key.startswith("_"):
            continue
        place = f"{name}.{key}"
        if inspect.isclass(value) and value.__module__ == module.__name__:
            yield from _of_class(place, value)
        elif inspect.isfunction(value) and value.__module__ == module.__name__:
            yield from _of_function(place, value)
        elif f"\n{key}" in source and key.isupper() and _is_plain(value):
            yield place, _shown(value)


def _of_class(place: str, cls: type) -> Iterator[tuple[str, str]]:
    if issubclass(cls, msgspec.Struct):
        last = zip(reversed(cls.__struct_fields__), reversed(cls.__struct_defaults__), strict=False)
        for name, default in last:
            if _is_plain(default):
                yield f"{place}.{name}", _shown(default)
    for key, value in vars(cls).items():
        if key.startswith("_") and key != "__init__":
            continue
        plain = inspect.unwrap(getattr(value, "__func__", value))
        if inspect.isfunction(plain):
            yield from _of_function(f"{place}.{key}", plain)
        elif _is_plain(value) and not issubclass(cls, msgspec.Struct):
            yield f"{place}.{key}", _shown(value)


def _of_function(place: str, function: Any) -> Iterator[tuple[str, str]]:
    for one in inspect.signature(function).parameters.values():
        if one.default is not inspect.Parameter.empty and _is_plain(one.default):
            yield f"{place}({one.name})", _shown(one.default)


def _is_plain(value: Any) -> bool:
    if type(value) in (tuple, frozenset):
        return all(map(_is_plain, value))
    return type(value) in PLAIN


def _shown(value: Any) -> str:
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(repr, value))})"
    return repr(value)


def main() -> None:
    """Write them down."""
    KEPT.write_text(json.dumps(found(), indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
