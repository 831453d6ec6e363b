"""The benchmark of speed: `python benchmarks/bench.py`."""
