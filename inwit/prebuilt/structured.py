"""Answers that fit a schema: a pydantic model, a TypedDict, or a JSON schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from inwit.errors import StructuredAnswerError


class Structure(NamedTuple):
    """A schema, and how an answer that fits it is read."""

    name: str
    schema: dict[str, Any]
    read_text: Callable[[str], Any]

    @classmethod
    def of(cls, given: Any) -> Structure:
        """Read a class or a JSON schema, OpenAI's description of a function among them."""
        if isinstance(given, Mapping):
            function = given.get("function", given)
            schema = dict(function.get("parameters", given))
            name = str(function.get("name") or given.get("title") or "answer")
            return cls(name, schema, json.loads)
        from pydantic import TypeAdapter

        adapter: TypeAdapter[Any] = TypeAdapter(given)
        return cls(given.__name__, adapter.json_schema(), adapter.validate_json)

    def openai(self) -> dict[str, Any]:
        """The schema as OpenAI's parameter ``response_format``."""
        return {"type": "json_schema", "json_schema": {"name": self.name, "schema": self.schema}}

    def read(self, text: str) -> Any:
        """Read a model's answer.

        Raises:
            StructuredAnswerError: It does not fit.
        """
        try:
            return self.read_text(text)
        except ValueError as exc:
            raise StructuredAnswerError(self.name, text, str(exc)) from exc
