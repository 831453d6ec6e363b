"""What several benchmarks use: the servers that they start, and the measurement of processes."""
