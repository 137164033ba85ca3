"""The daemon: reads what was recorded since it last looked, proposes, measures, keeps and takes back.

Where it stands is in the record, so that a restart loses nothing and repeats nothing. Of several in
one project one leads; the others wait for its lease to run out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from inwit.errors import InwitError, MalformedInputError
from inwit.plans import Plan
from inwit.self_improve import budget as budgets
from inwit.self_improve import hypotheses, life, tables, trials, validating
from inwit.self_improve.alerts import Alert, Alerts, to_file, to_webhook
from inwit.self_improve.analysis import analyze
from inwit.self_improve.budget import Budget
from inwit.self_improve.critique import criticise
from inwit.self_improve.findings import Thresholds
from inwit.self_improve.leases import Lease
from inwit.self_improve.plans import PlanBook
from inwit.self_improve.reading import graph_names
from inwit.self_improve.report import Report

if TYPE_CHECKING:
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store

_CURSOR: Final = "cursor"
_logger = logging.getLogger("inwit")
LOOKED_AT: Final = 800
"""The newest executions of a graph that a look in a row of looks reads: bets need something to win on."""
POLL_S: Final = 1.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """When the daemon looks, and what it may spend. `[self_improve]` of config.toml, by these names."""

    interval_s: float = 300.0
    """It looks at least so often, where anything was recorded since."""
    executions: int = 100
    """It looks as soon as so many executions of one graph are new."""
    error_rate: float = 0.2
    """It looks as soon as this share of a graph's new executions, of ten or more, has failed."""
    drift: float = 1.5
    """It looks as soon as a graph's new executions take this much longer, by their medians."""
    watches_files: bool = True
    """Whether it looks when the file of a graph was changed and has been executed since."""
    budget: Budget = Budget()
    """What it may spend in a day."""
    webhook: str | None = None
    """An address to which alerts are posted as JSON."""
    alerts_file: str | None = None
    """A file to which alerts are written, one JSON object a line."""

    @classmethod
    def of(cls, project: Project, **changed: Any) -> Settings:
        """What the project's config.toml says, with what is given here.

        Raises:
            MalformedInputError: It cannot be meant.
        """
        table = project.settings().get("self_improve")
        said = dict(table) if isinstance(table, Mapping) else {}
        said |= {name: value for name, value in changed.items() if value is not None}
        known = {name: said[name] for name in cls.__struct_fields__ if name in said}
        try:
            return msgspec.convert(known, cls)
        except msgspec.ValidationError as exc:
            hint = "`inwit doctor` names each setting that cannot be meant."
            raise MalformedInputError(f"[self_improve] of config.toml: {exc}.", hint=hint) from exc


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """Where the daemon stands: by graph the position of the last execution that it has looked at."""

    positions: dict[str, int] = {}
    looked_at: str = ""
    files: dict[str, float] = {}


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """One look: why it was taken, what came of it, what is left to spend."""

    at: str
    is_leader: bool
    trigger: str = ""
    """Why it looked; empty where it did not."""
    skipped: str = ""
    """Why it did not look."""
    report: Report | None = None
    settled: tuple[Plan, ...] = ()
    expired: tuple[Plan, ...] = ()
    evaluated: int = 0
    spent: budgets.Spent = budgets.Spent()
    budget: Budget = Budget()


