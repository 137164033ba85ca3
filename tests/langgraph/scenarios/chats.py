"""Messages: the state's key, the reducer, and the stream of tokens."""

from typing import Annotated, Any, TypedDict

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from tests.langgraph.scenarios.telling import listed, raised, thread


def _texts(messages: Any) -> list[Any]:
    return [(type(one).__name__, one.content, bool(one.id)) for one in messages]


def _model(*texts: str) -> Any:
    return GenericFakeChatModel(messages=iter(texts))


def add_messages_appends_and_replaces_by_id(lib):
    left = [HumanMessage("a", id="1"), AIMessage("b", id="2")]
    return [
        lib.add_messages(left, [HumanMessage("c", id="3")]),
        lib.add_messages(left, [AIMessage("new", id="2")]),
        lib.add_messages(left, AIMessage("one", id="4")),
        lib.add_messages([], []),
    ]


def add_messages_takes_many_forms(lib):
    return [
        _texts(lib.add_messages([], "text")),
        _texts(lib.add_messages([], ("ai", "pair"))),
        _texts(lib.add_messages([], [("user", "pair"), ("system", "s")])),
        _texts(lib.add_messages([], {"role": "assistant", "content": "dict"})),
        _texts(lib.add_messages("a", ["b", {"type": "human", "content": "c"}])),
        raised(lambda: lib.add_messages([], {"content": "no role"})),
        raised(lambda: lib.add_messages([], None)),
        raised(lambda: lib.add_messages(None, [])),
    ]


def add_messages_gives_ids(lib):
    found = lib.add_messages([HumanMessage("a")], [AIMessage("b")])
    return [_texts(found), len({one.id for one in found})]


def add_messages_removes(lib):
    left = [HumanMessage("a", id="1"), AIMessage("b", id="2")]
    return [
        lib.add_messages(left, RemoveMessage(id="1")),
        lib.add_messages(left, [RemoveMessage(id="1"), HumanMessage("c", id="1")]),
        lib.add_messages(left, [HumanMessage("c", id="3"), RemoveMessage(id="3")]),
        raised(lambda: lib.add_messages(left, RemoveMessage(id="9")), "doesn't exist"),
        lib.add_messages(left, RemoveMessage(id=lib.REMOVE_ALL_MESSAGES)),
        lib.add_messages(
            left, [RemoveMessage(id=lib.REMOVE_ALL_MESSAGES), HumanMessage("new", id="3")]
        ),
    ]


def add_messages_keeps_the_last_of_one_id(lib):
    right = [AIMessage("one", id="1"), AIMessage("two", id="1")]
    return lib.add_messages([], right)


def add_messages_makes_a_reducer_with_options(lib):
    reducer = lib.add_messages(format="langchain-openai")
    blocks: Any = [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]
    return [
        [one.content for one in reducer([], [HumanMessage(blocks, id="1")])],
        raised(lambda: lib.add_messages([], [HumanMessage("a")], format="nope")),
    ]


def add_messages_merges_chunks_no_further_than_ids(lib):
    left = [AIMessageChunk(content="He", id="1")]
    return _texts(lib.add_messages(left, [AIMessageChunk(content="llo", id="2")]))


def messages_state_has_a_key_of_messages(lib):
    def node(state: lib.MessagesState) -> Any:
        return {"messages": [AIMessage(state["messages"][-1].content + "!", id="2")]}

    graph = lib.StateGraph(lib.MessagesState).add_node("node", node).add_edge(lib.START, "node")
    return graph.compile().invoke({"messages": [HumanMessage("hi", id="1")]})


def messages_may_come_in_as_text_pairs_and_dicts(lib):
    graph = lib.StateGraph(lib.MessagesState).add_node("node", lambda state: None)
    app = graph.add_edge(lib.START, "node").compile()
    given = ["hi", ("ai", "pair"), [{"role": "user", "content": "dict"}], HumanMessage("one")]
    return [_texts(app.invoke({"messages": one})["messages"]) for one in given]


def messages_state_may_be_extended(lib):
    class More(lib.MessagesState):
        count: int

    graph = lib.StateGraph(More).add_node("node", lambda s: {"count": 1, "messages": "x"})
    found = graph.add_edge(lib.START, "node").compile().invoke({"messages": "hi"})
    return [_texts(found["messages"]), found["count"]]


def messages_of_a_thread_pile_up(lib):
    graph = lib.StateGraph(lib.MessagesState)
    graph.add_node("node", lambda s: {"messages": ("ai", f"{len(s['messages'])}")})
    app = graph.add_edge(lib.START, "node").compile(checkpointer=lib.InMemorySaver())
    app.invoke({"messages": "a"}, thread())
    app.invoke({"messages": "b"}, thread())
    return _texts(app.get_state(thread()).values["messages"])


