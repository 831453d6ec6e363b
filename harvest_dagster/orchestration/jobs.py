"""The jobs: `harvest` harvests any source between any two instants, `reconcile` compares all its identifiers."""

from typing import Any

import dagster as dg

from harvest_dagster.orchestration import ops, sweep_ops
from harvest_dagster.orchestration.config import AdHocParameters, SweepParameters, for_every_op


@dg.config_mapping
def _to_ops(val: AdHocParameters) -> dict[str, Any]:
    return {"ops": for_every_op(ops.EVERY_OP, val)}


@dg.job(
    name="harvest",
    description="Harvests a source between any two instants. An observation on its asset shows the result.",
    config=_to_ops,
)
def harvest() -> None:
    """Run the ops of a harvest asset for any window instead of partitions."""
    ops.harvest_graph()


@dg.config_mapping
def _to_sweep_ops(val: SweepParameters) -> dict[str, Any]:
    return {"ops": for_every_op(sweep_ops.EVERY_OP, val)}


@dg.job(
    name=sweep_ops.JOB,
    description="Compares all identifiers of a source with the stored ones, and harvests what is missing.",
    config=_to_sweep_ops,
    tags={"dagster/priority": str(sweep_ops.PRIORITY)},
)
def reconcile() -> None:
    """Run the ops of a sweep."""
    sweep_ops.sweep_graph()
