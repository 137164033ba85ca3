"""Make an agent that calls tools, with a system prompt: create_react_agent.

agent, react agent, tool calling, call tools, use a tool, langchain tools, system prompt, instructions, chat
model, llm agent, function calling, create_react_agent, ToolNode
"""

from typing import Any

from inwit import AIMessage, create_react_agent


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It rains in {city}."


class Model:
    """Stands for a chat model: one of langchain-core's, or a name such as "openai:gpt-4o-mini"."""

    def bind_tools(self, tools: Any) -> Any:
        return self

    def invoke(self, messages: Any, config: Any) -> AIMessage:
        if messages[-1].type == "tool":
            return AIMessage(messages[-1].content)
        call = {"name": "get_weather", "args": {"city": "Oslo"}, "id": "1"}
        return AIMessage("", tool_calls=[call])


agent = create_react_agent(Model(), [get_weather], prompt="Be brief.", name="weather")
print(agent.invoke({"messages": [("user", "Is it wet in Oslo?")]})["messages"][-1].content)
