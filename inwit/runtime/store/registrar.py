"""Registering graphs: in the journal's thread, so that compiling waits for nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

import apsw

from inwit.errors import StoreError
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.store import edits
from inwit.runtime.store.database import Database
from inwit.runtime.store.graphs import Registered, register
from inwit.runtime.store.intake import Intake

DELAY_S: Final = 0.02
"""How long a graph may still be taken back, as `without_introspection` does."""
_RETRY_S: Final = 1.0


class Registration:
    """A graph that waits to be registered."""

    def __init__(
        self, build: Callable[[], GraphManifest], on_name: Callable[[str], None] | None
    ) -> None:
        self.build = build
        self.on_name = on_name
        self.due = time.monotonic() + DELAY_S
        self.compiled_ns = time.time_ns()
        self.manifest: GraphManifest | None = None
        self.done: Future[str] = Future()

    def begin(self) -> GraphManifest | None:
        """Build the manifest; None where the registration was taken back."""
        if self.manifest is None:
            if not self.done.set_running_or_notify_cancel():
                return None
            self.manifest = self.build()
        return self.manifest

    def finish(self, name: str) -> None:
        """Tell who asked for it the name that the graph has."""
        if self.on_name is not None:
            self.on_name(name)
        if not self.done.done():
            self.done.set_result(name)


def _same(manifest: GraphManifest) -> GraphManifest:
    return manifest


class Registrar:
    """The registrations of one journal."""

    def __init__(
        self, database: Database, intake: Intake, warn: Callable[[str, str], None],
        emit: Callable[..., None],
    ) -> None:  # fmt: skip
        self._database = database
        self._intake = intake
        self._warn = warn
        self._emit = emit
        self.waiting: list[Registration] = []
        self._written: list[GraphManifest] = []

    def add(self, registration: Registration) -> None:
        """Take a graph to be registered soon."""
        self.waiting.append(registration)
        self._database.coming.add(registration.done)

    def repeat(self) -> None:
        """Register again what was: the file is another one."""
        for manifest in self._written:
            self.waiting.append(Registration(partial(_same, manifest), None))

    def run(self, *, is_all: bool) -> None:
        """Register what is due."""
        now = time.monotonic()
        for registration in self.waiting.copy():
            if is_all or registration.due <= now:
                self.waiting.remove(registration)
                self._run(registration)

    def _run(self, registration: Registration) -> None:
        try:
            manifest = registration.begin()
            if manifest is None:
                return
            asked = manifest
            compiled_ns = registration.compiled_ns
            found = self._database.write(
                lambda connection: self._write(connection, asked, compiled_ns), durable=False
            )
        except StoreError as exc:
            registration.due = time.monotonic() + _RETRY_S
            self.waiting.append(registration)
            self._database.coming.give_up(registration.done)
            self._warn(exc.code, str(exc))
        except Exception as exc:  # noqa: BLE001 - a graph's own code: registering fails no program
            self._warn(f"graph {exc!r}", f"A graph could not be registered: {exc!r}.")
            registration.done.set_exception(exc)
        else:
            self._note(asked, found)
            registration.finish(found.manifest.name)

    def _write(
        self, connection: apsw.Connection, manifest: GraphManifest, compiled_ns: int
    ) -> Registered:
        found = register(connection, manifest, self._database.project.root)
        edits.note(connection, found.manifest, compiled_ns)
        return found

    def _note(self, asked: GraphManifest, found: Registered) -> None:
        name, version = found.manifest.name, found.manifest.version
        if asked not in self._written:
            self._written.append(asked)
        for node in found.manifest.nodes:
            if node.left_out:
                told, state = ", ".join(map(repr, node.left_out)), found.manifest.state_type
                self._warn(
                    f"left out {name} {node.name}",
                    f"{node.name} of {name} returns {told}, for which {state} has no key: what is "
                    f"returned under it is left out.",
                )
        if name != asked.name:
            self._intake.aliases[asked.name, version] = name
            self._warn(
                f"name {name}", f"Another file has a graph {asked.name!r}; this one is {name!r}."
            )
        if found.is_new:
            source = found.manifest.source
            place: dict[str, Any] = {}
            if source is not None:
                place = {"file": source.file, "line": source.line}
            self._emit("graph_registered", graph_name=name, graph_version=version, **place)
