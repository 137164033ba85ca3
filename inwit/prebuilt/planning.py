"""Plan and execute: make a plan, do its steps one by one, and look at it again after each."""

from __future__ import annotations

import inspect
import json
import operator
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

from inwit.errors import StructuredAnswerError
from inwit.runtime.context import Context, current
from inwit.runtime.graph import END, StateGraph

_PLAN = (
    "Make a plan for the task below: as few steps as it needs, each one thing that can be done and "
    'whose result is a text. Answer with JSON alone: {"steps": ["...", ...]}.'
)
_REPLAN = (
    "A plan for the task below is being carried out. Look at the results so far. Answer with JSON "
    'alone: {"response": "..."} when they suffice to answer, else {"steps": ["...", ...]} with what is '
    "still to be done."
)
_DO = "Do this step of a plan and answer with its result alone."


class PastStep(TypedDict):
    """A step that was done, and what came of it."""

    step: str
    result: str


class PlanState(TypedDict, total=False):
    """The task, what is still to be done, what was done, and the answer."""

    task: str
    plan: list[str]
    past_steps: Annotated[list[PastStep], operator.add]
    response: str


Planner = Callable[[str], Any]
"""Makes the steps of a task: a list of texts; sync or async."""
Executor = Callable[[str, PlanState], Any]
"""Does one step: gives its result; sync or async."""
Replanner = Callable[[PlanState], Any]
"""Gives the steps that are left, or a text: the answer; None leaves the plan as it is."""


def plan_and_execute(
    plan: Planner | None = None,
    execute: Executor | None = None,
    *,
    replan: Replanner | None = None,
    model: str | None = None,
    max_steps: int = 12,
) -> StateGraph[PlanState]:
    """Write a graph: ``plan`` → ``execute`` → ``replan`` → ``execute`` … → an answer.

    What is not given is asked of the model of `Context.llm`, save that with `plan` and `execute`
    given and no `replan` the plan is carried out as it is, and the last result is the answer. After
    `max_steps` steps the last result is the answer.
    """
    by_model = _Model(model)
    planner = plan or by_model.plan
    executor = execute or by_model.execute
    replanner = replan or (by_model.replan if plan is None or execute is None else _keep)

    async def make_plan(state: PlanState) -> PlanState:
        """Make the plan."""
        return {"plan": list(await _value(planner(state["task"])))}

    async def do_step(state: PlanState) -> PlanState:
        """Do the next step of the plan."""
        step, *left = state["plan"]
        result = str(await _value(executor(step, state)))
        return {"plan": left, "past_steps": [{"step": step, "result": result}]}

    async def look_again(state: PlanState) -> PlanState:
        """Look at the plan again, after a step."""
        done = state.get("past_steps", [])
        last = done[-1]["result"] if done else ""
        if len(done) >= max_steps:
            return {"response": last}
        found = await _value(replanner(state)) if done or not state["plan"] else None
        if isinstance(found, str):
            return {"response": found}
        steps = state["plan"] if found is None else list(found)
        return {"plan": steps} if steps else {"plan": [], "response": last}

    def go_on(state: PlanState) -> Literal["execute", "__end__"]:
        return END if "response" in state else "execute"  # type: ignore[return-value]

    graph = StateGraph(PlanState)
    graph.add_node("plan", make_plan)
    graph.add_node("execute", do_step)
    graph.add_node("replan", look_again)
    graph.set_entry_point("plan")
    graph.add_conditional_edges("plan", _has_steps, {"execute": "execute", "replan": "replan"})
    graph.add_edge("execute", "replan")
    graph.add_conditional_edges("replan", go_on, ["execute", END])
    return graph


def _has_steps(state: PlanState) -> Literal["execute", "replan"]:
    return "execute" if state["plan"] else "replan"


def _keep(state: PlanState) -> None:
    """Leave the plan as it is."""


class _Model:
    """The parts that a model plays where no function does."""

    def __init__(self, name: str | None) -> None:
        self._name = name

    async def plan(self, task: str) -> list[str]:
        found = await self._json(_PLAN, f"Task: {task}")
        return _steps(found)

    async def execute(self, step: str, state: PlanState) -> str:
        return await self._ask(_DO, f"{_shown(state)}\n\nStep: {step}")

    async def replan(self, state: PlanState) -> list[str] | str:
        left = "\n".join(f"- {step}" for step in state["plan"]) or "(nothing)"
        found = await self._json(_REPLAN, f"{_shown(state)}\n\nStill planned:\n{left}")
        return str(found["response"]) if "response" in found else _steps(found)

    async def _ask(self, system: str, user: str) -> str:
        ctx: Context | None = current()
        assert ctx is not None
        said = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        reply = ctx.llm(said, model=self._name)
        return str(await _value(reply))

    async def _json(self, system: str, user: str) -> dict[str, Any]:
        text = await self._ask(system, user)
        inner = text[text.find("{") : text.rfind("}") + 1]
        try:
            found = json.loads(inner)
        except ValueError as exc:
            raise StructuredAnswerError("plan", text, str(exc)) from exc
        return dict(found)


def _steps(found: dict[str, Any]) -> list[str]:
    steps = found.get("steps")
    if not isinstance(steps, list):
        raise StructuredAnswerError("plan", json.dumps(found), "it has no list of steps")
    return [str(one) for one in steps]


def _shown(state: PlanState) -> str:
    done = "\n".join(f"- {past['step']}: {past['result']}" for past in state.get("past_steps", []))
    return f"Task: {state['task']}\n\nDone so far:\n{done or '(nothing)'}"


async def _value(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given
