"""The steps of a harvest as plain functions, a module each; no Dagster from here down.

    preflight -> lock -> plan -> [ fetch -> split -> store -> launch ] for each window -> finish

`harvest` has the values they share. Time, the run's identity and "is that run over?" are handed down.
"""
