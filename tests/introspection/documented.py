"""Graphs as guides write them: an agent, a map-reduce, an approval, a retrieval and a team."""

import asyncio
import operator
from typing import Annotated, Any, Literal, TypedDict

import pytest

from inwit import END, START, Command, CompiledGraph, RetryPolicy, Send, StateGraph, interrupt
from inwit.runtime.context import Context


class Agent(TypedDict, total=False):
    messages: Annotated[list[dict[str, str]], operator.add]
    city: str


def agent(state: Agent, ctx: Context) -> dict[str, Any]:
    """Let the model decide."""
    said = state.get("messages", [])
    call = {"call_id": f"c{len(said)}", "model": "gpt-4o-mini", "provider": "scripted"}
    ctx.emit("llm_started", **call)
    ctx.emit("llm_completed", **call, input_tokens=1000, output_tokens=100, cost_usd=0.00021)
    asked = sum(one["role"] == "tool" for one in said)
    if asked < (3 if state["city"] == "Berlin" else 1):
        return {"messages": [{"role": "ai", "tool": "get_weather"}]}
    return {"messages": [{"role": "ai", "text": "It is sunny."}]}


def act(state: Agent, ctx: Context) -> dict[str, Any]:
    """Call the tool."""
    call = {"call_id": "t", "tool": "get_weather"}
    ctx.emit("tool_started", **call, input={"city": state["city"]})
    if state["city"] == "Atlantis":
        error = LookupError("no such city: Atlantis")
        ctx.emit("tool_failed", **call, error={"type": "LookupError", "message": str(error)})
        raise error
    ctx.emit("tool_completed", **call, output="sunny")
    return {"messages": [{"role": "tool", "text": "sunny"}]}


def go_on(state: Agent) -> str:
    return "act" if state["messages"][-1].get("tool") else END


def weather() -> CompiledGraph[Agent]:
    graph = StateGraph(Agent)
    graph.add_node("agent", agent)
    graph.add_node("act", act)
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", go_on, ["act", END])
    graph.add_edge("act", "agent")
    app = graph.compile(name="weather")
    for city in ("Rome", "Paris", "Tokyo", "Berlin"):
        app.invoke({"city": city})
    with pytest.raises(LookupError):
        app.invoke({"city": "Atlantis"}, thread_id="sunken")
    app.invoke({"city": "Rome"})
    return app


class Jokes(TypedDict, total=False):
    topic: str
    subjects: list[str]
    jokes: Annotated[list[str], operator.add]
    best: str


class Subject(TypedDict):
    subject: str


def topics(state: Jokes) -> dict[str, Any]:
    return {"subjects": state["topic"].split(",")}


async def joke(state: Subject) -> dict[str, Any]:
    if state["subject"] == "politics":
        raise ValueError("no jokes about politics")
    await asyncio.sleep(0.02)
    return {"jokes": [f"a joke about {state['subject']}"]}


def spread(state: Jokes) -> list[Send]:
    return [Send("joke", {"subject": one}) for one in state["subjects"]]


def factory() -> CompiledGraph[Jokes]:
    graph = StateGraph(Jokes)
    graph.add_node("topics", topics)
    graph.add_node("joke", joke)
    graph.add_node("choose", lambda state: {"best": state["jokes"][0]})
    graph.add_edge(START, "topics")
    graph.add_conditional_edges("topics", spread, ["joke"])
    graph.add_edge("joke", "choose").add_edge("choose", END)
    app = graph.compile(name="factory")
    with pytest.raises(ValueError, match="politics"):
        app.invoke({"topic": "cats,politics"})
    app.invoke({"topic": "cats,dogs,birds,fish"})
    return app


class Order(TypedDict, total=False):
    item: str
    decision: str
    receipt: str


def approve(state: Order) -> Command[Literal["pay", "refuse"]]:
    said = interrupt({"question": "Do you approve this order?"})
    return Command(goto="pay" if said == "yes" else "refuse", update={"decision": said})


