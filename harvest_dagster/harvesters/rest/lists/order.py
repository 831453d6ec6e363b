"""Verify that the records of a list have the order that the config declares with `sorted`."""

from __future__ import annotations

from itertools import pairwise

from harvest_dagster.errors import MisconfiguredSource
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.lists.state import ListState, PageContent
from harvest_dagster.windows import format_instant


def raise_if_not_sorted(arguments: RestArguments, state: ListState, page: PageContent) -> None:
    """Raise an error if a record has an earlier datestamp than the record before.

    Recovery relies on the order: a list that broke continues from its last datestamp, and a record that comes out of
    order would be lost. A page that only repeats the page before says nothing about the order.

    Args:
        arguments: arguments of the source.
        state: the list before this page.
        page: the page.

    Raises:
        MisconfiguredSource: the list is not sorted.
    """
    if arguments.sorted is None or state.repeats(page):
        return
    before = [] if state.last_datestamp is None else [state.last_datestamp]
    for earlier, later in pairwise([*before, *page.datestamps]):
        if later < earlier:
            message = (
                f"{page.url} has a record of {format_instant(later)} after one of {format_instant(earlier)}, so the "
                f"list is not ordered by {arguments.datestamp}, the oldest first. Remove `sorted` from "
                "harvester_kwargs, or ask for this order, if the source has a parameter for it."
            )
            raise MisconfiguredSource(message)
