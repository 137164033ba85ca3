"""Others asked at once: peers and package sources, with one deadline and partial results.

Each result says from whom it comes, and who did not answer in time or failed is named too: what is
missing is never taken for nothing. A `Peer` is made by the room that knows peers; its answer is data.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, Literal, Protocol, TypeVar

from inwit.answers import INTENTS, Answer, Evidence, Intent
from inwit.errors import InwitError
from inwit.introspection.claims import count, listed, short

DEADLINE_S = 3.0
"""Seconds within which others must have answered."""
AT_ONCE = 32
"""Others that are asked at once; the rest wait their turn within the deadline."""
TEXT_MOST = 4_000
"""Characters of an answer of somebody else."""
EVIDENCE_MOST = 24
T = TypeVar("T")
Status = Literal["answered", "late", "failed"]


class Peer(Protocol):
    """Another host that can be asked. Its methods may be called from several threads."""

    @property
    def name(self) -> str:
        """What it is called here."""

    def ask(
        self, question: str, *, level: str | None, graph: str | None, deadline_s: float
    ) -> Mapping[str, Any]:
        """Its answer as JSON, with the fields of `Answer`; an InwitError where it gives none."""

    def packages(self, query: str, *, kind: str | None, limit: int, deadline_s: float) -> (
        Sequence[Mapping[str, Any]]
    ):  # fmt: skip
        """The packages that it has for a query, each with id, version and description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Generic[T]):
    """What came of one of them. `value` is None where it did not answer, and `reason` says why."""

    source: str
    status: Status
    value: T | None = None
    reason: str = ""
    took_ms: float = 0.0

    def told(self) -> dict[str, Any]:
        """Who it is and how it went, without the value."""
        return {
            "source": self.source, "status": self.status, "reason": self.reason,
            "took_ms": round(self.took_ms, 1),
        }  # fmt: skip


def gather(
    sources: Mapping[str, Callable[[float], T]], deadline_s: float = DEADLINE_S
) -> list[Result[T]]:
    """Call each source with the seconds that are left, at once; give a result for each, in order.

    Who has not answered at the deadline is late: its thread is left to end by itself.
    """
    begun = monotonic()
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[Result[T]] = queue.SimpleQueue()
    for name in sources:
        waiting.put(name)
    for _ in range(min(len(sources), AT_ONCE)):
        threading.Thread(
            target=_work, args=(sources, waiting, done, begun, deadline_s), daemon=True,
            name="inwit-others",
        ).start()  # fmt: skip
    found: dict[str, Result[T]] = {}
    while len(found) < len(sources):
        left = begun + deadline_s - monotonic()
        try:
            one = done.get(timeout=max(left, 0.001))
        except queue.Empty:
            break
        found[one.source] = one
    late = f"no answer within {deadline_s:g} s"
    return [
        found.get(name) or Result(source=name, status="late", reason=late, took_ms=deadline_s * 1e3)
        for name in sources
    ]


def _work(
    sources: Mapping[str, Callable[[float], T]], waiting: queue.SimpleQueue[str],
    done: queue.SimpleQueue[Result[T]], begun: float, deadline_s: float,
) -> None:  # fmt: skip
    with contextlib.suppress(queue.Empty):
        while (left := begun + deadline_s - monotonic()) > 0:
            name = waiting.get_nowait()
            started = monotonic()
            try:
                value = sources[name](left)
            except Exception as exc:  # noqa: BLE001 - another host's border
                reason = str(exc) if isinstance(exc, InwitError) else f"{type(exc).__name__}: {exc}"
                took = (monotonic() - started) * 1e3
                failed: Result[T] = Result(
                    source=name, status="failed", reason=short(reason, 200), took_ms=took
                )
                done.put(failed)
                continue
            took = (monotonic() - started) * 1e3
            done.put(Result(source=name, status="answered", value=value, took_ms=took))


def ask_peers(
    peers: Sequence[Peer], question: str, *, level: str | None = None, graph: str | None = None,
    deadline_s: float = DEADLINE_S,
) -> Answer:  # fmt: skip
    """Ask peers at once and join what they say, each part under the name of who says it.

    The evidence is theirs: its uris begin with ``peer://`` and the peer's name, and name what that
    host resolves. The confidence is the least of those that answered with one.
    """
    asked = {peer.name: _asking(peer, question, level, graph) for peer in peers}
    results = gather(asked, deadline_s)
    return joined(results)


def _asking(
    peer: Peer, question: str, level: str | None, graph: str | None
) -> Callable[[float], Mapping[str, Any]]:
    return lambda left: peer.ask(question, level=level, graph=graph, deadline_s=left)


def joined(results: Sequence[Result[Mapping[str, Any]]]) -> Answer:
    """One answer of several hosts', with who did not answer."""
    answers = [(one.source, one.value) for one in results if one.value is not None]
    texts = [f"[{name}] {_text(value)}" for name, value in answers]
    texts += [f"[{one.source}] {one.status}: {one.reason}" for one in results if one.value is None]
    missing = [one.source for one in results if one.value is None]
    if missing:
        texts.append(
            f"That is partial: {listed(missing)} of {count(len(results), 'peer')} did not answer."
        )
    return Answer(
        text="\n".join(texts) or "No peer was asked.",
        level="network",
        intent=_intent(answers),
        evidence=tuple(
            Evidence(uri=f"peer://{name}/{uri}", quote=short(str(each.get("quote", "")), 400),
                     why=short(str(each.get("why", "")), 200))
            for name, value in answers
            for each in value.get("evidence") or ()
            if isinstance(each, Mapping) and (uri := str(each.get("uri", "")))
        )[:EVIDENCE_MOST],
        confidence=min((_confidence(value) for _, value in answers), default=0.0),
        data={
            "peers": [one.told() | {"answer": dict(one.value) if one.value else None} for one in results],
            "partial": bool(missing),
        },
        levels_tried=("network",),
    )  # fmt: skip


def _text(value: Mapping[str, Any]) -> str:
    return short(str(value.get("answer", "")), TEXT_MOST)


def _intent(answers: Sequence[tuple[str, Mapping[str, Any]]]) -> Intent:
    said = str(answers[0][1].get("intent", "")) if answers else ""
    return next((one for one in INTENTS if one == said), "none")


def _confidence(value: Mapping[str, Any]) -> float:
    said = value.get("confidence")
    return min(max(float(said), 0.0), 1.0) if isinstance(said, int | float) else 0.0
