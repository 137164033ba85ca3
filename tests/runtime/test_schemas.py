"""JSON schemas are LangGraph's, compared with the installed one."""

import operator
import subprocess
import sys
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired

import pytest
import typing_extensions
from langgraph.graph import StateGraph as TheirGraph
from pydantic import BaseModel, Field

from inwit import StateGraph
from inwit.errors import UnshowableSchemaError


class Point(typing_extensions.TypedDict):
    """A place."""

    x: Annotated[float, "how far right"]
    tags: NotRequired[list[str]]


class Walk(typing_extensions.TypedDict, total=False):
    steps: typing_extensions.Required[Annotated[list[Point], operator.add]]
    name: str | None


@dataclass
class Trip:
    start: int
    name: str | None
    notes: list[str] = field(default_factory=list)
    speed: float = 1.5


class Model(BaseModel):
    """A model."""

    model_name: str = Field(description="which one")
    trip: Point | None = None


class Result(typing_extensions.TypedDict):
    name: str


def written(kind: Any, state: Any, **schemas: Any) -> Any:
    graph = kind(state, **schemas)
    graph.add_node("stay", lambda state: state)
    graph.add_edge("__start__", "stay")
    return graph.compile(name="LangGraph")


@pytest.mark.filterwarnings("ignore:Field .model_name. in .Model.")
@pytest.mark.parametrize("state", [Point, Walk, Trip, Model])
def test_schemas_are_langgraphs(state: Any) -> None:
    theirs, ours = written(TheirGraph, state), written(StateGraph, state)

    assert ours.get_input_jsonschema() == theirs.get_input_jsonschema()
    assert ours.get_output_jsonschema() == theirs.get_output_jsonschema()


@pytest.mark.parametrize("context", [Point, Model, Trip, None])
def test_contexts_are_langgraphs(context: Any) -> None:
    schemas = {"context_schema": context, "output_schema": Result}
    theirs, ours = written(TheirGraph, Walk, **schemas), written(StateGraph, Walk, **schemas)

    assert ours.get_context_jsonschema() == theirs.get_context_jsonschema()
    assert ours.get_output_jsonschema() == theirs.get_output_jsonschema()


def test_a_class_that_is_no_context_is_refused() -> None:
    graph = written(StateGraph, Walk)
    graph.builder.context_schema = int

    with pytest.raises(UnshowableSchemaError, match="int"):
        graph.get_context_jsonschema()


class Plain(typing.TypedDict, total=False):
    inner: "Plainer"
    many: dict[str, list["Plainer"] | None]
    what: object


class Plainer(typing.TypedDict):
    n: int


class Odd(typing.TypedDict):
    thing: subprocess.Popen[bytes]


def test_a_typed_dict_of_the_standard_library_has_a_schema() -> None:
    schema = written(StateGraph, Plain).get_input_jsonschema()

    assert schema["$defs"]["Plainer"]["required"] == ["n"]
    assert "required" not in schema
    assert schema["properties"]["inner"] == {"$ref": "#/$defs/Plainer"}


def test_what_has_no_schema_is_left_open() -> None:
    schema = written(StateGraph, Odd).get_input_jsonschema()

    assert schema["required"] == ["thing"]
    assert schema["properties"]["thing"] in ({}, {"title": "Thing"})


def test_the_models_of_input_and_output_check_values() -> None:
    graph = written(StateGraph, Plain)

    assert graph.input_schema.model_validate({"inner": {"n": "3"}}).root == {"inner": {"n": 3}}
    with pytest.raises(ValueError, match="inner"):
        graph.output_schema.model_validate({"inner": {"n": "three"}})
    assert written(StateGraph, Model).input_schema is Model


def test_pydantic_is_imported_only_when_a_schema_is_asked_for() -> None:
    program = (
        "import sys; from typing import TypedDict; from inwit import StateGraph\n"
        "class S(TypedDict):\n  n: int\n"
        "app = StateGraph(S).add_node('a', lambda s: s).set_entry_point('a')"
        ".set_finish_point('a').compile(name='g')\n"
        "print('pydantic' in sys.modules, app.get_input_jsonschema()['type'])"
    )

    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert told.stdout.split() == ["False", "object"]
