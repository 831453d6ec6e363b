"""The runs of Dagster: their history, lost runs, the windows that a run does not try, runs of this process."""
