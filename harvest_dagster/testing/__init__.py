"""Tools that test harvesters: the fault-injection simulator and the conformance suite."""
