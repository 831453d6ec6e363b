"""The environment of the tests of a harvest."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harvest_dagster_tests.pipeline.random_world import RandomWorld
from harvest_dagster_tests.pipeline.world import World

LINES = 2_000


@pytest.mark.parametrize("fixture", ["small_world", "random_world"])
def test_a_failed_property_shows_its_own_error_and_not_all_log_lines(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    """Hypothesis printed each field of the world, and its warning about the length replaced the error."""
    world: World | RandomWorld = request.getfixturevalue(fixture)
    world.log_lines.extend(f"line {number} of a long log, as a harvest writes it" for number in range(LINES))

    @settings(
        database=None,
        phases=[Phase.generate],
        max_examples=1,
        suppress_health_check=list(HealthCheck),
    )
    @given(environment=st.just(world), number=st.integers())
    def fail(environment: World, number: int) -> None:
        assert environment.source is None, "the record x1 is missing"

    with pytest.raises(AssertionError, match="the record x1 is missing") as failure:
        fail()
    text = "\n".join(failure.value.__notes__)
    assert f"environment={world!r}" in text
    assert len(text) < 500


def test_a_random_world_has_the_short_text_too(random_world: RandomWorld) -> None:
    """A dataclass that inherits from another writes its own text unless it is told not to."""
    random_world.log_lines.append("a line of the log")
    assert repr(random_world) == "<RandomWorld on sqlite>"
