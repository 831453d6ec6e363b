"""A code location on a cluster, as users write it: the sources of the environment, with Dagster's celery executor."""

from dagster_celery import celery_executor

from harvest_dagster.definitions import build_defs, load_catalog

BROKER = {"broker": {"env": "CELERY_BROKER"}, "backend": {"env": "CELERY_BROKER"}}

EXECUTOR = celery_executor.configured(BROKER, name="celery_of_the_environment")
defs = build_defs(load_catalog(), executor=EXECUTOR)
