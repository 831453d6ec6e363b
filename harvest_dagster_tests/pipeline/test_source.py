"""The way to a source, as the config says."""

from __future__ import annotations

import pytest

from harvest_dagster.http.session import HttpSession, Timeouts
from harvest_dagster.pipeline import fetch, lock, source
from harvest_dagster_tests.pipeline.world import WINDOW, World


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        ({"connect": "2s", "read": "4s", "response": "30s"}, Timeouts(2, 4, 30)),
        ({"connect": "2s", "read": "4s"}, Timeouts(2, 4, 60)),
    ],
)
def test_a_session_goes_by_the_timeouts_of_the_config(
    small_world: World, monkeypatch: pytest.MonkeyPatch, timeout: dict[str, str], expected: Timeouts
) -> None:
    """A server that drips cost five minutes a request, whatever the YAML said."""
    given: list[Timeouts] = []

    class Session(HttpSession):
        def __init__(self, *args, timeouts: Timeouts, **options) -> None:
            given.append(timeouts)
            super().__init__(*args, timeouts=timeouts, **options)

    monkeypatch.setattr(source, "HttpSession", Session)
    small_world.change(timeout=timeout)
    harvest = small_world.harvest("a")
    with lock.holding(harvest) as grip:
        log = fetch.begin(harvest, WINDOW, grip, parent_id=None, limit=None)
        with source.open_source(harvest, grip, log):
            pass
    assert given == [expected]
