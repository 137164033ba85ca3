"""What the tools take: one struct each, which is also the source of the tool's input schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Meta, UnsetType

from inwit.errors import MalformedInputError, shorten
from inwit.events import Status
from inwit.plans import PlanStatus
from inwit.server.mcp.bounds import DEFAULT_CHARS, LEAST_CHARS, MOST_CHARS

Text = Annotated[str, Meta(max_length=400)]
Cursor = Annotated[str, Meta(max_length=100)]
Limit = Annotated[int, Meta(ge=1, le=100)]


class _Arguments(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class Ask(_Arguments):
    question: str
    level: Literal["platform", "app", "live", "network"] | UnsetType = UNSET
    graph: Text | UnsetType = UNSET
    execution_id: Text | UnsetType = UNSET
    conversation_id: str | UnsetType = UNSET
    verify: Annotated[bool, Meta(description="try a what-if on pure nodes")] = False
    max_chars: Annotated[int, Meta(ge=LEAST_CHARS, le=MOST_CHARS)] = DEFAULT_CHARS
    cursor: Cursor | UnsetType = UNSET


class Search(_Arguments):
    query: Text
    kind: Text | UnsetType = UNSET
    limit: Limit = 10
    cursor: Cursor | UnsetType = UNSET


class Get(_Arguments):
    uri: Annotated[str, Meta(max_length=1000)]
    view: Literal["summary", "skeleton", "full"] = "summary"
    cursor: Cursor | UnsetType = UNSET


class ListExecutions(_Arguments):
    status: Status | UnsetType = UNSET
    graph: Text | UnsetType = UNSET
    since: Annotated[Text, Meta(description="RFC 3339, or an age such as 2h")] | UnsetType = UNSET
    limit: Limit = 20
    cursor: Cursor | UnsetType = UNSET


class Explain(_Arguments):
    execution_id: Annotated[Text, Meta(description="id, its prefix, or last")]
    mode: Literal["why", "whatif", "howcan"] = "why"
    change: Annotated[Text, Meta(description="for whatif, in words")] | UnsetType = UNSET
    cursor: Cursor | UnsetType = UNSET


class ListPlans(_Arguments):
    status: PlanStatus | UnsetType = UNSET
    cursor: Cursor | UnsetType = UNSET


class SearchPackages(_Arguments):
    query: Text
    kind: Text | UnsetType = UNSET
    cursor: Cursor | UnsetType = UNSET


Confirm = Annotated[str, Meta(max_length=100, description="token of the first call")]


class RunGraph(_Arguments):
    graph: Annotated[str, Meta(min_length=1, max_length=400)]
    input: dict[str, Any]
    thread_id: Text | UnsetType = UNSET
    confirm: Confirm | UnsetType = UNSET


class ControlExecution(_Arguments):
    execution_id: Text
    action: Literal["pause", "resume", "cancel"]
    value: Annotated[Any, Meta(description="answer to what it waits for")] = UNSET
    expected_seq: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    confirm: Confirm | UnsetType = UNSET


class DecidePlan(_Arguments):
    plan_id: Text
    action: Literal["approve", "reject", "apply", "rollback", "evaluate"]
    expected_revision: Annotated[int, Meta(ge=1)]
    reason: Text | UnsetType = UNSET
    confirm: Confirm | UnsetType = UNSET


_UNTOLD = ("minLength", "maxLength")
_URIS = {
    "execution_id": "execution://", "plan_id": "plan://", "graph": "graph://",
}  # fmt: skip
"""Arguments that may be given as a uri of what they name."""
A = TypeVar("A", bound=_Arguments)


def read(kind: type[A], given: Mapping[str, Any] | None) -> A:
    """Check what a client gave. A null stands for an absent argument, as models write it.

    Raises:
        MalformedInputError: An argument is missing, unknown or of a wrong type.
    """
    present = {name: value for name, value in (given or {}).items() if value is not None}
    for name, scheme in _URIS.items():
        if isinstance(value := present.get(name), str) and value.startswith(scheme):
            present[name] = unquote(value.removeprefix(scheme).partition("/")[0])
    try:
        for value in present.values():
            str(value).encode()
        return msgspec.convert(present, kind, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError) as exc:
        raise _refusal(kind, present, str(exc)) from exc


def _refusal(
    kind: type[_Arguments], present: Mapping[str, Any], reason: str
) -> MalformedInputError:
    """Say which argument was refused, what it was, and what it may be."""
    schema = input_schema(kind)
    every = f"Arguments: {', '.join(schema['properties'])}."
    if needed := schema.get("required"):
        every += f" Needed: {', '.join(needed)}."
    if found := re.search(r"missing required field `(\w+)`", reason):
        return MalformedInputError(f"{found[1]} is missing.", hint=every)
    if found := re.search(r"unknown field `(.*)`", reason):
        return MalformedInputError(f"There is no argument {shorten(found[1])}.", hint=every)
    found = re.search(r"(.*) - at `\$\.(\w+)", reason)
    if found is None or found[2] not in present:
        return MalformedInputError(f"{reason}.", hint=every)
    known = schema["properties"][found[2]].get("enum")
    return MalformedInputError(
        f"{found[2]} is {shorten(present[found[2]])}: {found[1]}.",
        hint=f"It is one of {', '.join(known)}." if known else every,
    )


def input_schema(kind: type[_Arguments]) -> dict[str, Any]:
    """Describe the arguments in few words: what every client carries along must be small."""
    _, components = msgspec.json.schema_components([kind])
    schema: dict[str, Any] = components[kind.__name__]
    shown = {key: value for key, value in schema.items() if key != "title" and value != []}
    shown["properties"] = {
        name: {key: value for key, value in described.items() if key not in _UNTOLD}
        for name, described in schema["properties"].items()
    }
    return shown
