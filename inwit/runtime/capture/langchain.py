"""Recording the model and tool calls that langchain-core reports by its callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.callbacks.base import BaseCallbackHandler

from inwit.runtime.capture import place
from inwit.runtime.capture.place import Place
from inwit.runtime.capture.prices import Usage
from inwit.runtime.capture.recorder import ModelCall, ToolCall, unharmed
from inwit.runtime.capture.wire import tool_names
from inwit.runtime.context import current

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult

_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}
_SECRET = ("key", "secret", "password", "header", "credential", "authorization")

_calls: dict[UUID, ModelCall | ToolCall] = {}
"""Open calls by langchain's run id, of all recorders: who sees a call first records it."""


class CallRecorder(BaseCallbackHandler):
    """Records model and tool calls where they are made: in the node that runs."""

    # In the caller's task and context: so the call can be known to whatever serves it.
    run_inline = True
    is_on = True

    @property
    def ignore_chain(self) -> bool:
        """Whether chains are left out."""
        return True

    @property
    def ignore_retriever(self) -> bool:
        """Whether retrievers are left out."""
        return True

    def _at(self, run_id: UUID, parent_run_id: UUID | None) -> Place | None:
        """Where a new call is to be recorded; None where it is not, or has been already."""
        is_wanted = run_id not in _calls and (self.is_on or is_on())
        return self.place_of(parent_run_id) if is_wanted else None

    def place_of(self, parent_run_id: UUID | None) -> Place | None:  # noqa: ARG002
        """Say in which node a call is made."""
        return place.here()

    @unharmed
    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID,
        parent_run_id: UUID | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """See langchain-core."""
        said = [plain_message(message) for batch in messages for message in batch]
        self._start(run_id, parent_run_id, said, {"serialized": serialized, **kwargs})

    @unharmed
    def on_llm_start(
        self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID,
        parent_run_id: UUID | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """See langchain-core."""
        said = [{"role": "user", "content": prompt} for prompt in prompts]
        self._start(run_id, parent_run_id, said, {"serialized": serialized, **kwargs})

    def _start(
        self, run_id: UUID, parent_run_id: UUID | None, said: Sequence[Any], about: dict[str, Any]
    ) -> None:
        at = self._at(run_id, parent_run_id)
        if at is None:
            return
        metadata, given = about.get("metadata") or {}, about.get("invocation_params") or {}
        call = ModelCall(
            at, model=_model(about, metadata, given),
            provider=str(metadata.get("ls_provider") or ""), messages=said,
            parameters=_parameters(given),
        )  # fmt: skip
        call.enclose()
        _calls[run_id] = call

    @unharmed
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        call = _calls.get(run_id)
        if isinstance(call, ModelCall):
            call.token(_text(token))

    @unharmed
    def on_stream_event(self, event: Any, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        call = _calls.get(run_id)
        if isinstance(call, ModelCall) and event.get("event") == "content-block-delta":
            delta = event.get("delta") or event.get("content_block") or {}
            call.token(_text(delta.get("text")))

    @unharmed
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        call = _calls.pop(run_id, None)
        if not isinstance(call, ModelCall):
            return
        first = next((found for batch in response.generations for found in batch), None)
        message = getattr(first, "message", None)
        if message is None:
            output: dict[str, Any] = {"content": getattr(first, "text", "")}
        else:
            output = plain_message(message)
        about = getattr(message, "response_metadata", None) or {}
        reason = about.get("finish_reason") or about.get("stop_reason")
        output.pop("role", None)
        call.complete(
            {**output, "finish_reason": reason} if reason else output,
            _usage(message, response.llm_output or {}),
            model=str(about.get("model_name") or about.get("model") or ""),
            message=None if message is None else _more_of(message),
        )

    @unharmed
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        call = _calls.pop(run_id, None)
        if call is not None:
            call.fail(error)

    @unharmed
    def on_tool_start(
        self, serialized: dict[str, Any], input_str: str, *, run_id: UUID,
        parent_run_id: UUID | None = None, inputs: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """See langchain-core."""
        at = self._at(run_id, parent_run_id)
        if at is not None:
            name = (serialized or {}).get("name") or kwargs.get("name") or "tool"
            given = inputs if inputs is not None else input_str
            _calls[run_id] = ToolCall(at, tool=str(name), given=given)

    @unharmed
    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        call = _calls.pop(run_id, None)
        if isinstance(call, ToolCall):
            call.complete(plain(output))

    @unharmed
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        call = _calls.pop(run_id, None)
        if call is not None:
            call.fail(error)


class _Hook:
    """What langchain-core asks for a handler: there is one in nodes that are recorded."""

    def get(self) -> CallRecorder | None:
        return _recorder if is_on() else None


_recorder = CallRecorder()
_recorder.is_on = False
_hook: list[Any] = []


def listen(context_module: Any) -> None:
    """Record what is called in the nodes of recorded graphs; once, since no hook can be removed."""
    if not _hook:
        _hook.append(_Hook())
        context_module.register_configure_hook(_hook[0], inheritable=True)


def install(context_module: Any) -> Callable[[], None]:
    """Record also what is called in the nodes of watched graphs; gives what undoes it."""
    listen(context_module)
    _recorder.is_on = True

    def undo() -> None:
        _recorder.is_on = False

    return undo


def is_on() -> bool:
    """Whether the calls of langchain-core's tools and models are being recorded here."""
    return bool(_hook) and (_recorder.is_on or place.of(current()) is not None)


def plain_message(message: Any) -> dict[str, Any]:
    """Show a message of langchain's as OpenAI would write it."""
    shown: dict[str, Any] = {
        "role": _ROLES.get(message.type, message.type),
        "content": message.content,
    }
    for name in ("tool_calls", "tool_call_id", "name"):
        if value := getattr(message, name, None):
            shown[name] = value
    return shown


def _more_of(message: Any) -> dict[str, Any]:
    """What a message holds beside what `plain_message` shows."""
    names = ("id", "name", "response_metadata", "usage_metadata", "additional_kwargs")
    found = {name: getattr(message, name, None) for name in names}
    return {name: value for name, value in found.items() if value}


def plain(value: Any) -> Any:
    """Show a value with the messages in it as plain ones."""
    if hasattr(value, "content") and hasattr(value, "type"):
        return plain_message(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _model(about: Mapping[str, Any], metadata: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The model's name, or its class's where it has none."""
    named = metadata.get("ls_model_name") or given.get("model") or given.get("model_name")
    kind = (about.get("serialized") or {}).get("name") or about.get("name") or given.get("_type")
    return str(named or kind or "unknown")


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        key: value
        for key, value in given.items()
        if isinstance(value, str | int | float | list)
        and key not in ("_type", "model", "model_name", "functions")
        and not any(word in key.lower() for word in _SECRET)
    }
    if isinstance(shown.get("tools"), list):
        shown["tools"] = tool_names(shown["tools"])
    return shown


def _usage(message: Any, llm_output: Mapping[str, Any]) -> Usage:
    counts = getattr(message, "usage_metadata", None)
    if counts:
        details = counts.get("input_token_details") or {}
        return Usage(
            input=counts.get("input_tokens"), output=counts.get("output_tokens"),
            cached=details.get("cache_read"), cache_write=details.get("cache_creation"),
        )  # fmt: skip
    counts = llm_output.get("token_usage") or {}
    return Usage(input=counts.get("prompt_tokens"), output=counts.get("completion_tokens"))


def _text(token: Any) -> str:
    if isinstance(token, str):
        return token
    parts = token if isinstance(token, list) else []
    return "".join(part if isinstance(part, str) else str(part.get("text") or "") for part in parts)
