import pytest

EDITED = 'return {"n": state.get("n", 0) + 1}'


def ran(inwit, counter, n: int = 0, limit: int = 3) -> str:
    said = inwit("run", counter, "--input", f'{{"n": {n}, "limit": {limit}}}', "--json")
    return str(said.json["execution_id"])


def edit(project, before: str, after: str) -> None:
    file = project / "counter.py"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_an_execution_is_replayed_as_it_was_recorded(inwit, counter) -> None:
    execution_id = ran(inwit, counter)

    said = inwit("replay", execution_id[:8])

    assert said.code == 0
    assert said.out.strip() == "As recorded: count → count → count."


def test_the_first_divergence_of_an_edited_graph_is_named(inwit, counter, project) -> None:
    execution_id = ran(inwit, counter)
    edit(project, EDITED, 'return {"n": state.get("n", 0) + 2}')

    said = inwit("replay", execution_id, "--json")

    assert said.code == 1
    assert said.json["divergence"]["node"] == "count"
    assert said.json["divergence"]["patch"] == [{"op": "replace", "path": "/n", "value": 2}]


def test_an_edited_node_runs_on_each_recorded_input(inwit, counter, project) -> None:
    execution_id = ran(inwit, counter)
    edit(project, EDITED, 'return {"n": state["n"] + 5}')

    said = inwit("replay", execution_id, "--node", "count", "--json")

    assert said.code == 0
    found = [(one["expected"]["n"], one["found"]["n"]) for one in said.json["reruns"]]
    assert found == [(1, 5), (2, 6), (3, 7)]
    assert said.json["state"]["n"] == 3


def test_from_an_edited_node_the_execution_goes_on(inwit, counter, project) -> None:
    execution_id = ran(inwit, counter)
    edit(project, EDITED, 'return {"n": state["n"] + 5}')

    said = inwit("replay", execution_id, "--from", "count")

    assert "then: completed, by count" in said.out
    assert "  n: 5" in said.out.splitlines()


def test_a_failing_execution_ends_by_naming_the_two_commands_that_help(inwit, counter) -> None:
    said = inwit("run", counter, "--input", '{"n": 0, "limit": 10}')

    asked, again = said.err.splitlines()[:2]
    assert said.code == 5
    assert 'inwit ask "Why did execution ' in asked
    assert again.endswith("--node count")
    assert inwit(*again.partition("inwit ")[2].split()).code == 0


def test_a_mended_node_shows_that_it_no_longer_fails(inwit, counter, project) -> None:
    inwit("run", counter, "--input", '{"n": 0, "limit": 10}')
    execution_id = inwit("executions", "list", "--json").json["executions"][0]["execution_id"]
    edit(project, "> 9", "> 90")

    said = inwit("replay", execution_id, "--node", "count")

    assert "then: ValueError: the limit is too high" in said.out
    assert "now:  {'n': 1}" in said.out


def test_a_graph_that_has_moved_is_named(inwit, counter, project) -> None:
    execution_id = ran(inwit, counter)
    (project / "counter.py").rename(project / "moved.py")

    assert inwit("replay", execution_id).code == 3
    assert inwit("replay", execution_id, "--file", "moved.py:app").code == 0


@pytest.mark.parametrize(
    ("given", "word"), [(["00000000"], "00000000"), (["--node", "cuont"], "count")]
)
def test_unknown_executions_and_nodes_are_refused(inwit, counter, given, word) -> None:
    execution_id = ran(inwit, counter)

    said = inwit("replay", *(given if len(given) == 1 else [execution_id, *given]))

    assert said.code == 3
    assert word in said.err


def test_secrets_are_not_shown(inwit, project) -> None:
    (project / "keys.py").write_text(
        "from typing import TypedDict\nfrom inwit import StateGraph\n"
        "class State(TypedDict, total=False):\n    api_key: str\n    said: str\n"
        "def use(state):\n    return {'said': 'Bearer ' + state['api_key']}\n"
        "app = StateGraph(State).add_node('use', use).set_entry_point('use')"
        ".set_finish_point('use').compile(name='keys')\n"
    )
    key = "sk-ant-api03-" + "a" * 40
    execution_id = ran_with(inwit, key)
    text = (project / "keys.py").read_text()
    (project / "keys.py").write_text(text.replace("'Bearer '", "'Authorization: Bearer '"))

    for more in ([], ["--json"], ["--node", "use"], ["--from", "use"]):
        said = inwit("replay", execution_id, *more)

        assert said.code in (0, 1)
        assert key not in said.out + said.err


def ran_with(inwit, key: str) -> str:
    said = inwit("run", "keys.py", "--input", f'{{"api_key": "{key}"}}', "--json")
    return str(said.json["execution_id"])
