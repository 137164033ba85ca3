"""Waiting for a person: what is asked, what an answer must be, and who is still waiting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import InvalidAnswerError, InvalidStateError, OpenQuestionsError
from inwit.runtime.commands import GraphInterrupt, Interrupt
from inwit.runtime.context import current
from inwit.runtime.progress import task_id
from inwit.runtime.serial import freeze, thaw
from inwit.runtime.travel import NO_ANSWER

if TYPE_CHECKING:
    from inwit.runtime.checkpoints import Pending


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """One question that is not answered: what is asked, and which task of which graph asks."""

    id: str
    value: Any
    schema: Any
    ns: str
    task: str

    def interrupt(self) -> Interrupt:
        """As a caller sees it."""
        return Interrupt(self.value, self.id, response_schema=self.schema)

    def frozen(self) -> Any:
        """As a pending row keeps it."""
        return freeze([self.id, self.value, self.schema, self.ns, self.task], strict=True)

    @classmethod
    def thawed(cls, frozen: Any) -> Waiting:
        """Read what `frozen` wrote."""
        id_, value, schema, ns, task = thaw(frozen)
        return cls(id=id_, value=value, schema=schema, ns=ns, task=task)


class Asked(GraphInterrupt):
    """Questions of this graph's tasks, or of graphs within it, with the places that ask."""

    def __init__(
        self, waiting: Sequence[Waiting], refused: InvalidAnswerError | None = None
    ) -> None:
        super().__init__([one.interrupt() for one in waiting])
        self.waiting = tuple(waiting)
        self.refused = refused
        """Why an answer that was given is asked for again."""


def wait_for_answer(value: Any, schema: Any) -> Any:
    """Give the answer to the running task's next question, or end the task by asking it."""
    ctx = current()
    if ctx is None:
        raise InvalidStateError(
            "interrupt() was called outside of a node.", hint="Call it in a node of a graph."
        )
    progress = ctx.progress
    number = progress.asked
    progress.asked += 1
    refused: InvalidAnswerError | None = None
    ns = ctx.execution.ns
    answer = progress.answers[number] if number < len(progress.answers) else _loose(ctx, number)
    if answer is not NO_ANSWER:
        try:
            return _as_type(schema, answer)
        except InvalidAnswerError as exc:
            refused = exc
    waiting = Waiting(
        id=task_id(ctx.task_id, ns, str(number), "interrupt"),
        value=value,
        schema=json_schema(schema),
        ns=ns,
        task=progress.key,
    )
    raise Asked([waiting], refused)


def _loose(ctx: Any, number: int) -> Any:
    """The answer that was given to whatever is asked first, kept as one to this question."""
    execution = ctx.execution
    answer = NO_ANSWER if execution.travel is None else execution.travel.answer()
    if answer is not NO_ANSWER:
        from inwit.runtime.keeping import note

        key = task_id(ctx.task_id, execution.ns, str(number), "interrupt")
        note(execution, "resume", ctx.progress.key, key, freeze(answer, strict=True))
    return answer


def waiting_of(given: BaseException, ctx: Any) -> tuple[Waiting, ...]:
    """The questions of an interrupt, also of one that a program raised by hand."""
    if isinstance(given, Asked):
        if given.refused is not None:
            ctx.execution.refused = given.refused
        return given.waiting
    assert isinstance(given, GraphInterrupt)
    raised: Sequence[Any] = given.interrupts  # by hand, it may hold anything
    return tuple(
        Waiting(
            id=task_id(ctx.task_id, ctx.execution.ns, str(number), "raised"),
            value=one.value if isinstance(one, Interrupt) else one,
            schema=None,
            ns=ctx.execution.ns,
            task=ctx.progress.key,
        )
        for number, one in enumerate(raised)
    )


def still_waiting(pending: Iterable[Pending]) -> list[Waiting]:
    """The questions among pending rows that no answer follows."""
    found: dict[str, Waiting] = {}
    for row in pending:
        if row.kind == "interrupt":
            found[row.key] = Waiting.thawed(row.value)
        elif row.kind == "resume":
            found.pop(row.key, None)
    return list(found.values())


def match_answers(waiting: Sequence[Waiting], resume: Any) -> dict[str, Any]:
    """Find which question each answer is for, and check it.

    `resume` is the answer to the only question, or a dict of answers by the questions' ids.

    Raises:
        OpenQuestionsError: Several wait, and the answer does not say which it is for.
        InvalidAnswerError: An answer does not fit its question's schema.
    """
    by_id = {one.id: one for one in waiting}
    if is_by_id(resume):
        answers = {key: value for key, value in resume.items() if key in by_id}
    elif len(waiting) > 1:
        raise OpenQuestionsError(list(by_id))
    else:
        answers = {one.id: resume for one in waiting}
    for key, value in answers.items():
        check_answer(by_id[key].schema, value)
    return answers


def is_by_id(resume: Any) -> bool:
    """Whether answers are given by their questions' ids."""
    return isinstance(resume, Mapping) and bool(resume) and all(_is_id(key) for key in resume)


def _is_id(key: Any) -> bool:
    return (
        isinstance(key, str) and len(key) == 32 and all(sign in "0123456789abcdef" for sign in key)
    )


def json_schema(schema: Any) -> dict[str, Any] | None:
    """The JSON schema of an answer's type; a schema that is given as a dict is itself."""
    if schema is None or isinstance(schema, dict):
        return schema
    from pydantic import TypeAdapter

    found: dict[str, Any] = TypeAdapter(schema).json_schema()
    return found


def check_answer(schema: dict[str, Any] | None, value: Any) -> None:
    """Refuse an answer that does not fit.

    Raises:
        InvalidAnswerError: It says what is wrong and where.
    """
    if schema is None:
        return
    import jsonschema

    try:
        jsonschema.validate(_as_json(value), schema)
    except jsonschema.ValidationError as exc:
        raise InvalidAnswerError(value, exc.message, schema) from None


def _as_json(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return value if isinstance(value, dict | list) else msgspec.to_builtins(value)


def _as_type(schema: Any, answer: Any) -> Any:
    if schema is None or isinstance(schema, dict):
        return answer
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(schema).validate_python(answer)
    except ValidationError as exc:
        first = exc.errors()[0]["msg"]
        raise InvalidAnswerError(answer, first, json_schema(schema)) from exc
