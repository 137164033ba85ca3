"""The JSON schemas of what a graph takes, gives and is told; pydantic is imported when one is asked for."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from inwit.errors import UnshowableSchemaError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from inwit.runtime.state import StateSchema

Config = Mapping[str, Any]


class Schemas:
    """The schemas of a compiled graph, as LangGraph names them; what `config` says changes none."""

    name: str
    builder: Any

    def get_input_jsonschema(self, config: Config | None = None) -> dict[str, Any]:  # noqa: ARG002 - LangGraph's
        """The JSON schema of an input."""
        builder = self.builder
        return state_schema(builder.input_schema or builder.schema, f"{self.name}Input")

    def get_output_jsonschema(self, config: Config | None = None) -> dict[str, Any]:  # noqa: ARG002 - LangGraph's
        """The JSON schema of a result."""
        builder = self.builder
        return state_schema(builder.output_schema or builder.schema, f"{self.name}Output")

    def get_context_jsonschema(self) -> dict[str, Any] | None:
        """The JSON schema of what ``invoke(..., context=…)`` is given; None where there is none.

        Raises:
            UnshowableSchemaError: It is no TypedDict, dataclass or pydantic model.
        """
        cls = self.builder.context_schema
        if cls is None:
            return None
        if not (is_model(cls) or is_typed_dict(cls) or hasattr(cls, "__dataclass_fields__")):
            raise UnshowableSchemaError(cls)
        return json_schema(cls)

    def get_input_schema(self, config: Config | None = None) -> type[BaseModel]:  # noqa: ARG002 - LangGraph's
        """A pydantic model that takes what is an input."""
        builder = self.builder
        return model_of((builder.input_schema or builder.schema).cls, f"{self.name}Input")

    def get_output_schema(self, config: Config | None = None) -> type[BaseModel]:  # noqa: ARG002 - LangGraph's
        """A pydantic model that takes what is a result."""
        builder = self.builder
        return model_of((builder.output_schema or builder.schema).cls, f"{self.name}Output")

    @property
    def InputType(self) -> Any:  # noqa: N802 - LangGraph's
        """The class of an input."""
        return (self.builder.input_schema or self.builder.schema).cls

    @property
    def OutputType(self) -> Any:  # noqa: N802 - LangGraph's
        """The class of a result."""
        return (self.builder.output_schema or self.builder.schema).cls

    @property
    def input_schema(self) -> type[BaseModel]:
        """See `get_input_schema`."""
        return self.get_input_schema()

    @property
    def output_schema(self) -> type[BaseModel]:
        """See `get_output_schema`."""
        return self.get_output_schema()


def is_model(cls: Any) -> bool:
    """Whether a class is a pydantic model."""
    return hasattr(cls, "model_json_schema")


def state_schema(schema: StateSchema, title: str) -> dict[str, Any]:
    """The JSON schema of a state class; of a dataclass it has the title that is given."""
    if is_model(schema.cls) or is_typed_dict(schema.cls):
        return json_schema(schema.cls)
    from pydantic import ConfigDict, create_model

    fields: dict[str, Any] = {}
    for channel in schema.channels.values():
        default = ... if channel.is_required else channel.factory and channel.factory()
        if channel.is_required and type(None) in typing.get_args(channel.type):
            default = None
        fields[channel.name] = (portable(channel.type), default)
    lenient = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
    return shown(create_model(title, __config__=lenient, **fields).model_json_schema)


def json_schema(hint: Any) -> dict[str, Any]:
    """The JSON schema of a type; what pydantic does not know is left open."""
    if is_model(hint):
        return shown(hint.model_json_schema)
    from pydantic import TypeAdapter

    return shown(TypeAdapter(_open(portable(hint))).json_schema)


def shown(make: Callable[..., Any]) -> dict[str, Any]:
    """What a method of pydantic gives as a schema, where types without one are left open."""
    schema: dict[str, Any] = make(schema_generator=_generator())
    return schema


@lru_cache(1)
def _generator() -> Any:
    from pydantic.json_schema import GenerateJsonSchema

    class Open(GenerateJsonSchema):
        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:  # noqa: ARG002
            return {}

        def emit_warning(self, kind: Any, detail: str) -> None:
            """Leave out defaults that JSON cannot show without a word."""

    return Open


def model_of(cls: Any, name: str) -> type[BaseModel]:
    """A state class as a pydantic model: itself, or a root model of it."""
    if is_model(cls):
        found: type[BaseModel] = cls
        return found
    from pydantic import RootModel

    root: Any = RootModel.__class_getitem__(_open(portable(cls)))
    return types.new_class(name, (root,))


def _open(cls: Any) -> Any:
    """Let a TypedDict hold types that pydantic does not know."""
    if is_typed_dict(cls) and not hasattr(cls, "__pydantic_config__"):
        cls.__pydantic_config__ = {"arbitrary_types_allowed": True}
    return cls


def portable(hint: Any) -> Any:
    """A type that pydantic takes: before Python 3.12 it refuses the TypedDict of `typing`."""
    if not _is_refused(hint, set()):
        return hint
    if is_typed_dict(hint):
        return _portable_dict(hint)
    origin, inner = typing.get_origin(hint), tuple(portable(arg) for arg in typing.get_args(hint))
    if origin is typing.Annotated:
        return inner[0]
    if origin is types.UnionType:
        return typing.Union[inner]  # noqa: UP007 - made at run time
    return hint.copy_with(inner) if hasattr(hint, "copy_with") else origin[inner]


def is_typed_dict(cls: Any) -> bool:
    """Whether a class is a TypedDict, of `typing` or of typing_extensions."""
    return isinstance(cls, type) and issubclass(cls, dict) and hasattr(cls, "__required_keys__")


def _is_refused(hint: Any, seen: set[Any]) -> bool:
    """Whether a TypedDict of `typing` is in a type that pydantic would refuse for it."""
    if sys.version_info >= (3, 12) or id(hint) in seen:
        return False
    seen.add(id(hint))
    if not is_typed_dict(hint):
        return any(_is_refused(arg, seen) for arg in typing.get_args(hint))
    if type(hint).__module__ == "typing":
        return True
    hints = typing.get_type_hints(hint, include_extras=True)
    return any(_is_refused(one, seen) for one in hints.values())


@lru_cache(512)
def _portable_dict(cls: Any) -> Any:
    import typing_extensions

    keys: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(cls).items():
        is_needed = name in cls.__required_keys__
        mark: Any = typing_extensions.Required if is_needed else typing_extensions.NotRequired
        keys[name] = mark[portable(hint)]
    new: Any = typing_extensions.TypedDict
    made = new(cls.__name__, keys)
    made.__doc__ = cls.__doc__
    return made
