"""The daemon over time: why it looks, who leads, what it may spend, whom it tells."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from inwit.errors import ExpiredPlanError
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.self_improve import budget, life
from inwit.self_improve.alerts import KEY_FILE, Alerts, sign, to_file, to_webhook
from inwit.self_improve.budget import Budget
from inwit.self_improve.daemon import Daemon, Settings
from inwit.self_improve.deciding import decide
from inwit.self_improve.leases import Lease
from tests.self_improve.conftest import ADA, Look, World, book, run, searcher


def daemon(**changed: Any) -> Daemon:
    return Daemon(Project.find(), Settings.of(Project.find(), **changed))


def test_it_looks_where_something_is_new_and_not_again(world: World) -> None:
    app = searcher(world)
    run(app, 30, world)
    made = daemon(executions=10)

    first, second = made.tick(), made.tick()
    run(app, 12, world)
    third = daemon(executions=10).tick()

    assert first.trigger == "first look"
    assert first.report is not None
    assert len(first.report.plans) == 1
    assert (second.trigger, second.report) == ("", None)
    assert third.trigger == "", "another daemon leads until the lease is left"
    made.lease.leave()
    assert daemon(executions=10).tick().trigger == "10 new executions of searcher"


def test_errors_and_slowness_call_for_a_look_at_once(world: World) -> None:
    app = searcher(world)
    run(app, 30, world)
    made = daemon(executions=1000)
    made.tick()

    world.seconds = 0.008
    run(app, 25, world)

    assert made.tick().trigger.startswith("executions of searcher take")


def test_one_leads_and_the_next_takes_over_when_its_lease_has_run_out(world: World) -> None:
    run(searcher(world), 1, world)
    store = Store.of(Project.find())
    one, other = Lease(store, lasts_s=0.2), Lease(store)

    assert one.take()
    assert one.take(), "a leader renews"
    assert not other.take()
    assert one.leader() == one.holder
    deadline = threading.Event()
    while not other.take():
        deadline.wait(0.02)

    assert other.leader() == other.holder
    assert not one.take()


def test_a_day_s_budget_holds_and_is_shown(world: World) -> None:
    run(searcher(world), 30, world)
    made = daemon(budget=Budget(plans=1))

    spent = made.tick().spent
    run(searcher(world), 120, world)
    over = made.tick()

    assert spent.plans == 1
    assert spent.seconds > 0
    assert over.report is None
    assert over.skipped == "the day's budget of plans is used up (1 of 1)"
    shown = budget.to_json(made.settings.budget, over.spent)
    assert shown["limits"]["plans"] == shown["spent"]["plans"] == 1


def test_a_plan_whose_graph_is_gone_expires_and_says_so(
    world: World, look: Look, project: Path
) -> None:
    run(searcher(world), 30, world)
    [plan] = look().plans
    store = Store.of(Project.find())
    store.write(lambda connection: connection.execute("DELETE FROM graphs"))

    with pytest.raises(ExpiredPlanError, match="no graph 'searcher'"):
        decide(Project.find(), plan.id, "approve", ADA)

    assert book().get(plan.id).status == "expired"
    assert life.expire(book()) == []


class Receiver(http.server.BaseHTTPRequestHandler):
    got: ClassVar[list[tuple[dict[str, str], bytes]]] = []
    release = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        if self.path == "/hang":
            self.release.wait(20)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[str]:
    Receiver.got = []
    Receiver.release = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Receiver.release.set()
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_people_are_told_in_a_file_and_by_a_signed_webhook(
    world: World, look: Look, receiver: str, tmp_path: Path
) -> None:
    project = Project.find()
    (project.folder / "config.toml").write_text('[outgoing]\nallow_private = ["127.0.0.1"]\n')
    run(searcher(world), 30, world)
    sinks = [to_file(tmp_path / "alerts"), to_webhook(project, f"{receiver}/in")]

    Daemon(project, alerts=Alerts(sinks)).once()

    [line] = (tmp_path / "alerts").read_text().splitlines()
    [(headers, body)] = Receiver.got
    assert json.loads(line) == json.loads(body)
    assert json.loads(body)["status"] == "validated"
    secret = project.secret(KEY_FILE)
    assert headers["x-inwit-signature"] == "sha256=" + sign(
        secret, headers["x-inwit-timestamp"], body
    )


def test_a_webhook_that_hangs_or_leads_inside_holds_nothing_up(
    world: World, receiver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inwit.self_improve import alerts

    monkeypatch.setattr(alerts, "TIMEOUT_S", 0.2)
    project = Project.find()
    inside = to_webhook(project, f"{receiver}/in")  # nothing allows this machine yet
    (project.folder / "config.toml").write_text('[outgoing]\nallow_private = ["127.0.0.1"]\n')
    hangs = to_webhook(project, f"{receiver}/hang")
    run(searcher(world), 30, world)
    told = Alerts([inside, hangs, to_file(tmp_path / "alerts")])

    tick = Daemon(project, alerts=told).once()

    assert tick.report is not None
    assert len(tick.report.plans) == 1
    assert len(told.failures) == 2
    assert (tmp_path / "alerts").read_text().count("\n") == 1
    assert [headers.get("x-inwit-signature", "")[:7] for headers, _ in Receiver.got] == ["sha256="]


def test_a_running_daemon_finds_proposes_and_ends_when_told(world: World) -> None:
    run(searcher(world), 30, world)
    made, ticks = daemon(), list[Any]()
    seen = threading.Event()

    def on_tick(tick: Any) -> None:
        ticks.append(tick)
        seen.set()

    thread = threading.Thread(target=made.run, args=(on_tick,))
    thread.start()
    assert seen.wait(20)
    made.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert len(ticks[0].report.plans) == 1
    assert made.lease.leader() is None


def test_after_a_restart_it_goes_on_where_it_stood(world: World) -> None:
    run(searcher(world), 30, world)
    first = daemon()
    first.tick()
    first.lease.leave()

    again = daemon().tick()

    assert again.trigger == ""
    assert msgspec.to_builtins(again)["is_leader"] is True


def test_a_host_improves_beside_answering(world: World) -> None:
    from inwit.cli.serve import improving

    run(searcher(world), 30, world)

    with improving(Project.find()):
        pause = threading.Event()
        for _ in range(500):
            if book().list(status="validated"):
                break
            pause.wait(0.02)

    assert len(book().list(status="validated")) == 1
    assert Lease(Store.of(Project.find())).leader() is None


def test_a_plan_that_somebody_else_proposed_is_looked_at_too(world: World) -> None:
    from tests.self_improve.test_shadow import configure, plan_of

    run(searcher(world), 12, world)
    book().enter(plan_of("searcher", configure("searcher", "search", timeout_s=5), name="by-hand"))

    tick = daemon().tick()

    assert [(one.id, one.status) for one in tick.settled] == [("by-hand", "validated")]
