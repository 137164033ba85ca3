"""Where packages come from: folders, git repositories, registries and peers, by one protocol."""

from inwit.registry.sources.base import Level, Origin, Release, Source

__all__ = ["Level", "Origin", "Release", "Source"]
