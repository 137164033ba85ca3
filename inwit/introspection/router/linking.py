"""Find the names of a project in a question: exact, in other notations, misspelt, or by context."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from inwit.introspection.router.context import GRAPH_NOUNS, are_paired, is_counted, is_named, prefer
from inwit.introspection.router.inflecting import stem, stems, windows
from inwit.introspection.router.records import Catalogue, Entity, EntityKind
from inwit.introspection.router.words import COMMON, HARD, Span, Word, cut, parts, word_set

LONGEST = 5
"""Words that a name may be spelt in, within a question."""

_MANY = 400
"""Above as many names, only one edit is looked for, so that the index stays small."""

_LONGEST_NAME = 200
_QUOTED = re.compile(r"`([^`\n]{1,200})`|\"([^\"\n]{1,200})\"|(?<!\w)'([^'\n]{1,200})'(?!\w)")
_BROKEN = re.compile(r"\s[\"'`“‘(]|[\"`”’)]\s|[;?!]")
"""Where one text ends and another begins: no name goes on beyond."""
_SPACELESS = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_INFLECTED = ("ed", "ing", "al", "ly", "ion", "ions", "able", "ers")
_STEP_WORDS = frozenset({"node", "step", "stage", "path", "branch"})


class Name(msgspec.Struct, frozen=True):
    """A name of the catalogue, and its words."""

    kind: EntityKind
    value: str
    words: tuple[str, ...]

    @property
    def key(self) -> str:
        """All of its words in one, which is what spellings are compared by."""
        return "".join(self.words)


class Index:
    """The names of one catalogue, ready to be found."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.by_key: dict[str, list[Name]] = {}
        self._by_part: dict[str, list[Name]] = {}
        self._graphs_by_part: dict[str, list[Name]] = {}
        self._misspelt: dict[str, set[str]] = {}
        self._lengths: set[int] = set()
        self.by_stems: dict[frozenset[str], list[Name]] = {}
        self.sizes: set[int] = set()
        self.spaceless: list[Name] = []
        for name in _names(catalogue):
            self._add(name)
        two_edits = len(self.by_key) <= _MANY
        self._lengths |= {len(key) for key in self.by_key}
        for key in self.by_key:
            for variant in _variants(key, two_edits):
                self._misspelt.setdefault(variant, set()).add(key)

    def _add(self, name: Name) -> None:
        self.by_key.setdefault(name.key, []).append(name)
        if name.kind in ("node", "tool", "graph") and len(name.words) <= LONGEST:
            self.by_stems.setdefault(stems(name.words), []).append(name)
            self.sizes.add(len(name.words))
        if name.kind == "node" and len(name.words) > 1:
            for word in name.words:
                self._by_part.setdefault(word[:5], []).append(name)
        if name.kind == "graph" and len(name.words) > 1:
            for word in name.words:
                self._graphs_by_part.setdefault(word, []).append(name)
        if _SPACELESS.search(name.value):
            self.spaceless.append(name)

    def misspelt(self, word: str) -> list[Name]:
        """The names that `word` is a slip of the pen for, if they share one spelling."""
        if (
            len(word) < 5
            or len(word) > 60
            or not self._lengths & {*range(len(word) - 2, len(word) + 3)}
        ):
            return []
        near = set[str]().union(
            *(found for one in _variants(word, False) if (found := self._misspelt.get(one)))
        )
        close = {key for key in near if _is_slip(word, key)}
        best = min((edits(word, key) for key in close), default=0)
        nearest = [key for key in close if edits(word, key) == best]
        return self.by_key[nearest[0]] if len(nearest) == 1 else []

    def partly(self, word: str) -> Name | None:
        """The only node that has a word beginning like `word`, as in "the validation node"."""
        found = {name.value: name for name in self._by_part.get(word[:5], ())}
        return next(iter(found.values())) if len(found) == 1 and len(word) >= 3 else None

    def graph_of(self, word: str) -> Name | None:
        """The only graph with a word in its name, or its plural: `loan` of ``museum-loan``."""
        stem = word if word in self._graphs_by_part else word.removesuffix("s")
        found = self._graphs_by_part.get(stem, [])
        return found[0] if len(found) == 1 and stem not in self.by_key else None


