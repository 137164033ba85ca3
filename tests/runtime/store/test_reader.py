"""Lists, lookups and following, as readers use them."""

from __future__ import annotations

import apsw
import pytest

from inwit.errors import (
    MalformedIdError,
    MalformedInputError,
    UnknownExecutionError,
    UnknownGraphError,
    UnknownUriError,
)
from inwit.events import epoch_ns
from inwit.runtime.manifest import GraphManifest, Source
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from inwit.runtime.views import quantile_ms
from tests.runtime.store.rows import end, recording, start, visit, whole


def manifest(name: str, version: str, file: str = "/nowhere/a.py") -> GraphManifest:
    return GraphManifest(
        name=name, version=version, nodes=(), edges=(), entry_points=(), terminal_nodes=(),
        state_type="dict", fields=(), source=Source(file=file, line=3),
    )  # fmt: skip


def test_a_list_is_newest_first_in_pages_with_the_true_total(
    journal: Journal, store: Store
) -> None:
    for number in range(7):
        journal.begin(whole(f"aaaa{number}"))
    journal.flush()

    first = store.executions(limit=3)
    journal.begin(whole("later1"))
    journal.flush()
    second = store.executions(limit=3, cursor=first.cursor)
    third = store.executions(limit=3, cursor=second.cursor)

    shown = [one.execution_id for page in (first, second, third) for one in page.items]
    assert shown == [f"aaaa{number}" for number in reversed(range(7))]
    assert (first.total_count, third.total_count, third.cursor) == (7, 8, None)


def test_lists_are_filtered_by_all_that_is_asked(journal: Journal, store: Store) -> None:
    journal.begin(whole("aaaa1", graph="one", thread_id="t1"))
    journal.begin(whole("aaaa2", graph="one", version="v2", parent_id="aaaa1"))
    journal.begin(whole("aaaa3", graph="two", thread_id="t1"))
    journal.flush()

    def ids(**wanted: object) -> list[str]:
        page = store.executions(**wanted)  # type: ignore[arg-type]
        assert page.total_count == len(page.items)
        return [one.execution_id for one in page.items]

    assert ids(graph="one") == ["aaaa2", "aaaa1"]
    assert ids(graph="one", version="v2") == ["aaaa2"]
    assert ids(thread_id="t1") == ["aaaa3", "aaaa1"]
    assert ids(parent_id="aaaa1") == ["aaaa2"]
    assert ids(status="running") == []
    assert ids(status=("completed", "failed")) == ["aaaa3", "aaaa2", "aaaa1"]
    started = epoch_ns(store.execution("aaaa2").started_at)
    assert "aaaa1" not in ids(since_ns=started)
    assert "aaaa3" not in ids(until_ns=started)


@pytest.mark.parametrize("cursor", ["nonsense!", "eA", "", "é"])
def test_a_made_up_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(MalformedInputError):
        store.executions(cursor=cursor)


def test_four_digits_name_an_execution_when_no_other_begins_so(
    journal: Journal, store: Store
) -> None:
    for name in ("abcd1111", "abcd2222", "abce0000", "abcd"):
        journal.begin(whole(name))
    journal.flush()

    assert store.execution("abce").execution_id == "abce0000"
    assert store.execution("abcd1").execution_id == "abcd1111"
    assert store.execution("abcd").execution_id == "abcd"
    assert len(store.events("abce")) == 14
    with pytest.raises(UnknownExecutionError):
        store.execution("abc")
    with pytest.raises(UnknownExecutionError):
        store.execution("ffff")
    with pytest.raises(MalformedIdError):
        store.execution("../etc")


def test_a_seq_that_is_not_there_is_an_unknown_uri(journal: Journal, store: Store) -> None:
    journal.begin(whole("aaaa1"))
    journal.flush()

    assert store.event("aaaa1", 14).type == "execution_completed"
    for seq in (0, -1, 15):
        with pytest.raises(UnknownUriError):
            store.event("aaaa1", seq)
    with pytest.raises(UnknownUriError):
        store.blob("0" * 32)


def test_events_are_given_after_a_seq_by_type_and_node(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec)
    journal.begin(rec)
    for number in range(1, 6):
        visit(rec, "odd" if number % 2 else "even", number)
        journal.flush()
    end(rec)
    journal.flush()

    assert [event.seq for event in store.events("aaaa1", after=12)] == [13, 14, 15, 16, 17]
    assert [event.seq for event in store.events("aaaa1", types=["node_entered"], node="even")] == [
        5, 11,
    ]  # fmt: skip
    assert [event.seq for event in store.events("aaaa1", after=3, limit=2)] == [4, 5]
    assert store.events("aaaa1", limit=0) == []


def test_the_tail_gives_every_event_once_and_in_order_wherever_it_is_cut(
    journal: Journal, store: Store
) -> None:
    recs = [recording(f"aaaa{number}") for number in range(3)]
    for rec in recs:
        start(rec)
        journal.begin(rec)
    for number in range(1, 5):
        for rec in recs:
            visit(rec, "work", number, {"n": number})
        journal.flush()
    whole_tail = store.tail(0)

    for step in (1, 2, 7):
        position, got = 0, []
        while part := store.tail(position, limit=step):
            assert len(part) <= step
            got += part
            position = part[-1][0]
        assert got == whole_tail

    assert len(whole_tail) == 3 * (1 + 4 * 4)
    assert store.tail(store.position()) == []
    before = store.position()
    end(recs[0])
    journal.flush()
    assert [event.seq for _, event in store.tail(before)] == [18]


