"""What the conformance suite calls: tools, resources and prompts that its scenarios name."""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    ContentBlock,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)

Context = Any
Given = CallToolRequestParams
Called = Callable[[Context, Given], Awaitable[CallToolResult | InputRequiredResult]]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = b64encode(
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    + _chunk(b"IEND", b"")
).decode()
"""One red pixel."""
WAV = b64encode(
    b"RIFF" + struct.pack("<I", 38) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    + b"data" + struct.pack("<I", 2) + b"\x80\x80"
).decode()  # fmt: skip
"""Two samples of silence."""
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def text(*lines: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=line) for line in lines])


def content(*blocks: ContentBlock) -> CallToolResult:
    return CallToolResult(content=list(blocks))


def embedded(uri: str, mime_type: str, body: str) -> EmbeddedResource:
    return EmbeddedResource(
        type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=body)
    )


def image() -> ImageContent:
    return ImageContent(type="image", data=PNG, mime_type="image/png")


def fields(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def form(message: str, schema: dict[str, Any]) -> ElicitRequest:
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(message: str, tokens: int) -> CreateMessageRequest:
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=message))
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=[asked], max_tokens=tokens)
    )


NAME = form("What is your name?", fields("name", name={"type": "string"}))
CONFIRM = form("Please confirm", fields("ok", ok={"type": "boolean"}))


def need(context: Context, **capabilities: Any) -> None:
    """Refuse a client that has not declared a capability."""
    wanted = ClientCapabilities.model_validate(capabilities)
    if not context.session.check_client_capability(wanted):
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message=f"The client lacks {', '.join(capabilities)}.",
            data={"requiredCapabilities": capabilities},
        )


def responses(given: Any) -> dict[str, Any]:
    """What a client answered, as plain JSON by the keys it was asked under."""
    answered = given.input_responses or {}
    shown = {key: value for key, value in answered.items() if value is not None}
    found = {}
    for key, value in shown.items():
        found[key] = (
            value.model_dump(by_alias=True, mode="json") if hasattr(value, "model_dump") else value
        )
    return found


def accepted(given: Any, key: str) -> dict[str, Any] | None:
    """The content of an answered form, None where it was not accepted or is none."""
    answer = responses(given).get(key)
    if not isinstance(answer, dict) or answer.get("action") != "accept":
        return None
    found = answer.get("content")
    return found if isinstance(found, dict) else None


def ask(state: str | None = None, **requests: Any) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests or None, request_state=state)


# Plain tools


async def simple_text(_context: Context, _given: Given) -> CallToolResult:
    return text("This is a simple text response for testing.")


async def image_content(_context: Context, _given: Given) -> CallToolResult:
    return content(image())


async def audio_content(_context: Context, _given: Given) -> CallToolResult:
    return content(AudioContent(type="audio", data=WAV, mime_type="audio/wav"))


async def embedded_resource(_context: Context, _given: Given) -> CallToolResult:
    body = "This is an embedded resource content."
    return content(embedded("test://embedded-resource", "text/plain", body))


async def multiple_content_types(_context: Context, _given: Given) -> CallToolResult:
    body = json.dumps({"test": "data", "value": 123})
    return content(
        TextContent(type="text", text="Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource", "application/json", body),
    )


async def error_handling(_context: Context, _given: Given) -> CallToolResult:
    failed = text("This tool intentionally returns an error for testing")
    return failed.model_copy(update={"is_error": True})


async def with_logging(context: Context, _given: Given) -> CallToolResult:
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.session.send_log_message("info", line, related_request_id=context.request_id)
        await anyio.sleep(0.05)
    return text("Logged three times.")


async def with_progress(context: Context, _given: Given) -> CallToolResult:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100)
        await anyio.sleep(0.05)
    return text("Reported three times.")


async def reconnection(context: Context, _given: Given) -> CallToolResult:
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    await anyio.sleep(0.2)
    return text("Finished after the stream was closed.")


async def streaming_elicitation(context: Context, given: Given) -> CallToolResult | Any:
    await context.session.report_progress(1, 2)
    return await input_elicitation(context, given)


# Tools that ask the client, in the way of 2025


async def sampling(context: Context, given: Given) -> CallToolResult:
    need(context, sampling={})
    asked = SamplingMessage(
        role="user", content=TextContent(type="text", text=(given.arguments or {})["prompt"])
    )
    answer = await context.session.create_message(
        [asked], max_tokens=100, related_request_id=context.request_id
    )
    return text(f"LLM response: {getattr(answer.content, 'text', '')}")


async def elicited(context: Context, message: str, schema: dict[str, Any]) -> tuple[str, str]:
    need(context, elicitation={})
    answer = await context.session.elicit_form(
        message, schema, related_request_id=context.request_id
    )
    return answer.action, json.dumps(answer.content)


async def elicitation(context: Context, given: Given) -> CallToolResult:
    schema = fields(
        "username", "email",
        username={"type": "string", "description": "User's response"},
        email={"type": "string", "description": "User's email address"},
    )  # fmt: skip
    action, answer = await elicited(context, (given.arguments or {})["message"], schema)
    return text(f"User response: action: {action}, content: {answer}")


async def elicitation_defaults(context: Context, _given: Given) -> CallToolResult:
    schema = fields(
        name={"type": "string", "default": "John Doe"},
        age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        verified={"type": "boolean", "default": True},
    )
    action, answer = await elicited(context, "Please look at the defaults.", schema)
    return text(f"Elicitation completed: action={action}, content={answer}")


def _titled(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in pairs]


