"""Whether an ordinary word is used as a name: what stands before and after it decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from inwit.introspection.router.records import EntityKind
from inwit.introspection.router.words import COMMON, Word

_NOUNS: dict[str, frozenset[str]] = {
    "node": frozenset("node step stage".split()),
    "graph": frozenset("graph graphs agent bot app flow pipeline workflow".split()),
    "key": frozenset("key field variable channel".split()),
    "tool": frozenset("tool".split()),
    "package": frozenset("package pkg".split()),
    "version": frozenset("version".split()),
}
_CALLED = frozenset("called named".split())

_AUXILIARIES = frozenset(
    """
    did does do is was were are has had have will would can could should if why when how that
    doesn didn isn wasn makes made
    """.split()
)
_PREDICATES = frozenset(
    """
    run runs ran fail fails failed take takes took get gets got keep keeps kept retry retries
    retried call calls called return returns returned write writes wrote read reads were was is
    has had time times timed crash crashes crashed finish finished start started starts become
    became need needs needed skip skipped choose chose pick picked produce produces produced
    receive received executed execute executes slow slower fast faster cached memoised memoized
    running waiting active blocked paused idle stuck depend depends go goes went loop loops
    looped repeat repeated cost costs use used uses send sent come comes hang hangs hung stop
    stops stopped begin began end ended ends succeed succeeded work works worked do wrong broken
    twice removed skipped dropped decide decided raise raised die died error errored behave
    behaving happen change changed changes always often usually never be been contain contains
    hold holds empty
    """.split()
)
_FINITE = frozenset(
    """
    ran fails failed took takes keeps kept retried crashed returned wrote hung timed died errored
    stopped looped repeats repeated got gets needed needs started finished costs went became
    """.split()
)
_BEFORE_OBJECT = frozenset(
    """
    after before between behind following follows precedes precede remove removing skip skipping
    without drop dropping cache caching memoise memoize disable disabling about describe into feed
    feeds delete deleting retrying parallelise parallelize parallelising parallelizing optimise
    optimize optimising optimizing speed speeding rename renaming invoke invokes calling call calls
    than vs versus past reach reaches replace replacing merge make making overuse compare pick
    picked choose chose suppose whatif imagine leaving keep keeping did does is was are were if
    called use uses execute executing run running with like
    of in for to from by on against inside via
    """.split()
)
_AFTER_OBJECT = frozenset(
    """
    in on at by of to with from for yesterday today last first this now right during over since per
    please and or when so than rather instead again back out too twice first go goes bring brings
    cheaper faster slower quicker worse better cached parallel healthy ok okay normal async
    unreachable reachable visits calls latency timeout retries visit call as if against vs versus
    called had
    """.split()
)
_VERB_SIGNS = frozenset("how want need way ways able like try going have possible used".split())
_KEY_VERBS = frozenset(
    """
    write writes wrote written writing read reads reading set sets setting change changes changed
    overwrite overwrites overwrote update updates updated modify modifies modified produces
    produce fill fills consume consumes consumed
    """.split()
)
_KEY_NOUNS = frozenset("value type content contents field key variable history lineage".split())
_LINKS = frozenset("of in for to from by on".split())
_GLUE = frozenset("why how when where what who which if and or to of with".split())
_DOING = frozenset("did does do was were if after before without".split())
_HOLDS = frozenset("is s was are were what stored".split())
_ARTICLES = frozenset("the my our a your".split())


class Named(Protocol):
    """What `prefer` looks at of a name."""

    @property
    def kind(self) -> EntityKind: ...

    @property
    def value(self) -> str: ...


N = TypeVar("N", bound=Named)


def is_named(kind: EntityKind, words: list[Word], first: int, last: int, *, hard: bool) -> bool:
    """Whether the words from `first` to `last` are used as the name of a `kind`.

    `hard` asks that they are called so: "the node why", "a node called why".
    """
    left = words[first - 1].text if first else ""
    right = words[last + 1].text if last + 1 < len(words) else ""
    nouns = _NOUNS.get(kind, frozenset())
    if left in _CALLED or left in nouns or (right in nouns and not hard):
        return True
    if not (left + right).isascii():
        return True  # Beside another alphabet an English word is a name.
    if hard:
        if right in nouns and (left in _ARTICLES or kind == "package"):
            return True
        # "did why fail" is no English unless `why` is a name.
        glue = all(word.text in _GLUE for word in words[first : last + 1])
        return glue and left in _DOING and (not right or right in _PREDICATES)
    if kind == "key" and (_is_key(words, first, left) or _is_shown(left, right)):
        return True
    return _is_subject(left, right) or _is_object(words, first, left, right)


def prefer(names: Sequence[N], words: list[Word], first: int, last: int, text: str) -> N:
    """The most likely of several names with one spelling."""
    left = words[first - 1].text if first else ""
    right = words[last + 1].text if last + 1 < len(words) else ""
    is_key = _is_key(words, first, left) or right in _NOUNS["key"]

    def rank(name: N) -> tuple[bool, bool, int]:
        called = left in _NOUNS.get(name.kind, ()) or right in _NOUNS.get(name.kind, ())
        order = ("node", "graph", "tool", "key", "package", "version")
        place = -1 if name.kind == "key" and is_key else order.index(name.kind)
        return (not called, name.value != text, place)

    return min(names, key=rank)


def _is_key(words: list[Word], first: int, left: str) -> bool:
    """Whether a word stands where a key of the state stands."""
    if left in _KEY_VERBS or left in _NOUNS["key"]:
        return True
    before = words[first - 2].text if first > 1 else ""
    if left in _ARTICLES and before in _KEY_VERBS:
        return True
    return left in _LINKS and before in _KEY_NOUNS or left == "in" and before in _HOLDS


def _is_shown(left: str, right: str) -> bool:
    """Whether a key's value is asked for by its bare name: "print claim", "query at step 3"."""
    if left in ("show", "print", "dump"):
        return not right
    return not left and right in ("at", "after", "now", "right", "history")


def _is_subject(left: str, right: str) -> bool:
    """Whether a word does something: "did search run", "search ran 3 times"."""
    if left in ("did", "does") and right and right not in COMMON:
        return True
    if left in _AUXILIARIES or left in _ARTICLES:
        return right in _PREDICATES
    return left not in ("i", "we", "you", "it", "to") and right in _FINITE


def _is_object(words: list[Word], first: int, left: str, right: str) -> bool:
    """Whether something is done to a word, or said of it: "after search", "cost of search".

    A countable noun without an article is no English, so it is a name.
    """
    before = words[first - 2].text if first > 1 else ""
    if left == "to" and before in _VERB_SIGNS:
        return False
    fits = not right or right in _AFTER_OBJECT or right in _PREDICATES or right in _AUXILIARIES
    return left in _BEFORE_OBJECT and fits
