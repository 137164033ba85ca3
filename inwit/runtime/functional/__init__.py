"""Graphs written as functions: `entrypoint` makes a graph of one, `task` lets it do things at once.

A task that is done is kept with the thread: when the entry point runs again, after a question or a
crash, it is given what the task returned before.
"""

from __future__ import annotations

from inwit.runtime.functional.entrypoints import Entrypoint, entrypoint
from inwit.runtime.functional.tasks import TaskFunction, task

__all__ = ["Entrypoint", "TaskFunction", "entrypoint", "task"]
