"""Steering executions for whoever asks the host: its routes and MCP's tool both come here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from inwit.errors import ForbiddenError, GraphNotHereError, UnknownGraphError
from inwit.plans import Principal
from inwit.runtime import loading
from inwit.runtime.store import Journal
from inwit.runtime.store.control import ControlResult, request
from inwit.runtime.views import Execution
from inwit.server import auth
from inwit.server.host import Host

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph

_LOOK_S: Final = 0.05


def allow(host: Host, what: str, scope: str = auth.RUN) -> str:
    """Refuse what the host was not started for, or the caller's token does not reach; give who asks.

    Raises:
        ForbiddenError: The host only answers.
        ScopeError: The caller's token does not reach that far.
    """
    if not host.offers.allow_write:
        raise ForbiddenError(
            f"This host only answers: {what} is off.", hint="Start it with --allow-write."
        )
    caller = auth.current()
    caller.require(scope)
    return str(caller.principal)


def person_behind(host: Host) -> Principal:
    """The person behind a client, as whom it acts that has asked it by a form."""
    return Principal("person", f"{host.caller.id} by form")


def control(
    host: Host, action: str, execution_id: str, value: Any, expected_seq: int | None
) -> ControlResult:
    """Pause, resume or cancel an execution as whoever asks.

    Raises:
        ForbiddenError: The host only answers, or this execution is not the caller's to steer.
        ExecutionError: It cannot be done, and why.
    """
    actor = allow(host, "steering executions")
    Journal.of(host.project).flush()  # it may run in this process
    found = host.store.execution(host.execution_id(execution_id))  # as the caller sees it
    host.require(auth.RUN, found.graph_name)
    return request(
        host.project, found.execution_id, action, value=value, expected_seq=expected_seq,
        actor=actor, find=lambda one: graph_of(host, one),
    )  # fmt: skip


def settled(host: Host, found: Execution, wait_s: float) -> Execution:
    """An execution that goes on from where it was `found`, once it has ended or waits again.

    Where that takes longer than `wait_s` seconds it is given as it is by then.
    """
    deadline = time.monotonic() + wait_s
    while True:
        version = host.store.data_version()
        Journal.of(host.project).flush()  # it may run in this process
        now = host.store.execution(found.execution_id)
        has_moved = now.last_seq > found.last_seq and now.status != "running"
        left = deadline - time.monotonic()
        if has_moved or left <= 0:
            return now
        host.store.wait_change(min(left, _LOOK_S), version)


def graph_of(host: Host, found: Execution) -> CompiledGraph[Any] | None:
    """The graph of an execution, where this process can run it."""
    try:
        return runnable(host, found.graph_name)
    except (GraphNotHereError, UnknownGraphError):
        return None


def runnable(host: Host, name: str) -> CompiledGraph[Any]:
    """A graph that this process can run: served with the host, alive here, or made by its file.

    Raises:
        UnknownGraphError: The project has no such graph.
        GraphNotHereError: It cannot run here, and why.
    """
    known = host.store.graph(name)  # as the caller sees it
    if known.name in host.offers.graphs:
        return host.offers.graphs[known.name]
    source = known.manifest.source
    return loading.find_graph(host.project, known.name, None if source is None else source.file)
