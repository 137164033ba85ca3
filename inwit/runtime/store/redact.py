"""What readers do not get to see: secrets, and by a profile what tells of persons.

A secret is known by the key that holds it or by its form. What stands in its place names the kind
and a keyed hash, so that equal values are seen to be equal, and no more than that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Final, Literal

import msgspec

from inwit.runtime.serial import Delta
from inwit.runtime.store import forms
from inwit.runtime.store.forms import INSIDE, PLAIN, is_clean

Profile = Literal["secrets", "pii"]

_SECRET_WORDS: Final = frozenset({
    "password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "authorization",
    "cookie", "cookies", "apikey", "credential", "credentials", "bearer", "jwt", "otp", "cvv",
})  # fmt: skip
_SECRET_PAIRS: Final = frozenset({
    ("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("auth", "key"),
    ("signing", "key"), ("encryption", "key"), ("account", "key"), ("connection", "string"),
    ("pass", "word"), ("pin", "code"),
})  # fmt: skip
_COUNTS: Final = frozenset({
    "type", "count", "counts", "limit", "usage", "used", "ids", "index", "budget", "name", "id",
})  # fmt: skip
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_EMAIL: Final = re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b")
_CARD: Final = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")


class Redactor:
    """Hides secrets in values. The same secret looks the same wherever it stands."""

    def __init__(self, find_key: Callable[[], bytes], profile: Profile = "secrets") -> None:
        self._find_key = find_key
        self._key = b""
        self._is_pii = profile == "pii"

    def value(self, value: Any) -> Any:
        """A copy of a value made of JSON's types, without what is secret."""
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is dict:
            if "op" in value and "path" in value and "value" in value:
                return {**value, "value": self._under(str(value["path"]), value["value"])}
            return {self._name(key): self._under(key, item) for key, item in value.items()}
        if kind is list or kind is tuple:
            return [self.value(item) for item in value]
        if kind is Delta:
            return Delta([self.value(item) for item in value.items])
        return value

    def text(self, text: str) -> str:
        """A text without the secrets that are known by their form."""
        if not is_clean(text):
            text = PLAIN.sub(self._hide_form, text)
            for kind, form in INSIDE:
                text = form.sub(self._hider(kind), text)
        return self._personal(text) if self._is_pii else text

    def may_hold(self, packed: bytes) -> bool:
        """Whether encoded values may hold something to hide. Cheap, and never wrongly no."""
        return self._is_pii or forms.may_hold(packed)

    def hide(self, kind: str, secret: Any) -> str:
        """What stands in the place of a secret."""
        data = secret.encode("utf-8", "replace") if isinstance(secret, str) else _bytes(secret)
        if not self._key:
            self._key = self._find_key()[:64]
        return f"[redacted:{kind}:{blake2b(data, key=self._key, digest_size=4).hexdigest()}]"

    def _name(self, key: Any) -> Any:
        return self.text(key) if type(key) is str else key

    def _under(self, key: Any, value: Any) -> Any:
        if value is None or value is True or value is False or value == "":
            return value
        kind = secret_kind(key) if type(key) is str else None
        if kind is None or (kind == "token" and not isinstance(value, str | bytes | list | dict)):
            return self.value(value)
        if isinstance(value, str) and value.startswith("[redacted:") and value.endswith("]"):
            return value
        return self.hide(kind, value)

    def _hide_form(self, match: re.Match[str]) -> str:
        name = str(match.lastgroup).rpartition("_")[0]
        return self.hide(name, match.group())

    def _hider(self, kind: str) -> Callable[[re.Match[str]], str]:
        def hide(match: re.Match[str]) -> str:
            before, secret = match.group(1), match.group(2)
            if secret.startswith("[redacted:"):
                return match.group()
            return before + self.hide(kind, secret)

        return hide

    def _personal(self, text: str) -> str:
        text = _EMAIL.sub(lambda match: self.hide("email", match.group()), text)
        return _CARD.sub(
            lambda match: (
                self.hide("card", match.group()) if _is_card(match.group()) else match.group()
            ),
            text,
        )


@lru_cache(4096)
def secret_kind(key: str) -> str | None:
    """Name what a key says that it holds, where that is secret."""
    words = [word.lower() for word in _WORD.findall(key)]
    if not words or words[-1] in _COUNTS:
        return None
    for first, second in pairwise(words):
        if (first, second) in _SECRET_PAIRS:
            return f"{first}_{second}"
    if words[-1] in _SECRET_WORDS:
        return str(words[-1])
    return next((word for word in words[:-1] if word in _SECRET_WORDS - {"token"}), None)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else msgspec.json.encode(value, enc_hook=repr)


def _is_card(text: str) -> bool:
    """Luhn's check over 13 to 19 digits."""
    digits = [int(digit) for digit in text if digit.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


class Unredacted(Redactor):
    """Hides nothing: for what resumes and replays, which never shows it to a reader."""

    def __init__(self) -> None:
        super().__init__(lambda: b"-")

    def may_hold(self, _packed: bytes) -> bool:
        return False

    def value(self, value: Any) -> Any:
        return value

    def text(self, text: str) -> str:
        return text
