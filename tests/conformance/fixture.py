"""The fixture server of the conformance suite: its offers, served by the product's own factory.

``python -m tests.conformance.fixture`` serves on a free port and prints its address.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    CompleteResult,
    Completion,
    EmptyResult,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    SetLevelRequestParams,
    TextContent,
    TextResourceContents,
    Tool,
)

from inwit.runtime.project import Project
from inwit.server import lifecycle
from inwit.server.host import Host
from inwit.server.mcp.surface import Surface
from inwit.server.offers import Offers
from tests.conformance import offers
from tests.conformance.offers import fields, form

STATIC = {
    "test://static-text": "This is the content of the static text resource.",
    "test://watched-resource": "This resource is watched.",
}
CONTEXT = form("What context should the prompt use?", fields("context", context={"type": "string"}))


class Fixture:
    """The handlers; what is triggered is told on the same bus as everything of the product."""

    def __init__(self) -> None:
        self.changes = InMemorySubscriptionBus()
        self.triggers: dict[str, ServerEvent] = {
            "test_trigger_tool_change": ToolsListChanged(),
            "test_trigger_prompt_change": PromptsListChanged(),
        }

    async def list_tools(self, _context: Any, _params: Any) -> ListToolsResult:
        named = {name: schema for name, (_, schema) in offers.TOOLS.items()}
        named |= dict.fromkeys(self.triggers, fields())
        return ListToolsResult(
            tools=[
                Tool(name=name, description=name.replace("_", " "), input_schema=schema)
                for name, schema in named.items()
            ]
        )

    async def call_tool(self, context: Any, params: Any) -> Any:
        if params.name in self.triggers:
            await self.changes.publish(self.triggers[params.name])
            return offers.text("Told.")
        if params.name not in offers.TOOLS:
            raise offers.unknown(params.name)
        return await offers.TOOLS[params.name][0](context, params)

    async def list_resources(self, _context: Any, _params: Any) -> ListResourcesResult:
        uris = {**dict.fromkeys(STATIC, "text/plain"), "test://static-binary": "image/png"}
        return ListResourcesResult(
            resources=[
                Resource(uri=uri, name=uri.removeprefix("test://"), mime_type=kind)
                for uri, kind in uris.items()
            ]
        )

    async def list_templates(self, _context: Any, _params: Any) -> ListResourceTemplatesResult:
        template = ResourceTemplate(
            uri_template="test://template/{id}/data", name="template", mime_type="application/json"
        )
        return ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(self, _context: Any, params: Any) -> ReadResourceResult:
        uri = str(params.uri)
        if uri in STATIC:
            return _text(uri, "text/plain", STATIC[uri])
        if uri == "test://static-binary":
            blob = BlobResourceContents(uri=uri, mime_type="image/png", blob=offers.PNG)
            return ReadResourceResult(contents=[blob])
        if uri.startswith("test://template/") and uri.endswith("/data"):
            name = uri.removeprefix("test://template/").removesuffix("/data")
            body = {"id": name, "templateTest": True, "data": f"Data for ID: {name}"}
            return _text(uri, "application/json", json.dumps(body))
        raise MCPError(INVALID_PARAMS, f"Resource not found: {uri}", data={"uri": uri})

    async def list_prompts(self, _context: Any, _params: Any) -> ListPromptsResult:
        named = {
            "test_simple_prompt": (),
            "test_prompt_with_arguments": ("arg1", "arg2"),
            "test_prompt_with_embedded_resource": ("resourceUri",),
            "test_prompt_with_image": (),
            "test_input_required_result_prompt": (),
        }
        return ListPromptsResult(
            prompts=[
                Prompt(
                    name=name,
                    description=name.replace("_", " "),
                    arguments=[PromptArgument(name=one, required=True) for one in arguments],
                )
                for name, arguments in named.items()
            ]
        )

    async def get_prompt(self, _context: Any, params: Any) -> Any:
        given, process = params.arguments or {}, "Please process the embedded resource above."
        match params.name:
            case "test_simple_prompt":
                return _prompt(_line("This is a simple prompt for testing."))
            case "test_prompt_with_arguments":
                shown = f"arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"
                return _prompt(_line(f"Prompt with arguments: {shown}"))
            case "test_prompt_with_embedded_resource":
                body = "Embedded resource content for testing."
                found = offers.embedded(given.get("resourceUri", ""), "text/plain", body)
                return _prompt(found, _line(process))
            case "test_prompt_with_image":
                return _prompt(offers.image(), _line("Please analyze the image above."))
            case "test_input_required_result_prompt":
                answer = offers.accepted(params, "user_context")
                if answer is None:
                    return offers.ask(user_context=CONTEXT)
                return _prompt(_line(f"Context: {answer.get('context')}"))
        raise offers.unknown(params.name)

    async def complete(self, _context: Any, params: Any) -> CompleteResult:
        values = [
            one for one in ("paris", "park", "party") if one.startswith(params.argument.value)
        ]
        return CompleteResult(completion=Completion(values=values, total=len(values)))

    def surface(self, _host: Host) -> Surface:
        return Surface(
            instructions="The fixture of the conformance suite.",
            list_tools=self.list_tools,
            call_tool=self.call_tool,
            list_resources=self.list_resources,
            list_templates=self.list_templates,
            read_resource=self.read_resource,
            list_prompts=self.list_prompts,
            get_prompt=self.get_prompt,
            complete=self.complete,
            changes=self.changes,
            # Ours sends no log messages, which the protocol has given up; the suite asks for them.
            others={"logging/setLevel": (SetLevelRequestParams, _set_level)},
        )


def _text(uri: str, kind: str, body: str) -> ReadResourceResult:
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=kind, text=body)])


def _line(body: str) -> TextContent:
    return TextContent(type="text", text=body)


def _prompt(*blocks: Any) -> GetPromptResult:
    return GetPromptResult(messages=[PromptMessage(role="user", content=one) for one in blocks])


async def _set_level(_context: Any, _params: SetLevelRequestParams) -> EmptyResult:
    return EmptyResult()


def main() -> None:
    """Serve until a signal ends it."""
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / ".inwit").mkdir()
        offers = Offers(surface=Fixture().surface)
        lifecycle.serve(
            Project.find(root), port=0, offers=offers, on_ready=lambda url: print(url, flush=True)
        )


if __name__ == "__main__":
    main()
