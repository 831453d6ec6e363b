"""How an op reports an error: the message of a HarvestError becomes the reason of the failure; no error holds a secret.

A HarvestError has one clear message, and a traceback of forty frames would hide it. Any other exception is a bug and
keeps its traceback. The log of a window stores the traceback in both cases.

Dagster prints the error of a failed step twice: when the step fails, and when the run fails. For an exception of an op
it prints only the exception the first time, and adds its own frames the second time. For a `dagster.Failure` it prints
all frames both times, and for each failed window once more. So an op raises a Failure only if it must prevent a retry.
"""

import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import dagster as dg

from harvest_dagster.errors import HarvestError
from harvest_dagster.texts import escape_controls

_P = ParamSpec("_P")
_T = TypeVar("_T")


class HarvestFailed(Exception):
    """The reason for which a step failed, without a traceback.

    Attributes:
        error: the name of the exception class, such as IncompleteList.
        transient: whether the step may succeed later although nobody changes anything.
    """

    def __init__(self, error: HarvestError) -> None:
        super().__init__(escape_controls(f"{type(error).__name__}: {error}"))
        self.error = type(error).__name__
        self.transient = error.transient

    @property
    def __traceback__(self) -> None:
        """None, whatever Python assigns: the frames between Dagster and the `raise` say nothing about the failure."""
        return None

    @__traceback__.setter
    def __traceback__(self, _: object) -> None:
        pass


HarvestFailed.__module__ = "harvest_dagster"  # messages show it before the name


def report_errors(compute: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate the body of an op or asset: if it raises a HarvestError, the step fails with the error's message."""

    @wraps(compute)
    def reporting(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return compute(*args, **kwargs)
        except HarvestError as error:
            failure = HarvestFailed(error)
        # outside of `except`, so that Dagster does not print the HarvestError as its cause
        if failure.transient or not _has_retry_policy():
            raise failure
        # A retry policy that users set must not retry an error that a person has to correct.
        raise dg.Failure(str(failure), allow_retries=False)

    return reporting


def _has_retry_policy() -> bool:
    """Return whether the users of this code location retry the current op, or all ops of its job."""
    context = dg.OpExecutionContext.get()
    return context.job_def.get_retry_policy_for_handle(context.op_handle) is not None


@contextmanager
def without_secrets(redact: Callable[[str], str]) -> Generator[None, None, None]:
    """Mask secrets in the exceptions that leave the block, in their texts and in those of their causes.

    A HarvestError keeps its class, because the class decides how the run continues, but it loses its causes. Any other
    exception becomes a HarvestError. Without this, secrets of a query string reach the log:
    docs/failures.md#secret-in-log

    Args:
        redact: masks secrets in a text.
    """
    try:
        yield
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        if redact(text) == text:
            raise
        raise _masked(error, redact) from None


def _masked(error: Exception, redact: Callable[[str], str]) -> HarvestError:
    message = redact(str(error))
    if not isinstance(error, HarvestError):
        return HarvestError(f"{type(error).__name__}: {message}")
    error.args = (message,)
    error.__cause__ = error.__context__ = None
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, redact(value))
    return error
