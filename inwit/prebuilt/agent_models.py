"""The states of an agent as pydantic models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel

from inwit.runtime.messages.merge import add_messages


class AgentStatePydantic(BaseModel):
    """The conversation of an agent."""

    messages: Annotated[Sequence[Any], add_messages]
    remaining_steps: int = 25


class AgentStateWithStructuredResponsePydantic(AgentStatePydantic):
    """The conversation, and at the end what fits the response format."""

    structured_response: Any
