"""States: their classes, keys, reducers, inputs and outputs."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, TypedDict
from unittest.mock import Mock

from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tests.langgraph.scenarios.telling import raised


class State(TypedDict):
    hello: str
    bye: str
    log: Annotated[list[str], operator.add]


def _single(lib: Any, state: Any, node: Any, **schemas: Any) -> Any:
    graph = lib.StateGraph(state, **schemas).add_node("node", node)
    return graph.add_edge(lib.START, "node").add_edge("node", lib.END).compile()


def reducers_apply_to_the_input(lib):
    return _single(lib, State, lambda state: {"log": ["node"]}).invoke({"log": ["a", "b"]})


def a_custom_reducer_gets_the_old_and_the_new_value(lib):
    def join(old: str, new: str) -> str:
        return f"({old}+{new})"

    class Joined(TypedDict):
        text: Annotated[str, join]

    graph = _single(lib, Joined, lambda state: {"text": "node"})
    return [graph.invoke({"text": "in"}), graph.invoke({})]


def a_reducer_begins_with_an_empty_value_of_its_type(lib):
    seen: list[Any] = []

    def keep(old: Any, new: Any) -> Any:
        seen.append((old, new))
        return new

    class Kept(TypedDict):
        number: Annotated[int, keep]
        words: Annotated[list[str], keep]
        table: Annotated[dict[str, int], keep]
        some: Annotated[set[int], keep]
        maybe: Annotated[int | None, keep]

    graph = _single(lib, Kept, lambda state: {"number": 2})
    given = {"number": 1, "words": ["w"], "table": {"t": 1}, "some": {1}, "maybe": 4}
    return [graph.invoke(given), seen, graph.invoke({})]


def a_reducer_may_be_a_lambda_and_a_builtin(lib):
    class Figures(TypedDict):
        top: Annotated[int, lambda old, new: max(new, old)]
        total: Annotated[float, lambda old, new: old + new]
        table: Annotated[dict[str, int], operator.or_]

    graph = _single(lib, Figures, lambda state: {"top": 3, "total": 0.5, "table": {"b": 2}})
    return graph.invoke({"top": 5, "total": 1.0, "table": {"a": 1}})


def a_reducer_of_one_parameter_is_refused(lib):
    def odd(old: Any) -> Any:
        return old

    class Odd(TypedDict):
        key: Annotated[str, odd]

    return raised(lambda: lib.StateGraph(Odd), "educer")


def two_writers_of_one_plain_key_are_refused(lib):
    graph = lib.StateGraph(State).add_node("a", lambda state: {"hello": "a"})
    graph.add_node("b", lambda state: {"hello": "b"})
    graph.add_edge(lib.START, "a").add_edge(lib.START, "b")
    return raised(lambda: graph.compile().invoke({"hello": "in"}), "At key 'hello'")


def overwrite_goes_past_the_reducer(lib):
    graph = _single(lib, State, lambda state: {"log": lib.Overwrite(["new"])})
    return [graph.invoke({"log": ["old"]}), list(graph.stream({"log": ["old"]}))]


def two_overwrites_in_one_step_are_refused(lib):
    graph = lib.StateGraph(State)
    for name in ("a", "b"):
        graph.add_node(name, lambda state: {"log": lib.Overwrite(["new"])})
        graph.add_edge(lib.START, name)
    return raised(lambda: graph.compile().invoke({"log": ["old"]}))


def overwrite_and_an_update_in_one_step(lib):
    graph = lib.StateGraph(State).add_node("a", lambda state: {"log": lib.Overwrite(["new"])})
    graph.add_node("b", lambda state: {"log": ["more"]})
    graph.add_edge(lib.START, "a").add_edge(lib.START, "b")
    return graph.compile().invoke({"log": ["old"]})


def overwrite_in_the_input(lib):
    graph = _single(lib, State, lambda state: {"log": ["node"]})
    return graph.invoke({"log": lib.Overwrite(["fresh"])})


def nodes_see_the_keys_of_their_own_schema(lib):
    class ForA(TypedDict):
        hello: str

    class ForB(TypedDict):
        bye: str
        now: int

    def a(state: ForA) -> Any:
        return {"log": [f"a sees {sorted(state)}"], "now": 5}

    def b(state: ForB) -> Any:
        return {"log": [f"b sees {sorted(state)}"]}

    graph = lib.StateGraph(State).add_sequence([a, b]).add_edge(lib.START, "a").compile()
    given = {"hello": "there", "bye": "world", "log": [], "now": 4}
    return [graph.invoke(given), list(graph.stream(given))]


def a_schema_may_be_given_for_a_node(lib):
    class Small(TypedDict):
        hello: str

    seen: list[Any] = []
    graph = lib.StateGraph(State)
    graph.add_node("node", lambda state: seen.append(dict(state)), input_schema=Small)
    graph.add_edge(lib.START, "node").compile().invoke({"hello": "a", "bye": "b"})
    return seen


def input_and_output_have_schemas_of_their_own(lib):
    class Input(TypedDict):
        hello: str

    class Output(TypedDict):
        bye: str

    seen: list[Any] = []

    def node(state: State) -> Any:
        seen.append(dict(state))
        return {"bye": "world", "log": ["node"]}

    graph = _single(lib, State, node, input_schema=Input, output_schema=Output)
    given = {"hello": "a", "bye": "ignored"}
    return [
        graph.invoke(given),
        seen[0],
        list(graph.stream(given, stream_mode="values")),
        list(graph.stream(given, stream_mode="updates")),
    ]


def private_keys_pass_between_nodes_and_stay_out_of_the_result(lib):
    class Private(TypedDict):
        secret: str

    def a(state: State) -> Private:
        return {"secret": "s"}

    def b(state: Private) -> State:
        return {"hello": f"got {state['secret']}"}

    graph = lib.StateGraph(State).add_sequence([a, b]).add_edge(lib.START, "a").compile()
    return [
        graph.invoke({"hello": "in"}),
        list(graph.stream({"hello": "in"})),
        list(graph.stream({"hello": "in"}, stream_mode="values")),
    ]


def dataclass_states_are_objects_in_nodes_and_dicts_outside(lib):
    @dataclass
    class Data:
        hello: str
        count: int = 3
        log: Annotated[list[str], operator.add] = field(default_factory=list)

    def node(state: Data) -> Any:
        return {"log": [f"{type(state).__name__} {state.hello} {state.count} {state.log}"]}

    graph = _single(lib, Data, node)
    return [
        graph.invoke({"hello": "a", "log": ["in"]}),
        graph.invoke(Data(hello="b")),
        raised(lambda: graph.invoke({"count": 1})),
    ]


def a_node_may_return_an_instance_of_the_state(lib):
    @dataclass
    class Data:
        hello: str
        bye: str = "default"

    graph = _single(lib, Data, lambda state: Data(hello="again"))
    return [graph.invoke({"hello": "a", "bye": "b"}), list(graph.stream({"hello": "a"}))]


def pydantic_states_are_checked_on_the_way_in(lib):
    class Model(BaseModel):
        hello: str
        count: int = 0
        log: Annotated[list[str], operator.add] = []

    def node(state: Model) -> Any:
        return {"log": [f"{type(state).__name__} {state.count!r}"]}

    graph = _single(lib, Model, node)
    return [
        graph.invoke({"hello": "a", "count": "5"}),
        graph.invoke(Model(hello="a")),
        raised(lambda: graph.invoke({"hello": "a", "count": "many"})),
        raised(lambda: graph.invoke({"count": 1})),
    ]


def pydantic_states_check_what_a_node_reads(lib):
    class Model(BaseModel):
        count: int = 0

    graph = lib.StateGraph(Model).add_node("a", lambda state: {"count": "words"})
    graph.add_node("b", lambda state: None).add_edge(lib.START, "a").add_edge("a", "b")
    return raised(lambda: graph.compile().invoke({"count": 1}))


def a_pydantic_state_of_the_last_node_is_not_checked(lib):
    class Model(BaseModel):
        count: int = 0

    return _single(lib, Model, lambda state: {"count": "words"}).invoke({"count": 1})


def a_node_may_return_a_pydantic_instance(lib):
    class Model(BaseModel):
        hello: str
        count: int = 7

    graph = _single(lib, Model, lambda state: Model(hello="node"))
    return [graph.invoke({"hello": "a", "count": 1}), list(graph.stream({"hello": "a"}))]


def pydantic_validators_and_nested_models_hold(lib):
    class Part(BaseModel):
        name: str

    class Model(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        part: Part
        name: str = Field(default="d", max_length=5)

        @field_validator("name")
        @classmethod
        def upper(cls, value: str) -> str:
            return value.upper()

    graph = _single(lib, Model, lambda state: {"name": state.part.name + state.name})
    return [
        graph.invoke({"part": {"name": "p"}, "name": "n"}),
        raised(lambda: graph.invoke({"part": {}})),
        raised(lambda: graph.invoke({"part": {"name": "p"}, "name": "too long"})),
    ]


def one_value_may_be_the_whole_state(lib):
    graph = _single(lib, Annotated[list, operator.add], lambda state: [len(state)])
    return [
        graph.invoke(["a"]),
        list(graph.stream(["a"])),
        list(graph.stream([], stream_mode="values")),
    ]


def a_whole_state_without_a_reducer(lib):
    graph = _single(lib, str, lambda state: state + "!")
    return [graph.invoke("hi"), list(graph.stream("hi", stream_mode=["values", "updates"]))]


def not_required_and_optional_keys(lib):
    class Loose(TypedDict):
        must: str
        may: NotRequired[int]
        log: NotRequired[Annotated[list[str], operator.add]]

    return _single(lib, Loose, lambda state: {"log": [str(sorted(state))]}).invoke({"must": "a"})


def keys_of_a_base_class_count(lib):
    class More(State):
        extra: int

    return _single(lib, More, lambda state: {"extra": 1, "log": ["x"]}).invoke({"hello": "a"})


def schemas_that_differ_on_a_reducer_are_refused(lib):
    class Other(TypedDict):
        log: Annotated[list[str], operator.or_]

    graph = lib.StateGraph(State)
    graph.add_edge(lib.START, "n")
    return raised(
        lambda: graph.add_node("n", lambda s: None, input_schema=Other).compile(), "'log'"
    )


def a_plain_key_beside_a_reduced_one_of_that_name_is_the_reduced_one(lib):
    class Other(TypedDict):
        log: list[str]

    graph = _single(lib, State, lambda state: {"log": ["node"]}, output_schema=Other)
    return graph.invoke({"log": ["in"]})


def how_many_steps_are_left(lib):
    class Counted(TypedDict):
        log: Annotated[list[Any], operator.add]
        last: lib.IsLastStep
        left: lib.RemainingSteps

    def node(state: Counted) -> Any:
        return {"log": [(state["last"], state["left"])]}

    graph = lib.StateGraph(Counted).add_node("node", node).add_edge(lib.START, "node")
    graph.add_conditional_edges("node", lambda s: lib.END if s["left"] < 2 else "node")
    return graph.compile().invoke({}, {"recursion_limit": 4})


def unknown_keys_of_an_update_are_ignored(lib):
    graph = _single(lib, State, lambda state: {"nope": 1})
    return [graph.invoke({"hello": "a"}), list(graph.stream({"hello": "a"}))]


def an_update_that_is_no_dict_is_refused(lib):
    return [
        raised(lambda v=v: _single(lib, State, lambda s: v).invoke({"hello": "a"}), "Expected dict")
        for v in (5, "text", ["a"])
    ]


def misspelt_keys_of_an_update_are_ignored(lib):
    graph = _single(lib, State, lambda state: {"helo": "b"})
    return graph.invoke({"hello": "a"})


def a_state_without_an_annotation_beside_a_config(lib):
    def node(state, config: RunnableConfig):
        return {"hello": "|".join(sorted(state))}

    return _single(lib, State, node).invoke({"hello": "a"})


def a_router_reads_private_keys(lib):
    class Private(TypedDict):
        secret: str

    def write(state: State):
        return {"secret": "left"}

    def read(state: Private):
        return {"hello": state["secret"]}

    def route(state: Private):
        return "read" if state == {"secret": "left"} else lib.END

    graph = lib.StateGraph(State).add_node("write", write).add_node("read", read)
    graph.add_edge(lib.START, "write").add_conditional_edges("write", route, ["read", lib.END])
    return graph.compile().invoke({"hello": "a"})


def private_keys_of_an_input_are_left_out(lib):
    class Private(TypedDict):
        secret: str

    seen = []

    def look(state: Private):
        seen.append(dict(state))

    graph = lib.StateGraph(State).add_node("look", look).add_edge(lib.START, "look").compile()
    return [graph.invoke({"hello": "a", "secret": "given"}), seen]


def an_object_of_the_inputs_class(lib):
    class Given(BaseModel):
        hello: str
        more: int = 3

    graph = lib.StateGraph(State, input_schema=Given)
    graph.add_node("node", lambda state: {"hello": state["hello"] + "!"})
    return graph.add_edge(lib.START, "node").compile().invoke(Given(hello="a"))


def a_node_that_only_looks_like_everything(lib):
    node = Mock(side_effect=lambda state: {"hello": "mock"}, __name__="node")
    return _single(lib, State, node).invoke({"hello": "a"})


def keys_of_another_model_that_nobody_set_are_left_out(lib):
    class Both(TypedDict):
        hello: str
        other: str

    class Update(BaseModel):
        hello: str | None = None
        other: str | None = None
        unknown: int = 3

    return [
        _single(lib, Both, lambda state, update=update: update).invoke({"hello": "a", "other": "b"})
        for update in (Update(hello="x"), Update(), Update(hello=None, other="y"))
    ]


def keys_come_in_the_order_of_the_schema(lib):
    graph = _single(lib, State, lambda state: {"bye": "b", "hello": "h"})
    saved = lib.StateGraph(State).add_node("node", lambda state: {"bye": "b", "hello": "h"})
    saved = saved.add_edge(lib.START, "node").compile(lib.InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    return [
        list(graph.invoke({"log": ["a"]})),
        [list(one) for one in graph.stream({"bye": "x"}, stream_mode="values")],
        list(saved.invoke({"log": ["a"]}, config)),
        list(saved.get_state(config).values),
    ]


def keys_of_an_output_come_in_the_order_of_its_schema(lib):
    class Output(TypedDict):
        log: list[str]
        hello: str

    graph = _single(lib, State, lambda state: {"hello": "h"}, output_schema=Output)
    return [list(graph.invoke({"log": ["a"]}))]
