"""A compiled graph's nodes as their configuration has them: policies changed, results kept, edges.

Nothing of this is in the way of a graph that nobody configured: a change makes another program,
which executions that begin afterwards are given, and those that run keep theirs. While a change is
on trial it counts for a share of the threads, chosen by a hash of the thread's name.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Final

import msgspec

from inwit.runtime.kept_calls import keep_calls, keep_results
from inwit.runtime.policies import NodePolicy, RetryPolicy
from inwit.runtime.policies.retry import as_policies
from inwit.runtime.serial import unpack

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.engine import Execution
    from inwit.runtime.graph import StateGraph, Written
    from inwit.runtime.program import Program

Row = tuple[Any, ...]
Values = Mapping[str, Any]

WHOLE: Final = "*"
"""Stands for the graph, where a version is of no node."""
RETRY_FIELDS: Final = frozenset(
    {"max_attempts", "initial_interval", "backoff_factor", "max_interval", "jitter"}
)
SCOPES: Final = ("execution", "thread", "process", "graph")
"""Within what a kept result counts; the last two are all executions of this process."""
_logger = logging.getLogger("inwit")


def is_in_trial(plan: str, thread_id: str, share: float) -> bool:
    """Whether a thread is among those that a change on trial counts for; always the same answer."""
    digest = hashlib.blake2b(f"{plan}\0{thread_id}".encode(errors="replace"), digest_size=8)
    return int.from_bytes(digest.digest()) < share * 2**64


def current_of(rows: Sequence[Row], trials: frozenset[str]) -> dict[str, Values]:
    """What each node's values are, where these plans' trials count; others' don't."""
    found: dict[str, Values] = {}
    for node, _, _, _, _, _, packed, _, share, plan in rows:
        if share is None or plan in trials:
            found[node] = unpack(packed)
    return found


def trials_of(rows: Sequence[Row]) -> dict[str, float]:
    """The plans that are on trial, and the share of the threads that each counts for.

    A trial is over when a later version of the node counts for everyone.
    """
    last: dict[str, Row] = {}
    for row in rows:
        last[row[0]] = row
    return {row[9]: row[8] for row in last.values() if row[8] is not None}


class Programs:
    """The programs of one compiled graph as its rows have it."""

    def __init__(self, graph: CompiledGraph[Any], original: Program) -> None:
        self._graph = graph
        self.original = original
        self.trials: dict[str, float] = {}
        self._rows: Sequence[Row] = ()
        self._made: dict[frozenset[str], Program] = {}

    def read(self, rows: Sequence[Row]) -> Program:
        """Take the graph's rows; gives the program that counts where no trial does."""
        self._rows, self._made, self.trials = tuple(rows), {}, trials_of(rows)
        return self.of(frozenset())

    def of(self, trials: frozenset[str]) -> Program:
        """The program where these trials count."""
        found = self._made.get(trials)
        if found is None:
            found = self._made[trials] = self._assembled(current_of(self._rows, trials))
        return found

    def _assembled(self, values: Mapping[str, Values]) -> Program:
        if not any(applies(one) for one in values.values()):
            return self.original
        try:
            return assembled(self._graph, values)
        except Exception:  # a border: a configuration that fits no more must not stop the graph
            _logger.exception("inwit: the configuration of %r cannot be used.", self._graph.name)
            return self.original

    def take(self, execution: Execution) -> None:
        """Give an execution the program of its thread, and let it say which trials count for it."""
        chosen = {
            plan: is_in_trial(plan, execution.thread_id, share)
            for plan, share in self.trials.items()
        }
        execution.trials = frozenset(plan for plan, counts in chosen.items() if counts)
        execution.program = self.of(execution.trials)
        begin = execution._begin  # noqa: SLF001 - the engine's own

        def say(given: Mapping[str, Any] | None) -> None:
            is_new = not execution.seq
            begin(given)
            if is_new and execution.graph.journal is not None:
                arms = {p: "candidate" if counts else "control" for p, counts in chosen.items()}
                execution.emit_at("custom", name="trial", data=arms)

        execution._begin = say  # type: ignore[method-assign]  # noqa: SLF001


POLICIES: Final = frozenset({
    "timeout_s", "retry_policy", "max_concurrency", "rate_limit", "thread", "cache", "tool_cache",
    "model_cache",
})  # fmt: skip
"""The values that the runtime itself goes by; all others are the node's to read."""


