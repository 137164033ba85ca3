"""Figures that a question speaks of, by their usual words: "cheaper" speaks of cost."""

from __future__ import annotations

import re

from inwit.introspection.router.records import Entity

_METRICS: tuple[tuple[str, str], ...] = (
    ("cache_hit_rate", r"cache[ _-]hits?(?:[ _-]rate)?|share of cache hits"),
    ("success_rate", r"success[ _-](?:rate|ratio)|share of (?:them|\w+)(?: that)? succe\w+"),
    ("error_rate", r"(?:error|failure)[ _-](?:rates?|count)|errors|\d00s|[45]\d\ds"),
    ("p50", r"p50|median"),
    ("p90", r"p90|90th percentile"),
    ("p95", r"p95|95th percentile"),
    ("p99", r"p99|99th percentile"),
    ("quality", r"quality(?: score)?|answers got (?:worse|better)"),
    ("tokens", r"tokens?"),
    ("retries", r"retries|retry(?:ing)?|retried"),
    (
        "cost",
        (
            r"costs?|spend(?:ing)?|spent|dollars|paying|money|bill|cheaper|expensive|priciest|price"
            r"|(?<!token )budget"
        ),
    ),
    ("throughput", r"throughput|executions per (?:second|minute|hour)"),
    (
        "latency",
        (
            r"latency|slow(?:er|est|ly)?|fast(?:er|est)?|quick(?:er|ly)?|speed(?: \w+)? up"
            r"|how long|duration|runtime|time(?: would we)? sav(?:e|ed)|shave time|much time|crawl\w*"
            r"|performance|performing|timings"
        ),
    ),
)
_PATTERN = re.compile(
    r"\b(?:" + "|".join(f"(?P<{name}>{words})" for name, words in _METRICS) + r")\b", re.IGNORECASE
)
_NOT_A_FIGURE = re.compile(
    r"\b(?:(?:cheaper|faster|expensive|slower|smaller) (?:model|llm)|(?:\d+x|twice as|double) fast"
    r"(?:er)?|retry policy|(?:this|version of the) runtime|the runtime (?:gives?|offers?)"
    r"|quick wins?|token_?chunk|stream(?:ing)? tokens?|for retries)\b",
    re.IGNORECASE,
)
_PERCENTILES = frozenset({"p50", "p90", "p95", "p99"})


def find_metrics(question: str) -> list[Entity]:
    """Find the figures that a question speaks of, each once."""
    skipped = [match.span() for match in _NOT_A_FIGURE.finditer(question)]
    found: dict[str, Entity] = {}
    for match in _PATTERN.finditer(question):
        start, end = match.span()
        name = str(match.lastgroup)
        if name in found or any(left <= start < right for left, right in skipped):
            continue
        found[name] = Entity(
            kind="metric", value=name, text=match.group(), start=start, end=end, score=0.8
        )
    if _PERCENTILES & found.keys():
        found.pop("latency", None)
    return list(found.values())
