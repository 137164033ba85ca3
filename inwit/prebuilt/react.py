"""`create_react_agent`: a model that calls tools, reads their results, and goes on until it answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NotRequired, TypedDict, get_type_hints

from inwit.errors import AgentDefinitionError, ChatHistoryError
from inwit.prebuilt._langchain import is_runnable
from inwit.prebuilt.models import ChosenModel, Thinker, thinker_of
from inwit.prebuilt.tool_node import ToolNode
from inwit.runtime.commands import Send
from inwit.runtime.context import Context
from inwit.runtime.graph import END, StateGraph
from inwit.runtime.messages.classes import AnyMessage
from inwit.runtime.messages.kinds import has_type, kind_of
from inwit.runtime.messages.merge import add_messages
from inwit.runtime.old_names import renamed
from inwit.runtime.program import bind

_STRUCTURED = "generate_structured_response"


class AgentState(TypedDict):
    """The conversation of an agent."""

    messages: Annotated[Sequence[AnyMessage], add_messages]
    remaining_steps: NotRequired[int]


class AgentStateWithStructuredResponse(AgentState):
    """The conversation, and at the end what fits the response format."""

    structured_response: Any


StructuredResponse = Any
"""What fits a response format: a dict, or an object of its class."""

StateSchema = Any
StateSchemaType = type[Any]


def __getattr__(name: str) -> Any:
    """Make the pydantic twins of the states when they are first asked for."""
    if name not in ("AgentStatePydantic", "AgentStateWithStructuredResponsePydantic"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from inwit.prebuilt import agent_models

    return getattr(agent_models, name)


def create_react_agent(  # noqa: PLR0913 - LangGraph's signature
    model: Any,
    tools: Sequence[Any] | ToolNode,
    *,
    prompt: Any = None,
    response_format: Any = None,
    pre_model_hook: Any = None,
    post_model_hook: Any = None,
    state_schema: Any = None,
    context_schema: type[Any] | None = None,
    checkpointer: Any = None,
    store: Any = None,
    interrupt_before: list[str] | None = None,
    interrupt_after: list[str] | None = None,
    debug: bool = False,
    version: Literal["v1", "v2"] = "v2",
    name: str | None = None,
    **old: Any,
) -> Any:
    """Make an agent: a compiled graph in which a model calls tools until it answers.

    ``agent`` asks the model; ``tools`` runs what it asked for, in version v2 each call as a branch
    of its own; then the model is asked again.

    Args:
        model: A chat model of langchain-core's or an object with ``invoke`` or ``ainvoke``; the
            name of a model, or None for ``OPENAI_MODEL``, which `Context.llm` calls at
            ``OPENAI_BASE_URL``, or with its provider's name before it and a colon, at that
            provider's address with its key; or a function of the state and the runtime that gives
            one of these.
        tools: Tools, functions with docstrings, and dicts for tools that the provider runs.
        prompt: A text or system message that stands before the conversation, or a function of the
            state that gives what the model is asked.
        response_format: What the final answer is asked for once more as, into the key
            ``structured_response``: a pydantic model, a TypedDict, a JSON schema, or a pair of a
            prompt and one of these.
        pre_model_hook: A node before each call of the model; what it gives as
            ``llm_input_messages`` is sent instead of the messages.
        post_model_hook: A node after each call of the model.

    Raises:
        AgentDefinitionError: The parts do not fit together.
        TypeError: There is no such parameter; ``config_schema`` is an old name of `context_schema`.
    """
    if set(old) - {"config_schema"}:
        raise TypeError(f"create_react_agent() got unexpected keyword arguments: {old}")
    context_schema = renamed(old, ("config_schema",), "create_react_agent").get(
        "context_schema", context_schema
    )
    agent = _Agent(
        model,
        tools,
        prompt,
        response_format,
        pre_model_hook is not None,
        _checked_state(state_schema, response_format),
        name,
    )
    if version not in ("v1", "v2"):
        raise AgentDefinitionError(
            f"Invalid version {version}.", hint="Supported versions are 'v1' and 'v2'."
        )
    graph = agent.graph(context_schema, pre_model_hook, post_model_hook, version)
    return graph.compile(
        checkpointer=checkpointer,
        store=store,
        interrupt_before=interrupt_before,
        interrupt_after=interrupt_after,
        debug=debug,
        name=name,
    )


create_tool_calling_executor = create_react_agent


def _checked_state(state_schema: Any, response_format: Any) -> Any:
    if state_schema is None:
        return AgentState if response_format is None else AgentStateWithStructuredResponse
    needed = {"messages", "remaining_steps"}
    if response_format is not None:
        needed.add("structured_response")
    missing = needed - set(get_type_hints(state_schema))
    if missing:
        raise AgentDefinitionError(f"Missing required key(s) {missing} in state_schema.")
    return state_schema


class _Agent:
    """The nodes of one agent."""

    def __init__(  # noqa: PLR0917 - made once, above
        self,
        model: Any,
        tools: Sequence[Any] | ToolNode,
        prompt: Any,
        response_format: Any,
        has_hook: bool,
        state_schema: Any,
        name: str | None,
    ) -> None:
        is_node = isinstance(tools, ToolNode)
        builtin = [] if isinstance(tools, ToolNode) else [t for t in tools if isinstance(t, dict)]
        self.tool_node: ToolNode = (
            tools  # type: ignore[assignment]
            if is_node
            else ToolNode([t for t in tools if not isinstance(t, dict)])  # type: ignore[union-attr]
        )
        self._tools = list(self.tool_node.tools_by_name.values())
        self._direct = {one.name for one in self._tools if getattr(one, "return_direct", False)}
        self._model = _model_of(model, self._tools, builtin)
        self._prompt = _prompt_of(prompt)
        self._format = response_format
        self._has_hook = has_hook
        self._schema = state_schema
        self._name = name

    def graph(self, context_schema: Any, pre: Any, post: Any, version: str) -> StateGraph[Any]:
        """Write the graph."""
        graph: StateGraph[Any] = StateGraph(self._schema, context_schema=context_schema)
        graph.add_node("agent", self.think, input_schema=self._input_schema(pre))
        entry = "agent"
        if pre is not None:
            entry = "pre_model_hook"
            graph.add_node(entry, pre).add_edge(entry, "agent")
        graph.set_entry_point(entry)
        if self._format is not None:
            graph.add_node(_STRUCTURED, self.structure)
        last = "agent"
        if post is not None:
            last = "post_model_hook"
            graph.add_node(last, post).add_edge("agent", last)
        if self._tools:
            self._add_tools(graph, last, entry, version)
        elif self._format is not None:
            graph.add_edge(last, _STRUCTURED)
        return graph

    def _input_schema(self, pre: Any) -> Any:
        """The state, with what a hook before the model may put into it for the model alone."""
        if pre is None:
            return None
        if hasattr(self._schema, "model_fields"):
            from pydantic import create_model

            return create_model(
                "CallModelInput", llm_input_messages=(list[Any], []), __base__=self._schema
            )
        return TypedDict(
            "CallModelInput",
            {**get_type_hints(self._schema, include_extras=True), "llm_input_messages": list[Any]},
            total=False,
        )  # type: ignore[operator]

    def _add_tools(self, graph: StateGraph[Any], last: str, entry: str, version: str) -> None:
        graph.add_node("tools", self.tool_node)
        end = END if self._format is None else _STRUCTURED
        if last == "agent":
            route = self._route(end, as_sends=version == "v2")
            graph.add_conditional_edges("agent", route, ["tools", end])
        else:
            after = self._route_after_hook(entry, end)
            graph.add_conditional_edges(last, after, list(dict.fromkeys([entry, "tools", end])))
        if self._direct:
            graph.add_conditional_edges("tools", self._route_results(entry), [entry, END])
        else:
            graph.add_edge("tools", entry)

    async def think(self, state: Any, ctx: Context) -> dict[str, Any]:
        """Ask the model what to say or do next."""
        messages = _messages(state, prefer_hook=self._has_hook)
        _refuse_open_calls(messages)
        state = _with_messages(state, messages)
        thinker = await self._thinker(state, ctx)
        response = await thinker.answer(await self._asked(state, ctx), ctx)
        response.name = self._name
        if self._needs_more_steps(response, ctx):
            told = kind_of([response]).AIMessage(
                content="Sorry, need more steps to process this request.", id=response.id
            )
            return {"messages": [told]}
        return {"messages": [response]}

    async def _asked(self, state: Any, ctx: Context) -> Any:
        """What the model is asked, by the prompt; one that gives a template is filled by it."""
        given = self._prompt(state, ctx)
        given = await given if inspect.isawaitable(given) else given
        return await given.ainvoke(state, ctx.given("config")) if is_runnable(given) else given

    async def structure(self, state: Any, ctx: Context) -> dict[str, Any]:
        """Ask for the answer in the response format."""
        messages, schema = list(_messages(state)), self._format
        if isinstance(schema, tuple):
            prompt, schema = schema
            messages = [kind_of(messages).SystemMessage(content=prompt), *messages]
        thinker = await self._thinker(state, ctx)
        return {"structured_response": await thinker.structured(messages, schema, ctx)}

    async def _thinker(self, state: Any, ctx: Context) -> Thinker:
        if isinstance(self._model, ChosenModel):
            return await self._model.for_state(state, ctx)
        return self._model

    def _needs_more_steps(self, response: Any, ctx: Context) -> bool:
        """Whether the tools that are asked for could not be followed by an answer any more."""
        calls = getattr(response, "tool_calls", None)
        if not calls:
            return False
        execution = ctx.execution
        remaining = execution.limit - execution.steps
        if all(call["name"] in self._direct for call in calls):
            return remaining < 1
        return remaining < 2

    @staticmethod
    def _route(end: str, *, as_sends: bool) -> Callable[[Any], Any]:
        def should_continue(state: Any) -> Any:
            last = _messages(state)[-1]
            calls = getattr(last, "tool_calls", None) if has_type(last, "ai") else None
            if not calls:
                return end
            return _sends(calls) if as_sends else "tools"

        return should_continue

    @staticmethod
    def _route_after_hook(entry: str, end: str) -> Callable[[Any], Any]:
        def after_hook(state: Any) -> Any:
            messages = _messages(state)
            answered = {one.tool_call_id for one in messages if has_type(one, "tool")}
            said = next(one for one in reversed(messages) if has_type(one, "ai"))
            pending = [call for call in said.tool_calls if call["id"] not in answered]
            if pending:
                return _sends(pending)
            return entry if has_type(messages[-1], "tool") else end

        return after_hook

    def _route_results(self, entry: str) -> Callable[[Any], Any]:
        def after_tools(state: Any) -> str:
            for message in reversed(_messages(state)):
                if has_type(message, "tool"):
                    if message.name in self._direct:
                        return END
                    continue
                calls = getattr(message, "tool_calls", None) or ()
                is_direct = any(call["name"] in self._direct for call in calls)
                return END if is_direct else entry
            return entry

        return after_tools


def _sends(calls: Sequence[Any]) -> list[Send]:
    """A branch for each call. The state is not sent along: the node reads it where it runs."""
    return [Send("tools", [call]) for call in calls]


def _model_of(model: Any, tools: Sequence[Any], builtin: Sequence[Any]) -> Thinker | ChosenModel:
    is_function = callable(model) and not is_runnable(model) and not hasattr(model, "invoke")
    if is_function and not hasattr(model, "ainvoke"):
        return ChosenModel(model, [*tools, *builtin])
    return thinker_of(model, tools, builtin)


def _prompt_of(prompt: Any) -> Callable[[Any, Context], Any]:
    """Make a function that gives what the model is asked for a state."""
    if prompt is None:
        return lambda state, _: list(_messages(state))
    if isinstance(prompt, str):
        return lambda state, _: _before(_messages(state), prompt)
    if has_type(prompt, "system"):
        return lambda state, _: [prompt, *_messages(state)]
    if is_runnable(prompt):
        return lambda state, ctx: prompt.ainvoke(state, ctx.given("config"))
    if callable(prompt):
        return bind(prompt)
    raise AgentDefinitionError(f"Got unexpected type for `prompt`: {type(prompt)}.")


def _before(messages: Sequence[Any], text: str) -> list[Any]:
    return [kind_of(list(messages)).SystemMessage(content=text), *messages]


def _messages(state: Any, *, prefer_hook: bool = False) -> Any:
    found = _read(state, "llm_input_messages") if prefer_hook else None
    found = found or _read(state, "messages")
    if found is None:
        keys = "'llm_input_messages' or 'messages'" if prefer_hook else "'messages'"
        raise AgentDefinitionError(
            f"Expected input to call_model to have {keys} key, but got {state}."
        )
    return found


def _read(state: Any, key: str) -> Any:
    return state.get(key) if isinstance(state, dict) else getattr(state, key, None)


def _with_messages(state: Any, messages: Any) -> Any:
    if isinstance(state, dict):
        return {**state, "messages": messages}
    state.messages = messages
    return state


def _refuse_open_calls(messages: Sequence[Any]) -> None:
    """Refuse a conversation in which a tool call was never answered: providers do so too."""
    answered = {one.tool_call_id for one in messages if has_type(one, "tool")}
    said = [one for one in messages if has_type(one, "ai")]
    unanswered = [call for one in said for call in one.tool_calls if call["id"] not in answered]
    if unanswered:
        raise ChatHistoryError(unanswered)
