"""A supervisor that hands a question to its workers, round after round."""

from __future__ import annotations

import inspect
import operator
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypedDict

from inwit.errors import AgentDefinitionError, UnknownWorkerError
from inwit.runtime.context import current
from inwit.runtime.graph import StateGraph

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


def by_model(model: str | None = None) -> Chooser:
    """Let a model of `Context.llm` choose the worker, or say that the notes suffice."""

    async def choose(question: str, notes: list[Note], workers: Mapping[str, Worker]) -> str | None:
        listed = "\n".join(
            f"- {name}: {inspect.getdoc(one) or name}" for name, one in workers.items()
        )
        heard = "\n".join(f"{note['worker']}: {note['text']}" for note in notes) or "(none yet)"
        asked = (
            f"Workers:\n{listed}\n\nQuestion: {question}\n\nNotes so far:\n{heard}\n\n"
            f"Answer with the name of the worker to ask next, or {FINISH} when the notes suffice."
        )
        ctx = current()
        assert ctx is not None
        reply = ctx.llm(asked, model=model)
        text = str(await reply if inspect.isawaitable(reply) else reply).strip().strip("`'\". ")
        return None if text == FINISH else text

    return choose


def join_notes(question: str, notes: list[Note]) -> str:  # noqa: ARG001 - a composer is given both
    """Join the notes in their order."""
    return "\n".join(note["text"] for note in notes)


def supervisor(
    workers: Mapping[str, Worker | Any],
    *,
    choose: Chooser = by_words,
    compose: Composer = join_notes,
    max_rounds: int = 4,
) -> StateGraph[TeamState]:
    """Write a graph: ``supervise`` → a worker → ``supervise`` … → ``finish``.

    Args:
        workers: Functions, sync or async, of the question and the notes so far, which give a note;
            their docstrings say what they know. A compiled graph of a `TeamState` is one, too.
        choose: Names the next worker, or None when the notes suffice.
        compose: Makes the answer of the notes.

    Raises:
        AgentDefinitionError: There is no worker, or one has the name of a node of this graph.
    """
    if not workers or {"supervise", FINISH} & set(workers):
        raise AgentDefinitionError(
            f"The workers are {', '.join(workers) or 'none'}.",
            hint="Give at least one worker, and none the name 'supervise' or 'finish'.",
        )

    async def supervise(state: TeamState) -> TeamState:
        """Decide which worker goes next, or that the notes suffice."""
        notes = state.get("notes", [])
        if len(notes) >= max_rounds:
            return {"next_worker": FINISH}
        chosen = await _value(choose(state["question"], notes, workers))
        if chosen is not None and chosen not in workers:
            raise UnknownWorkerError(str(chosen), workers)
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


def _node(name: str, worker: Any) -> Callable[[TeamState], Awaitable[TeamState]]:
    async def work(state: TeamState) -> TeamState:
        if hasattr(worker, "ainvoke"):
            text = (await worker.ainvoke({"question": state["question"]})).get("answer", "")
        else:
            text = await _value(worker(state["question"], state.get("notes", [])))
        return {"notes": [{"worker": name, "text": str(text)}]}

    work.__doc__ = inspect.getdoc(worker)
    return work


async def _value(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}
