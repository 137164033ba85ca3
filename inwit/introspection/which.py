"""Which execution a question means: named, of a thread, at a time, running, failed, or the last."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

from inwit.errors import UnknownExecutionError
from inwit.events import OPEN_STATUSES, Status
from inwit.introspection import numbers
from inwit.introspection.attributes import Called, Known
from inwit.introspection.claims import count
from inwit.introspection.router.words import COMMON
from inwit.introspection.scene import Scene, blanked
from inwit.runtime.views import Execution

LOOKED_AT = 200
"""Executions that are looked through for one that fits what the question takes for granted."""
WORDS_TRIED = 5
"""Words of a question that are looked up as the id of a thread."""
Fits = Callable[[Execution], bool]
_BEFORE_VALUE = (
    r"\b(?:with|for|of|to|in|into|about|where|whose|by|on|containing|from)\s+(?:the\s+|an?\s+)?"
)
_WORD = r"['\"`“]?([\w-]{3,})['\"`”]?"
_VALUES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_BEFORE_VALUE}{_WORD}",
        rf"{_BEFORE_VALUE}\w+\s+(?:is\s+|=\s*|was\s+|of\s+)?{_WORD}",
        r"\b([\w-]{3,})\s+(?:run|runs|execution|executions|case|call|question|request)\b",
    )
)
"""Where a question may name a value that executions were called with: "with the task bad"."""
_CAPITALS = re.compile(r"\b[A-Z][A-Z0-9]{1,9}\b")
"""A code that stands anywhere: "what makes BR orders slow"."""
CODE = re.compile(r"\b[A-Za-z]{1,12}[-_/.#]?\d[\w-]{0,20}\b")
"""A code with a figure in it: "why did S-24 fail"."""
_ID = re.compile(r"\b[0-9a-f]{16}\b")
_RUN = r"(?:execution|run|invocation|call|time|one)"
_CAME_OUT = (
    r"\b(?:last|latest|newest|first|previous|most recent) (?:(successful|completed|finished|good|working)"
    r"|failed|failing|broken|bad|crashed|unsuccessful)\b"
)
_PREVIOUS = re.compile(
    rf"\b(?:previous|penultimate|second[- ](?:to[- ])?last|last but one"
    rf"|before (?:that|last)|(?:{_RUN}|the) before(?: (?:it|the last(?: {_RUN})?)\b|\W*$))"
)
_THIRD_LAST = re.compile(r"\bthird[- ](?:to[- ])?last\b")
_FIRST = re.compile(rf"\b(?:first|earliest|oldest) (?:\w+ )?{_RUN}\b")
_PLACES = {"second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5}
_PLACE = re.compile(rf"\b({'|'.join(_PLACES)}) (?:execution|run|invocation)\b")
_THREAD = re.compile(r"\bthread (?:id )?['\"`]?([A-Za-z0-9][\w.:@-]*)")
_WORD_LIKE_ID = re.compile(
    r"(?<![\w./:-])(?:(?=[\w.:@-]*[\d_@-])[A-Za-z0-9][\w.:@-]{1,80}\w|[A-Za-z]\d)(?![\w/])"
)
_TIMES = ("slowest", "longest", "fastest", "quickest", "shortest")
_COSTS = ("costliest", "priciest", "most expensive", "cheapest")
_LEAST = ("fastest", "quickest", "shortest", "cheapest")
_TOP = rf"(?P<{{}}>{'|'.join((*_TIMES, *_COSTS))})"
_EXTREME = re.compile(
    rf"\b(?:{_TOP.format('before')}(?:[- ](?:running|lasting))?(?: \w+)?? {_RUN}"
    rf"|{_RUN} (?:was|is|took|ran|lasted) (?:the )?{_TOP.format('after')})\b"
)
"""One by its time or cost: "the slowest execution", and not "the slowest executions"."""
_NOW = r"(?:currently|right now|at the moment|running|current|in progress|ongoing|active)\b"


HOW_IT_WENT = (
    r"^\W*(?:what (?:happened|became|went on)\b|(?:can you |please )?(?:tell me|describe|summari[sz]e)\b|what about\b|how did\b.*\b(?:go|do|end|fare)\b"
    r"|did\b.*\b(?:go|work|do|end|come out) (?:well|fine|out|ok\w*|right)\b)"
)
"""That one execution is to be told whole."""
_STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The execution that is taken, in words, and how many others would have fitted."""

    execution: Execution
    how: str
    others: int
    names_graph: bool = False
    """Whether it may be of any graph, so that its own must be told."""

    @property
    def words(self) -> str:
        """Which one it is, and how many others there were."""
        fitted = f"; {count(self.others, 'other')} fitted" if self.others else ""
        of = f" of {self.execution.graph_name}" if self.names_graph else ""
        return f"execution {self.execution.execution_id}{of} ({self.how}{fitted})"


