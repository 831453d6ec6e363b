"""The IO manager of our ops: they pass their outputs on through the spool, which all machines of a deployment share.

Dagster's default IO manager writes below the DAGSTER_HOME of the process that runs the op. An op on another machine
does not find these files, and neither does a run that is executed again on another machine.

It is a resource of its own, `harvest_io_manager`. The resource `io_manager` of users, and the outputs of their assets,
stay as they are.
"""

import random
from contextlib import suppress
from typing import Any

import dagster as dg

from harvest_dagster.errors import HarvestError, SpoolError, SpoolUnreachable
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.spool import Spool, StepOutputs

KEY = "harvest_io_manager"
# Metadata of an input. It is empty if the output is missing, because an earlier attempt of the op has deleted it.
OPTIONAL = {"harvest/optional": True}
_OWN_STEPS = "ops"  # of a job whose ops belong to no asset
_PAUSE = 30.0  # seconds until an op is retried whose spool cannot be reached


class SpoolIOManager(dg.IOManager):
    """Writes the outputs of ops into the spool, and reads them from there.

    Args:
        stores: the resource with the spool.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write an output.

        Raises:
            SpoolError: it cannot be written.
            dagster.RetryRequested: the spool cannot be reached now.
        """
        outputs, name = self._locate(context)
        try:
            outputs.write(name, obj)
        except HarvestError as error:
            raise self._retry(error) from error

    def load_input(self, context: dg.InputContext) -> Any:
        """Return the output of an op. If a failed run is executed again, this is the output of the failed run.

        Raises:
            SpoolError: it is missing or cannot be read.
            dagster.RetryRequested: the spool cannot be reached now.
        """
        upstream = context.upstream_output
        assert upstream is not None  # noqa: S101  # all inputs of our ops come from other ops
        outputs, name = self._locate(upstream)
        try:
            if OPTIONAL.items() <= (context.definition_metadata or {}).items():
                return outputs.read(name, default={})
            return outputs.read(name)
        except HarvestError as error:
            raise self._retry(error) from error

    def _locate(self, context: dg.OutputContext) -> tuple[StepOutputs, str]:
        """Return where an output is, and its name there."""
        run_id, step, output, *mapping_key = context.get_identifier()
        path, _, window = step.rstrip("]").partition("[")
        scope, _, op = path.rpartition(".")
        name = ".".join(filter(None, [op, window, output, *mapping_key]))
        return self._stores.spool().step_outputs(run_id, scope or _OWN_STEPS), name

    def _retry(self, error: HarvestError) -> Exception:
        if not error.transient:
            return error
        seconds = _PAUSE * (0.5 + random.random())  # noqa: S311  # jitter is no secret
        return dg.RetryRequested(max_retries=self._stores.waiting.retries, seconds_to_wait=seconds)


@dg.io_manager(
    required_resource_keys={"harvest_stores"},
    description="Passes the outputs of the ops of a harvest through the spool (HARVEST_SPOOL).",
)
def spool_io_manager(context: dg.InitResourceContext) -> SpoolIOManager:
    """Return the IO manager. It writes to the spool of the resource `harvest_stores`."""
    return SpoolIOManager(context.resources.harvest_stores)


def clear_outputs(spool: Spool, run_ids: tuple[str, ...], graph: str | None) -> None:
    """Delete the outputs of a run that is done, and those of the failed runs that it executed again.

    Args:
        spool: the spool.
        run_ids: the runs.
        graph: the graph of the asset whose ops have done their work; None if the ops belong to no asset.
    """
    for run_id in run_ids:
        # The run has done its work. `harvest db prune` deletes what stays.
        with suppress(SpoolError, SpoolUnreachable):
            spool.step_outputs(run_id, graph or _OWN_STEPS).clear()
