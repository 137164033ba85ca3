"""Whether an ordinary word is used as a name: what stands before and after it decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from inwit.introspection.router.records import EntityKind
from inwit.introspection.router.words import COMMON, Span, word_set

_NOUNS: dict[str, frozenset[str]] = {
    "node": word_set("node step stage"),
    "graph": word_set("graph graphs agent bot app flow pipeline workflow"),
    "key": word_set("key field variable channel"),
    "tool": word_set("tool"),
    "package": word_set("package pkg"),
    "version": word_set("version"),
}
GRAPH_NOUNS = _NOUNS["graph"]
_CALLED = word_set("called named")

_AUXILIARIES = word_set(
    """
    did does do is was were are has had have will would can could should if why when how that
    doesn didn isn wasn makes made
    """
)
_PREDICATES = word_set(
    """
    run runs ran fail fails failed take takes took get gets got keep keeps kept retry retries
    retried call calls called return returns returned write writes wrote read reads were was is
    has had time times timed crash crashes crashed finish finished start started starts become
    became need needs needed skip skipped choose chose pick picked produce produces produced
    receive received executed execute executes slow slower fast faster cached memoised memoized
    asking asks ask asked running waiting active blocked paused idle stuck depend depends go goes went loop loops
    looped repeat repeated cost costs use used uses send sent come comes hang hangs hung stop
    stops stopped begin began start end ended ends succeed succeeded work works worked do wrong broken
    twice removed skipped dropped decide decided raise raised die died error errored behave
    behaving failing crashing breaking slowing becoming compiled registered deployed released happen change changed changes always often usually never be been contain contains
    hold holds have lead leads reach reaches doing connected visited configured implemented defined located gone filled expensive cheap costly unreachable wait waits waited give gives gave taken instead empty not still only even ever suddenly actually also just differ differs differed vary varies varied
    pass passes passed hand hands handed blow blows blew break breaks broke
    dies
    reliable safe deterministic necessary important critical essential optional redundant useless
    useful worth robust fragile flaky stable idempotent responsible guilty trustworthy
    """
)
_FINITE = word_set(
    """
    takes ran fails failed took takes keeps kept retried crashed returned wrote hung timed died errored
    stopped looped repeats repeated got gets needed needs started finished costs went became
    """
)
_BEFORE_OBJECT = word_set(
    """
    removed dropped skipped deleted disabled
    explain explaining summarise summarize summarising summarizing visualise visualize
    after before between behind following follows precedes precede remove removing skip skipping
    without drop dropping cache caching memoise memoize disable disabling about describe into feed
    feeds delete deleting retrying parallelise parallelize parallelising parallelizing optimise
    optimize optimising optimizing speed speeding rename renaming invoke invokes calling call calls
    than vs versus past reach reaches replace replacing merge make making overuse compare pick
    picked choose chose suppose whatif imagine leaving keep keeping did does is was are were if
    called use uses execute executing run running with like
    of in for to from by on at against inside via has had w o suppress suppresses leave let give
    trust trusting blame blaming suspect need swap swapping wrote rank inspect inspecting debug
    debugging profile profiling test testing watch watching
    improve improving tame fix sent dropping about gives only throw chuck kill kills nuke forbid forbade allow allowing cap
    capping limit limiting restrict restricting
    """
)
_AFTER_OBJECT = word_set(
    """
    in on at by of to with from for yesterday today last first this now right during over since per
    please and or when so than rather instead again back out too twice first go goes bring brings
    cheaper faster slower quicker worse better cached parallel healthy ok okay normal async
    unreachable reachable visits calls latency timeout retries visit call as if against vs versus
    called between had then more less so before after will would does did has reads writes
    """
)
_VERB_SIGNS = word_set(
    "how want need way ways able like try going have possible used safe easy hard better best"
)
_KEY_VERBS = word_set(
    """
    write writes wrote written writing read reads reading set sets setting change changes changed
    overwrite overwrites overwrote update updates updated modify modifies modified produces
    produce fill fills consume consumes consumed
    """
)
_KEY_SUBJECTS = word_set("was is were why where when with if of")
_KEY_PREDICATES = word_set(
    """
    set overwritten contains holds equals being written changed modified shifted updated after computed
    calculated determined derived produced created assigned filled
    """
)
_SAYS = word_set("look looked looks say says said hold held contain contained read")
_SPEAKERS = word_set("model llm agent bot assistant user human person")
_SHOWN_BY = word_set(
    "show print dump give me read see the my our a what s was is were are which and of"
)
_RECENT = word_set("last latest first newest previous final most")
_MODALS = word_set("may might could would can must should will")
_RUN_NOUNS = word_set(
    "execution executions run runs trace traces invocation invocations version versions"
)
_IDIOMS = frozenset(
    {
        ("in", "total"), ("in", "order"), ("in", "general"), ("in", "progress"), ("in", "question"),
        ("in", "context"), ("by", "default"), ("by", "mistake"), ("on", "time"), ("on", "record"),
        ("on", "average"), ("on", "purpose"), ("in", "state"), ("at", "risk"), ("for", "example"),
    }
)  # fmt: skip
"""Two words that together name nothing: "executions in total"."""
_KEY_NOUNS = word_set("value type content contents field key variable history lineage")
_LINKS = word_set("of in for to from by on")
_VERBS = (_AUXILIARIES | _PREDICATES) - word_set("why when how if that")
_ORDER = ("node", "graph", "tool", "key", "package", "version")
_GLUE = word_set("why how when where what who which if and or to of with")
_DOING = word_set("did does do was were if after before without")
_VALUES = word_set("true false none null empty zero missing absent unset")
_KEY_PLACES = word_set("in at when after before once then there during")
_HOLDS = word_set("is s was are were what stored")
_ARTICLES = word_set("the my our a your")
_EQUALS = word_set("is was are were")
_VERBS_IN_EST = word_set("test request suggest invest rest")
_NARROWING = word_set("over above under below who whose that which")
_ONE_OF = word_set(
    """
    a an one each every per any which many most all some average typical usual normal single another
    last first latest newest oldest previous recent failed failing slow fast expensive cheap cancelled running waiting
    """
)
"""What stands before the name of a graph where one of its executions is meant, or several."""
_COUNTABLE = word_set(
    "state error execution graph node step list value version key host entry tool start end call "
    "package peer thread thing tools"
)


_COUNTING = word_set(
    "one two three four five six seven eight nine ten zero first last next other previous"
)
_COUNTED = word_set(
    """
    nodes runs executions steps times attempts calls visits rounds retries tries errors failures
    seconds minutes hours days weeks months years tokens dollars graphs tools keys threads peers
    hosts packages versions branches paths people users ones more or things ways parts values
    week month year night hour day minute second monday tuesday wednesday thursday friday saturday
    sunday weekend answer thread visit attempt failure success error reply request timeout step
    value version person customer release deployment change
    """
)


class Named(Protocol):
    """What `prefer` looks at of a name."""

    @property
    def kind(self) -> EntityKind: ...

    @property
    def value(self) -> str: ...


N = TypeVar("N", bound=Named)


def is_named(kind: EntityKind, span: Span, *, hard: bool) -> bool:
    """Whether the words of a span are used as the name of a `kind`.

    `hard` asks that they are called so: "the node why", "a node called why".
    """
    left, right = span.previous_in_clause, span.next_in_clause
    if _is_idiom(left, right, span):
        return False
    nouns = _NOUNS.get(kind, frozenset())
    if kind == "graph" and left == "of" and span.before(2) in _RUN_NOUNS:
        return True
    if left in _CALLED or (right in nouns and not hard):
        return True
    if left in nouns:
        # "the node is slow" and "which node failed" go on with a verb; "what is the node fail" has it.
        is_verb = any(word in _VERBS for word in span.spelt)
        return not hard or not is_verb or _has_its_verb(span)
    if not (left + right).isascii():
        return True  # Beside another alphabet an English word is a name.
    if hard:
        return _is_called(kind, span)
    if kind == "key" and (_is_key(span) or _is_shown(left, right)):
        return True
    if kind == "graph" and is_counted(span):
        return True
    return _is_subject(left, right) or _is_object(span)


def is_counted(span: Span) -> bool:
    """Whether a graph's name stands for its executions: "the slowest intake", "many intakes failed"."""
    left, right = span.previous_in_clause, span.next_in_clause
    is_narrowed = right in _NARROWING or (right.endswith("er") and span.after(2) == "than")
    follows = is_narrowed or right in _PREDICATES | _AUXILIARIES | _AFTER_OBJECT
    if right in _RUN_NOUNS or (right and not follows):
        return False
    if left in ("a", "an") and span.before(2) in _HOLDS | {"as", "like", ""}:
        return False  # "what is an agent"
    if is_narrowed and left in _ARTICLES | {"these", "those"}:
        return True  # "the intakes over 70"
    is_superlative = left.endswith("est") and left not in _VERBS_IN_EST
    return left in _ONE_OF or is_superlative or left.isdigit()


