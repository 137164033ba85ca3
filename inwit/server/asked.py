"""What a request asks for: its path, query and body, checked as they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from inwit.errors import MalformedIdError, MalformedInputError, TooLargeError, nearest, shorten
from inwit.ids import check_id

NAME_LIMIT = 200
QUESTION_LIMIT = 16 * 1024
LIST_LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The parameters of one request."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)

    def id(self, kind: str) -> str:
        """The identifier in the path.

        Raises:
            MalformedIdError: It cannot be one.
        """
        return check_id(kind, self.path["id"])

    def name(self, kind: str) -> str:
        """The name in the path. A node may have any name, so it is looked up, never a file.

        Raises:
            MalformedIdError: It is longer than any name.
        """
        name = self.path["name"]
        if not 0 < len(name) <= NAME_LIMIT:
            raise MalformedIdError(kind, name)
        return name

    def text(self, name: str) -> str | None:
        """A short text of body or query, None when it is absent or empty.

        Raises:
            MalformedInputError: It is no text, or longer than any name.
        """
        value = self.body.get(name, self.query.get(name))
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > NAME_LIMIT or not value.isprintable():
            raise MalformedInputError(
                f"{name} is {shorten(value)}.",
                hint=f"{name} is one line of at most {NAME_LIMIT} characters.",
            )
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        """A text that is one of the known ones.

        Raises:
            MalformedInputError: It is none of them.
        """
        value = self.text(name)
        if value is not None and value not in choices:
            raise MalformedInputError(f"{name} is {shorten(value)}.", hint=nearest(value, choices))
        return value

    def flag(self, name: str) -> bool:
        """A yes or no of body or query; no when it is absent.

        Raises:
            MalformedInputError: It is neither.
        """
        value = self.body.get(name, self.query.get(name))
        if value in (None, "", "false", "0") or value is False:
            return False
        if value in ("true", "1") or value is True:
            return True
        raise MalformedInputError(f"{name} is {shorten(value)}.", hint=f"{name} is true or false.")

    def number(self, name: str, default: int, *, low: int = 0, high: int = 2**53) -> int:
        """A whole number of the query.

        Raises:
            MalformedInputError: It is no whole number, or out of bounds.
        """
        value = self.query.get(name)
        if value is None or value == "":
            return default
        is_number = value.isascii() and value.isdigit() and len(value) < 18
        number = int(value) if is_number else -1
        if not low <= number <= high:
            raise MalformedInputError(
                f"{name} is {shorten(value)}.",
                hint=f"{name} is a whole number from {low} to {high}.",
            )
        return number

    def question(self, name: str) -> str:
        """The question, from the body's ``question`` or the query's `name`.

        Raises:
            MalformedInputError: There is none.
            TooLargeError: It is longer than any question.
        """
        return check_question(self.body.get("question", self.query.get(name)), name)


def check_question(value: Any, name: str = "question") -> str:
    """Return a question that can be asked.

    Raises:
        MalformedInputError: It is no text, or empty.
        TooLargeError: It is longer than any question.
    """
    if not isinstance(value, str) or not value.strip():
        where = "`question` of a body, or as `q`" if name == "q" else f"`{name}`"
        told = "There is no question." if value is None else f"The question is {shorten(value)}."
        raise MalformedInputError(told, hint=f"Give a text as {where}.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as exc:
        raise MalformedInputError(
            "The question holds half a character.", hint="Send whole Unicode text."
        ) from exc
    if size > QUESTION_LIMIT:
        raise TooLargeError("question", size, QUESTION_LIMIT)
    return value


def decode_body(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        MalformedInputError: It is not JSON, or no object.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedInputError(
            f"The body {shorten(body)} is not JSON: {exc}.", hint='Send {"question": "…"}.'
        ) from exc
    if not isinstance(value, dict):
        raise MalformedInputError("The body is no JSON object.", hint='Send {"question": "…"}.')
    return value
