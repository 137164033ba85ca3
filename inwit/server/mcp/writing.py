"""The tools that change something: run a graph, steer an execution, decide on a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

import anyio.to_thread
import msgspec
from mcp_types import CallToolResult, InputRequiredResult
from msgspec import UNSET
from msgspec.structs import replace

from inwit import plans
from inwit.errors import InvalidAnswerError, PrincipalError
from inwit.runtime.compiled import CompiledGraph
from inwit.runtime.interrupts import check_answer
from inwit.runtime.store import audit
from inwit.runtime.store.control import NO_VALUE, check_request
from inwit.runtime.views import Execution
from inwit.self_improve.deciding import decide as decide_as
from inwit.server import auth, deciding, steering
from inwit.server.host import Host
from inwit.server.mcp import arguments as args
from inwit.server.mcp import reply, running
from inwit.server.mcp.asking import Call, ask, can_ask, form_of, is_modern
from inwit.server.mcp.bounds import clip
from inwit.server.mcp.confirming import confirm, confirm_by_person
from inwit.server.mcp.graph_tools import fitting_input
from inwit.server.mcp.reply import Reply

Result: TypeAlias = CallToolResult | InputRequiredResult
SHOWN = 300
"""Characters of an input or a question that a person is shown."""
_TARGETS: dict[str, plans.PlanStatus] = {
    "reject": "rejected", "apply": "in_progress", "rollback": "rolled_back",
}  # fmt: skip
"""What decisions make of a plan that anybody may take."""
_IS_SO = {("pause", "paused"), ("cancel", "cancelled")}
ANSWERED_S = 10.0
"""How long a client that answered a question waits for what comes of it."""
TRIES = 3
"""How often a person of 2025 is asked again whose answer does not fit."""


def said(arguments: args.RunGraph | args.ControlExecution | args.DecidePlan) -> dict[str, Any]:
    """What a token of confirmation is for: everything but the token."""
    given: dict[str, Any] = msgspec.to_builtins(arguments)
    given.pop("confirm", None)
    return given


def _state(call: Call) -> dict[str, Any]:
    """What we gave the client to come again with; sealed, so that it is as we wrote it."""
    found = json.loads(call.params.request_state or "{}")
    return found if isinstance(found, dict) else {}


async def call(one: Call, given: args.RunGraph | args.ControlExecution | args.DecidePlan) -> Result:
    """Do what a tool does, by what it was given."""
    match given:
        case args.RunGraph():
            return await run_graph(one, given)
        case args.ControlExecution():
            return await control_execution(one, given)
        case args.DecidePlan():
            return await decide_plan(one, given)


# Running


async def run_graph(call: Call, given: args.RunGraph) -> Result:
    """Run a graph, once that is confirmed, and ask what it asks."""
    thread_id = given.thread_id or None
    fitting = await anyio.to_thread.run_sync(partial(_fitting, call.host, given))
    return await run(call, given.graph, fitting, thread_id, given.confirm or None, said(given))


def _fitting(host: Host, given: args.RunGraph) -> dict[str, Any]:
    """The input, where it is one of the graph.

    Raises:
        ForbiddenError, UnknownGraphError, GraphNotHereError, InvalidStateError, MalformedInputError:
            It cannot be run so.
    """
    graph = _ready(host, given.graph, given.input)
    if graph.schema.is_root:  # the whole of it is one value
        return given.input
    return fitting_input(host, graph.name, given.input, goes_on=bool(given.thread_id))


async def run(  # noqa: PLR0917 - what a call says
    call: Call, name: str, given: Mapping[str, Any], thread_id: str | None, token: str | None,
    arguments: Mapping[str, Any], argument: str = "confirm",
) -> Result:  # fmt: skip
    """Run a graph by its name; the tools of single graphs, whose token has another, come here too."""
    graph = await anyio.to_thread.run_sync(partial(_ready, call.host, name, given))
    execution_id = _state(call).get("execution_id")
    if execution_id is not None:  # it waited, and the client has come with an answer
        told = await anyio.to_thread.run_sync(running.outcome, call.host, str(execution_id), [])
        return await _with_answers(call, graph, told)
    what = f"Run the graph {graph.name!r} with {clip(json.dumps(dict(given)), SHOWN)}?"
    unconfirmed = await confirm(call, what, token, arguments, argument)
    if unconfirmed is not None:
        return unconfirmed
    await anyio.to_thread.run_sync(partial(_log, call.host, graph.name, thread_id))
    told = await running.run(call.host, call.context, graph, dict(given), thread_id)
    return await _with_answers(call, graph, told)


def _ready(host: Host, name: str, given: Mapping[str, Any]) -> CompiledGraph[Any]:
    """The graph, where the caller may run it, with this input.

    Raises:
        ForbiddenError, UnknownGraphError, GraphNotHereError, InvalidStateError: It cannot be run.
    """
    steering.allow(host, "running graphs")
    known = host.graph(name).name
    host.require(auth.RUN, known)
    graph = steering.runnable(host, known)
    graph.parse_input(dict(given))
    return graph


def _log(host: Host, name: str, thread_id: str | None) -> None:
    details = {} if thread_id is None else {"thread_id": thread_id}
    actor = str(host.caller.principal)
    audit.append(
        host.project, actor=actor, action="graph.run", target=f"graph://{name}", outcome="begun",
        details=details,
    )  # fmt: skip


async def _with_answers(call: Call, graph: CompiledGraph[Any], told: dict[str, Any]) -> Result:
    """Ask the person what the execution asks, as long as it waits and the client can ask."""
    tries = 0
    while told["status"] == "waiting_for_input" and can_ask(call.context) and tries < TRIES:
        question = told["interrupts"][0]
        form = form_of(question["schema"])
        if form is None:
            break
        message = f"The graph {graph.name!r} asks: {_shown(question['value'])}"
        state = json.dumps({"execution_id": told["execution_id"]})
        answer = await ask(call, question["id"], message, form.schema, state)
        if isinstance(answer, InputRequiredResult):
            return answer
        if answer.action != "accept":
            break
        value = form.read(answer.content or {})
        if (why := _unfit(question["schema"], value)) is not None:
            tries += 1
            if is_modern(call.context):
                return _refused(told["execution_id"], why)
            continue
        tries, answers = 0, {question["id"]: value}
        told = await running.go_on(call.host, call.context, graph, told["execution_id"], answers)
    return shown(told)


def _unfit(schema: Any, value: Any) -> str | None:
    try:
        check_answer(schema, value)
    except InvalidAnswerError as exc:
        return exc.message
    return None


def _refused(execution_id: str, why: str) -> CallToolResult:
    """Refuse an answer that does not fit; the client may come again, as the execution still waits."""
    refused = reply.made(
        f"{why} The execution {execution_id} still waits.\n{_how_to_answer(execution_id)}",
        {"execution_id": execution_id, "status": "waiting_for_input", "reason": why},
    )
    return refused.model_copy(update={"is_error": True})


def _how_to_answer(execution_id: str) -> str:
    return (
        f"Answer with control_execution(execution_id={execution_id!r}, action='resume', value=…)."
    )


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(msgspec.to_builtins(value))
    return clip(text, SHOWN)


def _as_json(value: Any, limit: int) -> str:
    return clip(reply.enclosed(json.dumps(value, ensure_ascii=False)), limit)


def shown(told: dict[str, Any]) -> CallToolResult:
    """What became of an execution, for a model to read."""
    has = "has" if told["status"] == "failed" else "is"
    lines = [f"The execution {told['execution_id']} {has} {told['status']}.", *_became(told)]
    made = reply.result(Reply(prose="\n".join(lines), data=told))
    return made.model_copy(update={"is_error": told["status"] == "failed"})


def _became(told: dict[str, Any]) -> list[str]:
    """What an execution asks, why it failed or what it gave, and what to call then."""
    execution_id, lines = told["execution_id"], []
    for question in told.get("interrupts", ()):
        schema = question["schema"]
        fits = "" if schema is None else f" The answer's schema: {clip(json.dumps(schema), SHOWN)}"
        lines.append(f"It asks: {reply.quoted(_shown(question['value']))}{fits}")
    if told["status"] == "waiting_for_input":
        lines.append(_how_to_answer(execution_id))
    if "error" in told:
        lines.append(reply.quoted(f"{told['error']['type']}: {told['error']['message']}"))
        lines.append(f"Why: explain_execution(execution_id={execution_id!r}).")
    if "output" in told:
        lines.append(f"Output: {_as_json(told['output'], 2_000)}")
    return lines


# Steering


async def control_execution(call: Call, given: args.ControlExecution) -> Result:
    """Pause, resume or cancel an execution, once that is confirmed."""
    host = call.host
    found, what = await anyio.to_thread.run_sync(partial(_steerable, host, given))
    if (given.action, found.status) in _IS_SO:  # nobody is asked about what changes nothing
        given = replace(given, expected_seq=found.last_seq)
        return await anyio.to_thread.run_sync(partial(_steered, host, found, given))
    unconfirmed = await confirm(call, what, given.confirm or None, said(given))
    if unconfirmed is not None:
        return unconfirmed
    return await anyio.to_thread.run_sync(partial(_steered, host, found, given))


def _steered(host: Host, found: Execution, given: args.ControlExecution) -> CallToolResult:
    value, expected = _value(given), given.expected_seq or None
    result = steering.control(host, given.action, found.execution_id, value, expected)
    if value is not NO_VALUE:
        now = steering.settled(host, found, ANSWERED_S)
        if now.last_seq > found.last_seq:
            message = f"It is {now.status} now."
            result = replace(
                result, outcome="done", status=now.status, seq=now.last_seq, message=message
            )
    data, lines = msgspec.to_builtins(result), []
    if result.status in ("completed", "failed", "waiting_for_input"):
        told = running.outcome(host, result.execution_id, [])
        data, lines = {**told, **data}, _became(told)
    prose = "\n".join([f"{result.execution_id} {result.status}: {result.message}", *lines])
    return reply.result(Reply(prose=prose, data=data))


def _value(given: args.ControlExecution) -> Any:
    return NO_VALUE if given.value is UNSET else given.value


def _steerable(host: Host, given: args.ControlExecution) -> tuple[Execution, str]:
    """The execution, where it can be steered so, and what a person is asked about it."""
    steering.allow(host, "steering executions")
    found = host.store.execution(host.execution_id(given.execution_id))
    host.require(auth.RUN, found.graph_name)
    check_request(
        host.project, found, given.action, _value(given), given.expected_seq or None,
        find=lambda one: steering.graph_of(host, one),
    )  # fmt: skip
    return found, _asked(host, found, given)


def _asked(host: Host, found: Execution, given: args.ControlExecution) -> str:
    which = f"execution {found.execution_id} of {found.graph_name!r}"
    if given.action != "resume" or given.value is UNSET:
        return (
            f"{given.action.capitalize()} the {which}, which is {found.status} at event"
            f" {found.last_seq}?"
        )
    questions = running.questions(host, found.execution_id)
    asks = " ".join(reply.quoted(_shown(one["value"])) for one in questions)
    answer = _as_json(given.value, SHOWN)
    return f"The {which} asks: {asks} Answer: {answer}?"


# Deciding


async def decide_plan(call: Call, given: args.DecidePlan) -> Result:
    """Decide on a plan, once that is confirmed; only a person approves."""
    host = call.host
    plan = await anyio.to_thread.run_sync(partial(_decidable, host, given))
    what = (
        f"{given.action.capitalize()} plan {plan.id} ({plan.title!r}), which is {plan.status} in"
        f" revision {plan.revision}?"
    )
    if given.action == "approve":
        return await _approve(call, given, what)
    unconfirmed = await confirm(call, what, given.confirm or None, said(given))
    if unconfirmed is not None:
        return unconfirmed
    words = {"expected_revision": given.expected_revision, "reason": given.reason or None}
    decided = await anyio.to_thread.run_sync(
        partial(deciding.decide, host, given.action, given.plan_id, words)
    )
    return _decided(decided)


def _decidable(host: Host, given: args.DecidePlan) -> plans.Plan:
    """The plan, where this can be decided about it; nobody is asked in vain."""
    from inwit.self_improve import life

    steering.allow(host, "deciding on plans", auth.PLAN)
    plan = host.plans.get(given.plan_id)
    host.require(auth.PLAN, plan.graph_name)
    target = _TARGETS.get(given.action)
    if target is not None:
        life.check(plan, target, host.caller.principal, given.expected_revision)
    return plan


async def _approve(call: Call, given: args.DecidePlan, what: str) -> Result:
    if not can_ask(call.context):
        raise PrincipalError(
            "A client may not approve a plan: only a person may, and this one cannot be asked.",
            hint=f"A person runs: inwit self-improve approve {given.plan_id}",
        )
    unconfirmed = await confirm_by_person(call, what)
    if unconfirmed is not None:
        return unconfirmed
    approve = partial(
        decide_as, call.host.project, given.plan_id, "approve", steering.person_behind(call.host),
        expected_revision=given.expected_revision, reason=given.reason or "",
    )  # fmt: skip
    return _decided(await anyio.to_thread.run_sync(approve))


def _decided(plan: plans.Plan) -> CallToolResult:
    data = {"id": plan.id, "status": plan.status, "revision": plan.revision, "title": plan.title}
    return reply.made(f"Plan {plan.id} is {plan.status}, revision {plan.revision}.", data)
