"""When the source of a graph's nodes changed: a version tells of the structure alone."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from inwit.events import timestamp
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.store.connection import query

MIGRATION: Final = """
    CREATE TABLE node_codes (
        graph TEXT NOT NULL, node TEXT NOT NULL, since_ns INTEGER NOT NULL, code TEXT NOT NULL,
        PRIMARY KEY (graph, node, since_ns)
    ) WITHOUT ROWID;
"""
KEPT: Final = 100
"""Codes that are kept of one node: two programs with different ones may take turns for ever."""


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """A node's code was another one from then on, when the graph was compiled with it."""

    graph: str
    node: str
    at: str
    """RFC 3339."""


def note(connection: apsw.Connection, manifest: GraphManifest, at_ns: int) -> None:
    """Keep the codes of a graph's nodes that differ from the last ones. Needs a transaction."""
    last = dict(
        query(
            connection,
            "SELECT node, code FROM (SELECT node, code, max(since_ns) FROM node_codes"
            " WHERE graph = ? GROUP BY node)",
            (manifest.name,),
        )
    )
    for node in manifest.nodes:
        if not node.version or last.get(node.name) == node.version:
            continue
        connection.execute(
            "INSERT OR REPLACE INTO node_codes (graph, node, since_ns, code) VALUES (?, ?, ?, ?)",
            (manifest.name, node.name, at_ns, node.version),
        )
        connection.execute(
            "DELETE FROM node_codes WHERE graph = ?1 AND node = ?2 AND since_ns <= (SELECT since_ns"
            " FROM node_codes WHERE graph = ?1 AND node = ?2 ORDER BY since_ns DESC"
            f" LIMIT 1 OFFSET {KEPT})",
            (manifest.name, node.name),
        )


def edits(connection: apsw.Connection, graph: str) -> list[Edit]:
    """The changes of a graph's nodes, oldest first; the code that each began with is none."""
    rows = query(
        connection,
        "SELECT node, since_ns FROM (SELECT node, since_ns, row_number() OVER (PARTITION BY node"
        " ORDER BY since_ns) AS place FROM node_codes WHERE graph = ?) WHERE place > 1"
        " ORDER BY since_ns, node",
        (graph,),
    )
    return [Edit(graph=graph, node=node, at=timestamp(since_ns)) for node, since_ns in rows]
