"""Runs of the job `reconcile` that this process executes, for `harvest reconcile`."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from harvest_dagster.orchestration.runs.code_location import CodeLocation
from harvest_dagster.orchestration.runs.local_runs import job_command
from harvest_dagster.orchestration.sweep_ops import JOB


@dataclass(frozen=True)
class LocalSweep:
    """A run of the job `reconcile` to execute.

    Attributes:
        location: the code location that has the source.
        label: the source.
        parameters: the parameters of the job that differ from their defaults.
    """

    location: CodeLocation
    label: str
    parameters: Mapping[str, Any]

    def command(self) -> AbstractContextManager[list[str]]:
        """Yield the arguments of the command `dagster` that executes this run."""
        return job_command(self.location.module, JOB, {"ingest_config": self.label, **self.parameters})
