"""Which features of the platform a question names."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache

from inwit.introspection import platform


def features_in(text: str) -> list[str]:
    """The features that a text names by one of their names; what is missing comes first.

    Where one name lies within another ("sqlite checkpointer"), the longer one is meant. "Redis
    checkpoints" names two features: what is missing is asked about, else what is less broad. A class's
    name, such as Send, counts only as it is written.
    """
    words = re.sub(r"[-_]", " ", text)
    found: list[str] = []
    for _, feature, pattern in _patterns():
        said = pattern.search(words)
        if said is not None:
            words = words[: said.start()] + " " * len(said[0]) + words[said.end() :]
            found.append(feature)
    return sorted(dict.fromkeys(found), key=_rank) or _nearly(words.lower())


def is_there(name: str) -> bool:
    """Whether the installed version has a feature."""
    feature = platform.entry("features", name)
    return feature is not None and bool(feature["implemented"])


def _rank(name: str) -> tuple[bool, bool]:
    feature = platform.entry("features", name) or {}
    return is_there(name), bool(feature.get("broad"))


@cache
def _patterns() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Every name of a feature, the longest first, and what finds it."""
    found = []
    for one in platform.features()["features"]:
        for name in (*one["also"], one["name"]):
            spelt = re.sub(r"[-_]", " ", name)
            is_class = spelt[:1].isupper() and " " not in spelt
            ending = "" if is_class else "(?:s|es|d|ed|ing)?"
            flags = re.NOFLAG if is_class else re.IGNORECASE
            if len(spelt) > 1:
                pattern = re.compile(rf"\b{re.escape(spelt)}{ending}\b", flags)
                found.append((spelt, str(one["name"]), pattern))
    return tuple(sorted(found, key=lambda row: -len(row[0])))


def _nearly(words: str) -> list[str]:
    single = {
        name: feature for name, feature, _ in _patterns() if re.fullmatch(r"[a-z]\w{5,}", name)
    }
    for word in dict.fromkeys(re.findall(r"[a-z]{6,}", words)):
        near = get_close_matches(word, list(single), n=1, cutoff=0.85)
        if near:
            return [single[near[0]]]
    return []
