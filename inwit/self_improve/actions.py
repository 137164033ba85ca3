"""What a plan would change, read from its actions and checked before anything is touched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from inwit.errors import InapplicableError
from inwit.plans import Plan
from inwit.runtime.policies import DEFAULT_RETRY, PLAIN
from inwit.runtime.reconfigured import POLICIES, SCOPES, WHOLE, changed_policy

if TYPE_CHECKING:
    from inwit.runtime.manifest import GraphManifest, NodeFacts

CACHES: Final = ("cache", "tool_cache", "model_cache")
_UNSAFE: Final = ("cache", "retry_policy")
"""What would repeat, or leave out, what a node does to the world outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the actions of a plan come to."""

    graph: str
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By node, the values to set; ``*`` stands for the graph."""
    patches: tuple[Mapping[str, Any], ...] = ()
    """Diffs of source and JSON Patches of a manifest: for a person to review."""
    packages: tuple[str, ...] = ()
    """Packages to install."""

    @property
    def parallel(self) -> list[list[str]]:
        """The pairs of nodes that would run at the same time."""
        return list(self.configs.get(WHOLE, {}).get("parallel", ()))

    @property
    def unreplayable(self) -> tuple[str, ...]:
        """The values whose effect on outputs no record tells: models, prompts, parameters."""
        return tuple(
            f"{node}.{name}"
            for node, values in self.configs.items()
            for name in values
            if node != WHOLE and name not in POLICIES
        )


def changes_of(plan: Plan) -> Changes:
    """Read a plan's actions.

    Raises:
        InapplicableError: It has none, or one of no known form.
    """
    configs: dict[str, dict[str, Any]] = {}
    patches: list[Mapping[str, Any]] = []
    packages: list[str] = []
    for action in plan.actions:
        if action.get("graph", plan.graph_name) != plan.graph_name:
            raise _odd(plan, f"an action is about another graph, {action.get('graph')!r}")
        match action:
            case {"type": "node_config", "node": str(node), "set": dict(values)} if values:
                configs.setdefault(node, {}).update(_settings(values))
            case {"type": "parallel" | "edges", "nodes": [str(one), str(other)]}:
                pairs = configs.setdefault(WHOLE, {}).setdefault("parallel", [])
                pairs.append([one, other])
            case {"type": "prompt", "node": str(node), "prompt": str(prompt)}:
                configs.setdefault(node, {})["prompt"] = prompt
            case {"type": "diff" | "manifest_patch" | "code"}:
                patches.append(action)
            case {"type": "package", "package": str(package)}:
                packages.append(package)
            case _:
                raise _odd(plan, f"an action is of no known form: {_short(action)}")
    if not (configs or patches or packages):
        raise _odd(plan, "it has no action")
    return Changes(
        graph=plan.graph_name, configs=configs, patches=tuple(patches), packages=tuple(packages)
    )


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the names that the runtime has for them."""
    found = dict(values)
    if "max_attempts" in found:
        retry = dict(found.get("retry_policy") or {})
        found["retry_policy"] = {**retry, "max_attempts": found.pop("max_attempts")}
    return found


def check_against(plan: Plan, changes: Changes, manifest: GraphManifest) -> None:
    """Refuse changes that the graph cannot take.

    Raises:
        InapplicableError: A node is not there, a value cannot be one, or it would be unsafe.
    """
    for node, values in changes.configs.items():
        facts = manifest.node(node)
        if node == WHOLE:
            _check_pairs(plan, changes.parallel, manifest)
        elif facts is None:
            raise _odd(plan, f"graph {changes.graph!r} has no node {node!r}")
        else:
            _check_values(plan, facts, values)


def _check_values(plan: Plan, facts: NodeFacts, values: Mapping[str, Any]) -> None:
    try:
        changed_policy(PLAIN, values, DEFAULT_RETRY)
    except (ValueError, TypeError) as exc:
        raise _odd(plan, str(exc)) from exc
    for name in CACHES:
        setting = values.get(name)
        if setting is None:
            continue
        if not isinstance(setting, Mapping) or setting.get("scope", "execution") not in SCOPES:
            raise _odd(plan, f"{name} has a scope of {', '.join(SCOPES)}, not {_short(setting)}")
    has_effects = bool(
        facts.policies.get("side_effects")
        or facts.metadata.get("side_effects")
        or facts.metadata.get("has_side_effects")
    )
    for name in _UNSAFE:
        if has_effects and _does_harm(name, values.get(name)):
            raise _odd(plan, f"{facts.name!r} has side effects, so {name} may not be set")


def _does_harm(name: str, value: Any) -> bool:
    if value is None:
        return False
    # Fewer attempts of a node with side effects are safe; more are not.
    return not (name == "retry_policy" and value.get("max_attempts") == 1)


def _check_pairs(plan: Plan, pairs: Iterable[Iterable[str]], manifest: GraphManifest) -> None:
    from inwit.introspection import independence

    for first, second in pairs:
        for name in (first, second):
            if manifest.node(name) is None:
                raise _odd(plan, f"graph {manifest.name!r} has no node {name!r}")
        reason = independence.why_not_parallel(manifest, first, second, {})
        if reason is not None:
            raise _odd(plan, reason)


def _odd(plan: Plan, why: str) -> InapplicableError:
    return InapplicableError(
        f"Plan {plan.id} cannot be applied: {why}.",
        hint="`inwit self-improve show` has its actions.",
    )


def _short(value: Any) -> str:
    return json.dumps(value, default=repr)[:120]
