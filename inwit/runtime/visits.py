"""Visits of nodes where steps overlap: their places in the plan, their names, what is kept of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from inwit.runtime.branches import Branch, Step
from inwit.runtime.progress import NOT_DONE, Progress
from inwit.runtime.returned import pack_returned
from inwit.runtime.serial import freeze, thaw
from inwit.runtime.updates import Packet, Ready

if TYPE_CHECKING:
    from inwit.runtime.checkpoints.saving import Note
    from inwit.runtime.engine import Execution
    from inwit.runtime.program import Edge
    from inwit.runtime.steps import Read

Order = tuple[int, ...]
WAYS = "\x1fways"
"""The name under which it is kept where a node's routers led, as that of no step of a node is."""


class Visit(Branch):
    """One visit of a node, with its place in the plan."""

    depth: int
    """The step in which it would run if steps waited for each other."""
    sender: Visit | None = None
    """The visit that sent its input."""
    number = 0
    """What was sent to it, among all that its sender sent; once the step before is over, its place
    in the step."""
    stem: str
    """Its name within its step: the same when it is made again on resume."""
    plain_key: str
    """The task's key as steps know it."""
    id: str
    """The task's id."""
    seen: dict[str, Any]
    """The state that it reads."""
    has_begun = False
    is_settled = False
    """Whether it has returned, and its ways on are known."""
    read: Read
    edges: Sequence[Edge] = ()

    @property
    def task_id(self) -> str:
        return self.id

    @property
    def order(self) -> Order:
        """Its place within its step: (0, index), or for what was sent (1, its sender's, a number)."""
        if self.packet is None:
            return 0, self.at.index
        return (1, *(() if self.sender is None else self.sender.order), self.number)

    @property
    def path(self) -> tuple[Any, ...]:
        return ("__pregel_push", self.number, False) if self.packet is not None else super().path

    def given_state(self) -> Any:
        if self.packet is not None:
            return self.at.read_packet(self.packet.arg)
        return self.at.view(self.seen)

    @property
    def is_known(self) -> bool:
        """Whether something of it was done, here or by an earlier execution."""
        return self.has_begun or self._progress is not None

    def place(self, number: int) -> None:
        """Note its place in the step, when no other can be added."""
        if self.packet is not None:
            self.sender, self.number = None, number
            self.plain_key = f"{self.at.name}#{number}"

    def remember(self, found: Sequence[Progress]) -> None:
        """Go on with what earlier executions did of it, under one name or another."""
        if not found:
            return
        whole, answers = Progress(self.key), dict[str, Any]()
        for one in found:
            answers |= zip(one.questions, one.answers, strict=True)
            whole.memos |= one.memos
            whole.done = one.done if whole.done is NOT_DONE else whole.done
        whole.questions, whole.answers = list(answers), list(answers.values())
        whole.is_resumed = True
        self._progress = whole

    def notes(self) -> list[Note]:
        """What a later execution must know of it."""
        found = self._progress
        notes: list[Note] = []
        if self.is_done and self.waiting is None:
            notes.append(("done", self.key, "", pack_returned(self.update)))
            if found is not None and WAYS in found.memos:
                notes.append(("memo", self.key, WAYS, found.memos[WAYS]))
            return notes
        return [] if found is None else progress_notes(found)


def sent_stem(name: str, sender: Visit, number: int) -> str:
    """The name of a visit by who sent its input, however long the way there was."""
    from_whom = blake2b(f"{sender.key}\x1f{number}".encode("utf-8", "surrogatepass"), digest_size=8)
    return f"{name}#{from_whom.hexdigest()}"


def progress_notes(progress: Progress) -> list[Note]:
    """What is known of a task, as it is kept."""
    notes: list[Note] = [("memo", progress.key, key, kept) for key, kept in progress.memos.items()]
    notes += [
        ("resume", progress.key, question, freeze(answer, strict=True))
        for question, answer in zip(progress.questions, progress.answers, strict=True)
    ]
    if progress.done is not NOT_DONE:
        notes.append(("done", progress.key, "", progress.done))
    return notes


Taken = tuple[str, str, dict[str, Any], str | None]
Decided = list[tuple[Ready, Taken]]
"""Where routers lead, with the edges as they are recorded."""


def pack_ways(execution: Execution, decided: Decided) -> Any:
    """Freeze where routers led, so that a later execution does not ask them again."""
    nodes = execution.program.nodes
    shown = []
    for one, (target, label, values, unread) in decided:
        raw = {key: bytes(value) for key, value in values.items() if isinstance(value, Raw)}
        plain = {key: value for key, value in values.items() if key not in raw}
        index = one.index if isinstance(one, Packet) else one
        sent = []
        if isinstance(one, Packet):
            sent = [one.arg, None if one.timeout is None else list(one.timeout.seconds)]
        name = nodes[index].name if index >= 0 else None
        shown.append([name, sent, [target, label, unread], raw, plain])
    return freeze(shown, strict=True)


def unpack_ways(execution: Execution, frozen: Any) -> Decided:
    """Read what `pack_ways` wrote."""
    by_name = execution.program.by_name
    found: Decided = []
    for name, sent, (target, label, unread), raw, plain in thaw(frozen):
        index = -1 if name is None else by_name[name]
        values = plain | {key: Raw(value) for key, value in raw.items()}
        one: Ready = Packet.made(index, *sent) if sent else index
        found.append((one, (target, label, values, unread)))
    return found


class Ends(Step):
    """Collects the visits that have ended."""

    __slots__ = ("ended", "moved")

    def __init__(self) -> None:
        super().__init__(())
        self.left = 1  # It is never over by itself.
        self.ended: list[Visit] = []
        self.moved = asyncio.Event()

    def end(self, branch: Branch, error: BaseException | None) -> None:
        assert isinstance(branch, Visit)
        self.ended.append(branch)
        if error is not None and self.error is None:
            self.error, self.failed = error, branch
        self.moved.set()
