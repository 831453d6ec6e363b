"""The exceptions, as plug-ins and readers of the reference see them."""

from __future__ import annotations

import re
import traceback
import weakref
from collections.abc import Iterator

import pytest

from harvest_dagster import errors


def tree(base: type, depth: int = 0) -> Iterator[tuple[int, str]]:
    """Yield depth and name of the exceptions of the module, in the order of their definition."""
    yield depth, base.__name__
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child, depth + 1)


def test_the_module_docstring_draws_all_exceptions() -> None:
    """A plug-in author chooses an exception from this tree."""
    drawn = re.findall(r"^    ((?:[│ ] {3})*)(?:[├└]── )?([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    assert [name for _, name in drawn] == [name for _, name in tree(errors.HarvestError)]
    assert [len(indent) // 4 + 1 for indent, _ in drawn[1:]] == [
        depth for depth, _ in list(tree(errors.HarvestError))[1:]
    ]


@pytest.mark.parametrize(
    ("former", "name"),
    [
        ("BotWall", "BotChallenge"),
        ("EndlessList", "PaginationLoop"),
        ("Refused", "PreflightRefused"),
        ("TooManyUnreadable", "QuarantineLimitExceeded"),
        ("Truncated", "TruncatedResponse"),
        ("WaitTooLong", "RetryLater"),
        ("WrongVerb", "UnexpectedResponse"),
    ],
)
def test_a_former_name_is_the_same_exception(former: str, name: str) -> None:
    """A plug-in that was written for an earlier version still raises and catches its exceptions."""
    assert getattr(errors, former) is getattr(errors, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """`hasattr` and `from ... import` rely on it."""
    assert not hasattr(errors, "NoSuchError")


def test_an_error_that_is_kept_does_not_keep_the_page_alive() -> None:
    """A page has up to 256 MB. The error of a list that broke is kept until the window ends."""

    class Body:
        """Stands for bytes, to which no weak reference is possible."""

    alive: list[weakref.ref[Body]] = []

    def parse() -> None:
        body = Body()
        alive.append(weakref.ref(body))
        try:
            int(str(body))
        except ValueError as error:
            raise errors.MalformedResponse("not well-formed") from error

    kept = None
    try:
        parse()
    except errors.MalformedResponse as error:
        kept = error
    assert alive[0]() is not None
    assert kept is not None
    errors.release_locals(kept)
    assert alive[0]() is None
    assert "in parse" in "".join(traceback.format_exception(kept))