def a_custom_key_takes_messages_too(lib):
    class Chat(TypedDict):
        talk: Annotated[list, lib.add_messages]

    graph = lib.StateGraph(Chat).add_node("node", lambda s: {"talk": SystemMessage("s", id="2")})
    return graph.add_edge(lib.START, "node").compile().invoke({"talk": [HumanMessage("h", id="1")]})


def _talker(lib: Any, model: Any) -> Any:
    def talk(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    graph = lib.StateGraph(lib.MessagesState).add_node("talk", talk)
    return graph.add_edge(lib.START, "talk").compile()


def tokens_of_a_model_are_streamed(lib):
    chunks = list(
        _talker(lib, _model("hello big world")).stream({"messages": "hi"}, stream_mode="messages")
    )
    keys = ("langgraph_step", "langgraph_node", "langgraph_triggers", "langgraph_path")
    return [(one.content, type(one).__name__, {k: meta[k] for k in keys}) for one, meta in chunks]


def tokens_in_a_router_are_those_of_the_node_that_it_follows(lib):
    model = _model("no", "yes")

    def route(state: Any) -> str:
        return "ask" if model.invoke("done?").content == "no" else lib.END

    graph = lib.StateGraph(lib.MessagesState).add_node("ask", lambda state: None)
    graph.add_edge(lib.START, "ask").add_conditional_edges("ask", route)
    given = {"messages": [("user", "hi")]}
    told = graph.compile().stream(given, stream_mode="messages")
    return [(one.content, place["langgraph_node"]) for one, place in told]


async def tokens_are_streamed_async(lib):
    model = _model("hello big world")

    async def talk(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = lib.StateGraph(lib.MessagesState).add_node("talk", talk).add_edge(lib.START, "talk")
    chunks = await listed(graph.compile().astream({"messages": "hi"}, stream_mode="messages"))
    return [(one.content, meta["langgraph_node"]) for one, meta in chunks]


def tokens_beside_updates(lib):
    app = _talker(lib, _model("hello world"))
    found = []
    for mode, chunk in app.stream({"messages": "hi"}, stream_mode=["messages", "updates"]):
        found.append((mode, chunk[0].content if mode == "messages" else sorted(chunk)))
    return found


def a_message_that_a_node_made_is_streamed_whole(lib):
    graph = lib.StateGraph(lib.MessagesState)
    graph.add_node(
        "say", lambda s: {"messages": [AIMessage("made", id="2"), HumanMessage("x", id="3")]}
    )
    chunks = (
        graph.add_edge(lib.START, "say")
        .compile()
        .stream({"messages": "hi"}, stream_mode="messages")
    )
    return [(one.content, type(one).__name__, meta["langgraph_node"]) for one, meta in chunks]


def a_message_is_streamed_once(lib):
    graph = lib.StateGraph(lib.MessagesState)
    graph.add_node("say", lambda s: {"messages": [AIMessage("made", id="2")]})
    graph.add_node("again", lambda s: {"messages": [AIMessage("made", id="2")]})
    app = graph.add_edge(lib.START, "say").add_edge("say", "again").compile()
    return [one.content for one, _ in app.stream({"messages": "hi"}, stream_mode="messages")]


def a_model_tagged_nostream_is_silent(lib):
    model = _model("hello world").with_config(tags=["nostream"])
    app = _talker(lib, model)
    return [one.content for one, _ in app.stream({"messages": "hi"}, stream_mode="messages")]


def a_models_tags_and_the_threads_id_are_told(lib):
    model = _model("hello").with_config(tags=["mine"])
    chunks = list(
        _talker(lib, model).stream({"messages": "hi"}, thread("t"), stream_mode="messages")
    )
    return [(one.content, meta.get("tags"), meta.get("thread_id")) for one, meta in chunks]


def tokens_of_a_subgraph_are_streamed(lib):
    graph = lib.StateGraph(lib.MessagesState).add_node("child", _talker(lib, _model("hello world")))
    app = graph.add_edge(lib.START, "child").compile()
    chunks = app.stream({"messages": "hi"}, stream_mode="messages", subgraphs=True)
    return [(ns, one.content, meta["langgraph_node"]) for ns, (one, meta) in chunks]


def tool_messages_are_streamed(lib):
    graph = lib.StateGraph(lib.MessagesState)
    graph.add_node("say", lambda s: {"messages": [ToolMessage("did", tool_call_id="1", id="t")]})
    chunks = (
        graph.add_edge(lib.START, "say")
        .compile()
        .stream({"messages": "hi"}, stream_mode="messages")
    )
    return [(one.content, type(one).__name__) for one, _ in chunks]
