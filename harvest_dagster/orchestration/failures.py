"""What people see of an error: its own message, as the reason of the step's failure, without our traceback.

A HarvestError is one clear message by construction; forty frames above and below would only hide it. What is
no HarvestError is a bug, and keeps its traceback. The log of a window has the traceback of either. And whatever
it is, it holds no secret.
"""

import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import dagster as dg

from harvest_dagster.errors import HarvestError

_P = ParamSpec("_P")
_T = TypeVar("_T")


def told(compute: Callable[_P, _T]) -> Callable[_P, _T]:
    """Let the body of an op or asset fail with the message of the error it raises."""

    @wraps(compute)
    def telling(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return compute(*args, **kwargs)
        except HarvestError as error:
            failure = _failure(error)
        raise failure  # outside of `except`, so that Dagster prints the one and not both

    return telling


def _failure(error: HarvestError) -> dg.Failure:
    return dg.Failure(
        description=str(error),
        metadata={"error": type(error).__name__, "may pass by itself": error.transient},
        # A retry policy set from outside does not ask again for what somebody must mend.
        allow_retries=error.transient,
    )


@contextmanager
def without_secrets(redact: Callable[[str], str]) -> Generator[None, None, None]:
    """Let no exception through that holds a secret in its text or in that of its causes (Lesson 32).

    One of ours stays what it is, for its kind decides what becomes of the run; its causes go.

    Args:
        redact: masks secrets in a text.
    """
    try:
        yield
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        if redact(text) == text:
            raise
        raise _cleaned(error, redact) from None


def _cleaned(error: Exception, redact: Callable[[str], str]) -> HarvestError:
    message = redact(str(error))
    if not isinstance(error, HarvestError):
        return HarvestError(f"{type(error).__name__}: {message}")
    error.args = (message,)
    error.__cause__ = error.__context__ = None
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, redact(value))
    return error