def shop() -> CompiledGraph[Order]:
    calls: list[int] = []

    def pay(state: Order) -> dict[str, Any]:
        calls.append(1)
        if len(calls) % 2:
            raise ConnectionError("gateway reset")
        return {"receipt": "paid"}

    graph = StateGraph(Order)
    graph.add_node("approve", approve)
    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False)
    graph.add_node("pay", pay, retry_policy=policy)
    graph.add_node("refuse", lambda state: {"receipt": "none"})
    graph.add_edge(START, "approve").add_edge("pay", END).add_edge("refuse", END)
    app = graph.compile(name="orders", metadata={"slo": {"success": 0.9}})
    for number in range(4):
        app.invoke({"item": "book"}, thread_id=f"order-{number}")
        app.invoke(Command(resume="yes" if number else "no"), thread_id=f"order-{number}")
    app.invoke({"item": "yacht"}, thread_id="order-9")
    return app


class Rag(TypedDict, total=False):
    question: str
    grade: str
    rewrites: int
    answer: str


def library() -> CompiledGraph[Rag]:
    async def retrieve(state: Rag) -> dict[str, Any]:
        await asyncio.sleep(0.004)
        return {}

    def judge(state: Rag) -> dict[str, Any]:
        return {
            "grade": "no" if "odd" in state["question"] and state.get("rewrites", 0) < 2 else "yes"
        }

    async def generate(state: Rag, ctx: Context) -> dict[str, Any]:
        call = {"call_id": "g", "model": "claude-haiku-4-5", "provider": "scripted"}
        ctx.emit("llm_started", **call)
        await asyncio.sleep(0.02)
        ctx.emit("llm_completed", **call, input_tokens=900, output_tokens=100, cost_usd=0.0014)
        return {"answer": "so"}

    graph = StateGraph(Rag)
    graph.add_node("retrieve", retrieve)
    graph.add_node("judge", judge)
    graph.add_node("rewrite", lambda state: {"rewrites": state.get("rewrites", 0) + 1})
    graph.add_node("generate", generate)
    graph.add_edge(START, "retrieve").add_edge("retrieve", "judge").add_edge("rewrite", "retrieve")
    ways = {"yes": "generate", "no": "rewrite"}
    graph.add_conditional_edges("judge", lambda state: state["grade"], ways)
    graph.add_edge("generate", END)
    app = graph.compile(name="library")
    for question in ("odd thing", "a", "b", "c"):
        app.invoke({"question": question})
    return app


class Team(TypedDict, total=False):
    task: str
    notes: Annotated[list[str], operator.add]
    report: str
    spare: str


def lead(state: Team) -> Command[Literal["researcher", "coder", "reporter"]]:
    done = len(state.get("notes", []))
    if state["task"] == "spin" or not done:
        return Command(goto="researcher")
    return Command(goto="coder" if done == 1 else "reporter")


def team() -> CompiledGraph[Team]:
    def write_code(state: Team) -> dict[str, Any]:
        if state["task"] == "bad":
            raise SyntaxError("invalid syntax in generated code")
        return {}

    inner = StateGraph(Team)
    inner.add_node("write_code", write_code)
    inner.add_edge(START, "write_code").add_edge("write_code", END)
    coding = inner.compile(name="coding")

    async def coder(state: Team) -> Any:
        await coding.ainvoke({"task": state["task"]})
        return Command(goto="lead", update={"notes": ["coded"]})

    graph = StateGraph(Team)
    graph.add_node("lead", lead)
    graph.add_node("researcher", lambda state: Command(goto="lead", update={"notes": ["found"]}))
    graph.add_node("coder", coder)
    graph.add_node("reporter", lambda state: {"report": f"report on {state['task']}"})
    graph.add_edge(START, "lead").add_edge("reporter", END)
    app = graph.compile(name="team")
    app.invoke({"task": "site"})
    for task in ("bad", "spin"):
        with pytest.raises(Exception, match=r"syntax|25 steps"):
            app.invoke({"task": task})
    return app