def graph_nouns(question: str, index: Index, linked: Iterable[Entity]) -> tuple[Entity, ...]:
    """Graphs that are meant by a word of their name, where no name of one is there: "the last loan".

    They say where to look for an answer, and nothing of how the question is to be read.
    """
    if any(one.kind in ("graph", "node") for one in linked):
        return ()
    words, found = cut(question), dict[str, Entity]()
    for at, word in enumerate(words):
        span, graph = Span(question, words, at, at), index.graph_of(word.text)
        if (
            graph is not None
            and word.text not in HARD
            and (is_counted(span) or span.right in GRAPH_NOUNS)
        ):
            found.setdefault(graph.value, _entity(graph, span, 0.6))
    return tuple(found.values()) if len(found) == 1 else ()


def link_names(question: str, index: Index) -> list[Entity]:
    """Find names in a question; where two overlap, the surer and then the longer one stays."""
    words = cut(question)
    quotes = quoted_spans(question)
    found: list[Entity] = []
    for first in range(len(words)):
        for count in range(min(LONGEST, len(words) - first), 0, -1):
            span = Span(question, words, first, first + count - 1)
            if (hit := _spelt_by(span, index, quotes)) is not None:
                found.append(hit)
                break
    found += _spaceless(question, index)
    found += _paired(question, words, index, found)
    found += _inflected(question, words, index, found)
    found += _partly_named(question, words, index, found)
    return _apart(found)


def _names(catalogue: Catalogue) -> Iterator[Name]:
    """Every name once for each kind, those that can be spelt in words."""
    groups: list[tuple[EntityKind, Iterable[str]]] = [
        ("graph", catalogue.graphs),
        ("node", (node for nodes in catalogue.nodes.values() for node in nodes)),
        ("key", catalogue.state_keys),
        ("tool", catalogue.tools),
        ("version", catalogue.versions),
    ]
    for kind, values in groups:
        for value in dict.fromkeys(values):
            if words := parts(value):
                yield Name(kind, value, words)
    for value in dict.fromkeys(catalogue.packages):
        for spelling in dict.fromkeys((value, value.rpartition("/")[2])):
            if words := parts(spelling):
                yield Name("package", value, words)


def _spelt_by(span: Span, index: Index, quotes: list[tuple[int, int]]) -> Entity | None:
    """The name that a span spells, if it does and is meant as one."""
    if not span.stands_alone or span.end - span.start > _LONGEST_NAME:
        return None
    names, score = index.by_key.get("".join(span.spelt), []), 1.0
    if not names:
        names, score = _misspelt(span, index), 0.8
    is_quoted = any(left <= span.start and span.end <= right for left, right in quotes)
    if names and len(span.spelt) > 1 and _BROKEN.search(span.text):
        return None
    if not is_quoted:
        names = [name for name in names if _is_meant(span, name)]
    if not names:
        return None
    name = prefer(names, span)
    return _entity(name, span, score if is_quoted or span.text == name.value else 0.9 * score)


def _misspelt(span: Span, index: Index) -> list[Name]:
    """The names that a span is a slip of the pen for; ordinary words are none."""
    is_one = len(span.spelt) > 1 and span.is_written_as_one
    if not is_one and all(word in COMMON for word in span.spelt):
        return []
    names = index.misspelt("".join(span.spelt))
    if is_one:
        return names
    return [name for name in names if len(span.spelt) in (1, len(name.words))]