def choose(
    scene: Scene,
    *,
    status: Status | None = None,
    fits: Fits | None = None,
    fitting: str = "",
) -> Choice | None:
    """Take the execution that is meant, or None where none fits.

    `status` is what the question takes for granted (failed, completed); `fits` narrows further
    among the newest, in the words of `fitting`, and gives way to the newest where nothing fits.

    Raises:
        UnknownExecutionError: The question names an id that no execution has.
    """
    named = _named(scene)
    if named is not None:
        return named
    said = with_value(scene)
    if said is not None:
        words = f"called with {said.words}"
        chosen = choose_of(scene, status=status, fits=_both(fits, said.holds), fitting=words)
        if chosen is not None and said.holds(chosen.execution):
            return chosen
        if status == "failed":  # Whoever names one by its value means no other that failed.
            chosen = choose_of(scene, fits=said.holds, fitting=words)
            if chosen is not None and said.holds(chosen.execution):
                return chosen
    return choose_of(scene, status=status, fits=fits, fitting=fitting)


def _both(one: Fits | None, other: Fits) -> Fits:
    return other if one is None else (lambda execution: one(execution) and other(execution))


@dataclass(frozen=True, slots=True)
class Said:
    """A value of inputs that a question names: which executions were called with it."""

    words: str
    holds: Fits


def with_value(scene: Scene) -> Said | None:
    """The value by which a question picks executions: "the Berlin run", "with the task bad"."""
    if scene.picked is None:
        scene.picked = (_said_value(scene),)
    return scene.picked[0]


def _said_value(scene: Scene) -> Said | None:
    # The name of a key stays: a value stands behind it.
    others = [one for one in scene.query.entities if one.kind != "key"]
    text = blanked(scene.query.part or scene.query.text, others)
    if _number_in(scene) is not None:
        return by_number(scene)
    words = {match[1].lower() for pattern in _VALUES for match in pattern.finditer(text)}
    words |= {match[0].lower() for found in (_CAPITALS, CODE) for match in found.finditer(text)}
    words -= {one.value.lower() for one in scene.query.entities}
    if not words:
        return None
    known = Known(scene.store)
    page = scene.store.executions(graph=scene.scope, limit=LOOKED_AT)
    shown = {one.execution_id: _values(known.of(one)) for one in page.items}
    whole = {
        value.lower() for one in page.items for _, value in known.of(one).values
        if isinstance(value, str)
    }  # fmt: skip
    words = {word for word in words if word in whole or word not in COMMON}
    held = {word for word in words if any(word in values for values in shown.values())}
    rare = [word for word in held if not all(word in values for values in shown.values())]
    if not rare:
        return None
    word = max(rare, key=len)
    ids = {name for name, values in shown.items() if word in values}
    return Said(words=repr(word), holds=lambda one: one.execution_id in ids)


def _number_in(scene: Scene) -> numbers.Numbered | None:
    """The thing that the question names by a number; a graph may be called as what it works on is."""
    others = [one for one in scene.query.entities if one.kind not in ("key", "graph")]
    return numbers.named(blanked(scene.query.part or scene.query.text, others))


def by_number(scene: Scene) -> Said | None:
    """The executions that were called with what the question names by a number."""
    said = _number_in(scene)
    return None if said is None else _numbered(scene, said)


def is_of_one(scene: Scene) -> bool:
    """Whether it is to be told how it went with one that is named by its number: "invoice 13"."""
    return scene.says(HOW_IT_WENT) and by_number(scene) is not None


