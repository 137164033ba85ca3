"""Faults, traps and healthy windows, planted on graphs that really run."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import improve_shapes as shapes
from improve_graphs import Plan, PlantedError, Shape, node_of
from improve_model import serving
from improve_traffic import Change, Given, plans, run, usual_input

from inwit import END

NUMBER = 240
ANY = "*"
Measured = Callable[[], tuple[float, float]]


@dataclass(slots=True, kw_only=True)
class Planted:
    """What was planted: the detectors that may say so, each with the nodes that it may name."""

    truth: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_plan: bool = False
    """Whether it is a fault for which a change can be proposed."""
    graph: str = ""
    mend: Callable[[], None] | None = None
    """Run as many executions again with the fault taken out."""
    also: frozenset[str] = frozenset()
    """Detectors that say something true beside the fault."""


def _half(dice: random.Random) -> int:
    return int(NUMBER * dice.choice((0.35, 0.5, 0.65)))


def _truth(detector: str, *nodes: str) -> dict[str, frozenset[str]]:
    return {detector: frozenset(nodes)}


def _go(  # noqa: PLR0917 - an execution's surroundings
    shape: Shape, dice: random.Random, traffic: str, change: Change | None = None,
    given: Given = usual_input, number: int = NUMBER,
) -> Any:  # fmt: skip
    app = shape.graph.compile(name=shape.name)
    run(app, plans(shape, number, dice, traffic, change), given, is_sync=shape.is_sync)
    return app


def healthy(dice: random.Random, traffic: str) -> Planted:
    """Nothing is wrong."""
    shape = dice.choice(shapes.HEALTHY)(dice)
    _go(shape, dice, traffic)
    return Planted(graph=shape.name)


def few(dice: random.Random, traffic: str) -> Planted:
    """A fault on so few executions that nothing may be said yet."""
    shape = shapes.chain(dice)
    node = dice.choice(shape.nodes)

    def change(one: Plan, at: int) -> None:
        one.ms[node] *= 2 if at >= 15 else 1

    _go(shape, dice, traffic, change, number=30)
    return Planted(graph=shape.name)


def slow(dice: random.Random, traffic: str) -> Planted:
    """A node takes twice as long from some execution on."""
    makers = (
        shapes.chain,
        shapes.fork,
        shapes.sending,
        shapes.loop,
        shapes.nested,
        shapes.retrying,
    )
    shape = dice.choice((*makers, shapes.sync_chain))(dice)
    node, since = dice.choice(shape.nodes), _half(dice)

    def change(one: Plan, at: int) -> None:
        one.ms[node] *= 2 if at >= since else 1

    _go(shape, dice, traffic, change)
    return Planted(truth=_truth("latency_regression", node), is_plan=True, graph=shape.name)


def slow_version(dice: random.Random, traffic: str) -> Planted:
    """A node takes twice as long in a new version; for a while both versions run."""
    seed, maker = dice.randrange(1 << 30), dice.choice((shapes.chain, shapes.fork, shapes.retrying))
    old, new = maker(random.Random(seed)), maker(random.Random(seed))
    new.name, new.usual = old.name, old.usual
    node = dice.choice(old.nodes)
    new.graph.add_node("polish", node_of("polish", [old_key(new)], ["k5"]))
    new.graph.add_edge(new.nodes[-1], "polish")
    new.graph.add_edge("polish", END)

    def change(one: Plan, at: int) -> None:
        one.ms[node] *= 2

    before = old.graph.compile(name=old.name)
    run(before, plans(old, NUMBER // 2, dice, traffic))
    after = new.graph.compile(name=old.name)
    for _ in range(3):  # both at a time, while it is rolled out
        run(before, plans(old, 8, dice, "steady"))
        run(after, plans(new, 8, dice, "steady", change))
    run(after, plans(new, NUMBER // 2, dice, traffic, change))
    return Planted(truth=_truth("latency_regression", node), is_plan=True, graph=old.name)


def old_key(shape: Shape) -> str:
    """The key that the last node writes."""
    return f"k{len(shape.nodes) - 1}"


def failing(dice: random.Random, traffic: str) -> Planted:
    """A node fails in three of ten executions from some execution on."""
    shape = dice.choice((shapes.chain, shapes.fork, shapes.loop, shapes.nested, shapes.sending))(
        dice
    )
    node, since = dice.choice(shape.nodes), _half(dice)

    def change(one: Plan, at: int) -> None:
        if at >= since and one.dice.random() < 0.3:
            one.raises[node] = (PlantedError, 1)

    _go(shape, dice, traffic, change)
    return Planted(truth=_truth("error_burst", node), graph=shape.name)


def failing_for_one(dice: random.Random, traffic: str) -> Planted:
    """A node fails for one tenant."""
    shape = dice.choice((shapes.chain, shapes.fork))(dice)
    node = dice.choice(shape.nodes)

    def change(one: Plan, at: int) -> None:
        if usual_input(at)[0]["tenant"] == "bolts" and one.dice.random() < 0.8:
            one.raises[node] = (PlantedError, 1)

    _go(shape, dice, traffic, change)
    return Planted(truth=_truth("error_burst", node), graph=shape.name)


def storm(dice: random.Random, traffic: str) -> Planted:
    """A node has to be tried again in four of ten visits."""
    shape = shapes.retrying(dice)
    node = dice.choice(shape.nodes)

    def change(one: Plan, at: int) -> None:
        if one.dice.random() < 0.4:
            one.raises[node] = (ConnectionError, dice.choice((1, 2)))

    _go(shape, dice, traffic, change)
    return Planted(truth=_truth("retry_storm", node), is_plan=True, graph=shape.name)


def idle_loop(dice: random.Random, traffic: str) -> Planted:
    """A loop goes round though nothing changes."""
    shape = shapes.loop(dice)
    _, search, judge, _ = shape.nodes

    def change(one: Plan, at: int) -> None:
        one.idle_rounds = 4 if one.dice.random() < 0.4 else 0

    _go(shape, dice, traffic, change)
    return Planted(truth=_truth("loop_without_progress", search, judge), graph=shape.name)


def repeated(dice: random.Random, traffic: str) -> Planted:
    """A node within a loop is given the same again and gives the same again."""
    shape = shapes.loop(dice, search_reads=("k0",))

    def change(one: Plan, at: int) -> None:
        one.rounds = 3

    _go(shape, dice, traffic, change)
    return Planted(truth=_truth("repeated_calls", shape.nodes[1]), is_plan=True, graph=shape.name)


def serial(dice: random.Random, traffic: str) -> Planted:
    """Two nodes wait for each other that need not."""
    shape = shapes.serial(dice)
    _go(shape, dice, traffic)
    return Planted(truth=_truth("serial_steps", *shape.twins), is_plan=True, graph=shape.name)


def other_form(dice: random.Random, traffic: str) -> Planted:
    """What a node gives becomes an object instead of a text, and the next node fails on it now and then."""
    shape = shapes.chain(dice, number=4)
    node, reader, since = shape.nodes[1], shape.nodes[2], _half(dice)

    def change(one: Plan, at: int) -> None:
        if at >= since:
            one.outputs[node] = lambda *values: {"value": str(values), "version": 2}
            if one.dice.random() < 0.3:
                one.raises[reader] = (TypeError, 1)

    _go(shape, dice, traffic, change)
    return Planted(truth=_truth("schema_drift", node), graph=shape.name)


def tight(dice: random.Random, traffic: str) -> Planted:
    """A time-out cuts off visits that would have ended well."""
    shape = shapes.chain(dice, policies={1: {"timeout_s": 0.03, "retry_policy": shapes.RETRIES}})
    node = shape.nodes[1]
    shape.usual[node] = 22

    def change(one: Plan, at: int) -> None:
        one.sigma = 0.25

    _go(shape, dice, "steady", change)
    return Planted(truth=_truth("timeout_misset", node), is_plan=True, graph=shape.name)


def longer_texts(dice: random.Random, traffic: str) -> Planted:
    """Executions are called with texts four times as long."""
    shape = dice.choice((shapes.chain, shapes.fork))(dice)
    since = _half(dice)

    def given(at: int) -> tuple[dict[str, Any], None]:
        words = random.Random(at).randint(8, 16) * (4 if at >= since else 1)
        return {"text": "word " * words, "tenant": "acme"}, None

    _go(shape, dice, traffic, None, given)
    return Planted(truth=_truth("input_drift", ""), graph=shape.name)


def worse(dice: random.Random, traffic: str) -> Planted:
    """A recorded score falls."""
    body = 'ctx.score("quality", plan.get().scores["quality"])'
    shape = shapes.chain(dice, number=4, bodies={2: body}, params={2: ", ctx"})
    since = _half(dice)

    def change(one: Plan, at: int) -> None:
        one.scores["quality"] = one.dice.gauss(0.7 if at >= since else 0.85, 0.08)

    _go(shape, dice, traffic, change)
    return Planted(truth=_truth("quality_drift", shape.nodes[2]), graph=shape.name)


def dead_way(dice: random.Random, traffic: str) -> Planted:
    """A decision never leads one of its ways."""
    shape = shapes.choosing(dice)

    def given(at: int) -> tuple[dict[str, Any], None]:
        return {"text": f"question {at}", "tenant": "acme"}, None

    _go(shape, dice, traffic, None, given)
    left = shape.way
    others = [node for node in shape.usual if node not in (*shape.nodes, left)]
    return Planted(
        truth={"dead_node": frozenset(others), "dead_edge": frozenset((shape.decision,))},
        graph=shape.name,
    )


_TOOL_BODY = """\
for tool in plan.get().tools.get("lookup", ()):
    await ctx.tool(tool, "x")"""


def absent_tool(dice: random.Random, traffic: str) -> Planted:
    """A node asks for a tool that does not exist."""
    shape = shapes.chain(dice, number=4, bodies={1: _TOOL_BODY}, params={1: ", ctx"})

    def change(one: Plan, at: int) -> None:
        if one.dice.random() < 0.1:
            one.tools["lookup"] = ("currency_rates",)

    _go(shape, dice, traffic, change)
    return Planted(truth=_truth("missing_tool", shape.nodes[1]), graph=shape.name)


_ASK = """\
for asked in plan.get().ask["calls"]:
    await ctx.llm(asked["messages"], base_url=plan.get().ask["url"], api_key="k", **asked["more"])"""
_SYSTEM = "You answer from the notes. " * 120


def _asking(dice: random.Random, at: int, **more: Any) -> Shape:
    """A chain of four, one of whose nodes asks a model."""
    return shapes.chain(dice, number=4, bodies={at: _ASK}, params={at: ", ctx"}, **more)


def _with_model(shape: Shape, dice: random.Random, change: Change) -> None:
    with serving() as url:

        def asked(one: Plan, at: int) -> None:
            one.ask = {"url": url, "calls": []}
            change(one, at)

        _go(shape, dice, "steady", asked, number=120)


def _call(*texts: str, model: str = "gpt-4o-mini", **more: Any) -> dict[str, Any]:
    roles = ("system", "user", "assistant", "user", "assistant")
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    return {"messages": messages, "more": {"model": model, **more}}


def resent(dice: random.Random, traffic: str) -> Planted:
    """A model is sent the same long beginning with each call, and nothing is kept of it."""
    shape = _asking(dice, 1)

    def change(one: Plan, at: int) -> None:
        one.ask["calls"] = [_call(_SYSTEM, f"question {at}")]

    _with_model(shape, dice, change)
    return Planted(truth=_truth("prompt_resent", shape.nodes[1]), is_plan=True, graph=shape.name)


def unread(dice: random.Random, traffic: str) -> Planted:
    """A model writes what no node reads."""
    shape = shapes.serial(dice, unread=_ASK)

    def change(one: Plan, at: int) -> None:
        one.ask["calls"] = [_call("Be short.", f"question {at} " * 20)]

    _with_model(shape, dice, change)
    also = frozenset(("serial_steps",))
    return Planted(
        truth=_truth("unread_output", shape.twins[0]), is_plan=True, graph=shape.name, also=also
    )


def mended(dice: random.Random, traffic: str) -> Planted:
    """A model is told the same thing after its first answer, time after time."""
    shape = _asking(dice, 2)

    def change(one: Plan, at: int) -> None:
        asked = f"question {at}"
        one.ask["calls"] = [_call("Be short.", asked)]
        if one.dice.random() < 0.6:
            one.ask["calls"].append(
                _call("Be short.", asked, "answer to 2", "Answer with JSON only.")
            )

    _with_model(shape, dice, change)
    return Planted(truth=_truth("prompt_workaround", shape.nodes[2]), graph=shape.name)


def dearer(dice: random.Random, traffic: str) -> Planted:
    """A dear model is asked what a cheap one, asked the same now and then, answers as well."""
    shape = _asking(dice, 1)

    def change(one: Plan, at: int) -> None:
        one.ask["calls"] = [_call("Be short.", f"question {at}", model="gpt-4o")]
        if at % 3 == 0:
            one.ask["calls"].append(_call("Be short.", f"question {at}", model="gpt-4o-mini"))

    _with_model(shape, dice, change)
    return Planted(truth=_truth("dearer_model", shape.nodes[1]), is_plan=True, graph=shape.name)


def talking(dice: random.Random, traffic: str) -> Planted:
    """A model is asked something else each time, and each answer is read."""
    shape = _asking(dice, dice.choice((0, 1, 2)))

    def change(one: Plan, at: int) -> None:
        one.ask["calls"] = [_call(f"Notes {at}: " + "x" * 3000, f"question {at}")]

    _with_model(shape, dice, change)
    return Planted(graph=shape.name)


# Traps: there is something to see, and another thing to say of it, or nothing.


def together(dice: random.Random, traffic: str) -> Planted:
    """Two nodes slow for one cause: what the first meets, the second meets in the same execution."""
    shape = shapes.chain(dice, number=5)
    one_node, two_node = sorted(dice.sample(range(5), 2))
    first, second, since = shape.nodes[one_node], shape.nodes[two_node], _half(dice)

    def change(one: Plan, at: int) -> None:
        if at >= since:
            factor = one.dice.uniform(1.6, 3.2)
            one.ms[first] *= factor
            one.ms[second] *= factor

    _go(shape, dice, traffic, change)
    return Planted(truth=_truth("latency_regression", first), is_plan=True, graph=shape.name)


def load(dice: random.Random, traffic: str) -> Planted:
    """The machine is slower for a while; no node is."""
    shape = dice.choice((shapes.chain, shapes.fork, shapes.loop))(dice)
    since = _half(dice)

    def change(one: Plan, at: int) -> None:
        if at >= since:
            one.ms = {node: ms * 1.9 for node, ms in one.ms.items()}

    _go(shape, dice, traffic, change)
    return Planted(graph=shape.name)


def longer_work(dice: random.Random, traffic: str) -> Planted:
    """A node takes as long as its input is, and inputs grow."""
    shape = shapes.chain(dice, number=4)
    first, since = shape.nodes[0], _half(dice)
    sizes = [
        int(random.Random(at).uniform(40, 160) * (2 if at >= since else 1)) for at in range(NUMBER)
    ]

    def change(one: Plan, at: int) -> None:
        one.ms[first] *= sizes[at] / 80

    def given(at: int) -> tuple[dict[str, Any], None]:
        return {"text": "x" * sizes[at], "tenant": "acme"}, None

    _go(shape, dice, traffic, change, given)
    return Planted(graph=shape.name, also=frozenset(("input_drift",)))


def one_key(dice: random.Random, traffic: str) -> Planted:
    """Two nodes could run at once, but both write one key."""
    shape = shapes.serial(dice, shares_key=True)
    _go(shape, dice, traffic)
    return Planted(graph=shape.name)


def differing(dice: random.Random, traffic: str) -> Planted:
    """A node is given the same again and gives something else."""
    shape = shapes.loop(dice, search_reads=("k0",))
    search = shape.nodes[1]

    def change(one: Plan, at: int) -> None:
        one.rounds = 3
        one.outputs[search] = lambda *_: one.dice.random()

    _go(shape, dice, traffic, change)
    return Planted(graph=shape.name)


Family = Callable[[random.Random, str], Planted]
FAULTS: dict[str, Family] = {
    "slow ×2 since a time": slow, "slow ×2 since a version": slow_version, "errors since a time": failing,
    "errors for one tenant": failing_for_one, "retry storm": storm, "loop in vain": idle_loop,
    "repeated calls": repeated, "serial steps": serial, "schema drift, errors after it": other_form,
    "time-out too tight": tight, "input drift": longer_texts, "quality drift": worse, "dead way": dead_way,
    "missing tool": absent_tool, "answers unread": unread, "prompt sent again": resent,
    "prompt mended each time": mended, "model dearer than needed": dearer, "two slow nodes, one cause": together,
}  # fmt: skip
TRAPS: dict[str, Family] = {
    "load on all nodes": load, "longer inputs, longer work": longer_work,
    "parallel candidates, one key": one_key, "repeats with differing outputs": differing, "model calls as they should be": talking, "30 executions": few,
}  # fmt: skip
