"""Measuring the librarian on questions whose right passages are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import inwit

from .app import CITED, build
from .index import Tell, open_catalogue

GOLDEN = Path(__file__).with_name("golden.jsonl")


def questions() -> list[dict[str, Any]]:
    """The golden set: questions, and the qualified names of passages that answer each."""
    return [json.loads(line) for line in GOLDEN.read_text().splitlines() if line.strip()]


def evaluate(tell: Tell | None = None) -> dict[str, Any]:
    """Ask all golden questions and give recall@5 and MRR, which are also kept as metrics.

    Recall@5 is the share of questions with a right passage among the first five; MRR the mean of
    1 / rank of the first right passage among the first forty, 0 where there is none.
    """
    catalogue = open_catalogue(tell)
    librarian = build(catalogue)
    ranks, rounds = [], 0
    golden = questions()
    for number, one in enumerate(golden, 1):
        state = librarian.invoke({"question": one["question"]}, {"recursion_limit": 50})
        names = list(dict.fromkeys(catalogue.books[i].name for i in state["ranked"]))
        right = set(one["passages"])
        ranks.append(next((rank for rank, name in enumerate(names, 1) if name in right), None))
        rounds += state["round"]
        if tell:
            tell("asking", number, len(golden))
    figures = {
        "recall_at_5": sum(rank is not None and rank <= CITED for rank in ranks) / len(ranks),
        "mrr": sum(1 / rank for rank in ranks if rank) / len(ranks),
        "n": len(ranks),
        "passages": len(catalogue.books),
        "searches_per_question": round(rounds / len(ranks), 2),
        "with_vectors": catalogue.has_vectors,
    }
    for name in ("recall_at_5", "mrr"):
        inwit.metrics.gauge(f"librarian_{name}", graph="librarian").set(figures[name])
    return figures


__all__ = ["evaluate", "questions"]
