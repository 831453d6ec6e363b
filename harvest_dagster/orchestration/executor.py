"""The executor of the code location: all ops of a run in one process, unless the run config selects one process each.

Dagster's default is one process for each op. It takes four times as long: 27 s instead of 6.8 s for three ops.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

_KINDS = {
    executor.name: executor.config_schema.as_field()
    for executor in (dg.in_process_executor, dg.multiprocess_executor)
}

# The second one is that of `execute_in_process` and `materialize`. Dagster exports no name for it.
_WITH_ONE_PROCESS = (dg.in_process_executor.name, "execute_in_process_executor")


def is_single_process(executor: dg.ExecutorDefinition, run_config: Mapping[str, Any]) -> bool:
    """Return whether a run has one process, so that the end of an op's process is the end of the run.

    If this is not certain, the answer is no. Other runs then wait until the lease of a dead run expires. With a wrong
    yes, they would take over the lease of a run whose next op only works in another process.

    Args:
        executor: the executor of the job.
        run_config: the config of the run, which may select a process for each op.
    """
    if executor.name in _WITH_ONE_PROCESS:
        return True
    if executor.name not in (EXECUTOR.name, dg.multi_or_in_process_executor.name):
        return False
    default = dg.in_process_executor.name if executor.name == EXECUTOR.name else dg.multiprocess_executor.name
    chosen = (run_config.get("execution") or {}).get("config") or {default: {}}
    return set(chosen) == {dg.in_process_executor.name}


def _one_op_at_a_time(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config with one concurrent process.

    Windows are harvested one after the other with any executor. With one process at a time, the executor keeps their
    order, so that no op starts only to see that it is not the turn of its window.
    """
    multiprocess = dg.multiprocess_executor.name
    return {
        kind: {**values, "max_concurrent": 1} if kind == multiprocess else values
        for kind, values in config.items()
    }


# `execution: {config: {multiprocess: {}}}` in the run config gives each op a process.
EXECUTOR = dg.multi_or_in_process_executor.configured(
    _one_op_at_a_time,
    name="in_process_by_default",
    config_schema=dg.Field(
        dg.Selector(_KINDS),  # type: ignore[no-untyped-call]
        default_value={dg.in_process_executor.name: {}},
    ),
)
