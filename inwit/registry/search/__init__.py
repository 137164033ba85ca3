"""Hybrid search: exact names, prefixes, typing slips, words and meaning, each match with its reason."""

from inwit.registry.search.entry import Entry, Match
from inwit.registry.search.hybrid import HybridIndex

__all__ = ["Entry", "HybridIndex", "Match"]
