"""The errors that leave an op: they keep their class and contain no secret."""

from __future__ import annotations

import traceback

import pytest

from harvest_dagster.errors import HarvestError, HttpStatusError, RetryLater
from harvest_dagster.orchestration.reports.error_reporting import HarvestFailed, without_secrets

SECRET = "internal.example"


def redact(text: str) -> str:
    return text.replace(SECRET, "***")


def raised(error: Exception, cause: str = "no cause") -> HarvestError:
    """Return the error that `without_secrets` raises instead of an error."""
    with pytest.raises(HarvestError) as caught, without_secrets(redact):
        raise error from OSError(cause)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in str(vars(caught.value))
    return caught.value


@pytest.mark.parametrize("cause", ["no cause", f"{SECRET} hung up"])
def test_a_retry_later_error_keeps_its_class_and_its_seconds(cause: str) -> None:
    """A deferral became a failure: the run ended, and its log stayed STARTED under an extended lease."""
    error = raised(RetryLater(f"{SECRET} says later.", seconds=600), cause)
    assert isinstance(error, RetryLater)
    assert (str(error), error.seconds, error.transient) == ("*** says later.", 600, True)


def test_the_attributes_of_an_error_are_masked() -> None:
    """The retry decision needs the status, but the URL must not be written unmasked."""
    error = raised(HttpStatusError(f"{SECRET}: HTTP 503", status=503, url=f"http://{SECRET}/oai"))
    assert isinstance(error, HttpStatusError)
    assert (error.status, error.url, error.transient) == (503, "http://***/oai", True)


def test_the_reason_of_a_failed_step_contains_no_control_character() -> None:
    """Dagster prints it in the terminal of the operator, who saw what the source wanted to show."""
    failed = HarvestFailed(HarvestError("the source answered with \x1b[2Jnothing wrong"))
    assert str(failed) == r"HarvestError: the source answered with \x1b[2Jnothing wrong"


def test_a_bug_with_a_secret_becomes_a_harvest_error() -> None:
    """An unknown exception may hold the secret in other attributes, too."""
    error = raised(ValueError(f"{SECRET} is no number"))
    assert str(error) == "ValueError: *** is no number"


def test_an_error_without_a_secret_keeps_its_causes() -> None:
    """The causes show where a bug is."""
    with pytest.raises(ValueError, match="no number") as caught, without_secrets(redact):
        raise ValueError("no number") from OSError("cause")
    assert isinstance(caught.value.__cause__, OSError)
