"""Running an execution again from its record, and naming where it first goes another way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import ReplayedError, UnknownNodeError, UnreplayableError
from inwit.ids import new_id
from inwit.runtime import loops
from inwit.runtime.called import context_in
from inwit.runtime.capture.answered import answering
from inwit.runtime.configs import merged_config
from inwit.runtime.diff import Diff, Side, between
from inwit.runtime.patches import Patch, patch_between
from inwit.runtime.replay_nodes import Outcome, Players, plain_update
from inwit.runtime.replay_record import Past, PastVisit, past_of, read_past
from inwit.runtime.replay_tape import Tape, shown
from inwit.runtime.serial import Delta, encode_rows, thaw, unpack

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """Where a replay first went another way than its record."""

    kind: str
    """path (another node ran), output, edge, failure, or end."""
    node: str
    visit: int
    uri: str
    """The recorded event where it shows."""
    expected: Any = None
    found: Any = None
    patch: Patch = []
    """How to make what was found of what was expected, for an output."""

    def __str__(self) -> str:
        where = f"{self.node} (visit {self.visit})" if self.node else "the end"
        return f"{self.kind} at {where}: {self.expected!r} then, {self.found!r} now"


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """One visit of a node that was run again: what it gave then and now."""

    node: str
    visit: int
    expected: Any
    found: Any
    patch: Patch = []
    failed_then: str = ""
    fails_now: str = ""

    @property
    def is_same(self) -> bool:
        """Whether it gave, or failed with, the same."""
        return not self.patch and self.failed_then == self.fails_now


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay found."""

    execution_id: str
    """The recorded execution."""
    status: str
    """How the replay ended."""
    state: Mapping[str, Any]
    """The state at its end."""
    path: tuple[str, ...]
    """The nodes that it took."""
    divergence: Divergence | None = None
    reruns: tuple[Rerun, ...] = ()
    """The visits that were run again."""
    kept: tuple[tuple[str, int], ...] = ()
    """Visits that have side effects, and were not run though their input was another one."""
    diff: Diff | None = None
    """What the replay changed of the execution."""
    error: BaseException | None = None
    """What it failed with."""

    @property
    def is_same(self) -> bool:
        """Whether it went as it was recorded."""
        return self.divergence is None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "execution_id": self.execution_id,
            "status": self.status,
            "is_same": self.is_same,
            "divergence": msgspec.to_builtins(self.divergence),
            "reruns": [{**msgspec.to_builtins(one), "is_same": one.is_same} for one in self.reruns],
            "path": list(self.path),
            "state": shown(dict(self.state)),
            "kept": [list(key) for key in self.kept],
            "diff": None if self.diff is None else self.diff.to_json(),
            "error": "" if self.error is None else _told(self.error),
        }


def play(
    app: CompiledGraph[Any], execution_id: str, *, run: Iterable[str] | None, live: bool,
    aside: bool, onward: bool, config: Mapping[str, Any] | None, context: Any,
) -> Replay:  # fmt: skip
    """Replay an execution; see `Replaying.replay`."""
    past = read_past(app.project, execution_id)
    players = _players(app, past, run, is_aside=aside, is_onward=onward)
    tape = Tape(past.visits, past.begun_ns, is_live=live)
    performance = _Performance(players, past, tape)
    return performance.play(config or {}, context)


def play_past(app: CompiledGraph[Any], past: Past, run: Iterable[str]) -> tuple[Replay, Tape]:
    """Run what is held of an execution, such as a test's recorded case; the tape says what was heard."""
    tape = Tape(past.visits, past.begun_ns, is_live=False)
    players = Players(app, past, list(run), is_aside=False, is_onward=False)
    return _Performance(players, past, tape).play({}, None), tape


def _players(
    app: CompiledGraph[Any], past: Past, run: Iterable[str] | None, *, is_aside: bool, is_onward: bool
) -> Players:  # fmt: skip
    if past.graph_name != app.name:
        raise UnreplayableError(
            past.execution_id, f"It is one of {past.graph_name!r}, not of {app.name!r}."
        )
    names = None if run is None else list(run)
    for name in names or ():
        if name not in app.program.by_name:
            raise UnknownNodeError(name, app.program.by_name, where=f" in {app.name!r}")
    return Players(app, past, names, is_aside=is_aside, is_onward=is_onward)