def _is_idiom(left: str, right: str, span: Span) -> bool:
    """Whether a word is part of an expression, as "total" is in "in total" or "total number"."""
    if len(span.spelt) != 1:
        return False
    said = span.spelt[0]
    if said == "total" and right in _COUNTED | {"number", "count", "amount"} | _RUN_NOUNS:
        return True
    return (left, said) in _IDIOMS and span.before(2) not in _HOLDS | {"node", "step"}


def prefer(names: Sequence[N], span: Span) -> N:
    """The most likely of several names with one spelling."""
    is_key = _is_key(span) or span.right in _NOUNS["key"]

    def rank(name: N) -> tuple[bool, bool, int]:
        nouns = _NOUNS.get(name.kind, frozenset())
        called = span.left in nouns or span.right in nouns
        place = -1 if name.kind == "key" and is_key else _ORDER.index(name.kind)
        return (not called, name.value != span.text, place)

    return min(names, key=rank)


def _is_called(kind: EntityKind, span: Span) -> bool:
    """Whether a word that questions are made of can be nothing but a name here."""
    if kind in ("node", "graph", "tool") and _is_bare(span):
        return True
    if span.right in _NOUNS.get(kind, ()) and (span.left in _ARTICLES or kind == "package"):
        return True
    if kind == "key" and _is_key(span) and span.left not in _ARTICLES:
        return all(word in _COUNTABLE for word in span.spelt)
    # "did why fail" and "did state run" are no English unless `why` and `state` are names.
    bare = all(word in _GLUE or word in _COUNTABLE for word in span.spelt)
    return bare and span.left in _DOING and (not span.right or span.right in _PREDICATES)