async def elicitation_enums(context: Context, _given: Given) -> CallToolResult:
    plain = ["option1", "option2", "option3"]
    firsts = _titled(("value1", "First Option"), ("value2", "Second"), ("value3", "Third"))
    choices = _titled(("value1", "First Choice"), ("value2", "Second"), ("value3", "Third"))
    schema = fields(
        untitledSingle={"type": "string", "enum": plain},
        titledSingle={"type": "string", "oneOf": firsts},
        legacyEnum={
            "type": "string", "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        untitledMulti={"type": "array", "items": {"type": "string", "enum": plain}},
        titledMulti={"type": "array", "items": {"anyOf": choices}},
    )  # fmt: skip
    action, answer = await elicited(context, "Please choose.", schema)
    return text(f"Elicitation completed: action={action}, content={answer}")


# Tools that ask the client, in the way of 2026


async def missing_capability(context: Context, _given: Given) -> CallToolResult:
    need(context, sampling={})
    return text("The client can sample.")


async def input_elicitation(_context: Context, given: Given) -> CallToolResult | Any:
    name = (accepted(given, "user_name") or {}).get("name")
    return text(f"Hello, {name}!") if isinstance(name, str) else ask(user_name=NAME)


async def input_sampling(_context: Context, given: Given) -> CallToolResult | Any:
    answer = responses(given).get("capital_question")
    if not isinstance(answer, dict):
        return ask(capital_question=sample("What is the capital of France?", 100))
    return text(f"The model says: {answer.get('content', {}).get('text', '')}")


async def input_list_roots(_context: Context, given: Given) -> CallToolResult | Any:
    answer = responses(given).get("client_roots")
    if not isinstance(answer, dict):
        return ask(client_roots=ListRootsRequest())
    return text(f"Roots: {', '.join(root['uri'] for root in answer.get('roots', []))}")


async def input_request_state(_context: Context, given: Given) -> CallToolResult | Any:
    if given.request_state == "asked" and accepted(given, "confirm") is not None:
        return text("state-ok")
    return ask("asked", confirm=CONFIRM)


async def input_multiple_inputs(_context: Context, given: Given) -> CallToolResult | Any:
    if {"user_name", "greeting", "client_roots"} <= responses(given).keys():
        return text("Everything was answered.")
    return ask(
        "several", user_name=NAME, greeting=sample("Generate a greeting", 50),
        client_roots=ListRootsRequest(),
    )  # fmt: skip


async def input_multi_round(_context: Context, given: Given) -> CallToolResult | Any:
    state = json.loads(given.request_state or "{}")
    if "name" in state and (color := accepted(given, "step2")) is not None:
        return text(f"{state['name']} likes {color.get('color')}.")
    if (name := accepted(given, "step1")) is not None:
        asked = form(
            "Step 2: What is your favorite color?", fields("color", color={"type": "string"})
        )
        return ask(json.dumps({"name": name.get("name")}), step2=asked)
    asked = form("Step 1: What is your name?", fields("name", name={"type": "string"}))
    return ask("{}", step1=asked)


async def input_tampered_state(_context: Context, given: Given) -> CallToolResult | Any:
    if given.request_state is not None:  # what was changed on the way does not come here
        return text("The state is as it was given.")
    return ask("sealed", confirm=CONFIRM)


async def input_capabilities(context: Context, given: Given) -> CallToolResult | Any:
    asked: dict[str, Any] = {}
    if context.session.check_client_capability(ClientCapabilities.model_validate({"sampling": {}})):
        asked["capital_question"] = sample("What is the capital of France?", 100)
    if context.session.check_client_capability(
        ClientCapabilities.model_validate({"elicitation": {}})
    ):
        asked["user_name"] = NAME
    if asked and not asked.keys() <= responses(given).keys():
        return ask(**asked)
    return text("Nothing is left to ask.")


async def echo(_context: Context, given: Given) -> CallToolResult:
    return text(json.dumps(given.arguments or {}))


def unknown(name: str) -> MCPError:
    return MCPError(INVALID_PARAMS, f"Unknown: {name}")


TOOLS: dict[str, tuple[Called, dict[str, Any]]] = {
    "test_simple_text": (simple_text, fields()),
    "test_image_content": (image_content, fields()),
    "test_audio_content": (audio_content, fields()),
    "test_embedded_resource": (embedded_resource, fields()),
    "test_multiple_content_types": (multiple_content_types, fields()),
    "test_error_handling": (error_handling, fields()),
    "test_tool_with_logging": (with_logging, fields()),
    "test_logging_tool": (with_logging, fields()),
    "test_tool_with_progress": (with_progress, fields()),
    "test_reconnection": (reconnection, fields()),
    "test_sampling": (sampling, fields("prompt", prompt={"type": "string"})),
    "test_elicitation": (elicitation, fields("message", message={"type": "string"})),
    "test_elicitation_sep1034_defaults": (elicitation_defaults, fields()),
    "test_elicitation_sep1330_enums": (elicitation_enums, fields()),
    "test_streaming_elicitation": (streaming_elicitation, fields()),
    "test_missing_capability": (missing_capability, fields()),
    "test_input_required_result_elicitation": (input_elicitation, fields()),
    "test_input_required_result_sampling": (input_sampling, fields()),
    "test_input_required_result_list_roots": (input_list_roots, fields()),
    "test_input_required_result_request_state": (input_request_state, fields()),
    "test_input_required_result_multiple_inputs": (input_multiple_inputs, fields()),
    "test_input_required_result_multi_round": (input_multi_round, fields()),
    "test_input_required_result_tampered_state": (input_tampered_state, fields()),
    "test_input_required_result_capabilities": (input_capabilities, fields()),
    "test_custom_headers": (
        echo, fields("region", region={"type": "string", "x-mcp-header": "Region"}),
    ),
    "json_schema_2020_12_tool": (echo, SCHEMA),
}  # fmt: skip