def _numbered(scene: Scene, said: numbers.Numbered) -> Said | None:
    """The executions that were called with the order, the customer or the like of a number."""
    known = Known(scene.store)
    page = scene.store.executions(graph=scene.scope, limit=LOOKED_AT)
    ids = numbers.holders(said, {one.execution_id: known.of(one) for one in page.items})
    stem = said.noun.rstrip("s")  # an invoice is what the graph of invoices works on
    mine = {one.execution_id for one in page.items if one.graph_name.lower().startswith(stem)}
    ids = ids & mine or ids
    if not ids:
        return None
    return Said(words=said.words, holds=lambda one: one.execution_id in ids)


def unheld(scene: Scene) -> str | None:
    """The number by which a question picks an execution, where none was called with it."""
    if scene.query.execution_id or scene.named("exec") or with_value(scene) is not None:
        return None
    said = _number_in(scene)
    return said.words if said is not None and thread_of(scene) is None else None


def _values(called: Called) -> set[str]:
    """The plain texts that an execution was called with, and their words."""
    found: set[str] = set()
    for name, value in called.values:
        if isinstance(value, str) and name.startswith(
            ("input", "metadata", "context", "configurable")
        ):
            found |= {value.lower(), *re.findall(r"[^\W_][\w-]+", value.lower())}
    return found


def choose_of(
    scene: Scene, *, status: Status | None = None, fits: Fits | None = None, fitting: str = ""
) -> Choice | None:
    """The same without regard to values of inputs."""
    if status is not None and _PREVIOUS.search(scene.words) and not _said(scene):
        before = _listed(scene, None, None, "")
        if before is not None and before.execution.status == status:
            return before
    statuses = _status(scene, status)
    found = _listed(scene, statuses, fits, fitting)
    if found is not None or status is not None or statuses is not OPEN_STATUSES:
        return found
    last = _listed(scene, None, fits, fitting)
    return last and replace(last, how=f"none is running now; {last.how}")


def names_one(scene: Scene) -> bool:
    """Whether the question, or who asks it, names a certain execution."""
    return bool(scene.query.execution_id or set(scene.named("exec")) - set(_STATUSES))


def _named(scene: Scene) -> Choice | None:
    if scene.query.execution_id:
        found = scene.store.execution(scene.query.execution_id)
        return Choice(execution=found, how="the one asked for", others=0)
    given = [one for one in scene.named("exec") if one not in _STATUSES]
    given = given or _ID.findall(scene.words)
    if not given:
        return None
    return of_id(scene, given[0])


def of_id(scene: Scene, prefix: str) -> Choice:
    """The execution of an id, of the beginning of one, or of a short number: "run 42".

    Raises:
        UnknownExecutionError: There is none.
    """
    if re.fullmatch(r"\d{1,3}", prefix):
        return _of_number(scene, prefix)
    try:
        found = scene.store.execution(prefix)
        return Choice(execution=found, how=f"the one that {prefix!r} names", others=0)
    except UnknownExecutionError:
        page = scene.store.executions(limit=LOOKED_AT)
        fitting = [one for one in page.items
                   if one.execution_id.lower().startswith(prefix.lower())]  # fmt: skip
        if not fitting:
            if scene.store.executions(thread_id=prefix, limit=1).items:
                return _of_thread(scene, prefix)
            raise
    how = f"the last that begins with {prefix!r}"
    return Choice(execution=fitting[0], how=how, others=len(fitting) - 1)


def _of_thread(scene: Scene, thread: str) -> Choice:
    """The last execution in a thread by whose name a question calls it: "run order-12"."""
    page = scene.store.executions(thread_id=thread, limit=LOOKED_AT)
    outer = [one for one in page.items if one.parent_execution_id is None] or list(page.items)
    return Choice(execution=outer[0], how=f"the last in thread {thread}", others=len(outer) - 1)


def _of_number(scene: Scene, number: str) -> Choice:
    """The execution that "run 42" means: by its id, by what it was called with, or by its place."""
    page = scene.store.executions(graph=scene.scope, limit=LOOKED_AT)
    outer = [one for one in page.items if one.parent_execution_id is None]
    ending = re.compile(rf"(?:^|.*[^0-9])0*{number}")
    found = [one for one in outer if one.execution_id == number]
    found = found or [one for one in outer if not _ID.fullmatch(one.execution_id)
                      and ending.fullmatch(one.execution_id)]  # fmt: skip
    if found:
        how = f"the last whose id ends with {number}"
        return Choice(execution=found[0], how=how, others=len(found) - 1)
    place = int(number)
    if page.total_count > len(page.items) or not 0 < place <= len(outer):
        raise UnknownExecutionError(number)
    about = f" of {scene.scope}" if scene.scope else ""
    how = f"number {place} of {len(outer)}{about} in the order of their starts; none has {number} as id"
    return Choice(execution=outer[-place], how=how, others=0)


