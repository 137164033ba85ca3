"""The commands that read: executions, resolve, visualize, introspect, ask, pkg, self-improve."""

import pytest


def test_executions_are_listed_newest_first(inwit, counter, counted) -> None:
    newer = inwit("run", counter, "--input", '{"n": 0, "limit": 1}', "--json").json["execution_id"]

    listed = inwit("executions", "list", "--json").json

    assert [one["execution_id"] for one in listed["executions"]] == [newer, counted]
    assert listed["total_count"] == 2


def test_a_list_goes_on_where_its_cursor_points(inwit, counter, counted) -> None:
    inwit("run", counter, "--input", '{"n": 0, "limit": 1}')

    first = inwit("executions", "list", "--limit", "1", "--json").json
    second = inwit("executions", "list", "--limit", "1", "--cursor", first["cursor"], "--json").json

    assert [one["execution_id"] for one in second["executions"]] == [counted]
    assert second["cursor"] is None


def test_executions_of_an_unknown_graph_are_an_error_and_not_an_empty_list(inwit, counted) -> None:
    said = inwit("executions", "list", "--graph", "countr", "--json")

    assert (said.code, said.out) == (3, "")
    assert "Did you mean 'counter'?" in said.err


def test_events_of_an_unknown_type_are_an_error_and_not_an_empty_list(inwit, counted) -> None:
    said = inwit("executions", "events", counted, "--type", "node_exit", "--json")

    assert (said.code, said.out) == (2, "")
    assert "Did you mean 'node_exited'?" in said.err


def test_a_table_of_executions_is_for_people(inwit, counted) -> None:
    said = inwit("executions", "list")

    head, row = said.out.splitlines()
    assert head.split() == ["ID", "GRAPH", "STATUS", "STARTED", "TOOK", "VISITS", "AT"]
    assert row.split()[:3] == [counted, "counter", "completed"]


def test_four_digits_of_an_id_are_enough(inwit, counted) -> None:
    shown = inwit("executions", "show", counted[:4], "--json").json

    assert shown["execution_id"] == counted
    assert [step["node_name"] for step in shown["steps"]] == ["count", "count", "count"]


def test_events_are_gapless_and_can_be_filtered(inwit, counted) -> None:
    every = inwit("executions", "events", counted, "--json").json
    exits = inwit("executions", "events", counted, "--type", "node_exited", "--json").json

    assert [event["seq"] for event in every] == list(range(1, len(every) + 1))
    assert [event["visit"] for event in exits] == [1, 2, 3]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("executions", "show", "ffff"), 3),
        (("executions", "show", "../../etc/passwd"), 2),
        (("executions", "events", "ffffffffffffffff"), 3),
        (("executions", "list", "--since", "yesterday"), 2),
        (("executions", "list", "--status", "sleeping"), 2),
        (("resolve", "graph://nowhere/architecture"), 3),
        (("resolve", "graph://counter/nodes/conut"), 3),
        (("resolve", "nonsense"), 3),
        (("visualize", "nowhere"), 3),
        (("introspect", "show", "architectur"), 2),
        (("introspect", "show", "nodes", "--graph", "nowhere"), 3),
        (("pkg", "info", "nobody/nothing"), 3),
        (("self-improve", "show", "0000"), 3),
        (("explain", "no.such.code"), 3),
        (("ask", "why?", "--graph", "nowhere"), 3),
        (("mcp", "config", "cursor", "--http"), 4),
    ],
)
def test_what_is_not_there_is_an_error_with_its_exit_code(inwit, counted, args, code) -> None:
    said = inwit(*args)

    assert (said.code, said.out) == (code, "")
    assert said.err.startswith("error: ")


def test_a_uri_of_evidence_is_resolved(inwit, counted) -> None:
    event = inwit("executions", "events", counted, "--json").json[2]

    found = inwit("resolve", f"execution://{counted}/events/3", "--json").json

    assert found["data"] == event


def test_a_graph_is_drawn_as_mermaid(inwit, counted) -> None:
    said = inwit("visualize", "counter")

    assert said.out.startswith("flowchart")
    assert '"count"' in said.out
    assert '"more"' in said.out


def test_an_execution_is_drawn_with_its_visits(inwit, counted) -> None:
    assert '"count × 3"' in inwit("visualize", counted).out


def test_a_part_of_a_graph_is_shown(inwit, counted) -> None:
    shown = inwit("introspect", "show", "architecture", "--json").json

    assert shown["graph"]["has_cycles"] is True


def test_a_node_is_shown_with_its_source(inwit, counted) -> None:
    shown = inwit("introspect", "show", "--node", "count", "--json").json

    assert shown["source"]["file"].endswith("counter.py")


def test_search_finds_a_node_by_name(inwit, counted) -> None:
    hits = inwit("introspect", "search", "count", "--kind", "node", "--json").json["results"]

    assert "graph://counter/nodes/count" in [hit["uri"] for hit in hits]


