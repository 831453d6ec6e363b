"""Windows wait for their turn in real runs. One process stands for the many of a cluster, to save time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.errors import DatabaseUnreachable, SpoolError
from harvest_dagster.orchestration.reports.metadata import parse_short_name, short_name
from harvest_dagster.orchestration.resources import RetrySettings
from harvest_dagster.orchestration.runs import run_history
from harvest_dagster.orchestration.runs import turns as orchestration_turns
from harvest_dagster.pipeline import turns
from harvest_dagster.pipeline.run_window import WindowRun
from harvest_dagster.testing.simulator import Server
from harvest_dagster.windows import Window
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, asked_day

AT_ONCE = RetrySettings(retries=3, first=0.001, longest=0.001)


@pytest.fixture(autouse=True)
def _many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ops believe that other ops of the run may work elsewhere. Do not pause between two looks at the logs."""
    for module in (run_history, orchestration_turns):
        monkeypatch.setattr(module, "is_single_process", lambda *_: False)
    monkeypatch.setattr(turns, "pause_before_next_look", lambda *_: 0.001)


def retried(result: dg.ExecuteInProcessResult) -> list[str]:
    """Return the windows that were retried, in order, each once."""
    keys = [event.step_key for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    return list(dict.fromkeys(str(key).partition("[")[2].rstrip("]") for key in keys))


def test_windows_keep_their_order_and_their_limit_while_the_first_one_is_retried(
    on_sqlite: Deploy, source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An executor starts other windows meanwhile. Each of them counted a `limit` of its own."""
    deployment = replace(on_sqlite(source.url, max_window="1d"), waiting=AT_ONCE)
    original, down = WindowRun.fetch, iter([True])

    def once_down(run: WindowRun, log: Any) -> Any:
        found = original(run, log)
        if next(down, False):
            raise DatabaseUnreachable("the database restarts.", transient=True)
        return found

    monkeypatch.setattr(WindowRun, "fetch", once_down)
    result = deployment.materialize(DAYS[0], DAYS[-1], limit=8)
    assert result.success
    assert retried(result) == [
        "20240301_20240302",
        "20240302_20240303",
        "20240303_20240304",
        "20240304_20240305",
    ]
    assert list(dict.fromkeys(filter(None, map(asked_day, source.requests)))) == list(DAYS[:2])
    assert [log[3] for log in deployment.logs() if log[2] == "SUCCEEDED"] == [6, 2]


def test_no_window_waits_for_one_whose_op_failed_before_it_wrote_anything(
    on_sqlite: Deploy, source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process was killed. The harvest logs do not show that, so all later windows would wait forever."""
    deployment = on_sqlite(source.url, max_window="1d")
    original, broken = orchestration_turns.wait_for_turn, iter([True])

    def once_broken(*arguments: Any) -> None:
        if next(broken, False):
            raise SpoolError("the process is gone.")
        original(*arguments)

    monkeypatch.setattr(orchestration_turns, "wait_for_turn", once_broken)
    result = deployment.materialize(DAYS[0], DAYS[-1])
    assert not result.success
    assert retried(result) == []
    assert deployment.materialized() == set(DAYS[1:])


@pytest.mark.parametrize(
    "window",
    [
        Window(datetime(2024, 3, 1, tzinfo=timezone.utc), datetime(2024, 3, 31, tzinfo=timezone.utc)),
        Window(
            datetime(2024, 3, 1, 12, 30, 5, 7, tzinfo=timezone.utc), datetime(2024, 3, 2, tzinfo=timezone.utc)
        ),
    ],
)
def test_the_name_of_a_window_says_which_it_is(window: Window) -> None:
    """An op with the wrong window would not wait, or wait for itself."""
    assert parse_short_name(short_name(window)) == window
