"""Measure the pipelines against the exact truth of the nano world."""
