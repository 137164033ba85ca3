"""Retrieve, judge, widen, answer."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from inwit import StateGraph
from inwit.registry.encoder import default_encoder
from inwit.registry.search import Entry, HybridIndex

Found = Sequence[tuple[str, str]]
Retriever = Callable[[str, int], Found | Awaitable[Found]]
Writer = Callable[[str, list["Passage"]], str | Awaitable[str]]

NOTHING = "The passages say nothing about that."
_COMMON = """
about after also and are because been before being but can could did does for from had has have how
into its long many more most much not one our should some such than that the their them then there
these they this those was were what when where which while who whom whose why will with would you
your
"""


class Passage(TypedDict):
    """A piece of text that can be cited by its id."""

    id: str
    text: str


class RagState(TypedDict, total=False):
    """The question, what was asked for it, what was found, and the answer with its citations."""

    question: str
    query: str
    limit: int
    rounds: int
    passages: list[Passage]
    coverage: float
    answer: str
    citations: list[str]


def build(
    passages: Mapping[str, str] | Retriever,
    *,
    write: Writer | None = None,
    limit: int = 4,
    enough: float = 0.6,
    max_rounds: int = 3,
) -> StateGraph[RagState]:
    """Write the graph: ``retrieve`` → ``judge`` → (``widen`` → ``retrieve`` …) → ``answer``."""
    find = _retriever(passages) if isinstance(passages, Mapping) else passages

    async def retrieve(state: RagState) -> RagState:
        """Find passages for the query and keep what was found before."""
        wanted = state.get("limit", limit)
        found = await _value(find(state.get("query") or state["question"], wanted))
        kept = {passage["id"]: passage for passage in state.get("passages", [])}
        kept |= {name: {"id": name, "text": text} for name, text in found}
        return {"passages": [*kept.values()], "rounds": state.get("rounds", 0) + 1, "limit": wanted}

    def judge(state: RagState) -> RagState:
        """Measure which share of the question's telling words the passages hold."""
        asked = telling_words(state["question"])
        held = telling_words(" ".join(passage["text"] for passage in state["passages"]))
        return {"coverage": len(asked & held) / len(asked) if asked else 1.0}

    def widen(state: RagState) -> RagState:
        """Ask for more passages, and only for the words that are still missing."""
        held = telling_words(" ".join(passage["text"] for passage in state["passages"]))
        missing = [
            word for word in re.findall(r"\w+", state["question"]) if telling_words(word) - held
        ]
        return {"query": " ".join(missing), "limit": state["limit"] * 2}

    async def answer(state: RagState) -> RagState:
        """Write the answer, citing passages by their ids."""
        found = state["passages"]
        if not found:
            return {"answer": NOTHING, "citations": []}
        if write is None:
            return _quoted(state["question"], found)
        text = str(await _value(write(state["question"], found)))
        return {
            "answer": text,
            "citations": [one["id"] for one in found if f"[{one['id']}]" in text],
        }

    def decide(state: RagState) -> Literal["widen", "answer"]:
        covered = state["coverage"] >= enough
        return "answer" if covered or state["rounds"] >= max_rounds else "widen"

    graph = StateGraph(RagState)
    graph.add_node("retrieve", retrieve)
    graph.add_node("judge", judge)
    graph.add_node("widen", widen)
    graph.add_node("answer", answer)
    graph.set_entry_point("retrieve")
    graph.add_edge("retrieve", "judge")
    graph.add_conditional_edges("judge", decide, {"widen": "widen", "answer": "answer"})
    graph.add_edge("widen", "retrieve")
    graph.set_finish_point("answer")
    return graph


def extract(question: str, passages: Sequence[Passage], *, sentences: int = 2) -> list[Passage]:
    """Choose the sentences that hold most of the question's telling words, best first."""
    asked = telling_words(question)
    scored = [
        (len(asked & telling_words(sentence)), -place, {"id": passage["id"], "text": sentence})
        for place, passage in enumerate(passages)
        for sentence in re.split(r"(?<=[.!?])\s+", passage["text"].strip())
        if asked & telling_words(sentence)
    ]
    scored.sort(key=lambda one: one[:2], reverse=True)
    return [Passage(id=one["id"], text=one["text"]) for _, _, one in scored[:sentences]]


def telling_words(text: str) -> set[str]:
    """The words of a text that carry its subject, cut to their stems."""
    words = (word for word in re.findall(r"\w+", text.lower()) if len(word) > 2)
    return {re.sub(r"(ing|ed|es|s)$", "", word) for word in words if word not in _COMMON.split()}


def _quoted(question: str, passages: list[Passage]) -> RagState:
    chosen = extract(question, passages)
    if not chosen:
        return {"answer": NOTHING, "citations": []}
    text = " ".join(f"{one['text']} [{one['id']}]" for one in chosen)
    return {"answer": text, "citations": list(dict.fromkeys(one["id"] for one in chosen))}


def _retriever(passages: Mapping[str, str]) -> Retriever:
    entries = [
        Entry(id=name, name=name, text=text, kind="passage") for name, text in passages.items()
    ]
    index = HybridIndex(entries, encoder=default_encoder())

    def find(query: str, limit: int) -> Found:
        return [(match.id, passages[match.id]) for match in index.search(query, limit=limit)]

    return find


async def _value(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given