class _Performance:
    """One replay."""

    def __init__(self, players: Players, past: Past, tape: Tape) -> None:
        self.players = players
        self.past = past
        self.tape = tape
        self.app = players.app

    def play(self, config: Mapping[str, Any], context: Any) -> Replay:
        graph = self.players.graph()
        values = dict(self.past.initial)
        config = merged_config(self.past.called.get("config") or {}, config)
        execution = graph.make_execution(new_id(), self.past.thread_id, config, values)
        execution.rows = rows = list[Any]()
        execution.rows_limit = 1 << 62
        execution.tape = self.tape
        found = context_in(self.past.called, self.past.execution_id)
        execution.given_context = found if context is None else context
        error: BaseException | None = None
        try:
            with answering():
                loops.run(execution.run(None, dict(self.past.given or {})))
        except Exception as exc:  # noqa: BLE001 - the replayed program's border
            error = self.tape.refused or exc
        now = past_of(unpack(encode_rows(rows)))
        return self._told(now, execution.state, error)

    def _told(self, now: Past, state: Mapping[str, Any], error: BaseException | None) -> Replay:
        then = self.past
        divergence = next(iter(_divergences(then, now, error)), None)
        return Replay(
            execution_id=then.execution_id,
            status=now.status,
            state=dict(state),
            path=tuple(node for node, _ in now.visits),
            divergence=divergence,
            reruns=tuple(self._reruns()),
            kept=tuple(self.players.kept),
            diff=between(_side(then, then.state), _side(now, state)),
            error=error,
        )

    def _reruns(self) -> Iterator[Rerun]:
        for key, outcome in self.players.ran.items():
            visit = self.past.visits.get(key)
            if visit is not None:
                yield self._rerun(visit, outcome)

    def _rerun(self, visit: PastVisit, outcome: Outcome) -> Rerun:
        expected = _update(visit, visit.before)
        found: Any = None
        if outcome.error is None:
            found = shown(dict(plain_update(self.app, visit.before, thaw(outcome.given))))
        failed = visit.status == "failed" and visit.failure is not None
        return Rerun(
            node=visit.node,
            visit=visit.visit,
            expected=None if failed else expected,
            found=found,
            patch=[] if failed or outcome.error is not None else patch_between(expected, found),
            failed_then=f"{visit.failure.type}: {visit.failure.message}"
            if failed and visit.failure
            else "",
            fails_now="" if outcome.error is None else _told(outcome.error),
        )


def _divergences(then: Past, now: Past, error: BaseException | None) -> Iterator[Divergence]:
    """All differences, in the order in which they happened."""
    ours, theirs = list(now.visits.values()), list(then.visits.values())
    for past, found in zip(theirs, ours, strict=False):
        uri = f"execution://{then.execution_id}/events/{past.seq}"
        at: dict[str, Any] = {"node": past.node, "visit": past.visit, "uri": uri}
        if past.key != found.key:
            yield Divergence(kind="path", expected=past.node, found=found.node, **at)
            return
        yield from _at_visit(past, found, at)
    yield from _at_end(then, now, (theirs, ours), error)


def _at_visit(past: PastVisit, found: PastVisit, at: dict[str, Any]) -> Iterator[Divergence]:
    one, other = _failure(past), _failure(found)
    if one != other:
        yield Divergence(kind="failure", expected=one, found=other, **at)
    expected, given = _update(past, past.before), _update(found, found.before)
    patch = patch_between(expected, given)
    if patch and not other:
        yield Divergence(kind="output", expected=expected, found=given, patch=patch, **at)
    ways, taken = _ways(past), _ways(found)
    if ways != taken and not (one or other):
        yield Divergence(kind="edge", expected=ways, found=taken, **at)


def _at_end(
    then: Past, now: Past, visits: tuple[Sequence[PastVisit], Sequence[PastVisit]],
    error: BaseException | None,
) -> Iterator[Divergence]:  # fmt: skip
    theirs, ours = visits
    more = theirs[len(ours) :] or ours[len(theirs) :]
    if more:
        is_missing = len(theirs) > len(ours)
        uri = f"execution://{then.execution_id}/events/{more[0].seq if is_missing else 1}"
        names = [more[0].node if is_missing else None, None if is_missing else more[0].node]
        yield Divergence(
            kind="path", node=more[0].node, visit=more[0].visit, uri=uri, expected=names[0],
            found=names[1],
        )  # fmt: skip
    if then.status != now.status or (now.status == "failed" and _end(then) != _end(now)):
        uri = f"execution://{then.execution_id}/summary"
        found = _end(now) or (_told(error) if error is not None else now.status)
        yield Divergence(
            kind="end", node="", visit=0, uri=uri, expected=_end(then) or then.status, found=found
        )


def _update(visit: PastVisit, before: Mapping[str, Any]) -> Any:
    """The keys that a visit changed, with their new values, as the record shows them."""
    found: dict[str, Any] = {}
    for key, value in (visit.update or {}).items():
        if isinstance(value, Delta):
            known = before.get(key)
            found[key] = [*(known if isinstance(known, list) else []), *value.items]
        else:
            found[key] = value
    return shown(found)


def _ways(visit: PastVisit) -> list[Any]:
    return [edge if isinstance(edge, str) else [edge[0], str(edge[1])] for edge in visit.edges]


def _failure(visit: PastVisit) -> str:
    failure = visit.failure
    if failure is None or visit.status != "failed":
        return ""
    return _plain_failure(failure.type, failure.message)


def _end(past: Past) -> str:
    return "" if past.failure is None else _plain_failure(past.failure.type, past.failure.message)


def _plain_failure(type_name: str, message: str) -> str:
    if type_name == ReplayedError.__name__:  # it says what it was
        return message.removesuffix(" It is as it was recorded.")
    return f"{type_name}: {message}"


def _told(error: BaseException) -> str:
    return _plain_failure(type(error).__name__, str(error))


def _side(past: Past, state: Mapping[str, Any]) -> Side:
    return Side(
        id=past.execution_id, state=shown(dict(state)), path=tuple(node for node, _ in past.visits),
        status=past.status, error=_end(past),
    )  # fmt: skip


__all__ = ["Divergence", "Replay", "Rerun", "play", "play_past"]
