"""`@tool` beside langchain-core's: what a model is told, and what a call gives."""

from __future__ import annotations

import functools
import inspect
from typing import Annotated, Any, Literal

import pytest
from langchain_core.tools import tool as their_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field, ValidationError

from inwit import InjectedToolCallId, ToolMessage, create_react_agent, tool
from inwit.errors import ToolDefinitionError
from inwit.prebuilt import ToolException
from inwit.prebuilt.tools import as_langchain
from inwit.runtime.context import Context
from tests.prebuilt.model import Scripted


class Place(BaseModel):
    town: str
    street: str = "High Street"


def look_up(
    word: str,
    at: Literal["dictionary", "web"] = "dictionary",
    limit: Annotated[int, Field(ge=1, description="How many")] = 3,
    tags: list[str] | None = None,
    place: Place | None = None,
) -> str:
    """Look a word up.

    It may take a while.
    """
    return f"{word} {at} {limit} {tags} {place and place.town}"


def paint(colour: Annotated[str, "A name of a colour"], coats: int = 1) -> str:
    """Paint.

    Args:
        colour: What it looks like
            when it is dry.
        coats (int): How often.

    Returns:
        Nothing of use.
    """
    return f"{coats} {colour}"


class Arguments(BaseModel):
    """Arguments of one's own."""

    word: str = Field(description="The word")
    n: int = 1


def repeat(word: str, n: int = 2) -> str:
    return word * n


MADE: dict[str, Any] = {
    "a function": lambda make: make(look_up),
    "a name": lambda make: make("find")(look_up),
    "a description": lambda make: make(description="Find it.")(look_up),
    "a docstring": lambda make: make(parse_docstring=True)(paint),
    "an unread docstring": lambda make: make(paint),
    "a schema": lambda make: make(args_schema=Arguments, description="Repeat.")(repeat),
}


@pytest.mark.parametrize("case", MADE)
def test_a_model_is_told_what_langchains_tells_it(case: str) -> None:
    made, expected = MADE[case](tool), MADE[case](their_tool)

    told, theirs = made.openai()["function"], convert_to_openai_tool(expected)["function"]

    assert told["name"] == theirs["name"]
    assert told["description"] == inspect.cleandoc(theirs["description"])
    assert set(told["parameters"]["properties"]) == set(theirs["parameters"]["properties"])
    assert told["parameters"].get("required") == theirs["parameters"].get("required")
    for name, described in theirs["parameters"]["properties"].items():
        given = told["parameters"]["properties"][name]
        assert given.get("description") == described.get("description")
        assert given.get("type") == described.get("type")


CALLS: dict[str, Any] = {
    "all that is needed": {"word": "x"},
    "more than it takes": {"word": "x", "of": "y"},
    "values to convert": {"word": "x", "limit": "2", "tags": ("a",), "place": {"town": "Bern"}},
}


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.anyio
async def test_a_call_gives_what_langchains_gives(case: str) -> None:
    made, expected = tool(look_up), their_tool(look_up)

    assert made.invoke(CALLS[case]) == expected.invoke(CALLS[case])
    assert await made.ainvoke(CALLS[case]) == await expected.ainvoke(CALLS[case])


@pytest.mark.parametrize("wrong", [{}, {"word": "x", "limit": 0}, {"word": "x", "at": "nowhere"}])
def test_arguments_that_do_not_fit_are_refused_as_by_langchains(wrong: Any) -> None:
    with pytest.raises(ValidationError) as ours:
        tool(look_up).invoke(wrong)
    with pytest.raises(ValidationError) as theirs:
        their_tool(look_up).invoke(wrong)

    assert [one["loc"] for one in ours.value.errors()] == [
        one["loc"] for one in theirs.value.errors()
    ]


def test_a_whole_call_gives_a_message() -> None:
    call = {"type": "tool_call", "name": "look_up", "id": "7", "args": {"word": "x"}}

    message = tool(look_up).invoke(call)
    expected: Any = their_tool(look_up).invoke(call)

    assert message == expected


def test_a_pair_gives_content_and_artifact() -> None:
    @tool(response_format="content_and_artifact")
    def draw(n: int) -> tuple[str, bytes]:
        """Draw."""
        return "drawn", bytes(n)

    message = draw.invoke({"type": "tool_call", "name": "draw", "id": "7", "args": {"n": 2}})

    assert (message.content, message.artifact) == ("drawn", b"\x00\x00")
    assert draw.invoke({"n": 1}) == "drawn"


@pytest.mark.parametrize(
    ("how", "told"), [(True, "no luck"), ("sorry", "sorry"), (lambda e: f"<{e}>", "<no luck>")]
)
def test_a_tools_own_error_may_be_told_instead_of_raised(how: Any, told: str) -> None:
    @tool
    def unlucky() -> str:
        """Have no luck."""
        raise ToolException("no luck")

    call = {"type": "tool_call", "name": "unlucky", "id": "7", "args": {}}
    with pytest.raises(ToolException):
        unlucky.invoke(call)
    unlucky.handle_tool_error = how

    message = unlucky.invoke(call)

    assert (message.content, message.status) == (told, "error")


def test_a_tool_is_still_the_function_that_it_was() -> None:
    made = tool(look_up)

    assert made("x", limit=1) == "x dictionary 1 None None"
    assert made.__name__ == "look_up"
    assert made.__doc__ == look_up.__doc__


def test_a_part_of_a_function_is_a_tool() -> None:
    part = functools.partial(look_up, limit=1)

    assert tool(part).invoke({"word": "x"}) == "x dictionary 1 None None"


def test_without_a_docstring_it_says_that_it_needs_one() -> None:
    with pytest.raises(ToolDefinitionError, match="'repeat' must have a docstring"):
        tool(repeat)
    with pytest.raises(ValueError, match="docstring"):
        their_tool(repeat)


def test_the_calls_id_is_filled_and_not_shown() -> None:
    def which(n: int, id: str) -> str:
        """Tell the call."""
        return f"{n} {id}"

    which.__annotations__ = {"n": int, "id": Annotated[str, InjectedToolCallId]}
    made = tool(which)

    message = made.invoke(
        {"type": "tool_call", "name": "which", "id": "7", "args": {"n": 1, "id": "forged"}}
    )

    assert list(made.args) == ["n"]
    assert message.content == "1 7"
    with pytest.raises(ToolDefinitionError, match="needs the id"):
        made.invoke({"n": 1})


def test_a_parameter_of_the_contexts_type_is_given_the_nodes(project: Any) -> None:
    @tool
    async def where(word: str, ctx: Context) -> str:
        """Tell the node."""
        return f"{word} {ctx.node}"

    call = {"name": "where", "args": {"word": "in"}, "id": "1", "type": "tool_call"}
    app = create_react_agent(Scripted(rounds=[[call], []]), [where])

    result = app.invoke({"messages": [("user", "?")]})

    assert list(where.args) == ["word"]
    assert result["messages"][2].content == "in tools"


@pytest.mark.anyio
async def test_ours_becomes_langchains_with_all_that_it_has() -> None:
    @tool(return_direct=True)
    async def later(n: int) -> int:
        """Answer later."""
        return n + 1

    theirs = as_langchain(later)

    assert (theirs.name, theirs.description, theirs.return_direct) == (
        "later", "Answer later.", True,
    )  # fmt: skip
    assert await theirs.ainvoke({"n": "1"}) == 2
    assert as_langchain(theirs) is theirs


def test_a_tool_message_of_ours_has_the_same_attributes() -> None:
    message = ToolMessage("x", tool_call_id="1")

    assert (message.type, message.status, message.artifact) == ("tool", "success", None)
