"""Record model and tool calls: ctx.tool and ctx.llm in a node, or inwit.capture() for client libraries.

model calls, llm, openai, anthropic, tokens, cost, capture, tool calls, tracing of model calls
"""

from typing import TypedDict

from inwit import Context, StateGraph


class State(TypedDict):
    city: str
    weather: str


def look_up(city: str) -> str:
    return f"{city}: rain"


def forecast(state: State, ctx: Context) -> dict[str, object]:
    return {"weather": ctx.tool(look_up, state["city"])}


graph = StateGraph(State)
graph.add_node("forecast", forecast)
graph.set_entry_point("forecast")
graph.set_finish_point("forecast")
print(graph.compile(name="forecaster").invoke({"city": "Berlin", "weather": ""}))
