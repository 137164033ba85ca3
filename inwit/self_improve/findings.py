"""What detectors give: what they looked at, what they found, what they refused, what they lack."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from typing import Any

import msgspec

from inwit.answers import Evidence
from inwit.plans import Effect
from inwit.self_improve.calls import NodeCall

QUOTE_LIMIT = 160


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """When a difference becomes a finding. Every report repeats them."""

    block_size: int = 10
    blocks_min: int = 4
    false_discovery_rate: float = 0.05
    is_continuous: bool = False
    """Whether the same traces are looked at again and again, as a daemon does: then slowdowns are
    judged by what a bet on them has won, which stays true however often it is looked at."""
    slowdown_floor: float = 1.2
    """The estimated ratio has to reach it, and so has the ratio of the fastest tenths."""
    slowdown_interval_floor: float = 1.05
    slowdown_floor_ms: float = 0.2
    error_share_floor: float = 0.05
    loop_share_floor: float = 0.02
    loops_min: int = 5
    unused_min: int = 200
    unused_share_floor: float = 0.05
    unused_plan_min: int = 1000
    """Something that is never used is shown from 200 on; to take it away is proposed from 1,000 on."""
    parallel_min: int = 40
    parallel_floor_ms: float = 1.0
    parallel_share_floor: float = 0.05
    drift_least: float = 0.2
    """How far a share has to move, and a size by a factor of 1.5, to be a drift."""
    drift_factor: float = 1.5
    tokens_share_floor: float = 0.1
    retry_share_floor: float = 0.05
    retries_min: int = 3
    repeat_share_floor: float = 0.05
    repeats_min: int = 5
    repeat_saving_floor_ms: float = 1.0
    """The mean time that one repeated call has to waste; calls with a price always count."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The change that a finding calls for."""

    title: str
    hypothesis: str
    expected_evidence: str
    actions: tuple[dict[str, Any], ...]
    risk: str
    rollback: str
    expected: str
    expected_gain: Effect | None = None


class Symptom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another finding that only follows from this one."""

    detector: str
    graph_name: str
    node: str
    statement: str
    reason: str
    uri: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a detector saw, with its statistics.

    `q_value` is p adjusted for all that was looked at in the same report. `subject` is the tool or
    model where the finding is not of the node as a whole.
    """

    detector: str
    graph_name: str
    graph_version: str
    node: str
    subject: str = ""
    statement: str
    baseline: dict[str, Any]
    candidate: dict[str, Any]
    effect: Effect
    p_value: float
    q_value: float = 1.0
    confidence: float | None = None
    """Where a detector states its own; otherwise 1 - q."""
    evidence: tuple[Evidence, ...] = ()
    limits: tuple[str, ...] = ()
    draft: Draft
    """A draft without actions is a hypothesis: nothing is proposed for it."""
    symptoms: tuple[Symptom, ...] = ()
    """What else was seen that only follows from this."""

    @property
    def fingerprint(self) -> str:
        """The same finding has the same one, whatever the window it was seen in."""
        # A later version may regress anew; a retried or repeated call stays the same finding.
        version = self.graph_version if self.detector == "latency_regression" else ""
        parts = (self.detector, self.graph_name, self.node, self.subject, version)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One test that was made. `finding` is None where the effect is under its floors."""

    detector: str
    graph_name: str
    node: str
    p_value: float
    finding: Finding | None = None
    visits: int = 0
    visits_per_execution: float = 1.0
    calls: Sequence[NodeCall] = ()
    """The calls that the finding is of, where causes are told from symptoms by them."""
    context: dict[str, Any] = {}
    """What else joining needs; no reader is shown it."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Something that looked like a finding, and why it is none."""

    detector: str
    graph_name: str
    node: str
    reason: str


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be judged, and how many executions more it takes where that is known."""

    detector: str
    graph_name: str
    node: str
    reason: str
    executions_needed: int | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one detector over one window."""

    looks: tuple[Look, ...] = ()
    held: tuple[Held, ...] = ()
    lacks: tuple[Lack, ...] = ()


def merge(parts: Sequence[Seen]) -> Seen:
    """Join what several detectors saw."""
    return Seen(
        looks=tuple(look for part in parts for look in part.looks),
        held=tuple(one for part in parts for one in part.held),
        lacks=tuple(one for part in parts for one in part.lacks),
    )


def quote(text: str) -> str:
    """Cut a text from a trace to one short line; it is shown as evidence and nothing else."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return line if len(line) <= QUOTE_LIMIT else f"{line[: QUOTE_LIMIT - 1]}…"


def shown(name: str) -> str:
    """Name a node, tool or graph in a sentence."""
    return repr(quote(name)[:60])


def check_command(graph_name: str) -> str:
    """The command that looks again at one graph, safe for a shell whatever the graph is called."""
    # A value of its own word could be read as an option, so it is joined to its option.
    return f"inwit self-improve analyze {shlex.quote(f'--graph={graph_name}')} --json"