class Daemon:
    """Looks at one project again and again."""

    def __init__(
        self, project: Project, settings: Settings | None = None, alerts: Alerts | None = None
    ) -> None:
        from inwit.runtime.store import Store

        self.project = project
        self.settings = settings or Settings.of(project)
        self.alerts = alerts or Alerts()
        self.store: Store = Store.of(project)
        self.book = PlanBook.of(self.store)
        self.lease = Lease(self.store)
        self._stop = threading.Event()

    # Running

    def run(self, on_tick: Callable[[Tick], None] | None = None) -> None:
        """Look until it is stopped; `on_tick` is told of each look that led to something."""
        try:
            while not self._stop.is_set():
                tick = self._safely()
                if on_tick is not None and (tick.trigger or tick.settled or tick.expired):
                    on_tick(tick)
                self._stop.wait(POLL_S)
        finally:
            self.lease.leave()

    def stop(self) -> None:
        """End after the look that is being taken."""
        self._stop.set()

    def start(self) -> threading.Thread:
        """Run in a thread of this process."""
        thread = threading.Thread(target=self.run, name="inwit-daemon", daemon=True)
        thread.start()
        return thread

    def _safely(self) -> Tick:
        try:
            return self.tick()
        except InwitError as exc:  # the tick's border: the next one may go better
            return Tick(at=tables.now(), is_leader=False, skipped=str(exc))
        except Exception as exc:  # a fault of ours must not end the daemon
            _logger.exception("inwit: a look at the record failed.")
            return Tick(at=tables.now(), is_leader=False, skipped=repr(exc))

    # One look

    def tick(self, *, forced: str = "") -> Tick:
        """Look once, where there is reason to; `forced` is a reason from outside."""
        from inwit.runtime.store import Journal

        Journal.of(self.project).flush()
        if not self.lease.take():
            return self._told(is_leader=False, skipped="another daemon leads")
        settled, expired = self._see_to_plans()
        evaluated = len(hypotheses.evaluate_due(self.book))
        trigger, cursor, new = self._trigger(forced)
        skipped = budgets.used_up(
            self.settings.budget, budgets.spent(self.store), "seconds", "plans"
        )
        report = None
        if trigger and not skipped:
            report = self._look(cursor, new, Thresholds(is_continuous=True))
        changed = (*settled, *expired, *(report.plans if report is not None else ()))
        self.alerts.tell(changed)
        return self._told(
            is_leader=True, trigger=trigger if report is not None else "",
            skipped=skipped if trigger else "", report=report, settled=settled, expired=expired,
            evaluated=evaluated,
        )  # fmt: skip

    def once(self) -> Tick:
        """Look at once, whatever the triggers say, the budget is, or who leads."""
        from inwit.runtime.store import Journal

        Journal.of(self.project).flush()
        is_leader = self.lease.take()
        try:
            settled, expired = self._see_to_plans()
            evaluated = len(hypotheses.evaluate_due(self.book))
            trigger, cursor, _ = self._trigger("asked to")
            report = self._look(cursor)
            self.alerts.tell((*settled, *expired, *report.plans))
            return self._told(
                is_leader=is_leader, trigger=trigger, report=report, settled=settled,
                expired=expired, evaluated=evaluated,
            )  # fmt: skip
        finally:
            self.lease.leave()

    def _told(self, **fields: Any) -> Tick:
        return Tick(
            at=tables.now(), spent=budgets.spent(self.store), budget=self.settings.budget, **fields
        )

    def _see_to_plans(self) -> tuple[tuple[Plan, ...], tuple[Plan, ...]]:
        expired = tuple(life.expire(self.book))
        settled: list[Plan] = []
        for plan in self.book.list(status="proposed"):
            if plan.replay is None:  # proposed by hand, or by an answer: nobody has looked yet
                after = validating.validate(self.book, plan.id)
                settled += [after] if after.status != plan.status else []
        for plan in self.book.list(status="in_progress"):
            after, _ = trials.settle(self.book, plan.id)
            if after.status != plan.status:
                settled.append(after)
        return tuple(settled), expired

    def _look(
        self, cursor: Cursor, graphs: Sequence[str] = (), thresholds: Thresholds | None = None
    ) -> Report:
        """Look at the graphs that have new executions, and note how far that was."""
        began = time.monotonic()
        graph = graphs[0] if len(graphs) == 1 else None
        window = LOOKED_AT if thresholds is not None and thresholds.is_continuous else 400
        report = analyze(self.store, graph=graph, window=window, thresholds=thresholds)
        report = criticise(self.project, report)
        tables.keep(self.store, _CURSOR, cursor)
        budgets.spend(self.store, seconds=time.monotonic() - began, plans=len(report.plans))
        return report

    # Reasons to look

    def _trigger(self, forced: str) -> tuple[str, Cursor, tuple[str, ...]]:
        """Why to look now, where it then stands, and which graphs have new executions."""
        before = tables.kept(self.store, _CURSOR, Cursor) or Cursor()
        names = graph_names(self.store)
        newest = {name: self._position(name) for name in names}
        now = Cursor(positions=newest, looked_at=tables.now(), files=self._files())
        new = {
            name: newest[name] - before.positions.get(name, 0)
            for name in names
            if newest[name] > before.positions.get(name, 0)
        }
        return forced or self._reason(before, now, new), now, tuple(new)

    def _reason(self, before: Cursor, now: Cursor, new: Mapping[str, int]) -> str:
        if not new:
            return ""
        for name in new:
            found = self._about(name, before)
            if found:
                return found
        edited = [file for file, at in now.files.items() if before.files.get(file, at) != at]
        if edited and self.settings.watches_files:
            return f"{Path(edited[0]).name} was changed and executed since"
        waited = _age_s(before.looked_at)
        if waited >= self.settings.interval_s:
            return (
                "first look" if not before.looked_at else f"{self.settings.interval_s:g} s passed"
            )
        return ""

    def _about(self, name: str, before: Cursor) -> str:
        """Why a graph's new executions call for a look."""
        since = before.positions.get(name, 0)
        found = self.store.newest(self.settings.executions, graph=name)
        recent = [one for one in found if one.position > since]
        if before.looked_at and len(recent) >= self.settings.executions:
            return f"{len(recent)} new executions of {name}"
        failed = sum(one.status == "failed" for one in recent)
        if len(recent) >= 10 and failed >= self.settings.error_rate * len(recent):
            return f"{failed} of {len(recent)} new executions of {name} failed"
        return self._drifted(name, recent, since)

    def _drifted(self, name: str, recent: list[Any], since: int) -> str:
        took = sorted(one.duration_ms for one in recent if one.duration_ms is not None)
        if len(took) < 20 or not since:
            return ""
        old = [
            one.duration_ms
            for one in self.store.newest(len(recent) + 100, graph=name, status="completed")
            if one.position <= since and one.duration_ms is not None
        ]
        if len(old) < 20:
            return ""
        now, was = took[len(took) // 2], sorted(old)[len(old) // 2]
        if now < self.settings.drift * was:
            return ""
        return f"executions of {name} take {now:.1f} ms instead of {was:.1f} ms"

    def _position(self, name: str) -> int:
        newest = self.store.newest(1, graph=name)
        return newest[0].position if newest else 0

    def _files(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for graph in self.store.graphs():
            source = graph.manifest.source
            if source is None or not source.file.endswith(".py"):
                continue
            path = Path(source.file)
            path = path if path.is_absolute() else self.project.root / path
            try:
                found[str(path)] = path.stat().st_mtime
            except OSError:
                continue
        return found


def sinks_of(
    project: Project, settings: Settings, console: Callable[[Alert], None] | None = None
) -> Alerts:
    """The places that settings name for alerts."""
    found = [] if console is None else [console]
    if settings.alerts_file:
        found.append(to_file(settings.alerts_file))
    if settings.webhook:
        found.append(to_webhook(project, settings.webhook))
    return Alerts(found)


def _age_s(at: str) -> float:
    """Seconds since a time; without end where there was none."""
    if not at:
        return float("inf")
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()


def run_once(project: Project, **changed: Any) -> Report:
    """Look once at all that was recorded up to now, whatever the triggers say.

    A second look at the same traces enters nothing new, also while another process looks.
    """
    report = Daemon(project, Settings.of(project, **changed)).once().report
    assert report is not None
    return report
