"""Words of a question and of a name: how they are cut, and which are ordinary English.

A name such as ``rerank_docs`` may be linked wherever it stands. A name that is also an ordinary
word (``search``, ``answer``) needs its context to speak for it, and one that questions are made
of (``why``, ``last``, ``run``) needs to be called a node, or to be quoted.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import msgspec

_MARKS = r"\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff\u0e00-\u0eff\u20d0-\u20ff"
_WORD = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}])*")
_ACCENTS = re.compile(r"[\u0300-\u036f]")
_SETS = re.compile(r"\s?={1,2}\s?\S|:\s?[\w'\"\[{]")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def word_set(text: str) -> frozenset[str]:
    """The words of a text as a set: a list that stays readable."""
    return frozenset(text.split())


class Word(msgspec.Struct, frozen=True):
    """A run of letters and digits in a question, in lower case, and where it stands."""

    text: str
    start: int
    end: int


class Span(msgspec.Struct, frozen=True):
    """The words from `first` to `last` of a question, seen within it."""

    question: str
    words: list[Word]
    first: int
    last: int

    @property
    def start(self) -> int:
        """Where it begins in the question."""
        return self.words[self.first].start

    @property
    def end(self) -> int:
        """Where it ends in the question."""
        return self.words[self.last].end

    @property
    def text(self) -> str:
        """Its wording."""
        return self.question[self.start : self.end]

    @property
    def spelt(self) -> list[str]:
        """Its words."""
        return [word.text for word in self.words[self.first : self.last + 1]]

    @property
    def left(self) -> str:
        """The word before it, or nothing."""
        return self.before(1)

    @property
    def right(self) -> str:
        """The word after it, or nothing."""
        return self.words[self.last + 1].text if self.last + 1 < len(self.words) else ""

    @property
    def next_in_clause(self) -> str:
        """The word after it, or nothing where a comma, a colon or the end comes first."""
        if self.last + 1 == len(self.words):
            return ""
        following = self.words[self.last + 1]
        between = self.question[self.end : following.start]
        return following.text if not between.strip() else ""

    @property
    def previous_in_clause(self) -> str:
        """The word before it, or nothing where a colon, a full stop or the beginning is."""
        if self.first == 0:
            return ""
        before = self.words[self.first - 1]
        between = self.question[before.end : self.start]
        return "" if set(between) & set(":;.!?,") else before.text

    @property
    def is_followed_by_quote(self) -> bool:
        """Whether a quoted text comes right after it."""
        return self.question[self.end :].lstrip(" :=")[:1] in ("'", '"', "`", "\u201c", "\u2018")

    @property
    def is_set(self) -> bool:
        """Whether a value is put after it: "mood: angry", "verdict = 'long'"."""
        return _SETS.match(self.question, self.end) is not None

    def after(self, distance: int) -> str:
        """The word at a `distance` after it, or nothing."""
        at = self.last + distance
        return self.words[at].text if at < len(self.words) else ""

    def before(self, distance: int) -> str:
        """The word at a `distance` before it, or nothing."""
        return self.words[self.first - distance].text if self.first >= distance else ""

    @property
    def is_written_as_one(self) -> bool:
        """Whether no space is between its words, as in ``a_b`` or ``a-b``."""
        pairs = pairwise(self.words[self.first : self.last + 1])
        return not any(self.question[one.end : two.start].isspace() for one, two in pairs)

    @property
    def stands_alone(self) -> bool:
        """Whether it is no part of a longer identifier."""
        before = self.question[max(0, self.start - 2) : self.start]
        after = self.question[self.end : self.end + 2]
        cuts_left = len(before) == 2 and before[1] in "_-/" and before[0].isalnum()
        cuts_right = len(after) == 2 and after[0] in "_-/" and after[1].isalnum()
        return not (cuts_left or cuts_right or before[1:] == "_" or after[:1] == "_")


def cut(text: str) -> list[Word]:
    """Cut a question into its words."""
    return [
        Word(folded(match.group()), match.start(), match.end()) for match in _WORD.finditer(text)
    ]


def folded(word: str) -> str:
    """A word without case and accents, so that "cafe" is "Café" however it is encoded."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", word.casefold())
    return _ACCENTS.sub("", apart) or word


