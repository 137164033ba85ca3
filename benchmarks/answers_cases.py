"""One case each: a world, a planted fault that really runs, a question in plain words, its judgement."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import answers_worlds as worlds
from answers_worlds import Plan, World

from inwit.answers import Answer

BEFORE = (30, 45, 60)
"""Healthy executions before a fault."""
SLOW = (
    "Why was the last execution so slow?",
    "why did the last run take so long",
    "What made the last execution of {graph} slow?",
    "Why did {graph} take longer than usual the last time?",
    "the last run was sluggish, why?",
)
SLOWER = (
    "Why has {graph} become slower?",
    "Why are executions of {graph} slow lately?",
    "why is {graph} taking longer than it used to",
    "Why is it so slow now?",
)
FAILED = (
    "Why did the last execution fail?",
    "why is {graph} failing?",
    "What went wrong in the last failed run of {graph}?",
    "Why do executions of {graph} keep failing?",
)


Judge = Callable[[Answer], bool]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """One question: what was planted, what was answered, and whether that is right."""

    family: str
    seed: int
    question: str
    planted: str
    answered: str
    is_right: bool
    text: str = ""
    ms: float = 0.0
    uris: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Asked:
    """What a case leaves to be asked and how an answer is judged."""

    world: World
    question: str
    planted: str
    judge: Judge
    shown: Callable[[Answer], str]


def top(answer: Answer) -> dict[str, Any]:
    """The cause that is named first."""
    causes = answer.data.get("causes") or [{}]
    return dict(causes[0])


def shown(answer: Answer) -> str:
    """The causes in short."""
    causes = answer.data.get("causes") or []
    return ", ".join(f"{one.get('node')} {one.get('kind')}" for one in causes[:3]) or "none"


def _ask(
    world: World,
    questions: tuple[str, ...],
    planted: str,
    judge: Judge,
    show: Callable[[Answer], str] = shown,
) -> Asked:
    question = world.dice.choice(questions).format(graph=world.name)
    return Asked(world=world, question=question, planted=planted, judge=judge, shown=show)


def _names(node: str, *kinds: str) -> Judge:
    def judge(answer: Answer) -> bool:
        first = top(answer)
        return first.get("node") == node and (not kinds or first.get("kind") in kinds)

    return judge


async def _with_fault(
    dice: random.Random, world: World, fault: Callable[[], Plan], excess: float
) -> tuple[str, ...]:
    """Run healthy executions, then one or many with the fault; give the questions that fit.

    What costs an execution less than an eighth of its time is planted in many: that one execution
    took a little longer has no cause that anybody could show.
    """
    plans = worlds.usual(world, dice.choice(BEFORE))
    if excess > 0.125 and dice.random() < 0.6:
        await world.run([*plans, fault()])
        return SLOW
    await world.run([*plans, *(fault() for _ in range(dice.randint(8, 20)))])
    return SLOW if dice.random() < 0.4 else SLOWER


def slower(factor: float) -> Case:
    """A node on the critical path takes longer; one beside it does even more, and delays nothing."""

    async def case(dice: random.Random) -> Asked:
        world = worlds.forking(dice)
        node = dice.choice(world.on_path)
        decoy = world.decoys[0]
        heavy = world.usual[world.on_path[1]]
        reach = min(factor * 1.4, 0.8 * heavy / world.usual[decoy])
        excess = (factor - 1) * world.usual[node] / world.whole

        def fault() -> Plan:
            return world.plan(calm=True, **{node: factor, decoy: reach})

        questions = await _with_fault(dice, world, fault, excess)
        return _ask(world, questions, f"{node} ×{factor:g}", _names(node, "slower"))

    return case


async def two_causes(dice: random.Random) -> Asked:
    """Two nodes take longer at once; the one that costs more time comes first, both are named."""
    world = worlds.forking(dice)
    first, second = dice.sample(world.on_path, 2)
    more = {second: dice.uniform(0.5, 0.8) * world.usual[second]}
    more[first] = max(more[second] * dice.uniform(1.5, 2), 0.7 * world.usual[first])
    factors = {node: 1 + ms / world.usual[node] for node, ms in more.items()}

    def fault() -> Plan:
        return world.plan(calm=True, **factors)

    questions = await _with_fault(dice, world, fault, sum(more.values()) / world.whole)

    def judge(answer: Answer) -> bool:
        named = [one.get("node") for one in answer.data.get("causes") or []]
        return named[:2] == [first, second]

    return _ask(world, questions, f"{first}, then {second}", judge)


async def error_burst(dice: random.Random) -> Asked:
    """A node fails for one tenant, model or region; the others go on as before."""
    world = worlds.chain(dice)
    node = dice.choice(world.on_path)
    attribute = dice.choice(("tenant", "model", "region"))
    values = [f"{attribute}-{letter}" for letter in dice.sample("abcdefgh", 4)]
    bad, in_input = values[0], dice.random() < 0.4
    before, after = 40, dice.randint(35, 50)
    picked = [dice.choice(values) for _ in range(before + after)] + [bad]
    other = ["green" if dice.random() < 0.5 else "blue" for _ in picked]
    plans = worlds.usual(world, len(picked))
    for number, plan in enumerate(plans):
        is_hit = number >= before and picked[number] == bad and dice.random() < 0.85
        if is_hit or dice.random() < 0.02 or number == len(plans) - 1:
            plan.failures[node] = -1

    def given(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        told = {attribute: picked[number]}
        state = {"text": "hello"} | (told if in_input and attribute == "tenant" else {})
        metadata = {"colour": other[number]}
        return state, metadata if "tenant" in state else metadata | told

    await world.run(plans, given)

    def judge(answer: Answer) -> bool:
        first = (answer.data.get("differences") or [{}])[0]
        told = str(first.get("attribute", "")).rpartition(".")[2], first.get("value")
        return _names(node)(answer) and told == (attribute, bad)

    return _ask(world, FAILED, f"{node} for {attribute}={bad}", judge, differing)


def differing(answer: Answer) -> str:
    """The causes and the first difference in short."""
    first = (answer.data.get("differences") or [{}])[0]
    return f"{shown(answer)}; {first.get('attribute')}={first.get('value')}"


async def errors_of_all(dice: random.Random) -> Asked:
    """A node fails for everybody alike: the node is named, and no attribute."""
    world = worlds.chain(dice)
    node = dice.choice(world.on_path)
    plans = worlds.usual(world, 70)
    for number, plan in enumerate(plans):
        if dice.random() < 0.25 or number == len(plans) - 1:
            plan.failures[node] = -1
    colours = [(dice.choice("abc"), dice.choice("xyz")) for _ in plans]
    await world.run(
        plans, lambda n: ({"text": "hello"}, {"tenant": colours[n][0], "model": colours[n][1]})
    )

    def judge(answer: Answer) -> bool:
        return _names(node)(answer) and not answer.data.get("differences")

    return _ask(world, FAILED, f"{node} for all", judge, differing)


async def slow_for_one(dice: random.Random) -> Asked:
    """A node is slow for one tenant only."""
    world = worlds.forking(dice)
    node = dice.choice(world.on_path)
    values = [f"tenant-{letter}" for letter in dice.sample("abcdefgh", 5)]
    picked = [dice.choice(values) for _ in range(70)] + [values[0]]
    plans = [
        world.plan(calm=True, **{node: 2.5 if tenant == values[0] else 1.0}) for tenant in picked
    ]
    await world.run(plans, lambda n: ({"text": "hello"}, {"tenant": picked[n]}))

    def judge(answer: Answer) -> bool:
        first = (answer.data.get("differences") or [{}])[0]
        return _names(node)(answer) and first.get("value") == values[0]

    return _ask(world, SLOW, f"{node} for {values[0]}", judge, differing)


async def retry_storm(dice: random.Random) -> Asked:
    """A node's calls fail again and again before they succeed."""
    world = worlds.chain(dice, retrying="all")
    node = dice.choice(world.on_path)

    def plan(failures: int) -> Plan:
        made = world.plan()
        made.failures[node] = failures
        return made

    before = [plan(int(dice.random() < 0.03)) for _ in range(dice.choice(BEFORE))]
    await world.run([*before, *(plan(dice.randint(2, 5)) for _ in range(dice.randint(1, 12)))])
    return _ask(world, SLOW, f"{node} retries", _names(node, "retries"))