def applies(values: Values) -> bool:
    """Whether the runtime has to do something about these values."""
    return bool(POLICIES & values.keys()) or bool(values.get("parallel"))


def assembled(graph: CompiledGraph[Any], values: Mapping[str, Values]) -> Program:
    """The graph's program with these values.

    Raises:
        ValueError: A value cannot be one of its name.
    """
    from inwit.runtime.assembly import assemble

    options = graph.options
    builder = with_values(graph, values)
    program = assemble(builder, graph.schema, options.limits, options.middleware)
    for node in program.nodes:
        chosen = values.get(node.name, {})
        if chosen.get("cache") and not node.policy.has_side_effects:
            keep_results(node, chosen["cache"])
        for kind in ("tool", "model"):
            if chosen.get(f"{kind}_cache"):
                keep_calls(node, kind, chosen[f"{kind}_cache"])
    return program


def with_values(graph: CompiledGraph[Any], values: Mapping[str, Values]) -> StateGraph[Any]:
    """The graph as it would have been written with these policies and edges."""
    builder = copy(graph.builder)
    builder.nodes = {
        name: _written(graph, one, values[name]) if name in values else one
        for name, one in builder.nodes.items()
    }
    builder.edges = list(builder.edges)
    for pair in values.get(WHOLE, {}).get("parallel") or ():
        builder.edges = parallel_edges(builder, *pair)
    return builder


def _written(graph: CompiledGraph[Any], written: Written, values: Values) -> Written:
    policy = changed_policy(written.policy, values, graph.options.retry)
    return msgspec.structs.replace(written, policy=policy)


def changed_policy(policy: NodePolicy, values: Values, default: RetryPolicy) -> NodePolicy:
    """A node's policy with these values.

    Raises:
        ValueError: A value cannot be one of its name.
    """
    fields: dict[str, Any] = {}
    if "timeout_s" in values:
        fields["timeout_s"] = _positive("timeout_s", values["timeout_s"])
    if "max_concurrency" in values:
        most = _positive("max_concurrency", values["max_concurrency"])
        fields["max_concurrency"] = None if most is None else max(int(most), 1)
    if "rate_limit" in values:
        fields["rate"] = _positive("rate_limit", values["rate_limit"])
    if "thread" in values:
        fields["in_thread"] = values["thread"]
    if values.get("retry_policy") is not None:
        fields["retry"] = _retry(policy, values["retry_policy"], default)
    return msgspec.structs.replace(policy, **fields) if fields else policy


def _retry(policy: NodePolicy, given: Any, default: RetryPolicy) -> Any:
    if not isinstance(given, Mapping) or not given.keys() <= RETRY_FIELDS:
        raise ValueError(f"retry_policy knows {', '.join(sorted(RETRY_FIELDS))}, not {given!r}.")
    own = as_policies(policy.retry) or (default,)
    # What is None is left as it was written.
    said = {name: value for name, value in given.items() if value is not None}
    if "max_attempts" in said:
        said["max_attempts"] = max(int(said["max_attempts"]), 1)
    return tuple(one._replace(**said) for one in own)


def _positive(name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ValueError(f"{name} is a number above 0, not {value!r}.")
    return value


def parallel_edges(
    builder: StateGraph[Any], first: str, second: str
) -> list[tuple[tuple[str, ...], str]]:
    """The edges with which two nodes that follow one another run at the same time.

    Raises:
        ValueError: The edges around them are of a kind that this cannot change.
    """
    edges = list(builder.edges)
    out = [edge for edge in edges if first in edge[0]]
    into = [edge for edge in edges if edge[1] == second]
    after = [edge for edge in edges if second in edge[0]]
    before = [edge for edge in edges if edge[1] == first]
    decided = [one for one in builder.routers() if one.source in (first, second)]
    led = [
        one
        for one in builder.routers()
        if any(target in (first, second) for _, target in one.possible() or (("", first),))
    ]
    is_plain = out == into == [((first,), second)] and not decided and not led
    is_plain = is_plain and all(len(sources) == 1 for sources, _ in (*after, *before))
    if not is_plain or not before:
        raise ValueError(f"{second!r} does not follow {first!r} by one plain edge alone.")
    kept = [edge for edge in edges if edge not in (*out, *after)]
    return [
        *kept,
        *((sources, second) for sources, _ in before),
        *(((first, second), end) for _, end in after),
    ]


__all__ = ["POLICIES", "WHOLE", "Programs", "applies", "is_in_trial"]
