"""The one door through which the record is read. What comes out of it is redacted."""

from __future__ import annotations

import base64
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import apsw
import msgspec

from inwit.errors import (
    MalformedInputError,
    StoreError,
    UnknownExecutionError,
    UnknownGraphError,
    UnknownUriError,
)
from inwit.events import Event, epoch_ns, timestamp
from inwit.ids import check_id
from inwit.runtime.project import Project
from inwit.runtime.store.codec import decode, decompress
from inwit.runtime.store.commit import Group
from inwit.runtime.store.database import Database
from inwit.runtime.store.expand import About, Expander, failure_of
from inwit.runtime.store.fold import Batch, Folder, state_after
from inwit.runtime.store.graphs import manifest_of
from inwit.runtime.store.heartbeat import close_lost, lost_processes
from inwit.runtime.store.redact import Profile, Redactor
from inwit.runtime.store.rollups import add_counts, counts_of
from inwit.runtime.views import Execution, Latency, Page, RegisteredGraph, Visit

T = TypeVar("T")
_EXECUTION: Final = (
    "SELECT id, graph, version, status, started_ns, ended_ns, duration_ns, thread, parent,"
    " current_node, iteration, last_seq, error, error_node, reason, llm_calls, tool_calls, retries,"
    " input_tokens, output_tokens, cost_usd, number FROM executions"
)
_BATCHES: Final = "SELECT rows, first_seq, last_seq, anchor_ns FROM batches"