def test_recent_visits_come_oldest_first(journal: Journal, store: Store) -> None:
    for number in range(4):
        journal.begin(whole(f"aaaa{number}", visits=2))
    journal.begin(whole("other1", graph="other"))
    journal.flush()

    found = store.recent_visits("planted", node="work", executions=3)

    assert [(one.execution_id, one.visit) for one in found] == [
        (f"aaaa{number}", index) for number in (1, 2, 3) for index in (1, 2)
    ]
    assert store.recent_visits("planted", node="none") == []


def test_histograms_count_visits_and_whole_executions(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec)
    for number in range(1, 101):
        visit(rec, "work", number, took_ns=number * 1_000_000)
    end(rec)
    journal.begin(rec)
    journal.flush()

    counts: dict[int, int] = {}
    for one in store.latencies("planted", "v1", "work"):
        for index, count in one.counts.items():
            counts[index] = counts.get(index, 0) + count

    assert sum(counts.values()) == 100
    middle = quantile_ms(counts, 0.5)
    assert middle is not None
    assert 45 < middle < 56
    assert sum(sum(one.counts.values()) for one in store.latencies(node="")) == 1
    assert store.latencies(since_minute=1 << 40) == []


def test_the_last_compiled_graph_is_the_current_one(journal: Journal, store: Store) -> None:
    with pytest.raises(UnknownGraphError):
        store.graph()
    for name, version in (("a", "v1"), ("b", "v1"), ("a", "v2")):
        journal.register(lambda name=name, version=version: manifest(name, version))  # type: ignore[misc]
        journal.flush()

    assert store.graph().name == "a"
    assert store.graph().version == "v2"
    assert store.graph("a", "v1").is_current is False
    assert [(one.name, one.version) for one in store.graphs()] == [("a", "v2"), ("b", "v1")]
    assert len(store.graphs("a", all_versions=True)) == 2
    with pytest.raises(UnknownGraphError, match="Did you mean 'a'"):
        store.graph("aa")
    with pytest.raises(UnknownGraphError):
        store.graph("a", "v3")

    journal.register(lambda: manifest("a", "v1"))
    journal.flush()
    assert store.graph("a").version == "v1"
    assert [event.type for event in store.project_events()] == ["graph_registered"] * 3


def test_another_files_graph_of_the_same_name_gets_another(
    journal: Journal, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    names: list[str] = []
    journal.register(lambda: manifest("app", "v1", __file__), names.append)
    journal.register(lambda: manifest("app", "v2", pytest.__file__), names.append)
    journal.flush()
    journal.begin(whole("aaaa1", graph="app", version="v2"))
    journal.flush()

    assert names == ["app", "app~2"]
    assert [one.name for one in store.graphs()] == ["app", "app~2"]
    assert store.execution("aaaa1").graph_name == "app~2"
    assert caplog.text.count("app~2") == 1


def test_a_graph_whose_file_is_gone_lends_its_name(journal: Journal, store: Store) -> None:
    journal.register(lambda: manifest("app", "v1", "/gone/app.py"))
    journal.register(lambda: manifest("app", "v1", __file__))
    journal.flush()

    assert [one.name for one in store.graphs()] == ["app"]


def test_a_registration_that_is_taken_back_in_time_leaves_nothing(
    journal: Journal, store: Store
) -> None:
    registration = journal.register(lambda: manifest("app", "v1"))
    assert registration.cancel()
    journal.register(lambda: manifest("other", "v1")).result(5)

    assert [one.name for one in store.graphs()] == ["other"]


def test_a_users_figures_add_up_by_their_kind(journal: Journal, store: Store) -> None:
    for value in (1.0, 2.0, 4.0):
        store.record_metric("docs", value, "counter", {"source": "a"})
        store.record_metric("queue", value, "gauge")
        store.record_metric("wait", value, "histogram")
    journal.flush()

    found = {one["name"]: one for one in store.metrics()}

    assert (found["docs"]["value"], found["docs"]["labels"]) == (7.0, {"source": "a"})
    assert found["queue"]["value"] == 4.0
    assert (found["wait"]["value"], found["wait"]["count"]) == (7.0, 3)
    assert store.metrics("none") == []


def test_looking_for_the_lost_and_the_failed_looks_at_no_completed_execution(
    journal: Journal, store: Store
) -> None:
    journal.begin(whole("aaaa1"))
    journal.flush()
    asked: list[str] = []

    def watch(connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: asked.append(event["sql"]))

    store.database.read(watch)
    store.executions(status="failed", graph="planted")
    store.last_execution(status="failed")
    store.execution("aaaa1")
    plans = [store.read(f"EXPLAIN QUERY PLAN {sql}", (1,) * sql.count("?")) for sql in asked]

    assert len(plans) >= 6
    assert not [row for plan in plans for row in plan if row[3].startswith("SCAN e")]
