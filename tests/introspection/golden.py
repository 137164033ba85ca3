"""Whole answers as they were read and found right, kept in files: `python -m tests.introspection.golden`.

What differs from run to run (ids, times of day, measured durations) is replaced by names for it,
and so are the numbers of lines of source, which move when a file is edited.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from inwit import CompiledGraph
from inwit.answers import Answer, to_json
from inwit.runtime.store.journal import _journals
from tests.introspection.planting import evidence_holds

FOLDER = Path(__file__).parent / "golden"
ROOT = str(Path(__file__).parents[2])
ID = re.compile(r"(?<![\w.])(?:[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{12})\b")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z|[+-]\d\d:\d\d)?")
TOOK = re.compile(r"(?<![\w.])\d[\d,.]* ?(ms|µs|s|seconds?)\b")
COUNTED = re.compile(r"cost|share|rate|usd|tokens")
"""The keys of fractions that were not measured by a clock."""
LINE = re.compile(r"\bline \d+")
LEFT_OUT = {"confidence", "follow_ups", "levels_tried"}
"""What the router says, which is measured elsewhere."""


def shown(answer: Answer, *, exact: bool = False) -> dict[str, Any]:
    """An answer as its file has it; durations as they are only where they were chosen."""
    names: dict[str, str] = {}
    told = {key: value for key, value in to_json(answer).items() if key not in LEFT_OUT}
    named = _named(told, names, exact)
    assert isinstance(named, dict)
    return named


def _named(value: Any, names: dict[str, str], exact: bool) -> Any:
    match value:
        case str():
            return _text(value, names, exact)
        case list() | tuple():
            return [_named(one, names, exact) for one in value]
        case dict():
            return {
                _text(str(key), names, exact): "#"
                if key == "line"
                or (isinstance(one, float) and not exact and not COUNTED.search(str(key)))
                else _named(one, names, exact)
                for key, one in value.items()
            }
        case float():
            return round(value, 3)
        case _:
            return value


def _text(text: str, names: dict[str, str], exact: bool) -> str:
    text = ID.sub(lambda found: names.setdefault(found[0], f"<id {len(names) + 1}>"), text)
    text = LINE.sub("line #", MOMENT.sub("<moment>", text.replace(ROOT, "<root>")))
    return text if exact else TOOK.sub("#", text)


def is_same(one: Any, other: Any) -> bool:
    """Equal, but for the last digits of what a clock of nanoseconds added up to."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(is_same(one[k], other[k]) for k in one)
        case list(), list():
            return len(one) == len(other) and all(map(is_same, one, other))
        case float(), int() | float():
            return abs(one - other) < 0.01
        case _:
            return bool(one == other)


def check(app: CompiledGraph[Any], name: str) -> None:
    """Ask all that a file has answers to, and compare whole answers.

    What the router reads in another way than then is passed over, as long as that is a tenth at
    most: how questions are read is measured elsewhere.
    """
    right, others = kept(name), []
    for question, told in right.items():
        answer = app.ask(question)
        found = shown(answer)

        if _reading(found) != _reading(told):
            others.append(question)
        else:
            assert is_same(told, found), f"{question}\n{answer.text}"
            assert evidence_holds(answer), question
    assert len(others) <= len(right) / 10, others


def _reading(told: dict[str, Any]) -> tuple[str, str, int]:
    return told["level"], told["intent"], told["answer"].count("[read as")


def kept(name: str) -> dict[str, Any]:
    """What a file holds: by question, the answer."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return found


def keep(name: str, answers: dict[str, Any]) -> None:
    """Write a file, sorted, so that a change of an answer is seen as one."""
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(answers, indent=1, sort_keys=True, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write every file anew: answers that are the same in each of three runs."""
    from tests.introspection.asked_too import ALSO
    from tests.introspection.test_documented import ASKED, GRAPHS

    for name, questions in ASKED.items():
        asked = [*(one for one, _ in questions), *ALSO[name]]
        runs = [_asked(GRAPHS[name], asked) for _ in range(3)]
        keep(
            name,
            {one: told for one, told in runs[0].items() if told == runs[1][one] == runs[2][one]},
        )


def _asked(make: Callable[[], Any], questions: Iterable[str]) -> dict[str, Any]:
    """Ask a world in a new project of its own."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        (project / ".inwit").mkdir(parents=True)
        before = Path.cwd()
        os.chdir(project)
        try:
            app = make()
            return {one: shown(app.ask(one)) for one in questions}
        finally:
            os.chdir(before)
            for journal in list(_journals.values()):
                journal.close()
                journal.database.close()
            _journals.clear()


if __name__ == "__main__":
    main()
