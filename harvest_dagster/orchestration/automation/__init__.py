"""What happens by itself: sensors. All of them may run twice, or not for a day, without harm.

Each has one switch in the UI. None asks the network; what they know is in the harvest database and in Dagster's
own record of runs, read for all sources at once.
"""

from harvest_dagster.orchestration.automation.gaps import repair_gaps
from harvest_dagster.orchestration.automation.schedule import harvest_by_schedule
from harvest_dagster.orchestration.automation.settling import (
    settle_logs,
    settle_logs_of_cancelled_runs,
    settle_logs_of_failed_runs,
)
from harvest_dagster.orchestration.automation.standing import report_standing
from harvest_dagster.orchestration.automation.transforms import transform_pending

SENSORS = [
    harvest_by_schedule,
    repair_gaps,
    transform_pending,
    report_standing,
    settle_logs,
    settle_logs_of_failed_runs,
    settle_logs_of_cancelled_runs,
]
