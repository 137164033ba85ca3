"""How questions are read: level, intent, what they name, how sure, how fast.

Two sets are measured. The questions kept aside (`tests/introspection/router/aside`) were written in
twenty voices by several hands, and are never trained on; the weights that ship read them. The
questions that are trained on are read by fits that have heard neither their meaning nor their
voice, which takes some minutes and gives the reliability table enough to stand on.

Run:  python benchmarks/routing.py [--aside-only] [--json] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
from report import write_between

from inwit.introspection.router import Router
from inwit.introspection.router.examples import load_examples, load_worlds
from inwit.introspection.router.measure import Measured, count, measure
from inwit.introspection.router.models import FOLDER
from inwit.introspection.train import (
    on_one_thread,
    prepare_all,
    routings,
    save_lexical,
    save_semantic,
    train_both,
)
from inwit.registry.encoder import default_encoder

ASIDE = Path(__file__).parent.parent / "tests/introspection/router/aside"
GOALS: tuple[tuple[str, str, float], ...] = (
    ("both", "level and intent both right", 0.80),
    ("level", "level right", 0.90),
    ("outside_precision", "out of scope, precision", 0.85),
    ("outside_recall", "out of scope, recall", 0.85),
    ("intent_when_sure", "intent right on the surest 80 %", 0.90),
    ("linking_f1", "entities linked, F1", 0.95),
)
LIMITS_MS = {"with the encoder": 10.0, "by words alone": 2.0}
Sets = dict[str, dict[str, Measured]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print or write the tables."""
    parser = argparse.ArgumentParser(prog="python benchmarks/routing.py")
    parser.add_argument("--aside-only", action="store_true", help="without the unheard voices")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--markdown", type=Path, help="also write the figures into this page")
    options = parser.parse_args(arguments)
    encoder = Watched(default_encoder())
    routers = {"with the encoder": Router.load(encoder), "by words alone": Router.load(None)}
    aside, worlds = load_examples(ASIDE), load_worlds(ASIDE)
    sets: Sets = {
        "kept aside": {name: measure(one, aside, worlds) for name, one in routers.items()}
    }
    took = {name: _milliseconds(one, encoder) for name, one in routers.items()}
    is_equal = None
    if not options.aside_only:
        sets["voices not heard"], is_equal = _unheard(encoder)
    text = page(sets, took)
    if is_equal is not None:
        text += (
            f"\n\nWeights trained anew equal the shipped ones: {'yes' if is_equal else '**no**'}."
        )
    if options.markdown:
        write_between(options.markdown, "routing", text)
    if options.json:
        found = {name: msgspec.to_builtins(_plain(one)) for name, one in sets.items()}
        medians = {name: (one.wall, one.spent) for name, one in took.items()}
        sys.stdout.write(json.dumps({"sets": found, "median_ms": medians}) + "\n")
    else:
        sys.stdout.write(text + "\n")
    return 0


