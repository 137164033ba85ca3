"""Why did it cost so much: model calls, tokens and money by node, against what is usual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal, TypeVar

from inwit import events
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.baseline import is_unusual
from inwit.introspection.claims import Draft, Ref, count, graph_uri
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.stats import BASELINE_MIN
from inwit.introspection.which import choose
from inwit.runtime.views import Execution

Measure = Literal["cost", "tokens"]
K = TypeVar("K")


@dataclass(slots=True)
class Spent:
    """What one node spent. `cost` is the sum of the calls that have a price; None without any."""

    calls: int = 0
    tokens: int = 0
    cost: float | None = None
    unpriced: int = 0
    uri: str = ""
    models: dict[str, None] = field(default_factory=dict)

    def add(self, call: events.LlmCompleted) -> None:
        """Add a call's figures."""
        self.models.setdefault(call.model)
        self.calls += 1
        self.tokens += (call.input_tokens or 0) + (call.output_tokens or 0)
        if call.cost_usd is not None:
            self.cost = (self.cost or 0.0) + call.cost_usd
        elif call.error is None:
            self.unpriced += 1
        self.uri = self.uri or call.uri

    def join(self, other: Spent) -> None:
        """Add what was spent elsewhere."""
        self.calls, self.tokens = self.calls + other.calls, self.tokens + other.tokens
        self.unpriced += other.unpriced
        if other.cost is not None:
            self.cost = (self.cost or 0.0) + other.cost
        self.models |= other.models
        self.uri = self.uri or other.uri

    def of(self, measure: Measure) -> float:
        """What was spent of money, in dollars, or of tokens."""
        return (self.cost or 0.0) if measure == "cost" else float(self.tokens)

    @property
    def money(self) -> str:
        """The cost in words, of which a part may not be known."""
        return price(self.cost, self.unpriced)


def price(cost: float | None, unpriced: int) -> str:
    """Say what calls cost, of which some may have no price.

    Example:
        >>> price(0.5, 0), price(0.5, 2), price(None, 2)
        ('$0.500000', 'at least $0.500000 (2 calls have no price)', 'at a cost that is not known')
    """
    if cost is None:
        return "at a cost that is not known"
    if not unpriced:
        return f"${cost:.6f}"
    verb = "call has" if unpriced == 1 else "calls have"
    return f"at least ${cost:.6f} ({unpriced} {verb} no price)"


def ranked(spent: Mapping[K, Spent], *, by_tokens: bool = False) -> tuple[list[K], Measure]:
    """Who spent most first, and by what: by money where every call has a price, else by tokens."""
    by_money = not by_tokens and all(not one.unpriced for one in spent.values())
    measure: Measure = "cost" if by_money and any(one.cost for one in spent.values()) else "tokens"
    return sorted(spent, key=lambda name: -spent[name].of(measure)), measure


def explain(scene: Scene) -> Draft:
    """Show where the tokens and the money went, and whether that is more than usual."""
    draft = Draft(data={"causes": []})
    choice = choose(scene, fits=lambda one: one.llm_calls > 0, fitting="with model calls")
    if choice is None:
        return nothing_recorded(scene, draft)
    execution = choice.execution
    draft.data["execution_id"] = execution.execution_id
    spent = by_node(scene, execution)
    if not spent:
        draft.say(f"No model call is recorded in {choice.words}.", execution.uri)
        draft.admit(
            "What is not recorded costs nothing here: `inwit.capture()` records model calls."
        )
        return draft
    tokens = sum(one.tokens for one in spent.values())
    known = [one.cost for one in spent.values() if one.cost is not None]
    money = price(sum(known) if known else None, sum(one.unpriced for one in spent.values()))
    calls = sum(one.calls for one in spent.values())
    draft.say(
        f"{choice.words[:1].upper()}{choice.words[1:]} made {count(calls, 'model call')} with "
        f"{tokens:,} tokens, {money}.",
        Ref(uri=execution.uri, why="its totals"),
    )
    order, measure = ranked(spent)
    whole = sum(one.of(measure) for one in spent.values())
    for node in order:
        one = spent[node]
        share = one.of(measure) / whole if whole else 0.0
        draft.say(
            f"{node}: {count(one.calls, 'call')}, {one.tokens:,} tokens, {one.money}, "
            f"{share:.0%} of the {measure}.",
            one.uri,
        )
    _compare(scene, draft, execution, spent, tokens)
    return draft


def by_node(scene: Scene, execution: Execution) -> dict[str, Spent]:
    """Sum the model calls of an execution by node."""
    spent: dict[str, Spent] = defaultdict(Spent)
    for event in scene.events(execution.execution_id):
        if isinstance(event, events.LlmCompleted):
            spent[event.node or "outside of nodes"].add(event)
    return dict(spent)


def _compare(
    scene: Scene, draft: Draft, execution: Execution, spent: dict[str, Spent], tokens: int
) -> None:
    page = scene.store.executions(
        graph=execution.graph_name,
        version=execution.graph_version,
        status="completed",
        limit=HISTORY,
    )
    past = [
        float(one.input_tokens + one.output_tokens)
        for one in page.items
        if one.execution_id != execution.execution_id
    ]
    if len(past) < BASELINE_MIN:
        draft.admit(
            f"Whether that is more than usual cannot be said with {count(len(past), 'other')} "
            f"to compare; {BASELINE_MIN} are needed."
        )
        return
    usual = median(past)
    draft.data["baseline"] = {"point": usual, "low": min(past), "high": max(past), "unit": "tokens"}
    metrics = graph_uri(execution.graph_name, "executions")
    if not is_unusual(float(tokens), past):
        draft.say(
            f"That is usual: the median of {len(past)} others is {usual:,.0f} tokens.", metrics
        )
        return
    draft.say(f"The median of {len(past)} others is {usual:,.0f} tokens.", metrics)
    node, top = max(spent.items(), key=lambda item: item[1].tokens)
    over = tokens - usual
    draft.data["causes"] = [
        {"node": node, "kind": "tokens", "confirmed": top.tokens >= over / 2}
        | {"effect": {"point": over, "low": tokens - max(past), "high": tokens - min(past)}
        | {"unit": "tokens"}}
    ]  # fmt: skip
