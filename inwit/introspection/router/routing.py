"""The router: which level and intent a question has, and what it names."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import msgspec

from inwit.introspection.router.decoding import choose, decode
from inwit.introspection.router.features import pieces
from inwit.introspection.router.linking import Index
from inwit.introspection.router.masking import link, mask
from inwit.introspection.router.models import (
    Asked,
    Encoder,
    LexicalModel,
    Model,
    SemanticModel,
    trained_encoder,
)
from inwit.introspection.router.records import Catalogue, Entity, Reading, Routing
from inwit.introspection.router.spelling import mend
from inwit.introspection.router.unnamed import unknown_names

LONGEST = 2_000
"""Characters of a question that are read; what follows is not, and the routing says so."""

SURE = 0.4
"""How likely the readings of two parts must be for a question to count as two."""

PASTED = 240
"""A longer text that is no question as a whole may hold one."""

SENTENCES = 6
"""Sentences of a long text that are read on their own."""

_SENTENCE = re.compile(r"[^\n\r.?!…]+[?!.]*")
HALF_SURE = 0.5
"""How likely a sentence of a long text must be to be what the text asks."""

VERY_SURE = 0.8
"""How likely a part must be to be answered alone where the question as a whole is outside."""

_OPENERS = (
    r"(?:how|why|what|when|who|which|where|is|are|am|did|does|has|have|can|could|should|would|tell"
    r"|show|list|explain|describe|find|compare|suggest|recommend|give)"
)
_SPLIT = re.compile(
    rf"\s*(?:[?;.!]+\s+(?:and\s+|also\s+|then\s+)?(?=\S)"
    rf"|,?\s+(?:and|also|then|plus|but)\s+(?:also\s+)?(?={_OPENERS}\b)"
    rf"|,\s+(?={_OPENERS}\b))",
    re.IGNORECASE,
)
_REFERRING = re.compile(r"\b(?:it|that|this|them|these|those)\b", re.IGNORECASE)
_ITS = re.compile(r"\bits\b", re.IGNORECASE)
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


class Router:
    """Reads questions about graphs, their executions, the platform and the network around it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._catalogue: Catalogue | None = None
        self._index = Index(Catalogue())

    @classmethod
    def load(cls, encoder: Encoder | None) -> Router:
        """Load the model for `encoder`: by words alone without one, or with one not trained on."""
        if encoder is not None and encoder.name == trained_encoder():
            return cls(SemanticModel(encoder))
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
        )

    def _read(
        self, text: str, entities: tuple[Entity, ...], unknown: tuple[str, ...]
    ) -> tuple[tuple[Reading, ...], bool]:
        spans = split(text)
        asked = [prepare(text, entities, unknown)]
        asked += [_part(text, start, end, entities, unknown) for start, end in spans]
        ranked = [decode(row, self._model.calibration) for row in self._model.score(asked)]
        choices = [choose(one, self._model.calibration) for one in ranked]
        parts = [text[start:end] for start, end in spans]
        both = _both(parts, choices[1:])
        if both:
            return both, False
        alone = _alone(parts, choices[1:]) if choices[0][1] else ()
        if alone:
            return alone, False
        is_pasted = choices[0][1] and len(text) > PASTED
        return (self._within(text, entities, unknown) if is_pasted else None) or choices[0]

    def _within(
        self, text: str, entities: tuple[Entity, ...], unknown: tuple[str, ...]
    ) -> tuple[tuple[Reading, ...], bool] | None:
        """The one sentence of a long text that is surely a question, such as one below a log."""
        spans = sentences(text)
        if not spans:
            return None
        asked = [_part(text, start, end, entities, unknown) for start, end in spans]
        ranked = [decode(row, self._model.calibration) for row in self._model.score(asked)]
        found = [
            (readings[0], text[start:end].strip())
            for (readings, abstained), (start, end) in zip(
                (choose(one, self._model.calibration) for one in ranked), spans, strict=True
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
    """Mask a question and cut it into pieces."""
    named = [(one.start, one.end) for one in entities if one.kind not in ("metric", "time")]
    masked = mend(mask(text, entities, unknown))
    return Asked(mend(text, named), masked, pieces(masked, entities), tuple(entities))


def split(text: str) -> list[tuple[int, int]]:
    """The spans of the two parts of a question; none when it is one."""
    match = _SPLIT.search(text.rstrip(" ?!."))
    if match is None or match.start() == 0:
        return []
    if _ITS.search(text, match.end()):  # which only the first part can explain
        return []
    spans = [(0, match.start()), (match.end(), len(text))]
    return spans if all(len(text[start:end].split()) > 1 for start, end in spans) else []


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
    """Prepare one part of a question with its own entities."""
    own = [
        msgspec.structs.replace(one, start=one.start - start, end=one.end - start)
        for one in entities
        if start <= one.start and one.end <= end
    ]
    return prepare(text[start:end], own, unknown)


def _alone(
    parts: Sequence[str], choices: Sequence[tuple[tuple[Reading, ...], bool]]
) -> tuple[Reading, ...]:
    """The one part that can be answered, beside another that is about something else."""
    inside = [
        msgspec.structs.replace(readings[0], part=part.strip())
        for (readings, abstained), part in zip(choices, parts, strict=True)
        if not abstained and readings[0].probability >= VERY_SURE
    ]
    return tuple(inside) if len(inside) == 1 else ()


def _both(
    parts: Sequence[str], choices: Sequence[tuple[tuple[Reading, ...], bool]]
) -> tuple[Reading, ...]:
    """One reading for each part, when each is surely a question of its own."""
    found = [readings for readings, abstained in choices if not abstained]
    firsts = [readings[0] for readings in found]
    if len(found) == 2 and _REFERRING.search(parts[1]):
        # What points back is rather about the same level, where both are close.
        alike = [one for one in found[1] if one.level == firsts[0].level]
        firsts[1:] = alike[:1] or firsts[1:]
    if len(firsts) < 2 or any(one.probability < SURE for one in firsts):
        return ()
    if len({(one.level, one.intent) for one in firsts}) < 2:
        return ()
    return tuple(
        msgspec.structs.replace(one, part=part.strip())
        for one, part in zip(firsts, parts, strict=True)
    )
