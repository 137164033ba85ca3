"""How far a task has come: answers that it was given, steps that it need not repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

NOT_DONE: Final = object()


class Progress:
    """What is known of one task from before, and how far its code has come this time."""

    __slots__ = (
        "answers", "asked", "children", "done", "is_resumed", "key", "memos", "names", "questions",
        "visit",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        visit: int = 0,
        *,
        answers: Sequence[Any] = (),
        memos: Mapping[str, Any] | None = None,
        done: Any = NOT_DONE,
    ) -> None:
        self.key = key
        """The task's name within its step: the node's, and a number where it was sent to."""
        self.visit = visit
        self.answers = answers
        self.questions: Sequence[str] = ()
        """The ids of the questions that `answers` are to, where those are known."""
        self.memos = {} if memos is None else dict(memos)
        """Frozen results of ``ctx.step`` by their keys."""
        self.done = done
        """What the task returned when it ended before, as `pack_returned` keeps it."""
        self.is_resumed = False
        """Whether an earlier execution began the task."""
        self.asked = 0
        self.children = 0
        """How many graphs the task has invoked."""
        self.names: dict[str, int] = {}
        """How often each name was given to ``ctx.step``."""

    def rewind(self) -> None:
        """Begin again at the top of the node."""
        self.asked = self.children = 0
        self.names = {}
        self.is_resumed = False

    def step_key(self, name: str) -> str:
        """The key of the next step of that name."""
        number = self.names.get(name, 0)
        self.names[name] = number + 1
        return f"{name}#{number}" if number else name


def in_step(key: str, step: int) -> str:
    """A task's name where several steps are under way: a node's name has no colon."""
    return f"{key}:{step}"


def step_of_key(key: str) -> int:
    """The step that a name from `in_step` says, or 0."""
    step = key.rpartition(":")[2]
    return int(step) if ":" in key and step.isdigit() else 0


def node_of_key(key: str) -> str:
    """The name of a task's node."""
    return key.partition(":")[0].partition("#")[0]


def task_id(thread_id: str, ns: str, checkpoint_id: str, key: str) -> str:
    """Name a task: the same in every process that resumes at the same checkpoint."""
    from hashlib import blake2b  # with OpenSSL behind it; writing a graph needs none of it

    place = f"{thread_id}\x1f{ns}\x1f{checkpoint_id}\x1f{key}"
    return blake2b(place.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
