"""One question for each level and each intent, about what the demo has just run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from inwit.answers import Intent, Level
from inwit.runtime.store import Store
from inwit.runtime.views import RegisteredGraph

LOOKED_AT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, and the level and intent that it should be understood as."""

    text: str
    level: Level
    intent: Intent
    execution_id: str | None = None


def questions(store: Store, graph: RegisteredGraph) -> list[Question]:
    """Ask about this graph's own nodes, keys and executions, by their names."""
    node, visits, execution_id = most_repeated(store, graph)
    key = graph.manifest.fields[-1].name
    return [
        Question(text="Is checkpointing on by default?", level="platform", intent="whatis"),
        Question(text="How do I add a conditional edge?", level="platform", intent="howto"),
        Question(text=f"What happens after {node}?", level="app", intent="whatis"),
        Question(text=f"Which nodes write `{key}`?", level="app", intent="whatis"),
        Question(
            text=f"Why did {node} run {visits} times?", level="live", intent="why",
            execution_id=execution_id,
        ),
        Question(text=f"What if {node} were cached?", level="live", intent="whatif"),
        Question(text="How can I be faster?", level="live", intent="howcan"),
        Question(text="Am I performing well?", level="live", intent="ami"),
        Question(text="When did the last execution start?", level="live", intent="when"),
        Question(
            text=f"What is the value of `{key}` in the last execution?", level="live",
            intent="state",
        ),
        Question(text="What RAG packages exist?", level="network", intent="search"),
    ]  # fmt: skip


def most_repeated(store: Store, graph: RegisteredGraph) -> tuple[str, int, str | None]:
    """The node that ran most often in one of the last executions, how often, and in which."""
    counted: Counter[tuple[str, str]] = Counter(
        (visit.node, visit.execution_id)
        for visit in store.recent_visits(graph.name, version=graph.version, executions=LOOKED_AT)
    )
    if not counted:
        return graph.manifest.nodes[0].name, 0, None
    ((node, execution_id), visits) = counted.most_common(1)[0]
    return node, visits, execution_id
