"""A supervisor and its workers."""

from __future__ import annotations

import inspect
import operator
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypedDict

from inwit import StateGraph

FINISH = "finish"


class Note(TypedDict):
    """What one worker had to say."""

    worker: str
    text: str


class TeamState(TypedDict, total=False):
    """The question, the notes of the workers in their order, who goes next, and the answer."""

    question: str
    notes: Annotated[list[Note], operator.add]
    next_worker: str
    answer: str


Worker = Callable[[str, list[Note]], str | Awaitable[str]]
Chooser = Callable[[str, list[Note], Mapping[str, Worker]], str | Awaitable[str | None] | None]
Composer = Callable[[str, list[Note]], str | Awaitable[str]]


def by_words(question: str, notes: list[Note], workers: Mapping[str, Worker]) -> str | None:
    """Choose the worker whose name and docstring share most words with the question.

    Each speaks once; none is chosen when no worker left shares a word, save for the first round.
    """
    heard = {note["worker"] for note in notes}
    asked = _words(question)
    shares = {
        name: len(asked & _words(f"{name} {inspect.getdoc(worker) or ''}"))
        for name, worker in workers.items()
        if name not in heard
    }
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and (shares[best] or not notes) else None


def join_notes(question: str, notes: list[Note]) -> str:  # noqa: ARG001 - a composer is given both
    """Join the notes in their order."""
    return "\n".join(note["text"] for note in notes)


def build(
    workers: Mapping[str, Worker],
    *,
    choose: Chooser = by_words,
    compose: Composer = join_notes,
    max_rounds: int = 4,
) -> StateGraph[TeamState]:
    """Write the graph: ``supervise`` → a worker → ``supervise`` … → ``finish``."""
    if not workers or {"supervise", FINISH} & set(workers):
        raise ValueError("Give at least one worker, and none the name 'supervise' or 'finish'.")

    async def supervise(state: TeamState) -> TeamState:
        """Decide which worker goes next, or that the notes suffice."""
        notes = state.get("notes", [])
        if len(notes) >= max_rounds:
            return {"next_worker": FINISH}
        chosen = await _value(choose(state["question"], notes, workers))
        if chosen is not None and chosen not in workers:
            raise LookupError(f"No worker {chosen!r}; there are {', '.join(sorted(workers))}.")
        return {"next_worker": chosen or FINISH}

    async def finish(state: TeamState) -> TeamState:
        """Make the answer of the notes."""
        answer = await _value(compose(state["question"], state.get("notes", [])))
        return {"answer": str(answer)}

    def decide(state: TeamState) -> str:
        return state["next_worker"]

    graph = StateGraph(TeamState)
    graph.add_node("supervise", supervise)
    graph.add_node(FINISH, finish)
    for name, worker in workers.items():
        graph.add_node(name, _node(name, worker))
        graph.add_edge(name, "supervise")
    graph.set_entry_point("supervise")
    graph.add_conditional_edges("supervise", decide, {name: name for name in [*workers, FINISH]})
    graph.set_finish_point(FINISH)
    return graph


def _node(name: str, worker: Worker) -> Callable[[TeamState], Awaitable[TeamState]]:
    async def work(state: TeamState) -> TeamState:
        text = await _value(worker(state["question"], state.get("notes", [])))
        return {"notes": [{"worker": name, "text": str(text)}]}

    work.__doc__ = inspect.getdoc(worker)
    return work


async def _value(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}
