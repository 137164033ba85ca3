"""Which execution a question means: named, of a thread, at a time, running, failed, or the last."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from inwit.errors import UnknownExecutionError
from inwit.events import OPEN_STATUSES, Status
from inwit.introspection.claims import count
from inwit.introspection.scene import Scene
from inwit.runtime.views import Execution

LOOKED_AT = 200
"""Executions that are looked through for one that fits what the question takes for granted."""
_ID = re.compile(r"\b[0-9a-f]{16}\b")
_PREVIOUS = re.compile(r"\b(?:previous|before (?:that|last)|second[- ]to[- ]last|penultimate)\b")
_FIRST = re.compile(r"\b(?:first|earliest|oldest) (?:execution|run|invocation|call|time)\b")
_THREAD = re.compile(r"\bthread (?:id )?['\"]?([A-Za-z0-9][\w.:-]*)")
_NOW = r"(?:currently|right now|at the moment|running|current|in progress|ongoing|active)\b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The execution that is taken, in words, and how many others would have fitted."""

    execution: Execution
    how: str
    others: int

    @property
    def words(self) -> str:
        """Which one it is, and how many others there were."""
        fitted = f"; {count(self.others, 'other')} fitted" if self.others else ""
        return f"execution {self.execution.execution_id} ({self.how}{fitted})"


def choose(
    scene: Scene,
    *,
    status: Status | None = None,
    fits: Callable[[Execution], bool] | None = None,
    fitting: str = "",
) -> Choice | None:
    """Take the execution that is meant, or None where none fits.

    `status` is what the question takes for granted (failed, completed); `fits` narrows further
    among the newest, in the words of `fitting`, and gives way to the newest where nothing fits.

    Raises:
        UnknownExecutionError: The question names an id that no execution has.
    """
    return _named(scene) or _listed(scene, _status(scene, status), fits, fitting)


def _named(scene: Scene) -> Choice | None:
    if scene.query.execution_id:
        found = scene.store.execution(scene.query.execution_id)
        return Choice(execution=found, how="the one asked for", others=0)
    given = scene.named("exec") or _ID.findall(scene.words)
    if not given:
        return None
    prefix = given[0]
    try:
        found = scene.store.execution(prefix)
        return Choice(execution=found, how=f"the one that {prefix!r} names", others=0)
    except UnknownExecutionError:
        page = scene.store.executions(limit=LOOKED_AT)
        fitting = [one for one in page.items if one.execution_id.startswith(prefix)]
        if not fitting:
            raise
    how = f"the last that begins with {prefix!r}"
    return Choice(execution=fitting[0], how=how, others=len(fitting) - 1)


def _status(scene: Scene, status: Status | None) -> tuple[Status, ...] | None:
    if status is not None:
        return (status,)
    return OPEN_STATUSES if scene.says(_NOW) else None


def _listed(
    scene: Scene,
    statuses: tuple[Status, ...] | None,
    fits: Callable[[Execution], bool] | None,
    fitting: str,
) -> Choice | None:
    graph = scene.scope
    thread = next(iter(scene.named("thread")), None) or _thread(scene)
    span = scene.window
    found: list[Execution] = []
    total = 0
    for status in statuses or (None,):
        page = scene.store.executions(
            graph=graph,
            status=status,
            thread_id=thread,
            since_ns=span.since_ns if span else None,
            until_ns=span.until_ns if span else None,
            limit=LOOKED_AT,
        )
        found += page.items
        total += page.total_count
    found.sort(key=lambda one: one.position, reverse=True)
    if not found:
        return None
    narrowed = [one for one in found if fits(one)] if fits else found
    picked = narrowed or found
    index, which = _ordinal(scene, len(picked))
    parts = [which, _adjective(statuses), f"of {graph}" if graph else ""]
    parts += [f"in thread {thread}" if thread else "", f"from {span.words}" if span else ""]
    parts.append(fitting if narrowed and fits and picked[index] is not found[index] else "")
    how = " ".join(part for part in parts if part)
    others = (len(narrowed) if narrowed and fits else total) - 1
    return Choice(execution=picked[index], how=how, others=others)


def _thread(scene: Scene) -> str | None:
    """A word after "thread" that is the id of one on record."""
    found = _THREAD.search(scene.query.part or scene.query.text)
    if found is None:
        return None
    return found[1] if scene.store.executions(thread_id=found[1], limit=1).items else None


def _ordinal(scene: Scene, number: int) -> tuple[int, str]:
    if _FIRST.search(scene.words):
        return number - 1, "the first"
    if _PREVIOUS.search(scene.words) and number > 1:
        return 1, "the one before the last"
    return 0, "the last"


def _adjective(statuses: tuple[Status, ...] | None) -> str:
    if statuses is None:
        return ""
    return statuses[0] if len(statuses) == 1 else "that is not over"
