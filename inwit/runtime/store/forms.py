"""The forms that secrets have in a text, and a quick look whether it holds any of them.

The forms are exact and slow: half a microsecond a character. `is_clean` says the same in a fiftieth
of the time, by looking for what each form cannot do without and trying the form there alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from string import ascii_letters, digits
from typing import Any, Final

_FORMS: Final = (
    ("private_key", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"),
    ("api_key", r"\bsk-(?:ant-|proj-|or-v1-|svcacct-|admin-)?[A-Za-z0-9_-]{16,}"),
    ("api_key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    ("api_key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("api_key", r"\b(?:hf|gsk|xai|pplx|npm|r8)[_-][A-Za-z0-9]{20,}"),
    ("api_key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("aws_key", r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"),
    ("github_token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("gitlab_token", r"\bglpat-[A-Za-z0-9_-]{16,}"),
    ("pypi_token", r"\bpypi-[A-Za-z0-9_-]{16,}"),
    ("slack_token", r"\bxox[abeoprs]-[A-Za-z0-9-]{8,}"),
    ("slack_webhook", r"https://hooks\.slack\.com/services/[A-Za-z0-9/]+"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{5,}\.eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"),
)  # fmt: skip
_NAMED: Final = r"pass(?:word|wd|phrase)|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|client[_-]?secret"
INSIDE: Final = (
    ("authorization", re.compile(
        r"(?i)(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token|digest|apikey)\s+)([^\s\"']{4,})")),
    ("bearer", re.compile(  # and no word of prose
        r"(?i)(\b(?:bearer|basic)\s+)((?=\S*[\d=])[\w.~+/=-]{8,}|[\w.~+/-]{24,})")),
    ("url_password", re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@]*:)([^\s/@]+)(?=@)")),
    ("cookie", re.compile(r"(?i)\b((?:set-)?cookie\s*:\s*)([^\r\n]{4,})")),
    ("secret", re.compile(
        rf"(?i)((?:\b|[_-])(?:{_NAMED})[\"']?\s*[=:]\s*[\"'])([^\"'\s]{{4,}})(?=[\"'])")),
    ("secret", re.compile(rf"(?i)((?:\b|[_-])(?:{_NAMED})=)([^\s\"'&;,)\]}}]{{3,}})")),
)  # fmt: skip
PLAIN: Final = re.compile(
    "|".join(f"(?P<{name}_{index}>{form})" for index, (name, form) in enumerate(_FORMS)), re.DOTALL
)

_ENDINGS: Final = {
    "_": ("gh[pousr]", "[rs]k", "hf", "gsk", "xai", "pplx", "npm", "r8", "github_pat"),
    "-": ("sk", "hf", "gsk", "xai", "pplx", "npm", "r8", "glpat", "pypi", "xox[abeoprs]"),
}
_BEFORE: Final = (
    *(
        re.compile(f"{last}(?:{'|'.join(f'(?<={piece}{last})' for piece in pieces)})")
        for last, pieces in _ENDINGS.items()
    ),
    re.compile("A(?:KIA|SIA|ROA|IDA|Iza)"),
)
"""What the plain forms cannot do without, beginning with a character that is seldom."""
_BEFORE_BYTES: Final = tuple(re.compile(form.pattern.encode()) for form in _BEFORE)
_BEGINNINGS: Final = ("eyJ", "SG.", "-----BEGIN ", "https://hooks.slack")
_BACK: Final = 10
"""How far before the end of such a piece a secret may begin."""
_SHORT: Final = 128
"""Characters of a text whose verdict is kept: names and kinds of errors come again and again."""
_ODD: Final = re.compile("[\u0130\u0131\u017f\u212a]")
"""Letters that are s, k or i where case does not count."""
_SCHEME: Final = frozenset("+-." + ascii_letters + digits)
_AUTHORIZATION, _BEARER, _URL, _COOKIE, *_SECRETS = [form for _, form in INSIDE]
_WORDS: Final = tuple(
    word.encode()
    for word in (
        "key", "pass", "token", "secret", "pin", "otp", "pwd", "basic", "cookie", "bearer",
        "connection", "credential", "authoriz", "jwt", "cvv", "://", "eyj", "sg.", "-----begin",
    )
)  # fmt: skip


def is_clean(text: str) -> bool:
    """Whether no form of a secret is found in a text."""
    return _is_clean_again(text) if len(text) <= _SHORT else _is_clean(text)


def _is_clean(text: str) -> bool:
    if _holds_plain(text):
        return False
    low = text.lower()
    if not text.isascii() and (len(low) != len(text) or _ODD.search(text)):
        return not any(form.search(text) for _, form in INSIDE)
    if any(_tries(_BEARER, text, _places(low, ("bearer", "basic")))):
        return False
    return not (":" in text or "=" in text) or not _holds_named(text, low)


_is_clean_again = lru_cache(maxsize=4096)(_is_clean)


def may_hold(packed: bytes) -> bool:
    """Whether encoded values may hold a secret, by its form or by its key."""
    low = packed.lower()
    return any(word in low for word in _WORDS) or any(form.search(packed) for form in _BEFORE_BYTES)


def _holds_plain(text: str) -> bool:
    if any(_tries(PLAIN, text, _places(text, _BEGINNINGS))):
        return True
    ends = (match.start() for form in _BEFORE for match in form.finditer(text))
    return any(_tries(PLAIN, text, (at for end in ends for at in range(end - _BACK, end + 1))))


def _holds_named(text: str, low: str) -> bool:
    if any(_tries(_AUTHORIZATION, text, _places(low, ("authorization",)))):
        return True
    if any(_tries(_COOKIE, text, _places(low, ("cookie",)))):
        return True
    if "@" in text and any(_tries(_URL, text, _schemes(text))):
        return True
    places = list(_places(low, ("pass", "pwd", "secret", "token", "key"), _BACK))
    return any(match for form in _SECRETS for match in _tries(form, text, places))


def _schemes(text: str) -> Iterator[int]:
    """Where the scheme of an address may begin."""
    found = text.find("://")
    while found >= 0:
        first = found
        while first and text[first - 1] in _SCHEME:
            first -= 1
        yield from range(first, found)
        found = text.find("://", found + 1)


def _tries(form: re.Pattern[str], text: str, places: Iterable[int]) -> Iterator[Any]:
    return (form.match(text, place) for place in places)  # before the text is at its beginning


def _places(text: str, pieces: Iterable[str], back: int = 0) -> Iterator[int]:
    """Where a form may begin: up to `back` characters before each of the pieces."""
    for piece in pieces:
        found = text.find(piece)
        while found >= 0:
            yield from range(found - back, found + 1)
            found = text.find(piece, found + 1)