class Watched:
    """An encoder that counts how often it is asked."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.name = encoder.name
        self.asked = 0

    def encode(self, texts: Sequence[str]) -> Any:
        """Encode, and count."""
        self.asked += 1
        return self._encoder.encode(texts)


class Took(NamedTuple):
    """Median milliseconds of reading a question, by the clock and of the processors.

    `encoded` is the median by the clock of the questions for which the encoder was asked, and `asked`
    their share.
    """

    wall: float
    spent: float
    encoded: float | None
    asked: float


def page(sets: Sets, took: dict[str, Took]) -> str:
    """All of it, as Markdown."""
    with_encoder = sets["kept aside"]["with the encoder"]
    parts = [_goals(sets), _speed(took)]
    parts.append(_reliability({name: one["with the encoder"] for name, one in sets.items()}))
    parts.append(_by("level", with_encoder) + "\n\n" + _by("intent", with_encoder))
    parts.append(_matrix(with_encoder))
    return "\n\n".join(parts)


def _goals(sets: Sets) -> str:
    columns = [(name, way) for name, ways in sets.items() for way in ways]
    lines = ["| figure | goal | " + " | ".join(f"{n}, {w}" for n, w in columns) + " |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for field, title, goal in GOALS:
        cells = []
        for name, way in columns:
            value = getattr(sets[name][way], field)
            is_asked = way == "with the encoder"
            cells.append(f"**{value:.3f}**" if is_asked and value < goal else f"{value:.3f}")
        lines.append(f"| {title} | {goal:.2f} | " + " | ".join(cells) + " |")
    counts = " | ".join(str(sets[name][way].questions) for name, way in columns)
    lines.append(f"| questions | | {counts} |")
    return "\n".join(lines) + "\n\nBold: with the encoder, and below the goal."


def _speed(took: dict[str, Took]) -> str:
    lines = [
        "| reading a question | median | of the processors | goal | reached | encoder asked, of questions | median of those |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in took.items():
        limit = LIMITS_MS[name]
        reached = "yes" if min(one.wall, one.spent) <= limit else "**no**"
        encoded = "–" if one.encoded is None else f"{one.encoded:.2f} ms"
        lines.append(
            f"| {name} | {one.wall:.2f} ms | {one.spent:.2f} ms | {limit:.0f} ms | {reached}"
            f" | {one.asked:.2f} | {encoded} |"
        )
    load = os.getloadavg()[0]
    note = (
        f"Measured at a load of {load:.1f} on {os.cpu_count()} cores. Reached by the lower one: on a "
        "busy machine the clock counts the turns of others too."
    )
    return "\n".join(lines) + f"\n\n{note}"


def _reliability(sets: dict[str, Measured]) -> str:
    """Stated probability beside the share that was right, a tenth at a time."""
    head = " | ".join(f"{name}: right | questions" for name in sets)
    lines = [f"| stated probability | {head} |", "|---" * (1 + 2 * len(sets)) + "|"]
    for tenth in range(2, 10):
        cells = []
        for one in sets.values():
            share = one.calibration.get(tenth)
            cells += [f"{share.right:.2f}", str(share.questions)] if share else ["–", "0"]
        lines.append(f"| {tenth / 10:.1f}–{tenth / 10 + 0.1:.1f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _by(kind: str, measured: Measured) -> str:
    groups = measured.levels if kind == "level" else measured.intents
    cells = [f"{name} {one.right:.2f} ({one.questions})" for name, one in sorted(groups.items())]
    return f"Right by {kind}, kept aside, with the encoder: {', '.join(cells)}."


def _matrix(measured: Measured) -> str:
    """The confusion matrix; a row is what a question is, a column what it was read as."""
    names = sorted({name for pair in measured.matrix for name in pair})
    head = " | ".join(_short(name) for name in names)
    lines = [f"| is, read as | {head} |", "|---" * (len(names) + 1) + "|"]
    for truth in names:
        counts = [measured.matrix.get((truth, read), 0) for read in names]
        cells = [str(many) if many else "" for many in counts]
        lines.append(f"| {truth} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _short(name: str) -> str:
    level, _, intent = name.partition("/")
    return "none" if level == "none" else f"{level[0]}/{intent}"


def _unheard(encoder: Any) -> tuple[dict[str, Measured], bool]:
    """How fits read the voices that they have not heard; and whether the weights are those shipped."""
    examples = load_examples()
    asked = prepare_all(examples)
    by_words, by_all = train_both(encoder, asked, examples, _say)
    with TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("lexical.msgpack", "semantic.npz")]
        save_lexical(files[0], by_words.heads, by_words.calibration)
        save_semantic(files[1], by_all.heads, by_all.calibration, encoder.name)
        is_equal = all(one.read_bytes() == (FOLDER / one.name).read_bytes() for one in files)
    measured = {
        "with the encoder": count(examples, routings(asked, (by_words, by_all))),
        "by words alone": count(examples, routings(asked, (by_words,))),
    }
    return measured, is_equal


def _milliseconds(router: Router, encoder: Watched) -> Took:
    """How long reading a question takes, warm."""
    aside, worlds = load_examples(ASIDE), load_worlds(ASIDE)
    took, spent, encoded = [], [], []
    for one in sorted(aside, key=lambda example: example.world):
        router.route("warm up", worlds[one.world])
        asked = encoder.asked
        began, worked = time.perf_counter(), time.process_time()
        router.route(one.question, worlds[one.world])
        took.append((time.perf_counter() - began) * 1000)
        spent.append((time.process_time() - worked) * 1000)
        if encoder.asked > asked:
            encoded.append(took[-1])
    return Took(
        wall=median(took),
        spent=median(spent),
        encoded=median(encoded) if encoded else None,
        asked=len(encoded) / len(took),
    )


def _plain(ways: dict[str, Measured]) -> dict[str, object]:
    fields = [field for field, _, _ in GOALS]
    return {way: {field: getattr(one, field) for field in fields} for way, one in ways.items()}


def _say(line: str) -> None:
    sys.stderr.write(f"[{time.process_time():5.0f} s] {line}\n")


if __name__ == "__main__":
    on_one_thread()
    sys.exit(main())
