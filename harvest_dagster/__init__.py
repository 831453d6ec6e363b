"""Collects records from remote sources on Dagster, and proves that none is missing.

The floors, lowest first: values and errors (`windows`, `records`, `errors`, `plugins`); the catalogue, the
HTTP session, the storage and the spool; harvesters and transformers; the pipeline, which knows no Dagster;
the orchestration, which knows nothing else; `definitions`, the code location.
"""

__version__ = "0.1.0"
