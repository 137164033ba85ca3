"""Where a model is asked that is named with its provider, such as ``"groq:llama-3.3-70b"``."""

from __future__ import annotations

import os
from typing import NamedTuple
from urllib.parse import urlsplit

from inwit.errors import ModelDefinitionError


class Server(NamedTuple):
    """Where a model is asked, by which name and key; None is what `Context.llm` takes by itself."""

    model: str | None
    base_url: str | None = None
    api_key: str | None = None


class _Provider(NamedTuple):
    base_url: str
    """Its address that speaks OpenAI's protocol."""
    keys: tuple[str, ...] = ()
    """Variables of the environment that its key may be in."""
    addresses: tuple[str, ...] = ()
    """Variables that another address may be in."""


def _provider(name: str, base_url: str, *keys: str) -> tuple[str, _Provider]:
    upper = name.upper()
    return name, _Provider(base_url, keys or (f"{upper}_API_KEY",), (f"{upper}_BASE_URL",))


_GOOGLE = "https://generativelanguage.googleapis.com/v1beta/openai"
_PROVIDERS: dict[str, _Provider] = dict([
    _provider("anthropic", "https://api.anthropic.com/v1"),
    _provider("cohere", "https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY", "CO_API_KEY"),
    _provider("deepseek", "https://api.deepseek.com/v1"),
    _provider("fireworks", "https://api.fireworks.ai/inference/v1"),
    _provider("google", _GOOGLE, "GOOGLE_API_KEY", "GEMINI_API_KEY"),
    _provider("google_genai", _GOOGLE, "GOOGLE_API_KEY", "GEMINI_API_KEY"),
    _provider("groq", "https://api.groq.com/openai/v1"),
    _provider("huggingface", "https://router.huggingface.co/v1", "HF_TOKEN"),
    _provider("mistral", "https://api.mistral.ai/v1"),
    _provider("mistralai", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    _provider("nvidia", "https://integrate.api.nvidia.com/v1"),
    _provider("openrouter", "https://openrouter.ai/api/v1"),
    _provider("perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY", "PPLX_API_KEY"),
    _provider("together", "https://api.together.xyz/v1"),
    _provider("xai", "https://api.x.ai/v1"),
    ("ollama", _Provider("http://localhost:11434/v1", (), ("OLLAMA_BASE_URL", "OLLAMA_HOST"))),
])  # fmt: skip
_OTHERS = frozenset({
    "azure", "azure_ai", "azure_openai", "bedrock", "bedrock_converse", "google_anthropic_vertex",
    "google_vertexai", "ibm",
})  # fmt: skip
"""Providers whose address is each customer's own, or whose keys are no words."""


def server_of(name: str | None) -> Server:
    """Where a model of that name is asked: ``provider:model``, or a model of OpenAI's protocol.

    Raises:
        ModelDefinitionError: Its provider cannot be asked by name, or has no key here.
    """
    provider, _, model = (name or "").partition(":")
    if not model:
        return Server(name)
    if provider == "openai":
        return Server(model)
    refuse_unknown(name)
    found = _PROVIDERS.get(provider)
    return Server(name) if found is None else Server(model, _base_of(found), _key_of(name, found))


def refuse_unknown(name: str | None) -> None:
    """Refuse the name of a model that no name alone can reach.

    Raises:
        ModelDefinitionError: Its provider cannot be asked by name.
    """
    provider, _, model = (name or "").partition(":")
    if model and provider in _OTHERS:
        raise ModelDefinitionError(
            f"{name!r} cannot be asked by its name: {provider} has no one address.",
            hint="Give a chat model instead, or set OPENAI_BASE_URL and name the model alone.",
        )


def _base_of(provider: _Provider) -> str:
    """Another address's path is the provider's own where it has none, as its own library adds it."""
    given = next((os.environ[one] for one in provider.addresses if os.environ.get(one)), None)
    if given is None:
        return provider.base_url
    given = given if "://" in given else f"http://{given}"
    own = urlsplit(provider.base_url).path
    return given.rstrip("/") + (own if urlsplit(given).path in ("", "/") else "")


def _key_of(name: str | None, provider: _Provider) -> str:
    if not provider.keys:
        return "none"  # else the key of another provider would be sent
    found = next((os.environ[one] for one in provider.keys if os.environ.get(one)), None)
    if found is None:
        raise ModelDefinitionError(
            f"There is no key to ask {name!r} with.", hint=f"Set {' or '.join(provider.keys)}."
        )
    return found