def parts(name: str) -> tuple[str, ...]:
    """Cut a name into words: ``rerankDocs``, ``rerank_docs`` and ``rerank-docs`` are one."""
    spaced = _CAMEL.sub(" ", name)
    return tuple(word.text for word in cut(spaced))


HARD = word_set(
    """
    a about after again all also am an and any anything are as at be because been before being
    between but by call called can could current currently did do does doing done each either else
    end ended ends entry error errors event events every everything execution executions fail
    failed failing fails failure failures first for from get gets give go goes going got graph
    graphs had happen happened happening happens has have he hello help her here hi his host hosts
    how i if in into is it its itself just key keys last latest least less level list live many may
    me mean means might more most much must my name named names near need needs network new newest
    next no node nodes none not nothing now of off ok old on once one only or other others our out
    over package packages peer peers platform please previous ran really recent right run running
    runs same she should show since so some something start started starts state states step steps
    still stop such take taken takes tell than that the their them then there these they thing
    things this those thread threads through time times to today tomorrow too took tool tools two
    under until up us use used uses using value values version versions very want was we well went
    were what when where which while who whom whose why will with within without would yesterday
    yet you your
    """
)
"""Words that questions are made of: as a name they must be called so, or be quoted."""

_SOFT = word_set(
    """
    abnormal accept account act action actions active add address admin advice agent agents alert
    alerts analyse analysis analyze answer answers api app approval approve approved arguments ask
    asks assess attempt audit author average away background bad bank bar base baseline batch begin
    behave best better bill body book bot bottleneck branch branches brief bring broken budget bug
    build built busy buy cache cached caching cancel cancelled cause caused change changed changes
    channel cheap cheaper check checks choose claim class classify clean client close cluster code
    collect come comes command commit common compare compile complete concurrency condition config
    configure confirm connect connected consume contain contains content context continue control
    convert cost costs count crash crashed create critical customer cut daily data database date
    day days debug decide decision deep default define delay delete deliver deploy describe design
    detail details detect diagnose diff different digest disable discover dispatch docs document
    documents download draft draw drop dump duration edge edges edit effect email embed emit empty
    enable encode enrich error escalate estimate eval evaluate example execute executed exit expand
    expected expensive explain export extract fallback fast faster feature features feed feedback
    fetch field fields file files fill filter final find finish finished fix flow follow format
    forward found free function gather generate generation global good graph group guard guess
    handle handler hang health healthy high higher history home hour hours human idea idle ignore
    image import improve index info inform ingest input inputs insert inspect install intake intent
    interrupt invoice invoke issue item items job join judge keep kind label language later latency
    lead leave library license limit line link load local log logs long look lookup loop loops low
    lower mail main make manage map match memory merge message messages metric metrics minute
    minutes mode model models money monitor month monitoring moment mood move news normal normalize
    note notify number offline online open optimise optimize optimizer option options order orders
    output outputs own page parallel parse part parts pass path pause paused pay payment pending
    percent perform performance person pick pipeline plan plans play plugin policy popular post
    predict prepare present price print process produce product profile program project prompt
    prompts propose publish published pull purpose push quality query question questions queue
    quick rank rate rates raw reach read reads ready reason receive recommend record recover
    reduce refine reflect refund register registry reject rejected release remove render repeat
    reply report request research reserve reset resolve respond response rest restart result
    results resume retrieval retrieve retried retries retry return returned review rewrite
    rollback round rounds route router routes safe sample save say scale schedule schema score
    scores scrape search second seconds section select self send sense sensor sent serve server
    service session set setup shape share ship shop shows side sign simulate size skip skipped
    sleep slow slower sort source sources spend split spike stage stages status stay store stored
    stream streaming structure stuck submit success suggest suggestions summary supervisor support
    supported sync syntax system table tag talk target task tasks team template templates test
    tests text thanks think tip tips title token tokens top topic total totals trace traces track
    train transform translate translation trigger triggered try tune type types understand update
    updated upload user users usual validate verify view visit visits wait waiting warm watch way
    web week weeks work worker workers works world worst write writes wrong wrote
    """
)

COMMON = HARD | _SOFT
"""Ordinary words: never taken for a misspelt name, and as a name in need of context."""
