"""Where a question holds two: both sides of a joint must be questions of their own.

What decides is the grammar of both sides, not the word between them: "which nodes have a time-out
and are retried" goes on with the same subject, "… and are they retried" asks anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from inwit.introspection.router.records import Entity, EntityKind
from inwit.introspection.router.words import word_set

CUTS = 3
"""Places at which a question is tried to be cut in two."""

_ASKING = r"(?:how|why|what|when|who|whom|whose|which|where)"
_BE = r"(?:is|are|am|was|were|isn't|aren't|wasn't|weren't)"
_DO = r"(?:do|does|did|don't|doesn't|didn't)"
_HAVE = r"(?:has|have|had|hasn't|haven't)"
_MODAL = r"(?:can|could|should|would|will|may|might|must|can't|couldn't|shouldn't|wouldn't|won't)"
_AUXILIARY = rf"(?:{_BE}|{_DO}|{_HAVE}|{_MODAL})"
_ORDERED = (
    r"(?:tell|show|list|explain|describe|find|compare|suggest|recommend|give|print|count|check|name"
    r"|search for|summari[sz]e|walk (?:me|us)|teach|help|propose|predict|estimate)"
)
OPENERS = rf"(?:{_ASKING}(?:'?s|'re|'d)?|{_AUXILIARY}|{_ORDERED})"
"""Words that a question begins with."""

_MORE = (
    r"(?:and|also|then|plus|but|besides|as well as|along with|together with|moreover|furthermore"
    r"|additionally|in addition|apart from that|aside from that|on top of (?:that|it)|after that|afterwards)"
)
_FILLER = (
    rf"(?:{_MORE}|so|oh|well|ok|okay|btw|by the way|secondly|second|finally|lastly|next|too|as well"
    r"|please|just|maybe|perhaps|if so|if not|(?:one more|another|a second|the other) (?:thing|question)"
    r"|while (?:you|we)(?:'re| are) at it|\(?(?:2|b|ii)[).:])"
)
_WISH = (
    r"(?:(?:can|could|would|will) (?:you|someone|somebody) (?:also |please |kindly )*"
    r"(?=tell|show|explain|list|give|say|find|describe|compare|check|help|walk|let)"
    r"|i(?:'d| would)? (?:also |really )*(?:like|want|need|wish) to (?:know|see|understand|learn|hear)\s+(?:also\s+)?"
    r"|(?:i(?:'m| am) (?:also )?(?:wondering|curious|interested in)|i wonder|any idea|do you know)\s+"
    r"|(?:tell|let) (?:me|us)(?: know)?\s+(?:also\s+)?|(?:please )?(?:also )?say\s+(?=how|why|what|when|who|which|where))"
)
_JOINT = re.compile(
    rf"(?:(?P<full>\s{{0,3}}[?!.;…]+\s+|\s{{1,3}}[-–—|]+\s+|\s{{1,3}}(?=\(?(?:2|b|ii)[).:]\s))|(?P<comma>\s{{0,3}},\s+)|\s{{1,3}}(?={_MORE}\b))"
    rf"(?P<more>(?:{_FILLER}(?!\w)[\s,:–-]*)*)(?=\S)",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"\W*(?:(?:(?:first(?:ly)?|first of all|to begin with|(?:i have )?(?:two|2) (?:things|questions)"
    r"|(?:1|a|i)(?=[).:]))\b[\s,:;).-]*)+(?:please |tell me |say |let me know )*)?",
    re.IGNORECASE,
)
"""What counts the parts: "first tell me", "two things:", "1)"."""

_PLACE = r"(?:in|at|by|for|from|of|on|to|with|since|until|under|after|before|through|into|about)"
_ASKS = re.compile(
    rf"(?:{_WISH})*(?:{_PLACE}\s+)?{_ASKING}(?:'?s|'re|'d)?\b(?!\s*(?:$|[,?]|(?:and|or)\b))",
    re.IGNORECASE,
)
_INVERTED = re.compile(
    rf"(?:{_WISH})*(?P<verb>{_AUXILIARY})\s+(?P<subject>[\w'-]+)(?:\s+(?P<then>[\w'-]+))?",
    re.IGNORECASE,
)
_WANTS = re.compile(rf"(?:{_WISH})*(?P<verb>{_ORDERED})\b(?!\s*(?:$|(?:and|or)\b))", re.IGNORECASE)
_TOLD = re.compile(rf"(?:{_WISH})*(?:(?:tell|show|give) (?:me|us)|explain)\b", re.IGNORECASE)
_SUBJECTS = word_set(
    """
    i we you it they he she there that this these those the my our your its their any anybody anyone
    anything all everybody everyone everything somebody someone something one each every both no nobody a an
    executions runs nodes packages peers hosts tools graphs keys versions threads interrupts retries inwit
    """
)
"""Words by which what an auxiliary is followed by is known for its subject."""
_OBJECTS = word_set("a an the no any my our your its their all one each every nothing")
"""Those that rather begin an object after "have": "which nodes have a time-out and have no retry"."""
_PERFECT = re.compile(
    r"(?:has|have|had)\s+(?:\w+\s+){1,4}?(?:been|become|got|gone|run|\w+ed)\b", re.IGNORECASE
)
"""A subject between "have" and what it has done: "have the runs been slow"."""
_AGAIN = word_set("it that this the so them")
"""Those that "do" has as an object: "stop it and do it again"."""
_RELATIVE = re.compile(
    r"(?:which|who|whose|where|when)\s+(?!(?:of|is|are|was|were|did|does|do|will|has|have|can)\s+(?:it|they|that|this"
    r"|the|there|my|our|any|all|them|these|those|i|we)\b|of\b)",
    re.IGNORECASE,
)
_OF_KIND = re.compile(
    r"(?:which|whose)\s+(?:\w+\s+)??(?:nodes?|steps?|executions?|runs?|threads?|graphs?|keys?|tools?|packages?|peers?|hosts?"
    r"|versions?|files?|branch(?:es)?|templates?|features?|commands?|models?|errors?|way|one|ones)\b"
    rf"|which\s+(?!{_AUXILIARY}\b)\w+\s+(?:\w+\s+)?{_AUXILIARY}\b|(?:when|where)\s+{_AUXILIARY}\b|who\s+(?!{_AUXILIARY})\w+s\b|who\s+{_BE}\b",
    re.IGNORECASE,
)
_POINTED = re.compile(r"\b(?:which|who|that|where|when)\s+\w", re.IGNORECASE)
_UNDER = re.compile(
    r"(?:(?:if|when|whenever|while|after|once|because|since|although|though|as|suppose|assuming|given|provided"
    rf"|before|until|unless)\b(?!\s+(?:{_AUXILIARY}|when)\b)|(?:had|were|should)\b)",
    re.IGNORECASE,
)
"""A clause that only leads to a question, before a comma: "if plan fails", "had it failed"."""
_DANGLING = re.compile(
    rf"(?<!,)(?:^|\s)(?:{_ASKING}|and|or|than|between|(?:tell|show|give) (?:me|us)|a|an|the|my|our|to|not|{_MODAL})\W*$",
    re.IGNORECASE,
)
"""The end of what is no whole question: "tell me why"; of ", why" it is one."""
_CLAUSES = re.compile(
    rf"^\W*(?:(?:which|who|whose|whom)\b|what\s+(?!(?:{_BE}|{_DO}|{_MODAL}|{_HAVE})\b))|\b(?:if|when|that|where|who|which|whose)\b",
    re.IGNORECASE,
)
"""What a further verb may go on with: "which nodes fail and are retried", "what if it fails and would …"."""
_MEANS = re.compile(
    r"(?:how (?:do|can|to|could|should|would|may|might)\b|(?:can|could|may|should) (?:i|we)\b|is there (?:a|any) way\b"
    r"|is it possible\b|i (?:want|need|would like)\b|what is the way\b)",
    re.IGNORECASE,
)
"""What is followed by things to do, joined by "and": "how do I pause a thread and list its steps"."""


class Cut(NamedTuple):
    """The spans of two parts of a question.

    `sure` is how likely the reading of each must be for the question to count as two. Where the
    second `leans` on the first ("is that normal?"), it is one if both are read alike.
    """

    first: tuple[int, int]
    second: tuple[int, int]
    sure: float
    leans: bool


_WHOLE, _LEANING, _STATED, _TOLD_FIRST = 0.3, 0.4, 0.6, 0.8
_IT = re.compile(r"\b(?:it|its|they|them|their|that|this|these|those|there|then)\b", re.IGNORECASE)


NAMES: tuple[EntityKind, ...] = ("node", "tool", "key", "package", "graph")
"""What "it" may stand for, in the order in which it rather does."""
_ITS = re.compile(r"\b(?:its|their)\b", re.IGNORECASE)
_KINDS = re.compile(
    r"\b(?:nodes?|steps?|graphs?|keys?|tools?|packages?|executions?|runs?|threads?|peers?|hosts?)\b",
    re.IGNORECASE,
)
"""What a part may name without a name; of what else "its" is, the part cannot tell."""
_NAMED_BEFORE = re.compile(r"\b(?:it|its|they|them|their)\b", re.IGNORECASE)


def standing_in(
    part: str, entities: Sequence[Entity], before: Sequence[Entity]
) -> tuple[Entity, ...]:
    """What a part names, where its "it" stands for what was named last `before` it."""
    said = _NAMED_BEFORE.search(part)
    meant = [one for kind in NAMES for one in before if one.kind == kind]
    if said is None or not meant or any(one.kind in NAMES for one in entities):
        return tuple(entities)
    last = [one for one in meant if one.kind == meant[0].kind][-1]
    start, end = said.span()
    return (*entities, msgspec.structs.replace(last, text=said[0], start=start, end=end))


def cuts(text: str, entities: Sequence[Entity] = ()) -> list[Cut]:
    """The ways to cut a question in two, at most `CUTS`; those that need least certainty first."""
    named = {one.start for one in entities if one.kind not in ("time", "metric")}
    found = list(_cuts(text, named))
    return sorted(found, key=lambda one: one.sure)[:CUTS]


def _cuts(text: str, named: set[int]) -> Iterator[Cut]:
    end = len(text.rstrip(" ?!."))
    lead = _LEAD.match(text)
    begin = lead.end() if lead is not None else 0
    for joint in _JOINT.finditer(text, begin):
        if joint.start() <= begin or joint.end() >= end or joint.end() in named:
            continue
        first, second = text[begin : joint.start()].strip(), text[joint.end() :]
        if min(len(first.split()), len(second.split())) < 2:
            continue
        if _asks(text, joint, first, named) and (joint["full"] or not _goes_on(first, second)):
            sure = _sure(joint, first, second)
            is_lost = _ITS.search(second) and not (
                _KINDS.search(first) or any(begin <= at < joint.start() for at in named)
            )
            if sure and not is_lost:
                leans = _IT.search(second) is not None
                yield Cut((begin, joint.start()), (joint.end(), len(text)), sure, leans)


def _asks(text: str, joint: re.Match[str], first: str, named: set[int]) -> bool:
    """Whether what follows a joint is a question of its own."""
    at = joint.end()
    if _ASKS.match(text, at):
        # After a comma alone "which" rather goes on with what is before it.
        is_bare = joint["comma"] is not None and not joint["more"]
        return not is_bare or not _RELATIVE.match(text, at) or bool(_OF_KIND.match(text, at))
    if _WANTS.match(text, at):
        return True
    said = _INVERTED.match(text, at)
    if said is None:
        return False
    return bool(joint["full"]) or said.start("subject") in named or _has_subject(said, first)


def _has_subject(said: re.Match[str], first: str) -> bool:
    """Whether an auxiliary is followed by its subject, not by what goes on with another one."""
    verb, subject = said["verb"].lower(), said["subject"].lower()
    if verb in ("do", "don't") and subject in _AGAIN:
        return False
    if verb.startswith("ha") and subject in _OBJECTS:
        return _PERFECT.match(said.string, said.start("verb")) is not None
    if subject in _SUBJECTS:
        return True
    if subject.endswith("ing"):
        return not verb.startswith(("is", "are", "am", "was", "were"))
    if _CLAUSES.search(first) or subject.endswith(("ed", "en", "ly")) or subject == "not":
        return False
    return len(said.string[said.end("subject") :].split()) > 1


def _goes_on(first: str, second: str) -> bool:
    """Whether the second side leans on the words of the first: "… and which were retried"."""
    if _WANTS.match(second) and not _TOLD.match(second) and _MEANS.match(first):
        return True
    said = re.match(
        rf"(which|who|that|where|when)\s+(?:{_AUXILIARY}|\w+ed)\b", second, re.IGNORECASE
    )
    if said is None or _OF_KIND.match(second):
        return False
    return _POINTED.search(first, len(first.split(maxsplit=1)[0])) is not None


def _sure(joint: re.Match[str], first: str, second: str) -> float:
    """How sure both sides must be read; 0 where the first is no question."""
    if _DANGLING.search(first):
        return 0.0
    is_led = _UNDER.match(first) and not re.search(rf",\s*{_ASKING}\b", first, re.IGNORECASE)
    if is_led and (joint["full"] or "and" not in joint[0].lower()):
        return _TOLD_FIRST if joint["full"] and not _IT.search(second) else 0.0
    is_asked = (joint["full"] or "").strip().startswith("?")
    leans = _IT.search(second) is not None
    if is_asked or _is_question(first):
        return _TOLD_FIRST if len(second.split()) < 3 else _LEANING if leans else _WHOLE
    if leans or (joint["comma"] and not joint["more"]):
        return 0.0
    return _TOLD_FIRST if joint["full"] else _STATED


def _is_question(first: str) -> bool:
    """Whether the first side has the form of a question."""
    if _ASKS.match(first) or _INVERTED.match(first) or _WANTS.match(first) or _UNDER.match(first):
        return True
    return re.search(rf"[,:]\s*{_ASKING}\b|\b{_ASKING}\s*$", first, re.IGNORECASE) is not None