async def no_progress(dice: random.Random) -> Asked:
    """A loop that goes round and round: slow, or ended by the recursion limit."""
    world = worlds.looping(dice)
    before = worlds.usual(world, dice.choice(BEFORE))
    for plan in before:
        plan.rounds = dice.choice((1, 1, 2))
    endless = dice.random() < 0.4
    last = world.plan()
    last.rounds = 1000 if endless else dice.randint(6, 9)
    await world.run([*before, last])
    if endless:
        return _ask(world, FAILED, "judge recursion_limit", _names("judge", "recursion_limit"))
    return _ask(world, SLOW, "judge extra_visits", _names("judge", "extra_visits"))


async def queueing(dice: random.Random) -> Asked:
    """Many executions at once want a node that lets one in at a time."""
    world = worlds.chain(dice, policies={0: {"max_concurrency": 1}})
    node = world.on_path[0]  # who is begun last then waits longest
    await world.run(worlds.usual(world, dice.choice(BEFORE)), at_once=1)
    plans = worlds.all_calm(world, dice.randint(8, 12))
    await world.crowd(plans)
    return _ask(world, SLOW, f"{node} waiting", _names(node, "waiting"))


async def longer_inputs(dice: random.Random) -> Asked:
    """The input is longer than usual, and a node that reads all of it takes longer: no regression."""
    world, reader = worlds.reading(dice)
    varied = dice.random() < 0.7
    number = dice.choice(BEFORE)
    size = [dice.randint(600, 1400) if varied else 1000 for _ in range(number)]
    size.append(int(1000 * dice.uniform(2.2, 4)))
    plans = [*worlds.usual(world, number), world.plan(calm=True)]
    await world.run(plans, lambda n: ({"text": "x" * size[n]}, {}))

    def judge(answer: Answer) -> bool:
        causes = answer.data.get("causes") or []
        return bool(causes) and all(one.get("kind") == "input" for one in causes)

    return _ask(world, SLOW, f"{reader}'s input", judge)


