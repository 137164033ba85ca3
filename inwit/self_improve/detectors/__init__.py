"""Detectors: pure functions of a window of traces, the manifest in it, and a baseline."""
