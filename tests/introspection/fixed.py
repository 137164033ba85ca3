"""Whole answers to questions, word by word and figure by figure; how each is read is kept with it.

`python -m tests.introspection.fixed` writes the files anew, and tells whether they were right still.
With a name and questions it adds these: `python -m tests.introspection.fixed desk-few "Who answered?"`;
``live when: Who answered?`` is read so whatever the router says.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast, get_args

from inwit import CompiledGraph
from inwit.answers import Answer, Intent, Level
from inwit.introspection import Introspector
from inwit.introspection.router.linking import Index
from inwit.introspection.router.masking import link
from inwit.introspection.router.unnamed import unknown_names
from inwit.introspection.scene import Query
from inwit.runtime.project import Project
from inwit.runtime.store import Journal
from tests.introspection import crowds, desks, forged, mailroom, shops
from tests.introspection.chosen import Clock, chosen_times
from tests.introspection.golden import FOLDER, is_same, kept, shown

World = Callable[[Clock], CompiledGraph[Any] | None]
WORLDS: dict[str, World] = {
    "none": lambda clock: None,
    "packages": lambda clock: None,
    "desk-new": desks.new,
    "desk-few": desks.few,
    "desk-many": desks.many,
    "desk-spent": desks.spent,
    "desk-within": desks.within,
    "desk-running": desks.running,
    "chain-slower": lambda clock: forged.slower(),
    "loop-rounds": lambda clock: forged.rounds(),
    "fan-forked": lambda clock: forged.forked(),
    "shop-steady": shops.steady,
    "shop-drifted": shops.drifted,
    "shop-edited": shops.edited,
    "shop-kinds": shops.steady,
    "desk-kinds": desks.few,
    "crew": shops.crew,
    "clerks": shops.clerks,
    "lab": shops.lab,
    "town": crowds.town,
    "mailroom": mailroom.run,
}
RUNS = 3
_READ = re.compile(rf"({'|'.join(get_args(Level))}) ({'|'.join(get_args(Intent))}): (.+)")
Told = dict[str, Any]
KEYS = ("read", "said", "by", "data", "sure")


class Asker:
    """Answers questions whose reading is known."""

    def __init__(self, app: CompiledGraph[Any] | None) -> None:
        project = Project.find() if app is None else app.project
        Journal.of(project).flush()
        self._graph = app.name if app else None
        self.introspector = Introspector.of(project, self._graph)
        self._names = Index(self.introspector.catalogue())

    def ask(self, question: str, read: str) -> Told:
        """The answer to one reading ("live why"), as its file has it."""
        level, intent = read.split()
        entities = link(question, self._names, self.introspector._threads(question))
        query = Query(
            text=question, unknown=unknown_names(question, entities), level=cast("Level", level),
            intent=cast("Intent", intent), entities=entities, graph=self._graph,
        )  # fmt: skip
        return told(self.introspector.answer(query))

    def read(self, question: str) -> str | None:
        """How a question is read today; None where it is answered in parts."""
        answer = self.introspector.ask(question)
        return None if "[read as" in answer.text else f"{answer.level} {answer.intent}"


def told(answer: Answer) -> Told:
    """An answer in short: what it says, by what evidence, and how sure it is."""
    full = shown(answer, exact=True)
    evidence = [" | ".join(map(str, one.values())) for one in full["evidence"]]
    return {
        "read": f"{answer.level} {answer.intent}", "said": full["answer"].splitlines(),
        "by": evidence, "data": full["data"], "sure": answer.confidence,
    }  # fmt: skip


def check(name: str) -> None:
    """Ask all that a file has answers to, and compare whole answers."""
    with chosen_times() as clock:
        asker = Asker(WORLDS[name](clock))
        for question, right in kept(name).items():
            found = asker.ask(question, right["read"])

            assert is_same(right, found), f"{question}\n{json.dumps(found, indent=1)}"


def main() -> None:
    """Write the files anew: answers that are the same in each of three processes."""
    match sys.argv[1:]:
        case ["--answer", name]:
            print(json.dumps(_answers(name, json.load(sys.stdin))))
        case [name, *questions]:
            _write(name, questions)
        case _:
            for name in WORLDS:
                _write(name, [])


def _write(name: str, more: Iterable[str]) -> None:
    known = kept(name) if (FOLDER / f"{name}.json").exists() else {}
    asked = {question: right["read"] for question, right in known.items()}
    for question in more:
        found = _READ.fullmatch(question)
        asked |= {found[3]: f"{found[1]} {found[2]}"} if found else {question: ""}
    runs = [_in_process(name, asked) for _ in range(RUNS)]
    same = {
        one: right
        for one, right in runs[0].items()
        if all(is_same(right, run.get(one)) for run in runs)
    }
    new = {one: right for one, right in same.items() if not is_same(right, known.get(one))}
    keep(name, {one: known[one] for one in same.keys() - new.keys()} | new)
    print(
        f"{name}: {len(same)} answers; new: {sorted(new)}; left out: {sorted(asked.keys() - same.keys())}"
    )


def keep(name: str, answers: dict[str, Told]) -> None:
    """Write a file: a line for each sentence and each piece of evidence."""
    told = (
        f"{json.dumps(one, ensure_ascii=False)}: {_lines(answers[one])}" for one in sorted(answers)
    )
    text = "{\n" + ",\n".join(told) + "\n}\n"
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


def _lines(right: Told) -> str:
    parts = []
    for key in KEYS:
        value = right[key]
        lines = value if key in ("said", "by") else []
        each = ",\n".join(f"  {json.dumps(line, ensure_ascii=False)}" for line in lines)
        shown = f"[\n{each}]" if lines else json.dumps(value, ensure_ascii=False, sort_keys=True)
        parts.append(f" {json.dumps(key)}: {shown}")
    return "{\n" + ",\n".join(parts) + "}"


def _in_process(name: str, asked: dict[str, str]) -> dict[str, Told]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "project" / ".inwit").mkdir(parents=True)
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "-m", "tests.introspection.fixed", "--answer", name],
            check=True, stdout=subprocess.PIPE, text=True, input=json.dumps(asked),
            cwd=f"{folder}/project", env=environment,
        )  # fmt: skip
    found: dict[str, Told] = json.loads(done.stdout)
    return found


def _answers(name: str, asked: dict[str, str]) -> dict[str, Told]:
    with chosen_times() as clock:
        asker = Asker(WORLDS[name](clock))
        readings = {one: read or asker.read(one) for one, read in asked.items()}
        return {one: asker.ask(one, read) for one, read in readings.items() if read}


if __name__ == "__main__":
    main()
