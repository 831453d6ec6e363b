"""The job `harvest`: any source between any two instants, for people and scripts."""

from typing import Any

import dagster as dg

from harvest_dagster.orchestration import ops
from harvest_dagster.orchestration.config import AdHocParameters, for_every_op


@dg.config_mapping
def _to_ops(val: AdHocParameters) -> dict[str, Any]:
    return {"ops": for_every_op(ops.EVERY_OP, val)}


@dg.job(
    name="harvest",
    description="Harvest a source between any two instants; an observation on its asset tells what came.",
    config=_to_ops,
)
def harvest() -> None:
    """The same ops as a harvest asset's, without partitions."""
    ops.harvest_graph()
