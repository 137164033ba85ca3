"""Routers made of parts: predicates, unions, and policies that overrule a route."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from inwit.errors import AgentDefinitionError
from inwit.runtime.graph import END
from inwit.runtime.program import is_coroutine_function, literal_returns

Predicate = Callable[[Any], Any]
Route = Callable[[Any], Any]


def predicate_router(cases: Mapping[str, Predicate], *, default: str = END) -> Route:
    """Make a router that leads to the first target whose predicate holds for the state.

    Example:
        >>> route = predicate_router({"again": lambda state: state["n"] < 3}, default="done")
        >>> route({"n": 2}), route({"n": 3})
        ('again', 'done')
    """
    return _router(_Cases(cases, first=True), default, [*cases, default])


def union_router(*parts: Route | Mapping[str, Predicate], default: str = END) -> Route:
    """Make a router that leads to every target that any of its parts leads to.

    A part is a router, or a mapping of targets to predicates of which all that hold count. Where
    none leads anywhere it is `default`.
    """
    made = [_Cases(part, first=False) if isinstance(part, Mapping) else part for part in parts]
    known: list[str] | None = [default]
    for part in parts:
        found = list(part) if isinstance(part, Mapping) else literal_returns(part)
        known = None if known is None or found is None else [*known, *found]
    return _router(_Union(made), default, known)


@dataclass(frozen=True)
class _Cases:
    cases: Mapping[str, Predicate]
    first: bool

    @property
    def is_async(self) -> bool:
        return any(is_coroutine_function(one) for one in self.cases.values())

    def targets(self, state: Any) -> list[str]:
        held = (target for target, holds in self.cases.items() if holds(state))
        return [target for target in [next(held, None)] if target] if self.first else list(held)

    async def atargets(self, state: Any) -> list[str]:
        found = []
        for target, holds in self.cases.items():
            held = holds(state)
            if await held if inspect.isawaitable(held) else held:
                found.append(target)
                if self.first:
                    break
        return found


@dataclass(frozen=True)
class _Union:
    parts: Sequence[Any]

    @property
    def is_async(self) -> bool:
        return any(
            part.is_async if isinstance(part, _Cases) else is_coroutine_function(part)
            for part in self.parts
        )

    def targets(self, state: Any) -> list[Any]:
        found: list[Any] = []
        for part in self.parts:
            answer = part.targets(state) if isinstance(part, _Cases) else part(state)
            found += _listed(answer)
        return _distinct(found)

    async def atargets(self, state: Any) -> list[Any]:
        found: list[Any] = []
        for part in self.parts:
            answer = part.atargets(state) if isinstance(part, _Cases) else part(state)
            found += _listed(await answer if inspect.isawaitable(answer) else answer)
        return _distinct(found)


def _listed(answer: Any) -> list[Any]:
    if answer is None:
        return []
    return list(answer) if isinstance(answer, list | tuple | set) else [answer]


def _distinct(targets: Sequence[Any]) -> list[Any]:
    return [one for at, one in enumerate(targets) if one not in targets[:at]]


def _router(chooser: Any, default: str, known: Sequence[str] | None) -> Route:
    """A function of the state, as the graph's checks and drawings understand it."""
    if chooser.is_async:

        async def aroute(state: Any) -> Any:
            return _one_or_all(await chooser.atargets(state) or [default])

        return _telling(aroute, known)

    def route(state: Any) -> Any:
        return _one_or_all(chooser.targets(state) or [default])

    return _telling(route, known)


def _one_or_all(targets: list[Any]) -> Any:
    return targets[0] if len(targets) == 1 else targets


def _telling(route: Route, known: Sequence[str] | None) -> Route:
    """Say in the annotation which targets there are, so that the graph knows them."""
    if known is not None:
        route.__annotations__ = {"return": Literal[tuple(dict.fromkeys(known))]}
    return route


@dataclass(frozen=True)
class Ruling:
    """What a policy makes of a route: where to go instead, and why."""

    targets: str | Sequence[str]
    reason: str = ""


class RoutePolicy(Protocol):
    """Decides over the routes of others: lets them pass, filters them, or names other ones."""

    def rule(self, state: Any, proposed: list[Any]) -> Ruling | Sequence[str] | str | None:
        """Say where to go; None lets the proposed targets stand, an empty list allows none."""


def policy_router(route: Route, *policies: RoutePolicy, fallback: str = END) -> Route:
    """Put policies over a router; each may filter or override what is left by the one before.

    What they did is in the record of the decision: beside the values read, ``policy`` names what was
    proposed, what was chosen, and which policy ruled and why. Where none of the targets is left it
    is `fallback`.

    Raises:
        AgentDefinitionError: Something given as a policy has no method ``rule``.
    """
    for policy in policies:
        if not hasattr(policy, "rule"):
            raise AgentDefinitionError(
                f"A {type(policy).__name__} is no policy.", hint="Give it rule(state, proposed)."
            )

    if is_coroutine_function(route):

        async def aruled(state: Any) -> Any:
            return _ruled(state, _listed(await route(state)), policies, fallback)

        return aruled

    def ruled(state: Any) -> Any:
        return _ruled(state, _listed(route(state)), policies, fallback)

    return ruled


def _ruled(
    state: Any, proposed: list[Any], policies: Sequence[RoutePolicy], fallback: str
) -> _Ruled:
    targets, rulings = proposed, []
    for policy in policies:
        ruling = policy.rule(state, list(targets))
        if ruling is None:
            continue
        made = ruling if isinstance(ruling, Ruling) else Ruling(ruling)
        chosen = _listed(made.targets)
        if chosen != targets:
            name = getattr(policy, "name", type(policy).__name__)
            rulings.append({"policy": name, "chosen": _names(chosen), "reason": made.reason})
        targets = chosen
    answer = _Ruled(targets or [fallback])
    about = {"proposed": _names(proposed), "chosen": _names(answer), "rulings": rulings}
    answer.about = {"policy": about}
    return answer


class _Ruled(list[Any]):
    """Targets, and what the record is told of how they came about."""

    about: dict[str, Any]


def _names(targets: Sequence[Any]) -> list[str]:
    return [getattr(one, "node", None) or str(one) for one in targets]
