"""What leaves an op: the error's kind as it was, and no secret."""

from __future__ import annotations

import traceback

import pytest

from harvest_dagster.errors import HarvestError, HttpStatusError, WaitTooLong
from harvest_dagster.orchestration.failures import without_secrets

SECRET = "internal.example"


def redact(text: str) -> str:
    return text.replace(SECRET, "***")


def raised(error: Exception, cause: str = "no cause") -> HarvestError:
    """What becomes of an error."""
    with pytest.raises(HarvestError) as caught, without_secrets(redact):
        raise error from OSError(cause)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in str(vars(caught.value))
    return caught.value


@pytest.mark.parametrize("cause", ["no cause", f"{SECRET} hung up"])
def test_a_wait_for_a_host_that_is_a_secret_stays_a_wait(cause: str) -> None:
    """Put off became failed: the run ended, and its log stayed STARTED under an extended lease."""
    error = raised(WaitTooLong(f"{SECRET} says later.", seconds=600), cause)
    assert isinstance(error, WaitTooLong)
    assert (str(error), error.seconds, error.transient) == ("*** says later.", 600, True)


def test_what_an_error_carries_is_masked_as_well() -> None:
    """The verdict goes by the status; nothing may write the URL as it was."""
    error = raised(HttpStatusError(f"{SECRET}: HTTP 503", status=503, url=f"http://{SECRET}/oai"))
    assert isinstance(error, HttpStatusError)
    assert (error.status, error.url, error.transient) == (503, "http://***/oai", True)


def test_a_bug_that_holds_a_secret_becomes_an_error_of_ours() -> None:
    """Nobody knows what else it keeps."""
    error = raised(ValueError(f"{SECRET} is no number"))
    assert str(error) == "ValueError: *** is no number"


def test_an_error_without_a_secret_keeps_its_causes() -> None:
    """They tell where a bug is."""
    with pytest.raises(ValueError, match="no number") as caught, without_secrets(redact):
        raise ValueError("no number") from OSError("cause")
    assert isinstance(caught.value.__cause__, OSError)
