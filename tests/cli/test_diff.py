def run(inwit, counter, n: int, *more: str) -> str:
    given = f'{{"n": {n}, "limit": 3}}'
    return str(inwit("run", counter, "--input", given, "--json", *more).json["execution_id"])


def test_two_executions_are_compared_as_json(inwit, counter) -> None:
    one, two = run(inwit, counter, 0), run(inwit, counter, 1)

    said = inwit("diff", one[:8], two, "--json")

    assert said.code == 0
    assert said.json["is_same"] is False
    assert said.json["visits"] == {"count": [3, 2]}


def test_a_person_reads_what_differs(inwit, counter) -> None:
    one, two = run(inwit, counter, 0), run(inwit, counter, 1)

    assert "visits of count: 3 → 2" in inwit("diff", one, two).out
    assert inwit("diff", one, one).out.strip() == "No difference."


def test_two_checkpoints_of_a_thread_are_compared(inwit, counter) -> None:
    run(inwit, counter, 0, "--thread", "t")
    events = inwit(
        "executions",
        "events",
        "--json",
        "--type",
        "checkpoint_created",
        inwit("executions", "list", "--json").json["executions"][0]["execution_id"],
    )
    ids = [event["checkpoint_id"] for event in events.json]

    said = inwit(
        "diff", "--thread", "t", "--checkpoint1", ids[0], "--checkpoint2", ids[1], "--json"
    )

    assert [op["path"] for op in said.json["state"]] == ["/n"]


def test_too_little_to_compare_is_refused_with_what_to_give(inwit, counter) -> None:
    said = inwit("diff", "abcd")

    assert said.code == 2
    assert "--checkpoint1" in said.err
    assert inwit("diff", "--checkpoint1", "a", "--checkpoint2", "b").code == 3
