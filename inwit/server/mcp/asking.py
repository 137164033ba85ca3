"""Asking the person behind a client: by an answer that asks (2026), or by a request back (2025)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp_types import (
    CallToolRequestParams,
    ClientCapabilities,
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from inwit.server.host import Host

_PRIMITIVES = ("string", "number", "integer", "boolean")
_KEPT = (
    "type", "title", "description", "default", "enum", "enumNames", "oneOf", "format",
    "minLength", "maxLength", "minimum", "maximum", "items", "minItems", "maxItems",
)  # fmt: skip
"""What a form may say of a field."""
ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a tool: the host that it asks, its context in the SDK, and its params."""

    host: Host
    context: Any
    params: CallToolRequestParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a client shows for an answer's schema, and how the answer is read from it."""

    schema: dict[str, Any]
    read: Callable[[Mapping[str, Any]], Any]


def can_ask(context: Any) -> bool:
    """Whether the client asks its person for us."""
    wanted = ClientCapabilities(elicitation=ElicitationCapability())
    return bool(context.session.check_client_capability(wanted))


def is_modern(context: Any) -> bool:
    """Whether the client speaks the protocol that has no requests back."""
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS


async def ask(
    call: Call, key: str, message: str, schema: dict[str, Any], state: str
) -> ElicitResult | InputRequiredResult:
    """Ask with a form; a client of 2026 is told to come again with the answer and `state`."""
    context = call.context
    if not is_modern(context):
        asked: ElicitResult = await context.session.elicit_form(
            message, schema, related_request_id=context.request_id
        )
        return asked
    answer = (call.params.input_responses or {}).get(key)
    if isinstance(answer, ElicitResult) and call.params.request_state is not None:
        return answer
    form = ElicitRequestFormParams(message=message, requested_schema=schema)
    return InputRequiredResult(
        input_requests={key: ElicitRequest(params=form)}, request_state=state
    )


def form_of(schema: Any) -> Form | None:
    """The form for an answer of a JSON schema; None where forms cannot show it."""
    if schema is None:
        return _wrapped({"type": "string"})
    if not isinstance(schema, dict):
        return None
    field = _field(schema)
    if field is not None:
        return _wrapped(field)
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or not properties:
        return None
    fields = {name: _field(one) for name, one in properties.items()}
    shown = {name: one for name, one in fields.items() if one is not None}
    required = [name for name in schema.get("required", ()) if isinstance(name, str)]
    if not shown or not set(required) <= shown.keys():
        return None
    return Form(schema={"type": "object", "properties": shown, "required": required}, read=dict)


def _wrapped(field: dict[str, Any]) -> Form:
    schema = {"type": "object", "properties": {ANSWER: field}, "required": [ANSWER]}
    return Form(schema=schema, read=lambda content: content.get(ANSWER))


def _field(schema: Any) -> dict[str, Any] | None:
    if not isinstance(schema, dict):
        return None
    kind, choices = schema.get("type"), schema.get("enum")
    if kind is None and choices and all(isinstance(one, str) for one in choices):
        return {"type": "string", "enum": choices}
    is_choice = kind == "array" and isinstance(schema.get("items"), dict)
    if is_choice and not schema["items"].keys() & {"enum", "anyOf"}:
        return None
    if kind not in _PRIMITIVES and not is_choice:
        return None
    return {name: schema[name] for name in _KEPT if name in schema}
