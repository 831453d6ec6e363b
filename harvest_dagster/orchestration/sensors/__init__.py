"""The sensors: scheduled harvests, repairs, transforms, the status of each source, and orphaned logs.

Each sensor has one switch in the UI. No sensor sends a request to a source. A sensor reads the harvest database and
Dagster's record of runs, for all sources at once. A sensor may run twice, or not run for a day, without harm.

State that a sensor keeps between ticks is in its cursor, not in a table. Dagster stores the cursor together with the
requested runs. A table would be written before Dagster receives the requests, and a crash in between would lose them.
"""
