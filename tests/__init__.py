"""Tests; a package, so that no installed distribution's own `tests` stands in its way."""