def _is_meant(span: Span, name: Name) -> bool:
    """Whether a span is the name, or only words that happen to be spelt like it."""
    spelt = span.spelt
    is_plural = name.kind == "key" and spelt[-1] == f"{name.words[-1]}s"
    if is_plural and (span.before(2), span.left) == ("how", "many"):
        return False  # "how many patients failed" counts executions, and no values of `patient`
    if name.kind == "version":
        return len(name.words) > 1 or len(span.text) >= 8 or span.left in ("version", "v")
    if name.kind == "package" and "/" not in span.text and span.text != name.value:
        if len(name.words) == 1 or all(word in COMMON for word in spelt):
            return is_named(name.kind, span, hard=True)
    elif len(spelt) > 1 and not span.is_written_as_one and _describes_package(span):
        return False
    is_apart = len(spelt) > len(name.words) and not span.is_written_as_one
    if is_apart and all(word in COMMON for word in spelt):  # "look up" is rarely the tool lookup
        return is_named(name.kind, span, hard=False)
    if len(name.words) > 1 and (len(spelt) == 1 or span.is_written_as_one):
        return True
    if all(word in HARD for word in spelt):
        return is_named(name.kind, span, hard=True)
    others = [*span.words[: span.first], *span.words[span.last + 1 :]]
    if all(word.text in _LEANING for word in others):  # "and search?", "search"
        return True
    is_word = len(spelt) == 1 and (spelt[0] in COMMON or name.key in COMMON)
    return not is_word or is_named(name.kind, span, hard=False)


_LEANING = word_set("and or what how about but also same for with the now ok okay of in then")


def _describes_package(span: Span) -> bool:
    """Whether words describe a package that is looked for: "web search tool package"."""
    following = span.words[span.last + 1 : span.last + 3]
    return any(word.text in ("package", "packages") for word in following)


def _entity(name: Name, span: Span, score: float) -> Entity:
    return Entity(
        kind=name.kind,
        value=name.value,
        text=span.text,
        start=span.start,
        end=span.end,
        score=score,
    )


def quoted_spans(question: str) -> list[tuple[int, int]]:
    spans = []
    for match in _QUOTED.finditer(question):
        group = match.lastindex or 0
        spans.append(match.span(group))
    return spans


def _spaceless(question: str, index: Index) -> Iterator[Entity]:
    """Names in scripts that put no space between words."""
    for name in index.spaceless:
        at = question.find(name.value)
        if at >= 0:
            end = at + len(name.value)
            yield Entity(kind=name.kind, value=name.value, text=name.value, start=at, end=end)


def _paired(question: str, words: list[Word], index: Index, linked: list[Entity]) -> list[Entity]:
    """Ordinary words that stand beside a linked name: "plan" in "between plan and rank"."""
    known = [one for one in linked if one.kind in ("node", "tool", "key")]
    found = []
    for middle in range(1, len(words) - 1):
        if words[middle].text not in ("and", "or", "to", "with", "than", "vs"):
            continue
        pair = [Span(question, words, at, at) for at in (middle - 1, middle + 1)]
        meant = [index.by_key.get(one.spelt[0], []) for one in pair]
        if all(meant) and are_paired(*pair):
            found += [_entity(prefer(n, one), one, 0.8) for n, one in zip(meant, pair, strict=True)]
        for at, other in ((middle - 1, words[middle + 1]), (middle + 1, words[middle - 1])):
            span = Span(question, words, at, at)
            names = index.by_key.get(words[at].text, [])
            is_beside = any(one.start <= other.start and other.end <= one.end for one in known)
            if names and is_beside and words[at].text not in HARD:
                found.append(_entity(prefer(names, span), span, 0.8))
    return found


def _inflected(
    question: str, words: list[Word], index: Index, linked: list[Entity]
) -> Iterator[Entity]:
    """Names in other forms of their words, or in another order of them."""
    taken = {at for one in linked for at in range(one.start, one.end)}
    for first, word in enumerate(words):
        if word.start in taken:
            continue
        for size in sorted(index.sizes, reverse=True):
            for last, found in windows(words, first, size):
                span = Span(question, words, first, last)
                names = [one for one in index.by_stems.get(found, ()) if len(one.words) == size]
                if names and span.stands_alone and _is_many(span, names):
                    yield _entity(next(one for one in names if one.kind == "graph"), span, 0.7)
                elif names and span.stands_alone and _is_form_of(span, names[0]):
                    yield _entity(prefer(names, span), span, 0.7)