def _status(scene: Scene, status: Status | None) -> tuple[Status, ...] | None:
    if status is not None:
        return (status,)
    said = _said(scene)
    if said and said[0] not in OPEN_STATUSES:
        return (said[0],)
    return OPEN_STATUSES if scene.says(_NOW) else None


def _said(scene: Scene) -> list[Status]:
    """The statuses that the question gives an execution: "the last failed run", "the last good one"."""
    said = [one for one in _STATUSES if one in scene.named("exec")]
    if not said and (found := re.search(_CAME_OUT, scene.plain_words)):
        return ["completed" if found[1] else "failed"]
    return said


def _listed(
    scene: Scene,
    statuses: tuple[Status, ...] | None,
    fits: Callable[[Execution], bool] | None,
    fitting: str,
) -> Choice | None:
    graph = scene.scope
    thread = thread_of(scene)
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
    # Who says "it" means what was invoked; graphs within it are found by their own names.
    ids = {one.execution_id for one in found}
    outer = [one for one in found if one.parent_execution_id not in ids]
    if graph is None:
        outer = [one for one in found if one.parent_execution_id is None] or outer
    total -= len(found) - len(outer)
    found = outer
    narrowed = [one for one in found if fits(one)] if fits else found
    picked = narrowed or found
    index, which = _ordinal(scene, len(picked))
    extreme = _EXTREME.search(scene.words)
    top = extreme["before"] or extreme["after"] if extreme else ""
    if top and (ranked := _ranked(picked, top)):
        picked, index = ranked, 0
        which = f"the {top}" + (f" of the last {len(found)}," if total > len(found) else "")
    parts = [which, _adjective(statuses), f"of {graph}" if graph else ""]
    parts += [f"in thread {thread}" if thread else "", f"from {span.words}" if span else ""]
    parts.append(fitting if narrowed and fits and picked[index] is not found[index] else "")
    how = " ".join(part for part in parts if part)
    others = (len(narrowed) if narrowed and fits else total) - 1
    return Choice(execution=picked[index], how=how, others=others, names_graph=graph is None)


def _ranked(found: list[Execution], top: str) -> list[Execution]:
    """Those whose time or cost is known, the most extreme first."""

    def figure(one: Execution) -> float | None:
        return one.cost_usd if top in _COSTS else one.duration_ms

    known = [(number, one) for one in found if (number := figure(one)) is not None]
    known.sort(key=lambda pair: pair[0] if top in _LEAST else -pair[0])
    return [one for _, one in known]


def thread_of(scene: Scene) -> str | None:
    """The thread that the question names: called one, or a word that is the id of one on record."""
    named = next(iter(scene.named("thread")), None)
    if named is not None:
        return named
    said = scene.query.part or scene.query.text
    after = _THREAD.search(said)
    # A word that is only like a name (order-3 like orders) may be the id of a thread.
    names = {
        one.text for one in scene.query.entities
        if one.kind == "time" or (one.kind not in ("exec", "thread") and one.text == one.value)
    }  # fmt: skip
    likely = [match[0] for match in _WORD_LIKE_ID.finditer(said) if match[0] not in names]
    for word in ([after[1]] if after else []) + likely[:WORDS_TRIED]:
        if scene.store.executions(thread_id=word, limit=1).items:
            return word
    return None


def _ordinal(scene: Scene, number: int) -> tuple[int, str]:
    if _FIRST.search(scene.words):
        return number - 1, "the first"
    place = _PLACE.search(scene.words)
    if place is not None and _PLACES[place[1]] <= number:
        return number - _PLACES[place[1]], f"the {place[1]}"
    if _THIRD_LAST.search(scene.words) and number > 2:
        return 2, "the third to last"
    if _PREVIOUS.search(scene.words) and number > 1:
        return 1, "the one before the last"
    return 0, "the last"


def _adjective(statuses: tuple[Status, ...] | None) -> str:
    if statuses is None:
        return ""
    return statuses[0] if len(statuses) == 1 else "that is not over"
