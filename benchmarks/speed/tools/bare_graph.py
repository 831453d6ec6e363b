"""A graph asset of six ops that do nothing: what Dagster itself needs for a run of an empty window."""

import dagster as dg


@dg.op
def begin(context: dg.OpExecutionContext) -> int:
    """Return a number."""
    return len(context.partition_key)


@dg.op
def step(number: int) -> int:
    """Return the next number."""
    return number + 1


@dg.op
def end(number: int) -> None:
    """Do nothing."""
    assert number


@dg.graph_asset(
    partitions_def=dg.DailyPartitionsDefinition("2024-03-01"),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def bare() -> None:
    """Run six ops one after the other."""
    number = begin()
    for place in range(4):
        number = step.alias(f"step_{place}")(number)
    return end(number)


defs = dg.Definitions(assets=[bare], executor=dg.in_process_executor)
