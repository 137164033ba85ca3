"""Executions of a kind, as a question names it: by a value that they were called with, or that came out.

"initech" is a value of an input, "scans" the plural of one, "rejected" a value of a result, and "urgent
runs" are those whose input `urgent` is true. Ordinary words count only beside what speaks for them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inwit.events import epoch_ns
from inwit.introspection.attributes import Known, Results
from inwit.introspection.claims import told_value
from inwit.introspection.router.words import COMMON, HARD
from inwit.introspection.scene import HISTORY, Scene
from inwit.runtime.views import Execution

COMPARED: Final = (
    r"\b(?:than|vs\.?|versus|compar\w*|contrast\w*|differ\w*|between|against|or|beside|unlike)\b"
)
"""Words of a question that sets one kind beside another."""
_WORD: Final = re.compile(r"[^\W_][\w.@+-]*")
_NAMES: Final = ("node", "graph")
_SHORT: Final = 2
_PLURAL: Final = 3
_LONGEST: Final = 4
"""Words of a value that a question may name."""
_OUTCOME: Final = (
    rf"{COMPARED}|\bin common\b|^\W*(?:how many|how often|(?:what|which) (?:share|percent\w*|fraction|proportion))\b"
    r"|\b(?:ones|executions|runs|cases)\b|\b(?:was|were|is|are|got|get|gets|been)\b"
)
"""Where a word may say how executions came out: only then is that looked up."""
_CROWD: Final = frozenset(
    {"ones", "executions", "runs", "invocations", "cases", "requests", "calls"}
)
_BECAME: Final = frozenset({"was", "were", "is", "are", "been", "got", "get", "gets", "being"})
Held = dict[str, dict[str, list[Execution]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """The executions that hold one value of an attribute, newest first, and all of the graphs that have it."""

    attribute: str
    value: str
    executions: Sequence[Execution]
    among: Sequence[Execution]

    @property
    def words(self) -> str:
        """The attribute and its value, as ``input.country = BR``."""
        return f"{self.attribute} = {told_value(self.value, 40)}"

    @property
    def others(self) -> list[Execution]:
        """Those that do not hold the value."""
        mine = {one.execution_id for one in self.executions}
        return [one for one in self.among if one.execution_id not in mine]


def kinds(scene: Scene) -> list[Kind]:
    """The kinds that a question names, in its order; of several attributes, those of the first that fits.

    Kinds that hold all that was looked at, or one that the question does not mean, are none.
    """
    if scene.kinds is None:
        scene.kinds = (_kinds(scene),)
    found: list[Kind] = scene.kinds[0]
    return found


def _kinds(scene: Scene) -> list[Kind]:
    words = _words(scene)
    if not words:
        return []
    looked = newest(scene)
    if not looked:
        return []
    known = Known(scene.store)
    found = _named(words, looked, {one.execution_id: known.of(one).values for one in looked})
    wanted = 2 if re.search(COMPARED, scene.words) else 1
    if len(found) < wanted and re.search(_OUTCOME, scene.words) and _unread(scene, words, found):
        results = Results(scene.store)
        ended = _named(words, looked, {one.execution_id: results.of(one).values for one in looked})
        found = ended if len(ended) > len(found) else found
    return found


def newest(scene: Scene, *, of_all: bool = False) -> list[Execution]:
    """The newest that were invoked by themselves, in the stretch of time that the question names.

    Of the graph in scope, or `of_all`.
    """
    span = scene.window
    return [
        one
        for one in scene.store.newest(HISTORY, graph=None if of_all else scene.scope)
        if one.parent_execution_id is None
        and (span is None or span.holds(epoch_ns(one.started_at)))
    ]


def _unread(scene: Scene, words: Sequence[str], found: Sequence[Kind]) -> bool:
    """Whether a word is left that may say how executions came out."""
    said = {one.value.lower() for one in found}
    named = {one.text.lower() for one in scene.query.entities if one.kind not in _NAMES}
    return any(word not in HARD and word not in said and word not in named and len(word) > _SHORT
               for word in words)  # fmt: skip


def _words(scene: Scene) -> list[str]:
    """The words of the question in its case, without those that name nodes and graphs."""
    text = scene.query.part or scene.query.text
    named = {one.text.lower() for one in scene.query.entities
             if one.kind in _NAMES and one.text.lower() == one.value.lower()}  # fmt: skip
    words = [match[0].rstrip(".-") for match in _WORD.finditer(text)]
    return [word for word in words if word.lower() not in named]


def _named(
    words: Sequence[str],
    looked: Sequence[Execution],
    attributes: Mapping[str, Sequence[tuple[str, object]]],
) -> list[Kind]:
    """The kinds of the attribute most of whose values are named; of equals the first."""
    held: Held = defaultdict(lambda: defaultdict(list))
    for one in looked:
        for attribute, value in attributes[one.execution_id]:
            if "." in attribute:
                held[attribute][_key(value)].append(one)
    best: list[Kind] = []
    for attribute, values in held.items():
        is_flag = set(values) <= {"true", "false"}
        said = _flag(words, attribute) if is_flag else _values(words, attribute, values)
        if not said:
            continue
        graphs = {one.graph_name for held_by in values.values() for one in held_by}
        among = [one for one in looked if one.graph_name in graphs]
        mine = [Kind(attribute, told, values[key], among) for key, told in said.items()
                if key in values and len(values[key]) < len(among)]  # fmt: skip
        if len(mine) > len(best):
            best = mine
    return best


def _key(value: object) -> str:
    return " ".join(word.rstrip(".-") for word in _WORD.findall(str(value).lower()))


def _values(words: Sequence[str], attribute: str, values: Mapping[str, object]) -> dict[str, str]:
    """The values of one attribute that words name, by their keys; one that is certain speaks for others."""
    sure: dict[str, str] = {}
    perhaps: dict[str, str] = {}
    for first, last, key in _phrases(words, values):
        said = words[first:last]
        perhaps.setdefault(key, " ".join(said))
        if len(said) > 1 or _is_certain(words, first, attribute):
            sure.setdefault(key, " ".join(said))
    return {key: _told(key, said) for key, said in (perhaps if sure else {}).items()}


def _told(key: str, said: str) -> str:
    return said if said.lower() == key else key


def _phrases(words: Sequence[str], values: Mapping[str, object]) -> Iterator[tuple[int, int, str]]:
    """Where one to four words are a value, or its plural; the longest at each place."""
    first = 0
    while first < len(words):
        for last in range(min(first + _LONGEST, len(words)), first, -1):
            said = " ".join(words[first:last]).lower()
            forms = (
                said,
                said.removesuffix("s"),
                said.removesuffix("es"),
                re.sub("ies$", "y", said),
            )
            key = next((form for form in forms if form and form in values), None)
            if key is not None:
                yield first, last, key
                first = last - 1
                break
        first += 1


def _is_certain(words: Sequence[str], at: int, attribute: str) -> bool:
    """Whether one word means a value: no ordinary one, in capitals, or beside its attribute or "ones"."""
    word = words[at]
    if word.isupper() and not word.isdigit() and (len(word) > 1 or word not in ("I", "A")):
        return True
    if word.replace(".", "").isdigit():
        return False
    if word.lower() not in COMMON and len(word) > _SHORT:
        return True
    name = attribute.rpartition(".")[2].lower()
    after = words[at + 1].lower() if at + 1 < len(words) else ""
    beside = {words[at - 1].lower(), after} if at else {after}
    if word.lower() in HARD:
        return name in beside
    is_of_many = after in _CROWD or (
        after.endswith("s") and len(after) > _PLURAL and after not in HARD
    )
    return (
        is_of_many
        or (at > 0 and words[at - 1].lower() in _BECAME)
        or bool(beside & {name, f"{name}s"})
    )


def ended_as(scene: Scene, kind: Kind) -> Kind | None:
    """The executions of a kind that came out as the question says too: of e-mails, those that were blocked."""
    said = {word.lower() for word in kind.value.split()}
    words = [word for word in _words(scene) if word.lower() not in said]
    if kind.attribute.startswith("result.") or not _unread(scene, words, [kind]):
        return None
    results = Results(scene.store)
    held = {one.execution_id: results.of(one).values for one in kind.executions}
    found = _named(words, kind.executions, held)
    return found[0] if len(found) == 1 else None


def _flag(words: Sequence[str], attribute: str) -> dict[str, str]:
    """Which side of a yes-or-no a question means: "urgent runs", "those that are not urgent"."""
    name = attribute.rpartition(".")[2].lower().removeprefix("is_")
    lower = [word.lower() for word in words]
    for at, word in enumerate(lower):
        if word == f"non-{name}":
            return {"false": "False"}
        after = lower[at + 1] if at + 1 < len(lower) else ""
        if word == name and (after in _CROWD or (after.endswith("s") and after not in HARD)):
            return (
                {"false": "False"} if at and lower[at - 1] in ("not", "non") else {"true": "True"}
            )
    return {}
