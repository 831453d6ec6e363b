"""Ops that wait for the object store of the spool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harvest_dagster.errors import SpoolUnreachable
from harvest_dagster.orchestration.resources import RetrySettings
from harvest_dagster.spool.filesystem import LocalFiles
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, reason

AT_ONCE = RetrySettings(retries=3, first=0.001, longest=0.001)


@pytest.mark.parametrize(
    ("place", "step"),
    [
        (("write", "pages/000000.zst"), "fetch"),
        (("write", "end.json"), "fetch"),
        (("write", "records/index.json"), "split"),
        (("read", "records/000000.zst"), "store"),
    ],
)
def test_an_op_waits_for_an_object_store_that_is_away(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch, place: tuple[str, str], step: str
) -> None:
    """A store that restarts for a minute failed the window."""
    deployment = replace(on_sqlite(source.url), waiting=AT_ONCE)
    method, part = place
    original: Callable[..., Any] = getattr(LocalFiles, method)
    away = iter([True, True])

    def once_away(self: LocalFiles, name: str, *args: Any) -> Any:
        # split reads the records, too, before it writes the index
        is_split = (self._root / name).with_name("index.json").exists()
        is_concerned = name.endswith(part) and (method == "write" or is_split)
        if is_concerned and next(away, False):
            raise SpoolUnreachable("the spool s3://bucket cannot be reached: it restarts.")
        return original(self, name, *args)

    monkeypatch.setattr(LocalFiles, method, once_away)
    result = deployment.materialize(DAYS[0])
    assert result.success
    retried = [
        event.step_key.rpartition(".")[2].partition("[")[0]
        for event in result.all_events
        if event.event_type_value == "STEP_UP_FOR_RETRY"
    ]
    assert retried == [step, step]


def test_a_bucket_that_does_not_exist_ends_the_run_before_anything_is_touched(
    source: Server, on_sqlite: Deploy, object_store: Any
) -> None:
    """The run harvested a page, and failed when it wrote it; or s3fs created the misspelt bucket."""
    deployment = replace(on_sqlite(source.url), spool="s3://misspelt/spool")
    result = deployment.materialize(DAYS[0])
    assert "Create the bucket, or correct HARVEST_SPOOL" in reason(result)
    assert not source.requests
    assert "misspelt" not in object_store.ls("")
