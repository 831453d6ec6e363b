"""A day is reported once for each change: what Dagster, its automation and its UI see of covered days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.orchestration.partitions import daily
from harvest_dagster.testing.simulator import HttpErrorStatus, Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import (
    DAYS,
    LABEL,
    RAW,
    REPOSITORY,
    TRANSFORMED,
    Deployment,
)
from harvest_dagster_tests.orchestration.test_windows import third_day

BOTH = (RAW, TRANSFORMED)
VERSION = "dagster/data_version"
# The last partition is then the last day of the repository.
EVENING = datetime(2024, 3, 5, 18, tzinfo=timezone.utc)


@dataclass
class Automation:
    """Assets of a user, downstream of both assets of the source, and the ticks of the sensor that evaluates them."""

    deployment: Deployment
    cursor: Any = None
    defs: dg.Definitions = field(init=False)

    def __post_init__(self) -> None:
        days = daily(self.deployment.catalog.configs[0])
        conditions = {
            "eager": dg.AutomationCondition.eager(),
            "any_deps_updated": dg.AutomationCondition.any_deps_updated(),
        }

        def downstream(of: dg.AssetKey, name: str, partitions: dg.PartitionsDefinition[Any]) -> Any:
            @dg.asset(
                name=f"{of.path[0]}_{name}",
                deps=[of],
                partitions_def=partitions,
                automation_condition=conditions[name],
            )
            def compute() -> None: ...

            return compute

        assets = [downstream(of, name, days) for of in BOTH for name in conditions]
        self.defs = dg.Definitions.merge(self.deployment.defs, dg.Definitions(assets=assets))

    def tick(self) -> set[str]:
        """Return the names of the assets that are requested since the last tick."""
        result = dg.evaluate_automation_conditions(
            self.defs,
            self.deployment.instance,
            asset_selection=dg.AssetSelection.all(),
            cursor=self.cursor,
            evaluation_time=EVENING,
        )
        self.cursor = result.cursor
        requested = {one.key for one in result.results if not one.true_subset.is_empty}
        return {key.path[-1] for key in requested if isinstance(key, dg.AssetKey)}


def newest(deployment: Deployment, key: dg.AssetKey, day: str) -> dg.AssetMaterialization:
    """Return the last materialization of a day."""
    found = deployment.instance.fetch_materializations(
        dg.AssetRecordsFilter(key, asset_partitions=[day]), limit=1
    )
    materialization = found.records[0].asset_materialization
    assert materialization is not None
    return materialization


def materializations(deployment: Deployment, key: dg.AssetKey) -> dict[str, int]:
    """Return the number of materializations of each day."""
    found = deployment.instance.fetch_materializations(key, limit=1000).records
    return Counter(str(record.partition_key) for record in found)


def state(deployment: Deployment) -> dict[tuple[str, str], tuple[Mapping[str, Any], str]]:
    """Return the metadata and the data version that the UI shows for each day of both assets."""
    shown = {(key.path[0], day): newest(deployment, key, day) for key in BOTH for day in DAYS}
    return {name: (one.metadata, (one.tags or {})[VERSION]) for name, one in shown.items()}


def statuses(deployment: Deployment) -> list[str]:
    """Return whether each day of the transform asset is of the present raw data.

    The UI shows a day as stale if the data version of its input is not the one that its materialization names
    (https://docs.dagster.io/guides/build/assets/asset-versioning-and-caching).
    """
    used = [
        (newest(deployment, TRANSFORMED, day).tags or {})[f"dagster/input_data_version/raw/{LABEL}"]
        for day in DAYS
    ]
    present = [(newest(deployment, RAW, day).tags or {})[VERSION] for day in DAYS]
    return ["FRESH" if one == other else "STALE" for one, other in zip(used, present, strict=True)]


FRESH = ["FRESH"] * len(DAYS)


@pytest.mark.parametrize(
    "again",
    [
        "nothing to do",
        "superfluous",
        *(
            pytest.param(again, marks=pytest.mark.slow)
            for again in ("optimize", "one day", "one after the other")
        ),
    ],
)
def test_a_covered_day_that_is_requested_again_wakes_nothing_and_keeps_its_numbers(
    source: Server, on_sqlite: Deploy, again: str
) -> None:
    """Each request of a covered day started everything downstream, showed Unsynced, and erased counts and plots."""
    deployment = on_sqlite(source.url, max_window="1d")
    automation = Automation(deployment)
    assert deployment.materialize(*DAYS[::3], assets=BOTH).success
    automation.tick()
    before = state(deployment)
    assert all(shown["records"].value == 6 for (kind, _), (shown, _) in before.items() if kind == "raw")
    assert statuses(deployment) == FRESH
    requests: dict[str, list[dict[str, Any]]] = {
        "nothing to do": [{"last": DAYS[-1], "assets": BOTH}],
        "optimize": [{"last": DAYS[-1], "assets": BOTH, "optimize": False}],
        "superfluous": [
            {"last": DAYS[-1], "assets": BOTH, "superfluous": True, "transformation": {"superfluous": True}}
        ],
        "one day": [{"first": DAYS[-1], "assets": BOTH}],
        "one after the other": [{"last": DAYS[-1]}, {"last": DAYS[-1], "assets": [TRANSFORMED]}],
    }
    for request in requests[again]:
        assert deployment.materialize(**{"first": DAYS[0], **request}).success
    assert automation.tick() == set()
    assert state(deployment) == before
    assert statuses(deployment) == FRESH
    assert all(materializations(deployment, key) == dict.fromkeys(DAYS, 1) for key in BOTH)


def test_a_day_with_a_change_is_reported_once_and_wakes_what_is_downstream(
    source: Server, on_sqlite: Deploy
) -> None:
    """Otherwise nothing downstream learns of a change, or all days look changed because one is."""
    deployment = on_sqlite(source.url)
    automation = Automation(deployment)
    deployment.materialize(*DAYS[::3], assets=BOTH)
    automation.tick()
    before = state(deployment)
    last = REPOSITORY.size - 1
    source.edits.change(
        REPOSITORY.identifier(last), "A new title", at=datetime(2024, 3, 4, 23, 59, tzinfo=timezone.utc)
    )
    deployment.materialize(*DAYS[::3], optimize=False)
    assert statuses(deployment) == [*FRESH[:-1], "STALE"]
    assert automation.tick() == {"raw_eager", "raw_any_deps_updated"}
    deployment.materialize(*DAYS[::3], assets=[TRANSFORMED])
    assert statuses(deployment) == FRESH
    assert automation.tick() == {"transformed_eager", "transformed_any_deps_updated"}
    after = state(deployment)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {("raw", DAYS[-1]), ("transformed", DAYS[-1])}
    assert all(before[name][1] != after[name][1] for name in changed)
    assert all(materializations(deployment, key)[DAYS[-1]] == 2 for key in BOTH)
    assert all(materializations(deployment, key)[DAYS[0]] == 1 for key in BOTH)


def test_a_day_that_another_run_changed_is_reported_with_the_next_request(
    source: Server, on_sqlite: Deploy
) -> None:
    """The job `harvest` has no partitions, so it reports no day. A run that was killed may not have reported one."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3])
    before = newest(deployment, RAW, DAYS[1])
    identifier = REPOSITORY.identifier(6)
    source.edits.change(identifier, "A new title", at=datetime(2024, 3, 2, 23, 59, tzinfo=timezone.utc))
    deployment.harvest(ingest_config="demo", start_date=DAYS[1], end_date=DAYS[2], optimize=False)
    assert materializations(deployment, RAW) == dict.fromkeys(DAYS, 1)
    deployment.materialize(*DAYS[::3])
    assert materializations(deployment, RAW) == dict.fromkeys(DAYS, 1) | {DAYS[1]: 2}
    after = newest(deployment, RAW, DAYS[1])
    assert (before.tags or {})[VERSION] != (after.tags or {})[VERSION]
    assert after.metadata["records"].value == 6


def test_covered_days_that_dagster_does_not_know_become_green(source: Server, on_sqlite: Deploy) -> None:
    """After a change of Dagster's own database, all covered days would stay without a materialization."""
    deployment = on_sqlite(source.url, max_window="1d")
    deployment.harvest(ingest_config="demo", start_date=DAYS[0], end_date="2024-03-05")
    assert deployment.materialized() == set()
    assert deployment.materialize(*DAYS[::3]).success
    assert deployment.materialized() == set(DAYS)
    assert newest(deployment, RAW, DAYS[1]).metadata["records"].value == 6


def test_a_run_that_fails_reports_finished_days_again_with_the_same_version_and_numbers(
    on_sqlite: Deploy,
) -> None:
    """They would turn red, or look changed, or lose their counts, because another day failed."""
    with Server(REPOSITORY, behaviours=[HttpErrorStatus(404, when=third_day)]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        assert deployment.materialize(*DAYS[:2]).success
        before = [newest(deployment, RAW, day) for day in DAYS[:2]]
        assert not deployment.materialize(*DAYS[::3], optimize=False).success
    after = [newest(deployment, RAW, day) for day in DAYS[:2]]
    assert [(one.metadata, one.tags) for one in after] == [(one.metadata, one.tags) for one in before]
    assert materializations(deployment, RAW) == {DAYS[0]: 2, DAYS[1]: 2, DAYS[3]: 1}
    partitions = deployment.defs.resolve_assets_def(RAW).partitions_def
    assert partitions is not None
    found = deployment.instance.get_status_by_partition(RAW, DAYS, partitions)
    assert found is not None
    values = [status.value if status else None for status in map(found.get, DAYS)]
    assert values == ["MATERIALIZED", "MATERIALIZED", "FAILED", "MATERIALIZED"]


def test_a_backfill_reports_covered_days_again_with_the_same_version_and_numbers(
    source: Server, on_sqlite: Deploy
) -> None:
    """Dagster marks a backfill as failed if its runs succeed without materializing their partitions."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3], assets=BOTH)
    before = state(deployment)
    assert deployment.materialize(*DAYS[::3], assets=BOTH, tags={"dagster/backfill": "abc"}).success
    assert all(materializations(deployment, key) == dict.fromkeys(DAYS, 2) for key in BOTH)
    assert state(deployment) == before
    assert statuses(deployment) == FRESH
