"""Mend slips of the pen and chat spellings, so that "waht faild" is read as "what failed".

Only what can hardly be another word is mended: two letters swapped, or, in longer words, one that
is missing, doubled or wrong within. A word that is spelt like nothing known stays as it is, since
it is what tells a question about something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

from inwit.introspection.router.concepts import is_strange, vocabulary
from inwit.introspection.router.words import COMMON

_DATA = Path(__file__).parent.parent / "data"
_ENGLISH = _DATA / "english.txt"
"""English words that are spelt like slips of those that are mended."""
_ASKED = _DATA / "asked.txt"
"""Further words that questions are asked in; slips of them are mended too."""
_SHORT = {
    "y": "why", "wy": "why", "whyd": "why did", "whys": "why is", "wat": "what", "wut": "what",
    "wats": "what is", "whats": "what is", "wen": "when", "whens": "when is", "wheres": "where is",
    "whos": "who is", "hows": "how is", "hw": "how", "hwo": "how", "wich": "which", "u": "you", "ur": "your",
    "r": "are", "n": "and", "pls": "please", "plz": "please", "plox": "please", "thx": "thanks",
    "rn": "right now", "atm": "at the moment", "asap": "soon", "idk": "I do not know",
    "smth": "something", "sth": "something", "tho": "though", "cuz": "because", "coz": "because",
    "bc": "because", "avg": "average", "cnt": "count", "msg": "message", "msgs": "messages",
    "err": "error", "errs": "errors", "exec": "execution", "execs": "executions", "dur": "duration",
    "cfg": "configuration", "deps": "dependencies", "pkg": "package", "pkgs": "packages",
    "any1": "anyone", "some1": "someone", "gimme": "give me", "lemme": "let me", "wanna": "want to",
    "gonna": "going to", "gotta": "have to", "dont": "do not", "doesnt": "does not",
    "didnt": "did not", "isnt": "is not", "wasnt": "was not", "cant": "can not",
    "couldnt": "could not", "wont": "will not", "havent": "have not", "ive": "I have", "im": "I am",
    "dose": "does", "howto": "how to", "whatif": "what if", "wrt": "about", "thru": "through",
    "halp": "help", "agian": "again", "b4": "before", "lat": "latency", "b/c": "because",
    "w/": "with ", "w/o": "without",
}  # fmt: skip
_TOKEN = re.compile(r"(?<![\w/.@'-])(?:w/o\b|w/|b/c\b|[^\W\d_]+[1-4]?)(?![\w.@-]*[\d_/@])")
_LONG_ENOUGH = 6
"""Letters of a word from which on one may be missing, too many or wrong."""


def mend(text: str, taken: Iterable[tuple[int, int]] = ()) -> str:
    """Mend the words of a question that are in none of the spans of its names."""
    return mended(text, taken)[0]


def mended(text: str, taken: Iterable[tuple[int, int]] = ()) -> tuple[str, list[int]]:
    """Mend a question's words; say also where each place of the result was before.

    What stands for a mended word begins where that began, and ends where it ended.
    """
    spans = list(taken)
    pieces: list[str] = []
    places: list[int] = []
    done = 0
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        if any(start < right and left < end for left, right in spans):
            continue
        word = match[0].lower()
        fresh = _SHORT.get(word) or (word if word in _known() else _mended(word))
        if fresh == word:
            continue
        pieces += [text[done:start], fresh]
        places += [*range(done, start), *(min(start + at, end - 1) for at in range(len(fresh)))]
        done = end
    return "".join([*pieces, text[done:]]), [*places, *range(done, len(text) + 1)]


@cache
def _known() -> frozenset[str]:
    """Words that are right as they are: our own, and English ones that look like slips of them."""
    return _targets() | frozenset(_ENGLISH.read_text("ascii").split())


@cache
def _targets() -> frozenset[str]:
    return COMMON | vocabulary() | frozenset(_ASKED.read_text("ascii").split())


@cache
def _by_shape() -> dict[str, str]:
    """What each slip of a known word is a slip for; slips of two words are for neither."""
    found: dict[str, str] = {}
    for word in sorted(_targets()):
        for slip in _slips(word):
            found[slip] = "" if found.get(slip, word) != word else word
    return found


@lru_cache(maxsize=4096)
def _mended(word: str) -> str:
    if len(word) < 3 or is_strange(word):
        return word
    shapes = _by_shape()
    if shapes.get(word):
        return shapes[word]
    if len(word) < _LONG_ENOUGH:
        return word
    # One letter too many, or another one: never the first, nor one more at the end ("plans").
    near = {shapes.get("-" + word[:at] + word[at + 1 :]) for at in range(1, len(word) - 1)}
    near |= {word[:at] + word[at + 1 :] for at in range(1, len(word) - 1)} & _targets()
    near -= {None, ""}
    return str(near.pop()) if len(near) == 1 else word


def _slips(word: str) -> Iterable[str]:
    """Two letters swapped; in a long word also one missing, and what it looks like without one."""
    if len(word) < 3 or not word.isalpha():
        return
    for at in range(len(word) - 1):
        if word[at] != word[at + 1]:
            yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if len(word) < _LONG_ENOUGH:
        return
    for at in range(1, len(word) - 1):
        yield word[:at] + word[at + 1 :]
        yield "-" + word[:at] + word[at + 1 :]
