"""What people see of an error: its own message, as the reason of the step's failure, without our traceback.

A HarvestError is one clear message by construction; forty frames above and below would only hide it. What is
no HarvestError is a bug, and keeps its traceback. The log of a window has the traceback of either.
"""

from collections.abc import Callable
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
