"""The job `harvest`, for people and scripts: harvest any source between any two instants."""

from typing import Any

import dagster as dg

from harvest_dagster.orchestration import ops
from harvest_dagster.orchestration.config import AdHocParameters, for_every_op


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
