import io
import json
import sys

import pytest


def test_a_graph_of_a_file_is_run_and_its_final_state_printed(inwit, counter) -> None:
    said = inwit("run", counter, "--input", '{"n": 0, "limit": 3}', "--json")

    assert said.code == 0
    assert said.json["state"] == {"n": 3, "limit": 3}
    assert len(said.json["execution_id"]) == 16


def test_without_json_a_person_reads_the_state_and_stderr_names_the_execution(
    inwit, counter
) -> None:
    said = inwit("run", counter, "--input", '{"n": 0, "limit": 2}')

    assert said.out.splitlines() == ["n: 2", "limit: 2"]
    assert said.err.startswith("execution ")


@pytest.mark.parametrize("target", ["counter.py", "counter.py:graph", "counter.py:app"])
def test_the_graph_may_be_left_out_where_there_is_one(inwit, counter, target) -> None:
    assert inwit("run", target, "--input", '{"limit": 1, "n": 0}').code == 0


def test_a_folder_stands_for_its_app(inwit, counter, project) -> None:
    (project / "counting").mkdir()
    (project / "counter.py").rename(project / "counting" / "app.py")

    said = inwit("run", "counting", "--input", '{"limit": 1, "n": 0}', "--json")

    assert said.json["state"]["n"] == 1


def test_a_package_may_import_from_itself(inwit, counter, project) -> None:
    folder = project / "counting"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (project / "counter.py").rename(folder / "made.py")
    (folder / "app.py").write_text("from .made import app\n")

    assert inwit("run", "counting", "--input", '{"limit": 1, "n": 0}').code == 0


def test_a_function_may_make_the_graph(inwit, counter, project) -> None:
    (project / "made.py").write_text(
        "def make():\n    from counter import graph\n    return graph\n"
    )

    assert inwit("run", "made.py:make", "--input", '{"limit": 1, "n": 0}').code == 0


def test_the_input_may_come_from_a_file_or_standard_input(
    inwit, counter, project, monkeypatch
) -> None:
    (project / "in.json").write_text('{"n": 0, "limit": 2}')
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"n": 0, "limit": 4}'))

    from_file = inwit("run", counter, "--input", "@in.json", "--json")
    from_stdin = inwit("run", counter, "--input", "-", "--json")

    assert (from_file.json["state"]["n"], from_stdin.json["state"]["n"]) == (2, 4)


def test_a_failed_execution_has_its_own_exit_code_and_can_be_asked_about(inwit, counter) -> None:
    said = inwit("run", counter, "--input", '{"n": 0, "limit": 10}')

    assert said.code == 5
    assert said.out == ""
    assert "error: ValueError: the limit is too high" in said.err
    (failed,) = inwit("executions", "list", "--status", "failed", "--json").json["executions"]
    assert failed["execution_id"] in said.err


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("nowhere.py",), 3, "No file 'nowhere.py'"),
        (("counter.py:ap",), 3, "Did you mean 'app'?"),
        (("counter.py:State",), 2, "is no graph"),
        (("counter.py:app", "--input", "{"), 2, "--input is no JSON"),
        (("counter.py:app", "--input", "@nowhere.json"), 2, "No such file"),
        (("counter.py:app", "--input", '{"n": 0, "limitt": 1}'), 2, "'limitt'"),
        (("broken.py",), 1, "ZeroDivisionError"),
        (("empty.py",), 2, "defines no graph"),
        (("empty",), 3, "has no app.py"),
    ],
)
def test_what_cannot_be_run_is_said_with_its_exit_code(
    inwit, counter, project, args, code, told
) -> None:
    (project / "broken.py").write_text("1 / 0\n")
    (project / "empty.py").write_text("")
    (project / "empty").mkdir()

    said = inwit("run", *args)

    assert (said.code, said.out) == (code, "")
    assert told in said.err
    assert "error: " in said.err


def test_a_folder_is_evaluated_by_its_own_measure(inwit, project) -> None:
    (project / "measured").mkdir()
    (project / "measured" / "evaluate.py").write_text(
        "def evaluate(progress):\n"
        "    progress('asking', 1, 2)\n"
        "    return {'recall_at_5': 0.9, 'mrr': 0.75, 'n': 2}\n"
    )

    said = inwit("run", "measured", "--evaluate", "--json")

    assert said.json == {"recall_at_5": 0.9, "mrr": 0.75, "n": 2}


def test_json_output_is_json_alone(inwit, project) -> None:
    (project / "loud.py").write_text(
        "from typing import TypedDict\nfrom inwit import StateGraph\n"
        "class S(TypedDict):\n    n: int\n"
        "def speak(state):\n    return {'n': 1}\n"
        "g = StateGraph(S); g.add_node('speak', speak)\n"
        "g.set_entry_point('speak'); g.set_finish_point('speak'); app = g.compile()\n"
    )

    said = inwit("run", "loud.py", "--input", '{"n": 0}', "--json")

    assert json.loads(said.out)["state"] == {"n": 1}


def test_where_nobody_watches_progress_is_ten_lines_at_most(inwit, project) -> None:
    (project / "measured").mkdir()
    (project / "measured" / "evaluate.py").write_text(
        "def evaluate(progress):\n"
        "    for done in range(1, 1001):\n"
        "        progress('asking', done, 1000)\n"
        "    return {'n': 1000}\n"
    )

    said = inwit("run", "measured", "--evaluate")

    assert said.out == "n: 1000\n"
    assert said.err.splitlines()[0] == "asking: 100 of 1,000"
    assert len(said.err.splitlines()) == 10


def test_a_name_that_no_file_can_have_is_not_found(inwit) -> None:
    said = inwit("run", "a" * 5000)

    assert said.code == 3
    assert said.err.startswith("error: No file 'aaaa")
    assert len(said.err) < 200


ASKING = """
from typing import TypedDict
from inwit import START, StateGraph, interrupt

class State(TypedDict, total=False):
    draft: str
    sent: bool

def ask(state):
    return {"sent": interrupt({"send": state["draft"]}, schema={"type": "boolean"})}

app = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile(name="letters")
"""


def test_what_an_execution_asks_is_told_to_programs_and_to_people(inwit, project) -> None:
    (project / "letters.py").write_text(ASKING)
    given = ["run", "letters.py", "--input", '{"draft": "Dear Ada"}']

    program, person = inwit(*given, "--json"), inwit(*given)

    [question] = program.json["interrupts"]
    assert (program.json["status"], program.json["state"]) == (
        "waiting_for_input", {"draft": "Dear Ada"},
    )  # fmt: skip
    assert (question["value"], question["schema"]) == ({"send": "Dear Ada"}, {"type": "boolean"})
    assert person.out.splitlines() == ["draft: Dear Ada", 'asks: {"send": "Dear Ada"}']
    assert "inwit executions resume" in person.err


def test_a_program_is_told_which_execution_failed_and_of_what(inwit, project) -> None:
    (project / "letters.py").write_text(ASKING)

    said = inwit("run", "letters.py", "--json")

    assert said.code == 5
    assert said.json["error"] == {"type": "KeyError", "message": "'draft'"}
    assert (said.json["status"], len(said.json["execution_id"])) == ("failed", 16)
