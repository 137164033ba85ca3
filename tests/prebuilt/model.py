"""A scripted chat model of langchain-core's, which says back what it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import BaseTool


class Scripted(BaseChatModel):
    """Asks for the tools of each round in turn; its text is all that it was sent."""

    rounds: Sequence[Sequence[dict[str, Any]]] = ()
    answer: Any = None
    said: int = 0

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = "-".join(f"{one.type}:{one.content}" for one in messages)
        calls: Any = self.rounds[self.said % len(self.rounds)] if self.rounds else []
        message = AIMessage(text, id=str(self.said), tool_calls=list(calls))
        self.said += 1
        return ChatResult(generations=[ChatGeneration(message=message)])

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, Any]:
        described = []
        for tool in tools:
            if not isinstance(tool, BaseTool | dict):
                raise TypeError("Only langchain-core's tools and dicts can be bound.")
            described.append(
                tool
                if isinstance(tool, dict)
                else {"type": "function", "function": {"name": tool.name}}
            )
        return self.bind(tools=described)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        return RunnableLambda(lambda messages: (self.answer, len(messages), kwargs))
