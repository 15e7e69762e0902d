"""Measurements, each beside something comparable in the same run. ``python -m benchmarks`` writes results.md."""