def _has_its_verb(span: Span) -> bool:
    """Whether "what is the node" comes before, so that what follows can only be its name."""
    before = [span.before(distance) for distance in (2, 3, 4)]
    return before[0] in _ARTICLES and before[1] in ("is", "was") and before[2] in ("what", "how")


def _is_bare(span: Span) -> bool:
    """Whether a number or "last" counts nothing, so that it names: "did two fail", "after one"."""
    left, right = span.left, span.next_in_clause
    if len(span.spelt) != 1 or span.spelt[0] not in _COUNTING:
        return False
    if right in _COUNTED or right == "of" or span.after(2) in _COUNTED or left in _COUNTING:
        return False
    if left in ("did", "does"):
        is_anyone = span.spelt[0] == "one" and span.before(2) in ("how", "where")
        return not (is_anyone or _is_selection(span))
    if not right:
        return left in _BEFORE_OBJECT or (left in ("and", "up") and span.first < 3)
    follows = right in _PREDICATES or right in _AUXILIARIES or right in _AFTER_OBJECT
    if not left:
        return right in _FINITE
    return (
        follows
        and (left in _AUXILIARIES or left in _BEFORE_OBJECT)
        and not _is_selection(span)
        and (left != "in" or right not in ("first", "last"))
    )


def _is_selection(span: Span) -> bool:
    """Whether "last run" is the last execution: "why did last run fail"."""
    is_run = span.next_in_clause in ("run", "runs", "execution", "executions", "time", "call")
    return is_run and (not span.after(2) or span.after(2) in _PREDICATES)


