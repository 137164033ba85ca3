"""The words that inwit uses in one sense each, and which of them a question asks the sense of."""

from __future__ import annotations

import re

TERMS = {
    "graph": "What is written with StateGraph: nodes and edges over a state.",
    "compiled graph": "A graph that was checked, frozen and registered, and runs.",
    "subgraph": "A compiled graph that is a node of another; its executions are children of that one's.",
    "node": "A function of a graph: it takes the state and returns an update of it.",
    "edge": "A way on from one node to another; a conditional edge is taken by a decision.",
    "state": "The values by key that nodes read and update while a graph runs.",
    "reducer": "What merges the updates of one key of the state.",
    "execution": "One invocation of a graph, named by its execution_id; it ends completed, failed or "
    "cancelled, and one that waited for a person goes on under the same id.",
    "thread": "The executions that share memory, named by their thread_id: each goes on from the "
    "state that the one before left.",
    "visit": "One time that an execution is at a node, with all its attempts.",
    "attempt": "One call of a node's function; retries make several in one visit.",
    "step": "One round of nodes that run side by side.",
    "checkpoint": "The state of a thread as it was saved after a step.",
    "interrupt": "A question to a person, at which an execution waits until it is answered.",
    "store": "Documents that all threads share, unlike a thread's own state.",
    "event": "One immutable fact of an execution, numbered by its seq.",
    "trace": "All events of one execution.",
    "evidence": "What an answer rests on: uris that resolve to events, visits, manifests or pages.",
    "manifest": "The description of a registered graph or of a package.",
    "plan": "A concrete change that the self-improvement daemon proposes, with its evidence.",
    "confidence": "How likely the question was read rightly, times how far the claims follow from the "
    "record, in 0..1.",
    "intent": "What a question wants: why, whatif, howcan, ami, whatis, when, state, search or howto.",
    "level": "What a question is about: platform, app, live or network.",
    "pure node": "A node declared pure=True: it only computes, so a trial may run it again.",
    "side effect": "What a node does to the world; declared side_effects=True, it is not repeated.",
    "error budget": "How many executions may miss an objective before it is broken.",
    "host": "The process that serves a project's graphs and answers.",
}
_WORD = "|".join(re.escape(one) for one in sorted(TERMS, key=len, reverse=True))
_ONE = rf"(?:an? |the )?(?:inwit )?({_WORD})s?"
_DIFFER = re.compile(
    r"\b(?:differen\w+ (?:between|of)|differs?|compared? (?:to|with)?|distinguish\w*|unlike|vs\.?|versus)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"\b({_WORD})s?\b", re.IGNORECASE)
_MEANT = re.compile(
    rf"^\W*(?:what(?:'s| is| are)|define|explain|what does) {_ONE}(?: mean| stand for| in inwit)?\W*$"
    r"|^\W*(?:what|which) (intent|level)s (?:are there|exist)\W*$",
    re.IGNORECASE,
)


def terms_in(question: str) -> list[str]:
    """The terms whose sense a question asks for: the one it is about, or those it tells apart.

    Example:
        >>> terms_in("What is the difference between a thread and an execution?")
        ['thread', 'execution']
        >>> terms_in("What is the thread of the last execution?")
        []
    """
    one = _MEANT.match(question.strip())
    if one is not None:
        return [(one[1] or one[2]).lower()]
    if _DIFFER.search(question) is None:
        return []
    named = list(dict.fromkeys(match[1].lower() for match in _NAMED.finditer(question)))
    return named if len(named) > 1 else []
