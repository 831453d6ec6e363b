"""The steps of a harvest as plain functions. Nothing here imports Dagster.

    preflight -> lock -> plan -> [ fetch -> split -> store -> launch ] for each window -> finish

Callers pass the time, the identity of the run, and what is known about other runs.

- `run_window`: the composition of the steps of one window.
- `steps`: one module for each step.
- `fetching`: requests for pages, recovery of broken lists, and completeness.
- `storing`: rules of the step store.
- `context`: the values that the steps of one harvest share.
- `lease_guard`: the step lock, and the lease during all other steps.
- `orphaned_logs`, `backoff`: what preflight shares with sensors.
- `placeholder_values`: whether a `${NAME}` has another value than in earlier harvests.
- `early_stop`: when a run tries no further window.
- `completed_days`: which days a finished window completes. `samples`: a few records of a day.
- `monitor`: how a process follows its harvest, and stops it.
- `report_lines`: the lines in the log about a window and a run.
- `transform`: the transform asset. `transforming`: its work in two processes.
"""
