"""Questions on record: what was asked, how it was read, whether it was answered.

They are kept so that what nobody can be told shows: `inwit.self_improve` looks for questions that
come again and again without an answer. The text is redacted as everything that readers are served.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from inwit.answers import Answer
from inwit.errors import (
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    UnknownUriError,
)

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.store import Store

ROOM: Final = "questions"
SCHEME: Final = "question"
TEXT_LIMIT: Final = 500
KEPT: Final = 5000
"""Questions on record; older ones make place."""
_NUMBER = re.compile(r"[1-9][0-9]{0,15}")
MIGRATIONS: Final = (
    """
    CREATE TABLE questions (
        number INTEGER PRIMARY KEY AUTOINCREMENT, asked_ns INTEGER NOT NULL, graph TEXT NOT NULL,
        text TEXT NOT NULL, level TEXT NOT NULL, intent TEXT NOT NULL, confidence REAL NOT NULL,
        is_answered INTEGER NOT NULL
    );
    """,
)
_COLUMNS = "number, asked_ns, graph, text, level, intent, confidence, is_answered"


class AskedQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """One question that was asked. `graph` is empty where none was given."""

    number: int
    asked_ns: int
    graph: str
    text: str
    level: str
    intent: str
    confidence: float
    is_answered: bool

    @property
    def uri(self) -> str:
        return f"{SCHEME}://{self.number}"

    @property
    def line(self) -> str:
        """The question as evidence quotes it."""
        said = "answered" if self.is_answered else "not answered"
        return f"{' '.join(self.text.split())} ({said})"


def is_answered(answer: Answer) -> bool:
    """Whether an answer says anything that stands on evidence."""
    return answer.level != "none" and bool(answer.evidence)


def note(store: Store, question: str, answer: Answer, graph: str | None) -> None:
    """Keep a question with the journal's next commit; nothing where the project has no folder.

    Nor where nothing can be written: a full disk is no reason not to answer.
    """
    if not store.project.folder.is_dir():
        return
    from inwit.runtime.store.journal import Journal

    row = (
        time.time_ns(), graph or "", store.redactor.text(question[:TEXT_LIMIT]), answer.level,
        answer.intent, answer.confidence, is_answered(answer),
    )  # fmt: skip
    try:
        store.declare(ROOM, MIGRATIONS)
    except (StoreFullError, StoreReadOnlyError, StoreLockedError):
        return
    Journal.of(store.project).submit(lambda connection: _insert(connection, row), is_urgent=False)


def _insert(connection: apsw.Connection, row: tuple[Any, ...]) -> None:
    connection.execute(
        "INSERT INTO questions (asked_ns, graph, text, level, intent, confidence, is_answered)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    connection.execute(
        "DELETE FROM questions WHERE number <= (SELECT max(number) FROM questions) - ?", (KEPT,)
    )


def newest(store: Store, limit: int = KEPT) -> list[AskedQuestion]:
    """The newest questions, oldest first."""
    if not _is_there(store):
        return []
    rows = store.read(f"SELECT {_COLUMNS} FROM questions ORDER BY number DESC LIMIT ?", (limit,))
    return [_question(row) for row in reversed(rows)]


def find(store: Store, number: str) -> AskedQuestion:
    """One question by its number.

    Raises:
        UnknownUriError: There is none.
    """
    if _NUMBER.fullmatch(number) and _is_there(store):
        rows = store.read(f"SELECT {_COLUMNS} FROM questions WHERE number = ?", (int(number),))
        if rows:
            return _question(rows[0])
    raise UnknownUriError(f"{SCHEME}://{number}", hint="The newest 5,000 questions are kept.")


def resolved(store: Store, number: str) -> tuple[str, str, dict[str, Any]]:
    """A question as a resolver gives it: title, text and data."""
    found = find(store, number)
    return f"question {number}", found.line, msgspec.to_builtins(found)


def _is_there(store: Store) -> bool:
    return bool(store.read("SELECT 1 FROM sqlite_master WHERE name = 'questions'"))


def _question(row: tuple[Any, ...]) -> AskedQuestion:
    number, asked_ns, graph, text, level, intent, confidence, answered = row
    return AskedQuestion(
        number=number, asked_ns=asked_ns, graph=graph, text=text, level=level, intent=intent,
        confidence=confidence, is_answered=bool(answered),
    )  # fmt: skip
