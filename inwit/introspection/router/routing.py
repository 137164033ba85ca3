"""The router: which level and intent a question has, and what it names."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import msgspec

from inwit.introspection.router.decoding import Choice
from inwit.introspection.router.features import pieces
from inwit.introspection.router.linking import Index, graph_nouns
from inwit.introspection.router.masking import link, mask
from inwit.introspection.router.models import (
    Asked,
    Encoder,
    LexicalModel,
    Model,
    SemanticModel,
    read,
    trained_encoder,
)
from inwit.introspection.router.parting import OPENERS, Cut, cuts, standing_in
from inwit.introspection.router.records import Catalogue, Entity, Reading, Routing
from inwit.introspection.router.spelling import mend
from inwit.introspection.router.unnamed import unknown_names

LONGEST = 2_000
"""Characters of a question that are read; what follows is not, and the routing says so."""

PASTED = 240
"""A longer text that is no question as a whole may hold one."""

SENTENCES = 6
"""Sentences of a long text that are read on their own."""

_SENTENCE = re.compile(r"[^\n\r.?!…]+[?!.]*")
HALF_SURE = 0.5
"""How likely a sentence of a long text must be to be what the text asks."""

VERY_SURE = 0.8
"""How likely a part must be to be answered alone where the question as a whole is outside."""

_COURTESY = re.compile(
    r"\W*(?:(?:hi|hello|hey|dear|good (?:morning|afternoon|evening|day)|greetings|please|pls|okay|ok|sorry|excuse me"
    r"|quick question|thanks|thank you)(?: (?:there|all|team|everyone|everybody|folks|guys|again|in advance))?\b[\s,.!:;–-]*)*"
    r"(?:(?:could|can|would|will) (?:you|somebody|someone|anyone|anybody)(?: be so (?:kind|good)(?: as)? to)?"
    r"(?: (?:please|kindly|just|possibly|perhaps))* (?=(?:tell|show|explain|give|list|find|describe|check|compare|help|say|let)\b))?"
    rf"(?:(?:please )?(?:tell|let) (?:me|us)(?: know)?\b[\s,:;–-]*(?={OPENERS}\b))?",
    re.IGNORECASE,
)
"""Words before a question that ask for nothing: "Hi there, could you please tell me why"."""
_REFERRING = re.compile(r"\b(?:it|that|this|them|these|those)\b", re.IGNORECASE)
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


class Router:
    """Reads questions about graphs, their executions, the platform and the network around it."""

    def __init__(self, *models: Model) -> None:
        self._models = models
        self._catalogue: Catalogue | None = None
        self._index = Index(Catalogue())

    @classmethod
    def load(cls, encoder: Encoder | None) -> Router:
        """Load the models: words alone, and `encoder` where they are not sure.

        Words alone read everything without an encoder, or with one that was not trained on.
        """
        if encoder is not None and encoder.name == trained_encoder():
            return cls(LexicalModel(), SemanticModel(encoder))
        return cls(LexicalModel())

    def route(self, question: str, catalogue: Catalogue, threads: Collection[str] = ()) -> Routing:
        """Read a question. Whatever it holds, it is read as data; nothing in it is obeyed.

        `threads` are the words of it that are threads on record.
        """
        text = _UNREADABLE.sub(" ", question[:LONGEST])
        truncated = len(question) > LONGEST
        if not any(letter.isalpha() for letter in text):
            nothing = Reading(level="none", intent="none", probability=1.0)
            return Routing(readings=(nothing,), abstained=True, truncated=truncated)
        entities = link(text, self._index_of(catalogue), threads)
        unknown = unknown_names(text, entities)
        readings, abstained = self._read(text, entities, unknown)
        return Routing(
            readings=readings,
            entities=entities,
            abstained=abstained,
            truncated=truncated,
            unknown=unknown,
            nouns=graph_nouns(text, self._index_of(catalogue), entities),
        )

    def _read(self, text: str, entities: tuple[Entity, ...], unknown: tuple[str, ...]) -> Choice:
        head = _asks_from(text)
        text, entities = text[head:], _moved(entities, head, len(text))
        tried = cuts(text, entities)
        asked = [prepare(text, entities, unknown)]
        asked += [
            _part(text, start, end, entities, unknown)
            for cut in tried
            for start, end in (cut.first, cut.second)
        ]
        choices = read(asked, self._models)
        halves = [
            (cut, text, choices[at : at + 2])
            for at, cut in zip(range(1, len(choices), 2), tried, strict=True)
        ]
        both = max((_both(*one) for one in halves), key=_least, default=())
        if both:
            return both, False
        alone = _alone(*halves[0]) if halves and choices[0][1] else ()
        if alone:
            return alone, False
        is_pasted = choices[0][1] and len(text) > PASTED
        return (self._within(text, entities, unknown) if is_pasted else None) or choices[0]

    def _within(
        self, text: str, entities: tuple[Entity, ...], unknown: tuple[str, ...]
    ) -> Choice | None:
        """The one sentence of a long text that is surely a question, such as one below a log."""
        spans = sentences(text)
        if not spans:
            return None
        asked = [_part(text, start, end, entities, unknown) for start, end in spans]
        found = [
            (readings[0], text[start:end].strip())
            for (readings, abstained), (start, end) in zip(
                read(asked, self._models), spans, strict=True
            )
            if not abstained and readings[0].probability >= HALF_SURE
        ]
        if not found:
            return None
        best, part = max(found, key=lambda one: one[0].probability)
        return (msgspec.structs.replace(best, part=part),), False

    def _index_of(self, catalogue: Catalogue) -> Index:
        if catalogue != self._catalogue:
            self._index = Index(catalogue)
            self._catalogue = catalogue
        return self._index


def prepare(text: str, entities: Sequence[Entity], unknown: Sequence[str]) -> Asked:
    """Mask a question, its courtesies left out, and cut it into pieces."""
    head = _asks_from(text)
    if head:
        text, entities = text[head:], _moved(entities, head, len(text))
    named = [(one.start, one.end) for one in entities if one.kind not in ("metric", "time")]
    masked = mend(mask(text, entities, unknown))
    return Asked(mend(text, named), masked, pieces(masked, entities), tuple(entities))


def sentences(text: str) -> list[tuple[int, int]]:
    """The spans that may be what a long text asks: those with a question mark, the first, the last.

    At most `SENTENCES`, each of at most `PASTED` characters.
    """
    spans = [
        match.span()
        for match in _SENTENCE.finditer(text)
        if len(match[0].split()) > 2 and len(match[0]) <= PASTED
    ]
    asking = [one for one in spans if text[one[0] : one[1]].rstrip().endswith("?")]
    return list(dict.fromkeys([*asking[:2], *asking[-2:], *spans[:1], *spans[-1:]]))[:SENTENCES]


def _part(
    text: str, start: int, end: int, entities: Sequence[Entity], unknown: Sequence[str]
) -> Asked:
    """Prepare one part of a question with its own entities, and what its "it" stands for."""
    part, own = text[start:end], _moved(entities, start, end)
    before = [one for one in entities if one.end <= start]
    return prepare(part, standing_in(part, own, before), unknown)


def _asks_from(text: str) -> int:
    """Where a question begins after its courtesies; at its start where nothing would be left."""
    match = _COURTESY.match(text)
    head = match.end() if match is not None else 0
    return head if len(text[head:].split()) > 1 else 0


def _moved(entities: Sequence[Entity], start: int, end: int) -> tuple[Entity, ...]:
    """The entities within a part of a question, as they stand in that."""
    return tuple(
        msgspec.structs.replace(one, start=one.start - start, end=one.end - start)
        for one in entities
        if start <= one.start and one.end <= end
    )


def _alone(cut: Cut, text: str, choices: Sequence[Choice]) -> tuple[Reading, ...]:
    """The one part that can be answered, beside another that is about something else."""
    inside = [
        msgspec.structs.replace(readings[0], part=text[start:end].strip())
        for (readings, abstained), (start, end) in zip(
            choices, (cut.first, cut.second), strict=True
        )
        if not abstained and readings[0].probability >= VERY_SURE
    ]
    return tuple(inside) if len(inside) == 1 else ()


def _least(readings: Sequence[Reading]) -> float:
    return min((one.probability for one in readings), default=0.0)


def _both(cut: Cut, text: str, choices: Sequence[Choice]) -> tuple[Reading, ...]:
    """One reading for each part, when each is a question of its own, and none is outside."""
    found = [readings for readings, abstained in choices if not abstained]
    if len(found) < 2:
        return ()
    parts = [text[start:end].strip() for start, end in (cut.first, cut.second)]
    firsts = [readings[0] for readings in found]
    is_sure = _least(firsts) >= cut.sure
    if _REFERRING.search(parts[1]):
        # What points back is rather about the same level, where both are close.
        alike = [one for one in found[1] if one.level == firsts[0].level]
        firsts[1:] = alike[:1] or firsts[1:]
    is_one = cut.leans and len({(one.level, one.intent) for one in firsts}) < 2
    if is_one or not is_sure:
        return ()
    return tuple(
        msgspec.structs.replace(one, part=part) for one, part in zip(firsts, parts, strict=True)
    )
