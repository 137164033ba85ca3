"""Figures for Prometheus: what the record holds, measured, and nothing else."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Mapping
from shutil import disk_usage
from typing import Any

from inwit.introspection.platform import installed_version
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.store.rollups import counts_of
from inwit.runtime.views import Latency, bucket_ms

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS_S = (
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0, 60.0, 300.0,
)  # fmt: skip
SUMS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("inwit_llm_calls_total", "Model calls.", "llm_calls", {}),
    ("inwit_llm_tokens_total", "Model tokens.", "input_tokens", {"direction": "input"}),
    ("inwit_llm_tokens_total", "Model tokens.", "output_tokens", {"direction": "output"}),
    ("inwit_llm_cost_dollars_total", "Known cost of model calls.", "cost_usd", {}),
    ("inwit_tool_calls_total", "Tool calls.", "tool_calls", {}),
    ("inwit_retries_total", "Attempts that were tried again.", "retries", {}),
)
OPEN = ("running", "paused", "waiting_for_input")

Sample = tuple[str, Mapping[str, str], float]


def write(store: Store) -> str:
    """Write all figures in Prometheus' text form.

    What counts upwards counts what retention has let go as well, so that it never falls.
    """
    families = [*_executions(store), *_nodes([*store.latencies(), *_past(store)]), *_own(store)]
    return "".join(families)


def write_host(project: Project, streams: int) -> str:
    """Write the figures of a host itself: its version, its streams, the room that it has."""
    size = sum(one.stat().st_size for one in project.folder.glob("inwit.db*") if one.is_file())
    place = project.folder if project.folder.is_dir() else project.root
    gauges: tuple[tuple[str, str, Mapping[str, str], float], ...] = (
        ("inwit_build_info", "The version that serves.", {"version": installed_version()}, 1),
        ("inwit_streams", "Readers of events that are connected.", {}, streams),
        ("inwit_record_bytes", "Size of the record's files.", {}, size),
        ("inwit_disk_free_bytes", "Room beside the record.", {}, disk_usage(place).free),
    )
    return "".join(
        _family(name, "gauge", about, [(name, labels, value)])
        for name, about, labels, value in gauges
    )


def _family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    lines += [f"{sample}{_labels(labels)} {value:.17g}" for sample, labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _executions(store: Store) -> Iterator[str]:
    rows = store.read(
        "SELECT graph, status, SUM(n) FROM (SELECT graph, status, COUNT(*) AS n FROM executions"
        " GROUP BY graph, status UNION ALL SELECT graph, status, executions"
        " FROM forgotten_executions) GROUP BY graph, status"
    )
    ended, still = "inwit_executions_total", "inwit_executions_open"
    counts = [
        (still if status in OPEN else ended, {"graph": graph, "status": status}, count)
        for graph, status, count in rows
    ]
    yield _family(ended, "counter", "Executions that ended.", [x for x in counts if x[0] == ended])
    yield _family(
        still, "gauge", "Executions that run or wait.", [x for x in counts if x[0] == still]
    )
    names = [column for _, _, column, _ in SUMS]
    sums = ", ".join(f"SUM({column})" for column in names)
    per_graph = store.read(
        f"SELECT graph, {sums} FROM (SELECT graph, {', '.join(names)} FROM executions"
        f" UNION ALL SELECT graph, {', '.join(names)} FROM forgotten_executions) GROUP BY graph"
    )
    families: dict[tuple[str, str], list[Sample]] = {}
    for index, (name, about, _, extra) in enumerate(SUMS, start=1):
        samples = families.setdefault((name, about), [])
        # A sum that is null was never measured, and is left out.
        samples += [
            (name, {"graph": row[0], **extra}, row[index]) for row in per_graph if row[index]
        ]
    for (name, about), samples in families.items():
        yield _family(name, "counter", about, samples)


def _past(store: Store) -> list[Latency]:
    rows = store.read("SELECT graph, node, counts, total_ns, failed FROM forgotten_latencies")
    return [
        Latency(
            graph_name=graph, graph_version="", node=node, minute=0, counts=counts_of(counts),
            total_ms=total_ns / 1e6, failed=failed, retries=0,
        )
        for graph, node, counts, total_ns, failed in rows
    ]  # fmt: skip


def _nodes(latencies: Iterable[Latency]) -> Iterator[str]:
    merged: dict[tuple[str, str], _Histogram] = {}
    for latency in latencies:
        if latency.node:
            merged.setdefault((latency.graph_name, latency.node), _Histogram()).add(latency)
    name = "inwit_node_duration_seconds"
    samples: list[Sample] = []
    failed: list[Sample] = []
    for (graph, node), histogram in sorted(merged.items()):
        labels = {"graph": graph, "node": node}
        samples += histogram.samples(name, labels)
        failed.append(("inwit_node_failures_total", labels, histogram.failed))
    yield _family(name, "histogram", "How long visits of a node took.", samples)
    yield _family("inwit_node_failures_total", "counter", "Visits of a node that failed.", failed)


class _Histogram:
    """Counts by fixed bounds, out of the record's logarithmic buckets."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._total_s = 0.0
        self.failed = 0

    def add(self, latency: Latency) -> None:
        for index, count in latency.counts.items():
            self._counts[bisect.bisect_left(BOUNDS_S, bucket_ms(index) / 1000)] += count
        self._total_s += latency.total_ms / 1000
        self.failed += latency.failed

    def samples(self, name: str, labels: Mapping[str, str]) -> Iterator[Sample]:
        below = 0
        for bound, count in zip((*BOUNDS_S, float("inf")), self._counts, strict=True):
            below += count
            le = "+Inf" if bound == float("inf") else f"{bound:g}"
            yield f"{name}_bucket", {**labels, "le": le}, below
        yield f"{name}_sum", labels, self._total_s
        yield f"{name}_count", labels, below


def _own(store: Store) -> Iterator[str]:
    """The user's own figures, as `inwit.metrics` recorded them."""
    families: dict[tuple[str, str], list[Sample]] = {}
    for metric in store.metrics():
        name = _metric_name(str(metric["name"]))
        kind = metric["kind"] if metric["kind"] in ("counter", "gauge") else "summary"
        families.setdefault((name, kind), []).extend(_own_samples(name, kind, metric))
    for (name, kind), samples in sorted(families.items()):
        yield _family(name, kind, "Recorded by the graph's own code.", samples)


def _own_samples(name: str, kind: str, metric: Mapping[str, Any]) -> list[Sample]:
    labels = {_metric_name(str(key)): str(value) for key, value in metric["labels"].items()}
    if kind != "summary":
        return [(name, labels, float(metric["value"]))]
    return [
        (f"{name}_sum", labels, float(metric["value"])),
        (f"{name}_count", labels, float(metric["count"])),
    ]


def _metric_name(name: str) -> str:
    cleaned = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return cleaned if cleaned[:1].isalpha() or cleaned[:1] == "_" else f"_{cleaned}"
