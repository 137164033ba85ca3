"""What a replayed node is told instead of asking: clock, chance, steps, tools, models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from inwit.errors import ReplayedError, UnrecordedCallError
from inwit.events import Failure
from inwit.runtime.patches import patch_between
from inwit.runtime.serial import pack, plain

if TYPE_CHECKING:
    from inwit.runtime.capture.client import Question, Reply
    from inwit.runtime.context import Context
    from inwit.runtime.replay_record import Key, PastVisit, Told

NOTHING: Final = object()
"""The record has no answer, and the call may be made."""


class Tape:
    """What was told to each visit of an execution, in its order.

    What is asked in other words than then is not answered: it is called for where the replay is
    live, else refused.
    """

    def __init__(self, visits: Mapping[Key, PastVisit], begun_ns: int, *, is_live: bool) -> None:
        self.begun_ns = begun_ns
        """When the execution began: nodes are configured as they were then."""
        self._visits = visits
        self.is_live = is_live
        self._heard: dict[Key, set[int]] = {}
        self.refused: UnrecordedCallError | None = None
        """What was refused last; a client may have made another error of it."""

    def take(self, ctx: Context, name: str) -> Any:
        """The next of what the clock or chance told; None where that is all."""
        for told in self._left(ctx):
            if told.type == "custom" and told.fields.get("name") == name:
                self._hear(ctx, told)
                return told.fields.get("data")
        return None

    def step(self, ctx: Context, key: str) -> Any:
        """What a step of that key returned.

        Raises:
            UnrecordedCallError: It is not in the record, and the replay is not live.
        """
        for told in self._left(ctx):
            data = told.fields.get("data")
            if told.fields.get("name") == "step" and isinstance(data, dict) and data["step"] == key:
                self._hear(ctx, told)
                return data["result"]
        return self.refuse(ctx, f"the step {key!r}")

    def tool(self, ctx: Context, name: str, given: Any) -> Any:
        """What a tool returned for equal input.

        Raises:
            ReplayedError: It raised then.
            UnrecordedCallError: It is not in the record, and the replay is not live.
        """
        for told in self._left(ctx):
            fields = told.fields
            if told.type != "tool_started" or fields.get("tool") != name:
                continue
            if not are_equal(fields.get("input"), given):
                continue
            self._hear(ctx, told)
            return self._answer(ctx, fields.get("call_id"), "output")
        return self.refuse(ctx, f"the tool {name!r}")

    def llm(self, ctx: Context, question: Question) -> Reply | Any:
        """What a model answered to the same messages.

        Raises:
            ReplayedError: It failed then.
            UnrecordedCallError: It is not in the record, and the replay is not live.
        """
        return _reply(self.call(ctx, question.body["model"], question.body["messages"]))

    def call(self, ctx: Context, model: str | None, messages: Sequence[Any]) -> Any:
        """What ``llm_completed`` told of a call with the same messages, of any model if None.

        Raises:
            ReplayedError: It failed then.
            UnrecordedCallError: It is not in the record, and the replay is not live.
        """
        from inwit.runtime.capture.messages import by_hash

        names, _ = by_hash(messages)
        for told in self._left(ctx):
            fields = told.fields
            if told.type != "llm_started" or model not in (None, fields.get("model")):
                continue
            if list(fields.get("messages") or ()) != list(names):
                continue
            self._hear(ctx, told)
            return self._answer(ctx, fields.get("call_id"), None)
        return self.refuse(ctx, "a model" if model is None else f"the model {model!r}")

    def _answer(self, ctx: Context, call_id: Any, field: str | None) -> Any:
        """How a call ended: one field, or all of them."""
        for told in self._left(ctx):
            is_end = told.type in ("tool_completed", "tool_failed", "llm_completed")
            if is_end and told.fields.get("call_id") == call_id:
                self._hear(ctx, told)
                error = told.fields.get("error")
                if error is not None:
                    raise ReplayedError(failure_in(error))
                return told.fields if field is None else told.fields.get(field)
        return self.refuse(ctx, "what had not answered when it was recorded")

    def calls(self, kind: str) -> int:
        """How many calls of tools, or of models (``llm``), were asked for and answered."""
        return sum(
            told.type == f"{kind}_started" and id(told) in heard
            for key, heard in self._heard.items()
            for told in (self._visits[key].told if key in self._visits else ())
        )

    def _left(self, ctx: Context) -> list[Told]:
        visit = self._visits.get((ctx.node, ctx.visit))
        heard = self._heard.setdefault((ctx.node, ctx.visit), set())
        told = () if visit is None else visit.told
        return [one for one in told if id(one) not in heard]

    def _hear(self, ctx: Context, told: Told) -> None:
        self._heard[ctx.node, ctx.visit].add(id(told))

    def refuse(self, ctx: Context, what: str) -> Any:
        """Let what is not in the record be called, or refuse it.

        Raises:
            UnrecordedCallError: The replay is not live.
        """
        if self.is_live:
            return NOTHING
        self.refused = UnrecordedCallError(ctx.node, ctx.visit, what)
        raise self.refused

    def within(self) -> Tape:
        """What is told in a graph within, whose record is another execution's: nothing is known."""
        return _Within(self)


class _Within(Tape):
    def __init__(self, around: Tape) -> None:
        super().__init__({}, around.begun_ns, is_live=around.is_live)
        self._around = around

    def refuse(self, ctx: Context, what: str) -> Any:
        return self._around.refuse(ctx, what)


def tape_of(ctx: Context) -> Tape | None:
    """By what a context is told, where it or what is around it is replayed."""
    found: Tape | None = ctx.execution.tape
    if found is not None or ctx.execution.parent is None:
        return found
    around = tape_of(ctx.execution.parent)
    return None if around is None else around.within()


def failure_in(error: Any) -> Failure:
    """A recorded error."""
    from inwit.runtime.store.expand import failure_of

    return failure_of(error)


def are_equal(one: Any, other: Any) -> bool:
    """Whether two values are equal by content, as the record shows them."""
    return not patch_between(shown(one), shown(other))


def shown(value: Any) -> Any:
    """A value as the record shows it, with plain keys and values."""
    return plain(pack(value, strict=False))


def _reply(fields: Any) -> Any:
    if fields is NOTHING:
        return NOTHING
    from inwit.runtime.capture.client import Reply

    output = fields.get("output") or {}
    return Reply(
        text=output.get("content") or "",
        model=fields.get("model") or "",
        tool_calls=tuple(output.get("tool_calls", ())),
        finish_reason=output.get("finish_reason"),
        input_tokens=fields.get("input_tokens"),
        output_tokens=fields.get("output_tokens"),
        cached_tokens=fields.get("cached_tokens"),
        cost_usd=fields.get("cost_usd"),
    )
