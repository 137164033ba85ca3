"""Questions in the words of what is recorded: interrupts, cache hits, tool calls, children, budgets.

Their words are certain enough to be read without the router: each pattern here says what is asked
and with which intent. A reading of the router stands where none fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from inwit.answers import Intent
from inwit.introspection.analyses import (
    beyond,
    by_value,
    cache_hits,
    callers,
    children,
    comparing,
    edited,
    grouped,
    groups_apart,
    interrupts,
    left_undone,
    model_calls,
    model_prompts,
    of_kind,
    pace,
    progress,
    relieved,
    slow_many,
    spread,
    state,
    timeouts,
    tool_calls,
    why_branch,
    why_failed,
    why_routed,
)
from inwit.introspection.claims import Draft
from inwit.introspection.scene import Scene
from inwit.introspection.which import is_of_one

Analysis = Callable[[Scene], Draft | None]

_WAITS_FOR = (
    r"wait(?:s|ing)? (?:for|on) (?:me|us|you|input|approval|any|some\w*|(?:an? |the )?(?:person|human"
    r"|answer|approval|decision|user)|(?:my|our) )|await\w*|\b(?:is|are) (?:any\w*|some\w*) waiting"
    r"|\bneeds? (?:(?:my|our|an?|any|human|your|some\w*) )?(?:approval|answer\b|decision|human input"
    r"|a person)|\b(?:open|pending|unanswered) (?:interrupt|question|approval)|\bto approve\b"
)
_HOW_MANY_WAIT = r"^\W*how many (?!times|seconds|minutes|hours|ms|milli|nodes|steps|retries)\w+ (?:are |still |have been )*wait(?:s|ing)?\b"
_ASKS = (
    r"\bwhat (?:does|did|do|is|was)(?: it| the \w+| that| this| he| she| \w+)?\s+ask(?:ing|ed|s)?\b(?! about)"
    r"|\bwhat (?:am i|are we|was i|were we) (?:being )?asked"
    r"|\bwhat (?:is|was|were|are) the (?:open |pending |last )?(?:question|interrupt)s?\b"
)
_ANSWERED = (
    r"\b(?:what|how) did (?:i|we|he|she|they|the (?:person|human|user)|some(?:one|body))\s+(?:answer"
    r"|reply|say|decide)|\b(?:was|were|got|has|have|is)\b(?!.*\bif\b).*\b(?:approved|rejected|answered)\b"
    r"|\bwho (?:approved|rejected|answered|resumed)"
    r"|\b(?:which|what) (?:answer|decision) (?:was|did)\b.*\b(?:given|get|got|make)"
)
_AFTER = (
    r"\b(?:what|which)\b.*\b(?:after|since|following|once|upon)\s+(?:(?:the|my|our|it|i|we|was|were"
    r"|that|had|been|has|is|human)\s+)*(?:approv|answer|interrupt|resum|reject|decision|person)"
)
_WHY_WAITS = (
    r"\bwhy\b.*\b(?:wait|paus|block|stuck|stop|halt|hang|idle|not (?:go(?:ing)? on|mov|runn))"
)
_CACHED = (
    r"\b(?:did|does|has|is|was) the cache\b.*\b(?:help|use|useful|work|pay|paid|good)\w*|\bcache hit|\bhits? (?:in )?the cache|\bfrom (?:the|a|its) cache\b"
    r"|^(?!.*\b(?:if|should|could|can|would|how (?:do|can))\b).*\b(?:was|were|did|got|which|what|how many)"
    r"\b.*\b(?:cached\b|(?:use|hit)s? (?:the |its |a )?cache\b)"
)
_CHILDREN = (
    r"\b(?:which|what|list|show|how many|did|were|was)\b.*\b(?:sub-?graphs?|sub-?executions?"
    r"|child(?:ren)?(?: (?:executions?|graphs?|runs?))?|inner (?:graphs?|executions?)|nested \w+)\b"
    r".*\b(?:fail|ran\b|run\b|call|crash|broke|error|had\b|have\b|there\b|start|execut|invoke)"
)
_INSIDE = (
    r"\bwhat\b.*\b(?:happen\w*|did|ran|run|went on|goes on|was done|is)\b.*\b(?:inside|within)\b"
)
_TOOLS = (
    r"\b(?:which|what|how many|list|did|was|were|has|have|how often|show)\b.*\btools?\b.*"
    r"\b(?:called|used|invoked|ran\b|(?:did|has|have)\b.*\b(?:call|use|run|invoke))"
    r"|\b(?:which|what|how many)\b.*\b(?:tools?|tool calls?)\b.*\b(?:did|were|was|fail\w*|broke|raised)\b"
)
_MODELS = (
    r"\b(?:which|what|list|how many|did|was|were|has|have|show)\b.*\b(?:models?|llms?|embeddings?)\b.*"
    r"\b(?:called|used|invoked|ran\b|answer\w*|call|use|say|said|repl(?:y|ied)|made|computed)\b"
    r"|\b(?:which|what|list|show|how many)\b.*\b(?:models?|llm|embeddings?) calls?\b"
)
_CALLED = r"\b(?:who|which|what|when|how (?:often|many)|did|was|were)\b.*\b(?:call|use|invoke|ran|run|g[ai]ve|return)\w*"
_BUDGETS = (
    r"(?<!error )\bbudgets?\b.*\b(?:ran out|run out|exceed|over|used up|exhaust|hit|left|spent|reach)"
    r"|\b(?:exceed\w*|over|out of|reach\w*|hit|used up|exhaust\w*)\b.*(?<!error )\bbudgets?\b"
)

_HAPPENED = r"^\W*what (?:happened|went on) (?:in|during|with|on) (?:\w+ ){0,3}(?:execution|run|invocation)\b"
_COMPARED = (
    r"\b(?:compare|comparing|contrast)\b|\bdiff(?:s|er|ers|erence|erences|erent)?\b.*\b(?:between|from|in|of|to)\b"
    r"|\b(?:what|is|was)(?: is|'s| was)?\b.*\bdifferent\b|\bhow (?:do|does|did)\b.*\bdiffer\b"
)
_COMPARED_RUNS = rf"(?:{_COMPARED}).*\b(?:executions?|runs?|invocations?|threads?)\b"
_WAITED = (
    r"\bdid\b.*\bwait (?:very |too |so )?long|\bhow long\b.*\b(?:did|had|was|were|has)\b.*\bwait"
)
_SPENDERS = (
    r"\b(?:which|what) (?:node|step|model)s?\b.*\b(?:spen[dt]s?|use[sd]?|cost|costs|need(?:s|ed)?|most expensive|burn\w*|eats?|swallows?|drains?|consumes?|wastes?)\b"
    r".*\b(?:tokens?|money|dollars|budget|most (?!time|retries|attempts|tries|often)|most\W*$|least)|\bhow (?:expensive|costly) (?:is|was|are)\b"
    r"|\b(?:most expensive|costliest|priciest|dearest) (?:node|step|model)\b|\b(?:which|what) (?:node|step|model)\b.*\b(?:most expensive|costliest|priciest|dearest)\b"
    rf"|^\W*(?:{model_calls.MONEY_GOES})"
)
_DECIDED = (
    r"\b(?:what|which|how) (?:was|did|has|does|were|way|branch|path|route)\b.*\b(?:decid|chose\b|choose|chosen|pick"
    r"|route[sd]?\b|go\b|went\b|take\b|taken\b|took\b)\w*"
)
_CAUSES_MOST = r"^\W*(?:which|what)\s+(?:(?!nodes?\b|steps?\b|graphs?\b)\w+ )?(?:causes?|has|have|had|makes?|gets?|produces?|sees?|brings?) (?:the )?most (?:failures?|errors?|retries|crashes)\b"
_THROWN = r"^\W*how (?:often|many times)\b.*\b\w+ (?:error|exception)s?\b.*\b(?:thrown|raised|seen|happen\w*|occur\w*)\b"
_SAID = r"^\W*what (?:did|does)\s{3,}(?:say|answer|reply|conclude)\b.*\b(?:about|for|on|to)\b\W+\w"
"""What a node returned for something; its name is a blank."""
_KNOWN: tuple[tuple[Intent, str, Analysis], ...] = (
    ("state", _SAID, state.answer),
    ("state", _AFTER, interrupts.after),
    ("state", _ASKS, interrupts.question),
    ("state", _WAITED, interrupts.waited),
    ("state", _WAITS_FOR, interrupts.waiting),
    ("state", _HOW_MANY_WAIT, interrupts.waiting),
    (
        "state",
        r"\bhow many\b.*\b(?:approved|rejected|answered|denied|declined)\b",
        interrupts.counted,
    ),
    ("state", _ANSWERED, interrupts.answered),
    ("why", _WHY_WAITS, interrupts.why),
    ("state", _CACHED, cache_hits.answer),
    ("state", _CHILDREN, children.answer),
    ("state", _INSIDE, children.inside),
    ("state", _COMPARED_RUNS, comparing.answer),
    ("state", _SPENDERS, model_calls.spenders),
    ("state", _TOOLS, tool_calls.answer),
    ("state", model_prompts.SENT, model_prompts.sent),
    ("when", model_prompts.LASTING, model_prompts.lasting),
    ("state", model_calls.IN_USE, model_calls.spenders),
    ("state", _MODELS, model_calls.answer),
    ("why", _BUDGETS, why_failed.out_of_budget),
    ("state", timeouts.ASKED, timeouts.answer),
    ("why", why_routed.ASKED, why_routed.answer),
    ("state", _DECIDED, why_branch.decided),
    ("state", progress.ASKED, progress.answer),
    ("why", slow_many.ASKED, slow_many.answer),
    ("when", edited.ASKED, edited.answer),
    ("state", _HAPPENED, state.whole),
    ("state", pace.ASKED, pace.answer),
    ("state", _CAUSES_MOST, grouped.answer),
    ("state", _THROWN, state.answer),
    ("state", callers.ASKED, callers.answer),
)
_OTHERS = re.compile(
    r"\bshould\b|\bplans?\b|\bimplement|\binwit\b|\bhow (?:do|can|to)\b|\bwhat if\b|\bpackages?\b"
)
"""Words that make the same words mean something else: a plan is approved, a feature is there."""


def intent_of(words: str, named: Collection[str] = ()) -> Intent | None:
    """The intent of a question in words of the record; None where the router knows better.

    `words` is the question with the names of the project left out; `named` are their kinds.
    """
    kinds = [kind for kind in named if kind in ("thread", "exec")]
    if len(kinds) > 1 and re.search(_COMPARED, words.lower()):
        return "state"
    if "tool" in named and re.search(_CALLED, words.lower()):
        return "state"
    intent, analysis = _kind(words.lower())
    return None if analysis is children.inside and "node" not in named else intent


def answer(scene: Scene) -> Draft | None:
    """Answer a question of the record; None where it asks for something else."""
    if scene.query.intent in ("whatif", "howcan", "howto", "ami"):
        return None
    of_values = _of_values(scene)
    if of_values is not None:
        return of_values
    if groups_apart.is_asked(scene.words) and (parted := groups_apart.answer(scene)) is not None:
        return parted
    if scene.says(_COMPARED) and (compared := comparing.answer(scene)) is not None:
        return compared
    if scene.query.intent in ("state", "when", "search") and not scene.nodes:
        by = grouped.answer(scene)
        if by is not None:
            return by
    if scene.query.intent == "when" and not scene.nodes and (tools := tool_calls.names(scene)):
        return tool_calls.lasting(scene, tools)
    if (model := model_calls.named(scene)) is not None:
        return model_calls.of_model(scene, model)
    if scene.says(_CALLED) and (
        scene.named("tool") or (scene.query.unknown and tool_calls.names(scene))
    ):
        return tool_calls.answer(scene)
    _, analysis = _kind(scene.plain_words)
    return analysis(scene) if analysis is not None else None


_OF_VALUES: tuple[Analysis, ...] = (
    beyond.answer, by_value.answer, spread.answer, left_undone.answer, relieved.answer,
)  # fmt: skip


def _of_values(scene: Scene) -> Draft | None:
    """What is asked of values on record, of what was not done, and of what took over."""
    if scene.query.intent == "state":
        if is_of_one(scene):
            return state.whole(scene)
        for tell in _OF_VALUES:
            if (told := tell(scene)) is not None:
                return told
    return of_kind.answer(scene) if scene.query.intent in ("state", "why") else None


def _kind(words: str) -> tuple[Intent | None, Analysis | None]:
    if _OTHERS.search(words):
        return None, None
    for intent, said, analysis in _KNOWN:
        if re.search(said, words):
            return intent, analysis
    return None, None
