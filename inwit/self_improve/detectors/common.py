"""What detectors have in common: comparisons in time, evidence, changes that restore or configure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from inwit.answers import Evidence
from inwit.self_improve.findings import Draft, Held, Lack, Thresholds, quote
from inwit.self_improve.window import Window

T = TypeVar("T")
SPLITS = (0.25, 0.5, 0.75)
SIDE_LEAST = 40
"""What each side of a comparison needs."""
EVIDENCE_MOST = 5
_PLAIN = re.compile(r"[\w.:@/+-]{1,40}")
_CLASS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,80}")


class Located(Protocol):
    """Something with a place in the record."""

    @property
    def uri(self) -> str:
        """The event that shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides(Generic[T]):
    """Two series to compare."""

    kind: str
    """``version`` or ``time``."""
    older: Sequence[T]
    newer: Sequence[T]

    @property
    def since(self) -> str:
        return "since the version before" if self.kind == "version" else "within this version"


def sides(older: Sequence[T], newer: Sequence[T], least: int = SIDE_LEAST) -> Iterator[Sides[T]]:
    """The comparisons that a series allows: with the version before, and with its own earlier part."""
    if min(len(older), len(newer)) >= least:
        yield Sides(kind="version", older=older, newer=newer)
    for share in SPLITS:
        at = int(len(newer) * share)
        if min(at, len(newer) - at) >= least:
            yield Sides(kind="time", older=newer[:at], newer=newer[at:])


def evidence(items: Iterable[Located], said: str, why: str) -> tuple[Evidence, ...]:
    """Point at some things of the record, the newest first."""
    found: dict[str, Evidence] = {}
    for one in reversed(list(items)):
        if len(found) == EVIDENCE_MOST:
            break
        found.setdefault(one.uri, Evidence(uri=one.uri, quote=quote(said), why=why))
    return tuple(found.values())


def error_name(name: str) -> str:
    """The class of an error, when it can be one; what else a trace says there is not repeated."""
    return name if _CLASS_NAME.fullmatch(name) else "unnamed error"


def tool_name(name: str) -> str:
    """The name of a tool or an attribute, when it can be one."""
    return name if _PLAIN.fullmatch(name) else "(unprintable name)"


def value_shown(value: str | bool) -> str:
    """A short value of an input, when it is plain; otherwise its length alone."""
    if isinstance(value, bool):
        return str(value)
    return repr(value) if _PLAIN.fullmatch(value) else f"a text of {len(value)} characters"


def configure(
    window: Window, node: str, change: Mapping[str, Any], previous: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The action that gives a node other values."""
    known: dict[str, Any] = {}
    facts = window.facts(node)
    for name in change:
        known[name] = facts.policies.get(name) if facts else None
    return {
        "type": "node_config", "graph": window.graph_name, "node": node, "set": dict(change),
        "previous": dict(previous or known),
    }  # fmt: skip


def restore(window: Window, baseline: Window | None, node: str) -> dict[str, Any] | None:
    """The action that takes a node's code back to the version before, where that was another."""
    if baseline is None or window.manifest is None:
        return None
    facts, old = window.facts(node), baseline.facts(node)
    if facts is None or old is None or facts.version == old.version:
        return None
    at = window.manifest.nodes.index(facts)
    return {
        "type": "manifest_patch", "graph": window.graph_name, "version": window.graph_version,
        "patch": [
            {"op": "test", "path": f"/nodes/{at}/name", "value": node},
            {"op": "replace", "path": f"/nodes/{at}/version", "value": old.version},
        ],
    }  # fmt: skip


def draft(
    *, title: str, hypothesis: str, expected: str, actions: Sequence[dict[str, Any]] = (),
    risk: str = "", rollback: str = "", **more: Any,
) -> Draft:  # fmt: skip
    """A draft; without actions it is a hypothesis, and nothing is proposed."""
    return Draft(
        title=title, hypothesis=hypothesis, expected_evidence=expected, expected=expected,
        actions=tuple(actions), risk=risk or "None known.",
        rollback=rollback or ("Undo the node's configuration." if actions else "Nothing to undo."),
        **more,
    )  # fmt: skip


def lack(window: Window, detector: str, node: str, reason: str, needed: int | None = None) -> Lack:
    """Something that cannot be judged yet."""
    return Lack(
        detector=detector, graph_name=window.graph_name, node=node, reason=reason,
        executions_needed=needed,
    )  # fmt: skip


def held(window: Window, detector: str, node: str, reason: str) -> Held:
    """Something that looked like a finding and is none."""
    return Held(detector=detector, graph_name=window.graph_name, node=node, reason=reason)


__all__ = [
    "Sides", "Thresholds", "configure", "draft", "error_name", "evidence", "held", "lack",
    "restore", "sides", "tool_name", "value_shown",
]  # fmt: skip
