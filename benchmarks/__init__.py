"""Measurements of DESIGN budgets, beside peers in the same run: `uv run --group benchmarks python -m benchmarks`."""
