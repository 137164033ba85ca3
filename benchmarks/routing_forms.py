"""How questions are read in other forms: shouted, bare, with slips, wrapped in courtesy, two at once.

The questions kept aside (`tests/introspection/router/aside`) are put into each form by rule, slips
and pairs by a seed, and read by the weights that ship. Two in one are tried in many forms too, and
single questions with an "and", by questions written for that (`tests/introspection/router/parted`).

Run:  python benchmarks/routing_forms.py [--markdown FILE]
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from report import write_between
from routing import ASIDE

from inwit.introspection.router import Router
from inwit.introspection.router.examples import Example, load_examples, load_worlds
from inwit.introspection.router.measure import count
from inwit.registry.encoder import default_encoder

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.introspection.router.parted import FORMS, Found, cases, found
from tests.introspection.router.parted import pairs as parted

PAIRED = 80
_WORD = re.compile(r"(?<![\w./-])[a-z]{5,}(?![\w./-])")
_OPENER = re.compile(
    r"(?:how|why|what|when|who|which|where|is|are|am|did|does|has|have|can|could|should|would"
    r"|tell|show|list|explain|describe|find|compare|suggest)\b",
    re.IGNORECASE,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each form, and print or write the table."""
    parser = argparse.ArgumentParser(prog="python benchmarks/routing_forms.py")
    parser.add_argument("--markdown", type=Path, help="also write the figures into this page")
    options = parser.parse_args(arguments)
    routers = Router.load(default_encoder()), Router.load(None)
    text = f"{table(*routers)}\n\n{parts_table(*routers)}"
    if options.markdown:
        write_between(options.markdown, "routing forms", text)
    sys.stdout.write(text + "\n")
    return 0


def table(*routers: Router) -> str:
    """A row for each form: level and intent both right, and out of scope, for each router."""
    examples = sorted(load_examples(ASIDE), key=lambda one: one.world)
    lines = [
        (
            "| asked | both right, with the encoder | outside, precision | recall "
            "| both right, by words alone | outside, precision | recall |"
        ),
        "|---" * 7 + "|",
    ]
    for name, form in _forms().items():
        cells = [cell for router in routers for cell in _read(router, examples, form)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    joined = pairs(examples)
    both, either = zip(*(_read_pairs(router, joined) for router in routers), strict=True)
    lines.append(f"| two joined by “and”: both found | {' | | | '.join(both)} | | |")
    lines.append(f"| two joined by “and”: at least one | {' | | | '.join(either)} | | |")
    return "\n".join(lines)


def parts_table(*routers: Router) -> str:
    """A row for each way to join two questions, and for those that only look so, by world."""
    worlds = {"kiosk": "looked at", "greenhouse": "read once"}
    heads = [
        f"{what}, {seen}"
        for seen in worlds.values()
        for what in ("cut in two", "both right", "cut, by words alone", "both right")
    ]
    lines = [f"| asked | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    rows = {f"“{name}”": [parted(form, world) for world in worlds] for name, form in FORMS.items()}
    rows["two of one hand, with “it” and “that”"] = [list(cases("two", one)) for one in worlds]
    rows["one that holds an “and”"] = [list(cases("one", one)) for one in worlds]
    for name, sets in rows.items():
        cells = [cell for asked in sets for one in routers for cell in _cells(found(one, asked))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(one: Found) -> tuple[str, str]:
    return f"{one.cut} of {one.asked}", str(one.right) if one.cut and one.right else "–"


def _forms() -> dict[str, Callable[[str], str]]:
    return {
        "in capitals": str.upper,
        "in small letters, without marks": _bare,
        "with letters swapped in two words": _slipped,
        "after “Hi there, could you please tell me:”": "Hi there, could you please tell me: {}".format,
    }


def _bare(question: str) -> str:
    return re.sub(r"[?!.,;:'\"]+(?=\s|$)", "", question).lower()


def _slipped(question: str) -> str:
    """Swap two letters within two longer words; the question itself is the seed."""
    chosen = random.Random(question)
    words = list(_WORD.finditer(question))
    for match in chosen.sample(words, min(2, len(words))):
        at = chosen.randrange(match.start() + 1, match.end() - 2)
        question = f"{question[:at]}{question[at + 1]}{question[at]}{question[at + 2 :]}"
    return question


def _read(router: Router, examples: Sequence[Example], form: Callable[[str], str]) -> list[str]:
    worlds = load_worlds(ASIDE)
    found = count(
        examples, [router.route(form(one.question), worlds[one.world]) for one in examples]
    )
    return [f"{share:.3f}" for share in (found.both, found.outside_precision, found.outside_recall)]


def pairs(examples: Sequence[Example]) -> list[tuple[Example, Example]]:
    """Draw pairs of short questions of one world that are to be read in two ways."""
    short = [one for one in examples if one.level != "none" and len(one.question) < 90]
    short = [one for one in short if not re.search(r"\b(?:and|also)\b", one.question)]
    drawn = random.Random(3)
    found: list[tuple[Example, Example]] = []
    while len(found) < PAIRED:
        first, second = drawn.sample(short, 2)
        is_alike = first.world != second.world or first.pair == second.pair
        if not is_alike and _OPENER.match(second.question):
            found.append((first, second))
    return found


def _read_pairs(router: Router, joined: Sequence[tuple[Example, Example]]) -> tuple[str, str]:
    worlds = load_worlds(ASIDE)
    both = either = 0
    for first, second in joined:
        second_said = second.question[0].lower() + second.question[1:]
        question = f"{first.question.rstrip(' ?.!')} and {second_said}"
        read = {
            (one.level, one.intent) for one in router.route(question, worlds[first.world]).readings
        }
        both += read == {first.pair, second.pair}
        either += bool(read & {first.pair, second.pair})
    return f"{both / len(joined):.2f}", f"{either / len(joined):.2f}"


if __name__ == "__main__":
    sys.exit(main())