def are_paired(one: Span, other: Span) -> bool:
    """Whether two numbers stand for nodes side by side: "what if one and two ran together"."""
    words = one.spelt + other.spelt
    if not all(word in _COUNTING for word in words) or one.left in _COUNTED:
        return False
    return other.right not in _COUNTED | {"of"} and one.left not in _ARTICLES


def _is_key(span: Span) -> bool:
    """Whether a word stands where a key of the state stands."""
    left, before = span.left, span.before(2)
    if left in _KEY_VERBS or left in _NOUNS["key"]:
        return True
    if left in _ARTICLES and before in _KEY_VERBS:
        return True
    asked = before if left in _ARTICLES else left
    if asked in _KEY_SUBJECTS and span.right in _KEY_PREDICATES:
        return True
    if (asked in _HOLDS and span.is_followed_by_quote) or span.is_set:
        return True
    if left in ("what", "which") and span.right in _HOLDS | {"did"}:
        return True
    if asked == "did" and span.right in _SAYS and not _SPEAKERS & set(span.spelt):
        return True
    if (not left or left in _SHOWN_BY) and _is_dated(span):
        return True
    if left in _HOLDS and "last" in (span.right, span.after(2)) and span.after(2) in _KEY_VERBS:
        return True
    if left in _ARTICLES and before in _HOLDS and span.before(3) == "what":
        return not span.right or span.right in _LINKS or span.right in _KEY_PLACES
    if left in _HOLDS or (left in _ARTICLES and before in _HOLDS):
        return span.right in _VALUES or span.right.isdigit()
    return (left in _LINKS and before in _KEY_NOUNS) or (left == "in" and before in _HOLDS)


def _is_dated(span: Span) -> bool:
    """Whether a moment of an execution follows: "alerts as of step 3", "brief from the last run"."""
    right, second, third = span.next_in_clause, span.after(2), span.after(3)
    if (right, second) in (("as", "of"), ("at", "step"), ("at", "end")):
        return True
    if right == "at" and second == "the" and third in ("end", "start", "beginning"):
        return True
    if right not in ("in", "from", "of", "after"):
        return False
    return second in ("run", "execution") or (second == "the" and third in _RECENT)


def _is_shown(left: str, right: str) -> bool:
    """Whether a key's value is asked for by its bare name: "print claim", "query at step 3"."""
    if left in ("show", "print", "dump"):
        return not right
    return not left and right in ("at", "after", "now", "right", "history")


def _is_subject(left: str, right: str) -> bool:
    """Whether a word does something: "did search run", "search ran 3 times"."""
    is_verb = right not in COMMON or right in ("say", "conclude")
    if left in ("did", "does") and right and not right.isdigit() and is_verb:
        return True
    if left in ("if", "when", "suppose", "imagine", "that") and right in _MODALS:
        return True
    if left in _AUXILIARIES or left in _ARTICLES:
        is_said = left in _EQUALS and right in _ARTICLES  # "is review a bottleneck"
        return is_said or right in _PREDICATES or (left == "that" and right in _AUXILIARIES)
    if not left and right.endswith("ed") and right not in COMMON:
        return True
    return left not in ("i", "we", "you", "it", "to") and right in _FINITE


def _is_object(span: Span) -> bool:
    """Whether something is done to a word, or said of it: "after search", "cost of search".

    A countable noun without an article is no English, so it is a name.
    """
    left, right = span.previous_in_clause, span.next_in_clause
    if left == "to" and span.before(2) in _VERB_SIGNS:
        return False
    fits = not right or right in _AFTER_OBJECT or right in _PREDICATES or right in _AUXILIARIES
    return left in _BEFORE_OBJECT and fits
