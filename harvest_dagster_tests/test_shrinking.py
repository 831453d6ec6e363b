"""How long Hypothesis looks for a simpler example of a failure."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def test_a_failed_property_is_not_shrunk_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four failed properties with slow examples took five minutes each, and CI did not reach its end."""
    examples: list[int] = []
    # Each example takes ten seconds.
    monkeypatch.setattr(time, "perf_counter", lambda: 10.0 * len(examples))

    @settings(database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(numbers=st.lists(st.integers(), min_size=50))
    def fail(numbers: list[int]) -> None:
        examples.append(len(numbers))
        assert numbers == []

    with pytest.raises(AssertionError):
        fail()
    assert len(examples) < 25  # 42 in five minutes
