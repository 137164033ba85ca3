"""Nodes for lists of passages. Each function here makes a node for the state keys that it is given."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

Node = Callable[[Mapping[str, Any]], dict[str, Any]]

__all__ = ["deduplicate", "fit_budget", "fuse", "keep_best", "split_text"]


def split_text(key: str, into: str, *, words: int = 120, overlap: int = 20) -> Node:
    """Cut the text at `key` into pieces of `words` words, each beginning with the last's end."""
    if not 0 <= overlap < words:
        raise ValueError(f"overlap is {overlap}; it must be at least 0 and below words ({words}).")

    def split(state: Mapping[str, Any]) -> dict[str, Any]:
        given = str(state[key]).split()
        starts = range(0, max(len(given) - overlap, 1), words - overlap)
        pieces = (" ".join(given[start : start + words]) for start in starts)
        return {into: [piece for piece in pieces if piece]}

    return _named(split, f"Cut {key} into pieces of {words} words.")


def fuse(keys: Sequence[str], into: str, *, by: str = "id", damping: int = 60) -> Node:
    """Merge the rankings at `keys` by reciprocal rank fusion; items are the same when `by` is.

    Each item of the result has a ``score``: the sum of ``1 / (damping + rank)``.
    """

    def merge(state: Mapping[str, Any]) -> dict[str, Any]:
        scores: dict[Hashable, float] = {}
        items: dict[Hashable, Any] = {}
        for key in keys:
            for rank, item in enumerate(state.get(key) or (), start=1):
                name = item[by]
                scores[name] = scores.get(name, 0.0) + 1 / (damping + rank)
                items.setdefault(name, item)
        best = sorted(scores, key=lambda name: -scores[name])
        return {into: [{**items[name], "score": scores[name]} for name in best]}

    return _named(merge, f"Merge the rankings {', '.join(keys)}.")


def deduplicate(key: str, *, by: str | None = None) -> Node:
    """Drop items whose text, or whose field `by`, was seen before, but for case and white space."""

    def drop(state: Mapping[str, Any]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for item in state[key]:
            seen.setdefault(" ".join(str(item if by is None else item[by]).lower().split()), item)
        return {key: [*seen.values()]}

    return _named(drop, f"Drop doubles from {key}.")


def keep_best(key: str, count: int, *, by: str = "score") -> Node:
    """Keep the `count` items with the highest `by`, in the order in which they stand."""

    def keep(state: Mapping[str, Any]) -> dict[str, Any]:
        items = list(state[key])
        ranked = sorted(range(len(items)), key=lambda place: -items[place][by])
        return {key: [items[place] for place in sorted(ranked[:count])]}

    return _named(keep, f"Keep the best {count} of {key}.")


def fit_budget(key: str, *, words: int, by: str = "text") -> Node:
    """Keep leading items as long as their texts have at most `words` words together."""

    def fit(state: Mapping[str, Any]) -> dict[str, Any]:
        kept, left = [], words
        for item in state[key]:
            left -= len(str(item if isinstance(item, str) else item[by]).split())
            if left < 0:
                break
            kept.append(item)
        return {key: kept}

    return _named(fit, f"Keep what fits {words} words of {key}.")


def _named(node: Node, description: str) -> Node:
    """Describe a node, so that its graph can say what it does."""
    node.__doc__ = description
    return node
