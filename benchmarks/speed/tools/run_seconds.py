"""Print the elapsed seconds of the newest run of a Dagster instance, and of its ops, as a JSON object.

`python run_seconds.py FOLDER`: `run`, and one key for each op.
"""

import json
import sys
from collections import Counter

import dagster as dg

seconds: Counter[str] = Counter()
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    [run] = instance.get_run_records(limit=1)
    if run.start_time and run.end_time:
        seconds["run"] = run.end_time - run.start_time
    for step in instance.get_run_step_stats(run.dagster_run.run_id):
        if step.start_time and step.end_time:
            seconds[step.step_key.split(".")[-1].partition("[")[0]] += step.end_time - step.start_time
print(json.dumps(seconds))