@pytest.mark.parametrize("ask", [("ask",), ("introspect", "ask")])
def test_a_question_is_answered_with_evidence_that_resolves(inwit, counted, ask) -> None:
    said = inwit(*ask, "Why did count run 3 times?", "--json")

    assert said.json["data"]["visits"] == {"count": 3}
    assert said.json["evidence"]
    for one in said.json["evidence"]:
        assert inwit("resolve", one["uri"], "--json").code == 0


def test_a_person_reads_the_answer_and_what_it_stands_on(inwit, counted) -> None:
    said = inwit("ask", "Why", "did", "count", "run", "3", "times?")

    assert "Evidence" in said.out
    assert f"execution://{counted}/events/" in said.out


def test_text_from_a_trace_cannot_write_to_the_terminal(inwit, project) -> None:
    (project / "rude.py").write_text(
        "from typing import TypedDict\nfrom inwit import StateGraph\n"
        "class S(TypedDict):\n    text: str\n"
        "g = StateGraph(S); g.add_node('say', lambda state: {'text': '\\x1b[2J[bold]gone'})\n"
        "g.set_entry_point('say'); g.set_finish_point('say'); app = g.compile(name='rude')\n"
    )

    shown = inwit("run", "rude.py", "--input", '{"text": ""}')
    listed = inwit("executions", "events", shown.err.split()[-1])

    assert "\x1b" not in shown.out + listed.out
    assert "[bold]gone" in shown.out


def test_packages_are_listed_and_found(inwit) -> None:
    listed = inwit("pkg", "list", "--json").json["packages"]
    found = inwit("pkg", "search", "retrieval augmented generation over documents", "--json").json

    assert len(listed) >= 8
    assert found["results"][0]["id"] == "inwit/rag"
    assert inwit("pkg", "info", listed[0]["id"], "--json").json["id"] == listed[0]["id"]


def test_healthy_traces_give_no_plan_and_the_report_says_what_was_looked_at(inwit, counted) -> None:
    report = inwit("self-improve", "daemon", "--once", "--json").json

    assert report["plans"] == []
    assert report["looked_at"]["executions"] == 1
    told = inwit("self-improve", "plans", "--json").json
    assert (told["plans"], told["total_count"]) == ([], 0)


def test_an_error_code_is_explained(inwit) -> None:
    said = inwit("explain", "graph.unknown_node", "--json").json

    assert said["error"] == "UnknownNodeError"
    assert said["code"] in [one["code"] for one in inwit("explain", "--json").json]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(inwit, shell) -> None:
    assert "_INWIT_COMPLETE" in inwit("completion", shell).out


def test_the_doctor_finds_nothing_broken(inwit, counted) -> None:
    said = inwit("doctor", "--json")

    found = {check["name"]: check for check in said.json["checks"]}
    assert said.code == 0
    assert "1 graphs, 1 executions" in found["record"]["found"]
    assert found["host"]["fix"] == "inwit serve"


def test_the_doctor_names_a_host_that_is_gone(inwit, project) -> None:
    (project / ".inwit" / "host.json").write_text(
        '{"address": "http://127.0.0.1:9", "pid": 1, "token": null}'
    )

    found = {check["name"]: check for check in inwit("doctor", "--json").json["checks"]}

    assert "does not answer" in found["host"]["found"]


def test_an_event_beyond_the_last_is_told_with_the_last(inwit, counted) -> None:
    events = inwit("executions", "events", counted, "--json").json

    said = inwit("resolve", f"execution://{counted}/events/999")

    assert said.code == 3
    assert said.err.strip().endswith(f"names nothing. Its last event is {len(events)}.")


@pytest.mark.parametrize(
    ("args", "next_step"),
    [
        (("pkg", "search", "zzzz"), "inwit pkg list"),
        (("pkg", "list", "--kind", "graph-template"), ""),
        (("executions", "list", "--status", "failed"), "inwit run"),
        (("self-improve", "plans"), "inwit self-improve analyze"),
        (("introspect", "search", "zzzz"), "inwit ask"),
    ],
)
def test_an_empty_list_says_on_stderr_what_to_do_next(inwit, counted, args, next_step) -> None:
    said = inwit(*args)

    assert said.code == 0
    assert bool(said.err) is bool(next_step)
    assert next_step in said.err
    assert "inwit" in said.out or len(said.out.splitlines()) == 1


def test_a_project_without_packages_says_where_they_are_read_from(
    inwit, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr("inwit.registry.packages.shipped_folder", lambda: tmp_path)

    said = inwit("pkg", "list")

    assert ".inwit/packages/" in said.err
    assert inwit("pkg", "list", "--json").json == {"packages": [], "total_count": 0}


def test_a_report_for_people_shows_names_as_they_are(inwit, counted) -> None:
    assert "block_size 10" in inwit("self-improve", "analyze").out
