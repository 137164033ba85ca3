"""Models that are named with their providers: each at its own address, with its own key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from inwit import HumanMessage, create_react_agent
from inwit.errors import ModelDefinitionError
from inwit.prebuilt.providers import server_of
from tests.runtime.capture.server import Scripted, chat, serving, whole

HI = {"messages": [HumanMessage("Hi")]}


@pytest.fixture
def server(project: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    with serving() as scripted:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
        yield scripted


def test_a_model_is_asked_at_its_providers_address_with_its_key(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_BASE_URL", server.url)
    monkeypatch.setenv("GROQ_API_KEY", "gsk-own")
    server.says(whole(chat("Hello.")))

    result = create_react_agent("groq:llama-3.3-70b", []).invoke(HI)

    assert result["messages"][-1].text == "Hello."
    assert (server.asked[0]["model"], server.keys) == ("llama-3.3-70b", ["Bearer gsk-own"])


def test_a_local_model_is_sent_no_providers_key(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", server.url.removeprefix("http://").removesuffix("/v1"))
    server.says(whole(chat("Hello.")))

    create_react_agent("ollama:qwen3:8b", []).invoke(HI)

    assert (server.asked[0]["model"], server.keys) == ("qwen3:8b", ["Bearer none"])


def test_without_a_key_the_error_says_which_variable_it_is_looked_for_in(project: Any) -> None:
    with pytest.raises(ModelDefinitionError, match="Set GOOGLE_API_KEY or GEMINI_API_KEY"):
        create_react_agent("google_genai:gemini-2.5-pro", []).invoke(HI)


@pytest.mark.parametrize("name", ["azure_openai:gpt-4o", "bedrock:claude", "google_vertexai:g"])
def test_a_provider_without_one_address_is_refused_when_the_agent_is_made(name: str) -> None:
    with pytest.raises(ModelDefinitionError, match="has no one address"):
        create_react_agent(name, [])


def test_each_provider_has_its_own_address_and_a_colon_in_a_models_name_is_no_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for key in ("ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY"):
        monkeypatch.setenv(key, "k")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gateway.example")

    assert server_of("deepseek:deepseek-chat") == (
        "deepseek-chat", "https://api.deepseek.com/v1", "k",
    )  # fmt: skip
    assert server_of("anthropic:claude-x").base_url == "https://gateway.example/v1"
    assert server_of("openai:gpt-4o-mini") == ("gpt-4o-mini", None, None)
    assert server_of("llama3:8b") == ("llama3:8b", None, None)
    assert server_of(None) == (None, None, None)
