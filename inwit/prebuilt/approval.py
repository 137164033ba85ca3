"""Nodes that wait for a person's approval, with a risk, a time limit, and what follows on expiry."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import msgspec

from inwit.errors import AgentDefinitionError, nearest
from inwit.runtime.commands import Command, interrupt
from inwit.runtime.context import Context

Risk = Literal["low", "medium", "high", "critical"]
OnExpiry = Literal["approve", "reject", "escalate"]
RISKS: tuple[Risk, ...] = ("low", "medium", "high", "critical")
_ON_EXPIRY: tuple[OnExpiry, ...] = ("approve", "reject", "escalate")

ANSWER_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "boolean"},
        {
            "type": "object",
            "properties": {
                "approved": {"type": "boolean"},
                "comment": {"type": "string"},
                "by": {"type": "string"},
            },
            "required": ["approved"],
        },
    ]
}
"""What a person answers: yes or no, or these with a comment and who they are."""


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """How an approval was decided."""

    approved: bool
    how: Literal["answered", "expired", "automatic"]
    risk: str
    comment: str = ""
    by: str = ""
    escalated: bool = False


def approval_node(  # noqa: PLR0913 - each option by its name
    question: str | Callable[[Any], Any],
    *,
    risk: Risk | Callable[[Any], Risk] = "medium",
    timeout_s: float | None = None,
    on_expiry: OnExpiry = "reject",
    escalate_to: str = "",
    auto_approve: tuple[Risk, ...] = (),
    key: str = "approval",
    approve: str | None = None,
    reject: str | None = None,
    clock: Callable[[], float] = time.time,
) -> Callable[[Any, Context], Coroutine[Any, Any, Any]]:
    """Make a node that waits until a person approves or rejects.

    The interrupt shows the question, the risk, when it was asked and when it expires (seconds since
    1970). It is answered by ``Command(resume=True)`` or ``{"approved": …, "comment": …, "by": …}``.
    The decision goes into the state's `key` as a dict. An answer that comes after the time limit is
    not heeded: what `on_expiry` says holds. `expire` resumes a thread for that without an answer.

    Args:
        question: What the person is asked, or a function of the state that gives it.
        risk: low, medium, high or critical, or a function of the state that gives one.
        timeout_s: How long an answer is waited for; None is forever.
        on_expiry: Approve, reject, or escalate: ask `escalate_to` once more, for as long again,
            after which it is rejected.
        auto_approve: Risks that are approved without asking.
        approve, reject: Nodes to go to, where the way on is not an edge of the graph.
    """
    _check(on_expiry, _ON_EXPIRY)
    if not callable(risk):
        _check(risk, RISKS)

    async def approval(state: Any, ctx: Context) -> Any:
        """Wait for a person's approval."""
        level = risk(state) if callable(risk) else risk
        asks = _Question(
            question(state) if callable(question) else question,
            level,
            timeout_s,
            on_expiry,
            escalate_to,
            clock,
        )
        if level in auto_approve:
            decided = Approval(approved=True, how="automatic", risk=level)
        else:
            decided = await asks.ask(ctx)
        fields = msgspec.to_builtins(decided)
        ctx.emit("custom", name="approval", data=fields)
        target = approve if decided.approved else reject
        return Command(update={key: fields}, goto=target) if target else {key: fields}

    return approval


def _check(given: Any, known: tuple[str, ...]) -> None:
    if given not in known:
        raise AgentDefinitionError(
            f"{given!r} is none of {', '.join(known)}.", hint=nearest(str(given), known)
        )


class _Question:
    """One question to a person, and what follows where nobody answers in time."""

    def __init__(  # noqa: PLR0917 - made once, above
        self,
        text: Any,
        risk: str,
        timeout_s: float | None,
        on_expiry: OnExpiry,
        escalate_to: str,
        clock: Callable[[], float],
    ) -> None:
        self.text = text
        self.risk = risk
        self.timeout_s = timeout_s
        self.on_expiry = on_expiry
        self.escalate_to = escalate_to
        self.clock = clock

    async def ask(self, ctx: Context) -> Approval:
        answer = await self._wait(ctx, "asked", escalated=False)
        if answer is not None:
            return answer
        if self.on_expiry != "escalate":
            is_approved = self.on_expiry == "approve"
            return Approval(approved=is_approved, how="expired", risk=self.risk)
        answer = await self._wait(ctx, "escalated", escalated=True)
        if answer is not None:
            return answer
        return Approval(approved=False, how="expired", risk=self.risk, escalated=True)

    async def _wait(self, ctx: Context, step: str, *, escalated: bool) -> Approval | None:
        """The person's answer; None where it came too late."""
        asked_at = await ctx.step(step, self.clock)
        expires_at = None if self.timeout_s is None else asked_at + self.timeout_s
        shown = {
            "kind": "approval",
            "question": self.text,
            "risk": self.risk,
            "asked_at": asked_at,
            "expires_at": expires_at,
            "on_expiry": "reject" if escalated else self.on_expiry,
        }
        if escalated:
            shown |= {"escalated": True, "for": self.escalate_to}
        answer = interrupt(shown, schema=ANSWER_SCHEMA)
        if expires_at is not None and self.clock() > expires_at:
            return None
        given = answer if isinstance(answer, dict) else {"approved": answer}
        return Approval(
            approved=bool(given["approved"]),
            how="answered",
            risk=self.risk,
            comment=str(given.get("comment", "")),
            by=str(given.get("by", "")),
            escalated=escalated,
        )


async def expire(app: Any, config: Any, *, clock: Callable[[], float] = time.time) -> bool:
    """Go on with a thread whose approvals have expired; say whether there were any.

    For a timer of your own: it may run in any process that has the graph.
    """
    now, expired = clock(), {}
    for task in app.get_state(config).tasks:
        for one in task.interrupts:
            value = one.value if isinstance(one.value, dict) else {}
            limit = value.get("expires_at") if value.get("kind") == "approval" else None
            if limit is not None and now > limit:
                expired[one.id] = {"approved": False, "comment": "expired"}
    if expired:
        await app.ainvoke(Command(resume=expired), config)
    return bool(expired)
