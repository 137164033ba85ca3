"""Prompts in text files, filled with checked values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLANK = re.compile(r"\{\{(\w+)\}\}")
_SPLIT = "\n---\n"

Value = str | int | float | Iterable[str]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A system text and a user text with named blanks."""

    name: str
    system: str
    user: str

    @property
    def blanks(self) -> tuple[str, ...]:
        """The names that have to be filled, in their order."""
        return tuple(dict.fromkeys(_BLANK.findall(f"{self.system}\n{self.user}")))

    def messages(self, **values: Value) -> list[dict[str, str]]:
        """Fill the blanks and give messages as chat models take them.

        Raises:
            KeyError: A blank is left out, or a value has no blank.
        """
        wanted, given = set(self.blanks), set(values)
        if wanted != given:
            missing, unknown = sorted(wanted - given), sorted(given - wanted)
            raise KeyError(
                f"prompt {self.name!r}: missing {missing}, unknown {unknown}; it has {sorted(wanted)}"
            )
        return [
            {"role": "system", "content": _filled(self.system, values)},
            {"role": "user", "content": _filled(self.user, values)},
        ]


def _filled(text: str, values: Mapping[str, Value]) -> str:
    # In one pass, so that a value with braces is never filled again.
    return _BLANK.sub(lambda blank: _shown(values[blank[1]]), text)


def _shown(value: Value) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    return "\n".join(f"- {one}" for one in value)


def read_prompts(folder: Path) -> dict[str, Prompt]:
    """Read every ``name.txt`` of a folder: a system text, a line ``---``, a user text."""
    prompts = {}
    for path in sorted(folder.glob("*.txt")):
        system, _, user = path.read_text(encoding="utf-8").partition(_SPLIT)
        prompts[path.stem] = Prompt(path.stem, system.strip(), user.strip())
    return prompts


PROMPTS = read_prompts(Path(__file__).parent / "texts")
