"""The session of a source takes its settings from the config."""

from __future__ import annotations

import pytest

from harvest_dagster.http.session import HttpSession, Timeouts
from harvest_dagster.pipeline import lease_guard, source_access
from harvest_dagster.pipeline.fetching import source_session
from harvest_dagster.pipeline.steps import fetch
from harvest_dagster_tests.pipeline.world import WINDOW, World


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        ({"connect": "2s", "read": "4s", "response": "30s"}, Timeouts(2, 4, 30)),
        ({"connect": "2s", "read": "4s"}, Timeouts(2, 4, 60)),
    ],
)
def test_a_session_has_the_timeouts_of_the_config(
    small_world: World, monkeypatch: pytest.MonkeyPatch, timeout: dict[str, str], expected: Timeouts
) -> None:
    """A slow server cost five minutes for each request, whatever the YAML said."""
    given: list[Timeouts] = []

    class Session(HttpSession):
        def __init__(self, *args, timeouts: Timeouts, **options) -> None:
            given.append(timeouts)
            super().__init__(*args, timeouts=timeouts, **options)

    monkeypatch.setattr(source_access, "HttpSession", Session)
    small_world.change(timeout=timeout)
    harvest = small_world.harvest("a")
    with lease_guard.hold_lease(harvest) as lease:
        log = fetch.begin(harvest, WINDOW, lease, parent_id=None, limit=None)
        with source_session.open_source(harvest, lease, log):
            pass
    assert given == [expected]