def _is_many(span: Span, names: list[Name]) -> bool:
    """Whether a graph's name has an "s" since several of its executions are meant."""
    graphs = [one.key for one in names if one.kind == "graph"]
    return graphs[:1] == [span.spelt[0][:-1]] and graphs[0] not in HARD and is_counted(span)


def _is_form_of(span: Span, name: Name) -> bool:
    """Whether words that share the stems of a name are meant as one."""
    spelt = span.spelt
    if len(name.words) > 1:
        return not _describes_package(span) and not all(word in HARD for word in spelt)
    if spelt[0] in HARD or (name.key in HARD and not is_agent(spelt[0])):
        return False
    if name.key not in COMMON and spelt[0] not in COMMON and len(stem(spelt[0])) > 3:
        return not spelt[0].endswith("ed") or not span.left or is_named(name.kind, span, hard=False)
    return spelt[0].endswith(_FORMS) and is_named(name.kind, span, hard=False)


_FORMS = ("ing", "er", "or", "ion", "ment", "es")


def is_agent(word: str) -> bool:
    """Whether a word tells who does something, as "planner" does."""
    return word.endswith(("er", "or"))


def _partly_named(
    question: str, words: list[Word], index: Index, linked: list[Entity]
) -> list[Entity]:
    """Nodes that are called by a part of their name: "the sql path" for ``sql_query``."""
    taken = {at for one in linked for at in range(one.start, one.end)}
    found = []
    for at, word in enumerate(words):
        name = index.partly(word.text)
        if name is None or word.text in HARD or word.start in taken:
            continue
        span = Span(question, words, at, at)
        is_whole = word.text in name.words and word.text not in COMMON
        if span.right in _STEP_WORDS or (is_whole and is_named("node", span, hard=False)):
            found.append(_entity(name, span, 0.6))
    return found


def _apart(entities: list[Entity]) -> list[Entity]:
    """Keep of overlapping entities the surer, then the longer; in the question's order.

    A name in another notation ("grade hits") is as sure as one that is written as it is ("hits").
    """
    kept: list[Entity] = []
    for one in sorted(entities, key=lambda e: (-min(e.score, 0.9), e.start - e.end, e.start)):
        if all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda entity: entity.start)


def _variants(key: str, two_edits: bool) -> set[str]:
    """A word with one letter left out at each place, or two in a long one."""
    if len(key) < 5 or len(key) > 60:
        return set()
    once = {key[:at] + key[at + 1 :] for at in range(len(key))}
    once.add(key)
    if not two_edits or len(key) < 9:
        return once
    twice = {word[:at] + word[at + 1 :] for word in once for at in range(len(word))}
    return once | twice


def _is_slip(word: str, key: str) -> bool:
    """Whether `word` is `key` misspelt, and not another form of the same verb."""
    allowed = 2 if len(key) >= 9 else 1
    if edits(word, key) > allowed:
        return False
    return not any(word.endswith(tail) and not key.endswith(tail) for tail in _INFLECTED)


def edits(one: str, two: str) -> int:
    """Letters to add, drop, change or swap with their neighbour to turn one word into the other."""
    before: list[int] = []
    above = list(range(len(two) + 1))
    for row, letter in enumerate(one, start=1):
        here = [row]
        for column, other in enumerate(two, start=1):
            cost = min(above[column] + 1, here[-1] + 1, above[column - 1] + (letter != other))
            swapped = row > 1 and column > 1 and letter == two[column - 2]
            if swapped and one[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            here.append(cost)
        before, above = above, here
    return above[-1]