async def healthy(dice: random.Random) -> Asked:
    """Nothing is planted: bursty noise alone, and the last execution may lie in a burst."""
    world = worlds.forking(dice) if dice.random() < 0.5 else worlds.chain(dice)
    await world.run(worlds.usual(world, dice.choice(BEFORE) + 1))
    questions = SLOW if dice.random() < 0.6 else SLOWER
    return _ask(world, questions, "nothing", lambda answer: not answer.data.get("causes"))


async def healthy_inputs(dice: random.Random) -> Asked:
    """Nothing is planted, and inputs of other lengths come in each time."""
    world, _ = worlds.reading(dice)
    size = [dice.randint(600, 1400) for _ in range(51)]
    await world.run(worlds.usual(world, 51), lambda n: ({"text": "x" * size[n]}, {}))

    def judge(answer: Answer) -> bool:
        return all(one.get("kind") == "input" for one in answer.data.get("causes") or [])

    return _ask(world, SLOW, "nothing", judge)


async def visits(dice: random.Random) -> Asked:
    """How often a node ran is counted, and so is each decision that led back to it."""
    world = worlds.looping(dice)
    plans = worlds.usual(world, 6)
    for plan in plans:
        plan.rounds = dice.randint(1, 9)
    await world.run(plans)
    node, rounds = world.on_path[1], plans[-1].rounds
    asked = (f"Why did {node} run {rounds} times?", f"How many times did {node} run in the last execution?",
             f"why did {node} run so often?", f"Why was judge called {rounds} times?")  # fmt: skip
    question = dice.choice(asked)
    counted = "judge" if "judge" in question else node

    def judge(answer: Answer) -> bool:
        return bool(answer.data.get("visits") == {counted: rounds})

    def show(answer: Answer) -> str:
        return str(answer.data.get("visits"))

    return _ask(world, (question,), f"{counted} {rounds}", judge, show)


Case = Callable[[random.Random], Coroutine[Any, Any, Asked]]
FAMILIES: dict[str, tuple[Case, int]] = {
    "slow ×1.3": (slower(1.3), 30),
    "slow ×1.5": (slower(1.5), 30),
    "slow ×2": (slower(2.0), 60),
    "slow ×3": (slower(3.0), 30),
    "two causes": (two_causes, 30),
    "error burst": (error_burst, 30),
    "errors of all": (errors_of_all, 20),
    "slow for one": (slow_for_one, 20),
    "retry storm": (retry_storm, 20),
    "no progress": (no_progress, 20),
    "queueing": (queueing, 20),
    "longer inputs": (longer_inputs, 20),
    "healthy": (healthy, 100),
    "healthy inputs": (healthy_inputs, 20),
    "visits": (visits, 30),
}
"""Each family's case, and how many of it a whole campaign holds."""
CONTROLS = ("healthy", "healthy inputs")
