"""Recordings with chosen times, without a graph having run."""

from __future__ import annotations

import random
from typing import Any

from inwit import CompiledGraph
from tests.introspection.planting import Forged, Step, chaining, fanning, looping


def slower() -> CompiledGraph[Any]:
    """Web takes twice as long since the 41st of 60 executions, and longer for long words."""
    dice, forged = random.Random(3), Forged(chaining())
    for place in range(60):
        word = ("rain", "a long downpour")[place % 3 == 0]
        web = (20 if place < 40 else 40) * dice.lognormvariate(0, 0.1) + 4 * len(word)
        forged.run(
            Step("clean", 2, {"text": word}, ("web",)),
            Step("web", 4 * round(web / 4), {"web": f"web {word}"}, ("docs",)),
            Step("docs", 5, {"docs": f"docs {word}"}, ("join",)),
            Step("join", 1, {"total": [word]}, ("__end__",)),
            given={"text": f" {word}"},
        )
    return forged.app


def rounds() -> CompiledGraph[Any]:
    """Search and judge run once to four times; each round adds to what is covered."""
    forged = Forged(looping())
    for number in (1, 3, 2, 4, 3, 3):
        steps = [Step("plan", 3, {"query": "rain"}, ("search",))]
        for one in range(1, number + 1):
            way = ("reply", "done") if one == number else ("search", "again")
            steps += [
                Step("search", 10 * one, {"rounds": one}, ("judge",)),
                Step(
                    "judge",
                    2,
                    {"coverage": one / number},
                    ((*way, {"coverage": one / number}, None),),
                ),
            ]
        steps.append(Step("reply", 7, {"answer": "about rain"}, ("__end__",)))
        forged.run(*steps, given={"query": " rain", "rounds": 0, "coverage": 0.0, "answer": ""})
    return forged.app


def forked() -> CompiledGraph[Any]:
    """Web and docs run side by side, and docs takes longer each third time."""
    forged = Forged(fanning())
    for place in range(9):
        forged.run(
            Step("clean", 4, {"text": "rain"}, ("web", "docs")),
            [
                Step("web", 30, {"web": "w"}),
                Step("docs", 12 + 60 * (place % 3 == 2), {"docs": "d"}),
            ],
            Step("join", 2, {"total": ["w", "d"]}, ("__end__",)),
            given={"text": "rain"},
        )
    return forged.app
