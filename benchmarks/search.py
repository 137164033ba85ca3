"""Search over a long list of packages: what is found, how fast, and how much it takes.

    python benchmarks/search.py --list FILE.tsv [--list MORE.tsv] --rank COLUMN
        --queries FILE.jsonl [--entries 100000] [--many 1000000] [--markdown FILE]

A list has columns name, version and summary; a line of the queries is {"query", "answers"}. The
entries are all that have a rank and, up to the number, others by chance. Times are the
processor's, all threads together, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import report

from inwit.registry.encoder import Vectors, default_encoder
from inwit.registry.search.catalogue import Catalogue, prior_of_rank
from inwit.registry.search.importing import read_list
from inwit.registry.search.listed import Listed
from inwit.registry.vectors import encode_cached

LETTERS = "abcdefghijklmnopqrstuvwxyz"
NAMES = 400
Figures = dict[str, Any]


def main() -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", type=Path, action="append", required=True, dest="lists")
    parser.add_argument("--rank", help="the first list's column of ranks, smaller is better")
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument(
        "--many", type=int, default=1_000_000, help="for words alone; 0 leaves it out"
    )
    parser.add_argument("--cache", type=Path, help="keep vectors here from run to run")
    parser.add_argument("--markdown", type=Path, help="the page to write the table into")
    options = parser.parse_args()
    maps = {"rank": options.rank} if options.rank else {}
    entries, _ = read_list(options.lists[0], maps)
    queries = [json.loads(line) for line in options.queries.read_text().splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        some = sample(entries, options.entries)
        with_usage, without = both(Path(folder), some, queries, options.cache)
        many = words_alone(Path(folder), options, entries) if options.many else {}
    text = page(len(some), len(queries), with_usage, without, many)
    print(text)
    if options.markdown:
        report.write_between(options.markdown, "search", text)


def sample(entries: Sequence[Listed], count: int) -> list[Listed]:
    """All that are ranked and others by chance, in an order by chance; their usage among these."""
    chance = random.Random(1)
    ranked = [one for one in entries if one.prior > 0]
    rest = [one for one in entries if one.prior == 0]
    chosen = ranked[:count] + chance.sample(rest, min(len(rest), max(0, count - len(ranked))))
    chance.shuffle(chosen)
    places = {
        one.id: place for place, one in enumerate(sorted(ranked, key=lambda one: -one.prior), 1)
    }
    return [
        msgspec.structs.replace(
            one, prior=prior_of_rank(places[one.id], len(chosen)) if one.id in places else 0.0
        )
        for one in chosen
    ]


class Cached:
    """The default encoder, reading what it encoded in an earlier run."""

    def __init__(self, folder: Path) -> None:
        encoder = default_encoder()
        assert encoder is not None
        self._encoder, self._folder = encoder, folder
        self.name, self.dimension = encoder.name, encoder.dimension

    def encode(self, texts: Sequence[str]) -> Vectors:
        if len(texts) == 1:  # a query
            return self._encoder.encode(texts)
        return encode_cached(texts, self._folder, self._encoder)


def both(
    folder: Path, entries: list[Listed], queries: list[Any], cache: Path | None
) -> tuple[Figures, Figures]:
    """The figures with usage and without; the vectors are made once."""
    figures: Figures = {}
    encoder = Cached(cache) if cache else None
    made, figures["words_s"] = timed(
        lambda: Catalogue.build(folder / "with", entries, encoder=encoder)
    )
    _, took = timed(made.make_vectors)
    figures["vectors_s"] = None if cache else took
    figures["bytes"] = made.facts()["size_bytes"]
    figures |= measured(made, entries, queries)
    plain = [msgspec.structs.replace(one, prior=0.0) for one in entries]
    Catalogue.build(folder / "without", plain).close()
    shutil.copy(folder / "with/vectors/vectors.f16", folder / "without/vectors/vectors.f16")
    other = Catalogue(folder / "without")
    other.make_vectors()
    return figures, measured(other, entries, queries)


def words_alone(folder: Path, options: Any, entries: list[Listed]) -> Figures:
    """The figures of many entries, by names and words."""
    for path in options.lists[1:]:
        more, _ = read_list(path)
        entries = entries + [
            msgspec.structs.replace(one, id=f"{path.stem}:{one.id}") for one in more
        ]
    entries = entries[: options.many]
    made, words_s = timed(lambda: Catalogue.build(folder / "many", entries))
    chance = random.Random(3)
    asked = [one.description[:60] for one in chance.sample(entries, NAMES) if one.description]
    asked += [one.name for one in chance.sample(entries, NAMES)]
    return {
        "count": len(entries), "words_s": words_s, "bytes": made.facts()["size_bytes"],
        **latencies(made, asked),
    }  # fmt: skip


def measured(catalogue: Catalogue, entries: list[Listed], queries: list[Any]) -> Figures:
    """What is found, and how fast."""
    ranks, recalls = [], []
    for one in queries:
        found = [hit.name for hit in catalogue.search(one["query"], limit=10)]
        places = [place for place, name in enumerate(found, 1) if name in one["answers"]]
        ranks.append(1 / places[0] if places else 0.0)
        recalls.append(len(places) / min(10, len(one["answers"])))
    chance = random.Random(2)
    used = [one.name for one in entries if one.prior > 0] or [one.name for one in entries]
    names = chance.sample([name for name in used if len(name) > 4], NAMES)
    exact = [catalogue.search(name, limit=1)[0].name == name for name in names]
    slips = [name in [hit.name for hit in catalogue.search(slip(name, chance), limit=3)]
             for name in names]  # fmt: skip
    asked = [one["query"] for one in queries] * 4 + names
    return {
        "mrr": statistics.mean(ranks), "recall": statistics.mean(recalls),
        "exact": statistics.mean(exact), "slips": statistics.mean(slips),
        **latencies(catalogue, asked),
    }  # fmt: skip


def latencies(catalogue: Catalogue, asked: list[str]) -> Figures:
    """Milliseconds of the processor for warm searches on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        for query in asked[:20]:
            catalogue.search(query)
        took = sorted(timed(lambda query=query: catalogue.search(query))[1] for query in asked)  # type: ignore[misc]
    finally:
        os.sched_setaffinity(0, cores)
    return {"p50": took[len(took) // 2] * 1000, "p99": took[int(len(took) * 0.99)] * 1000}


def slip(name: str, chance: random.Random) -> str:
    """The name with one letter left out, added, replaced, or two swapped."""
    while True:
        at, letter = chance.randrange(len(name) - 1), chance.choice(LETTERS)
        found = chance.choice([
            name[:at] + name[at + 1 :], name[:at] + letter + name[at:],
            name[:at] + letter + name[at + 1 :],
            name[:at] + name[at + 1] + name[at] + name[at + 2 :],
        ])  # fmt: skip
        if found != name:
            return found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives and how many seconds of the processor it took, all threads together.

    On one core that is how long it takes; what else runs on the machine does not count.
    """
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


def page(count: int, queries: int, used: Figures, plain: Figures, many: Figures) -> str:
    """The table."""
    rows = [
        ("first fitting result (MRR), with usage", f"{used['mrr']:.2f}", "≥ 0.80"),
        ("the same without usage", f"{plain['mrr']:.2f}", "≥ 0.40"),
        ("fitting ones in the first ten, with usage", f"{used['recall']:.2f}", "≥ 0.65"),
        ("exact names first", f"{min(used['exact'], plain['exact']):.3f}", "1"),
        ("names with one slip in the first three", f"{used['slips']:.3f}", "≥ 0.95"),
        ("the same without usage", f"{plain['slips']:.3f}", "–"),
        ("a search, p50 / p99 (ms)", f"{used['p50']:.1f} / {used['p99']:.1f}", "≤ 15 / 40"),
        ("made searchable by words (s)", f"{used['words_s']:.0f}", "–"),
        ("on disk (MB)", f"{used['bytes'] / 1e6:.0f}", "–"),
    ]  # fmt: skip
    if used["vectors_s"] is not None:
        rows.append(("then by meaning (s)", f"{used['vectors_s']:.0f}", "–"))
    if many:
        rows += [
            (
                f"{many['count']:,} entries: searchable by words (s)",
                f"{many['words_s']:.0f}",
                "≤ 180",
            ),
            ("… on disk (MB)", f"{many['bytes'] / 1e6:.0f}", "≤ 100"),
            (
                "… a search by words, p50 / p99 (ms)",
                f"{many['p50']:.1f} / {many['p99']:.1f}",
                "≤ – / 60",
            ),
        ]
    lines = [f"| {count:,} entries, {queries} questions | measured | goal |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


if __name__ == "__main__":
    main()
