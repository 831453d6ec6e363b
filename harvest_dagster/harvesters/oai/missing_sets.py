"""Find the sets of the arguments that a repository no longer has (section 2.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.oai.errors import NoSetHierarchy
from harvest_dagster.harvesters.oai.identify import Set
from harvest_dagster.observations import Observations

_KNOWN = "sets_are_listed"
_MAX_AGE = timedelta(days=1)
_MOST_SETS = 20_000  # of a repository. If it has more, an unlisted set is not looked for.


def find_missing_sets(
    lists: Sequence[Mapping[str, str]],
    list_sets: Callable[[], Iterator[Set]],
    observations: Observations,
) -> list[str]:
    """Return the sets that ListSets does not contain; none if that cannot be found out.

    Args:
        lists: the arguments of each list.
        list_sets: requests ListSets.
        observations: remembers for a day that all sets are listed.
    """
    wanted = {arguments["set"] for arguments in lists if "set" in arguments}
    if not wanted or observations.find(_KNOWN, _MAX_AGE):
        return []
    try:
        specs = [found.spec for found in islice(list_sets(), _MOST_SETS)]
    except NoSetHierarchy:
        specs = []
    except SourceError:
        return []
    missing = [] if len(specs) == _MOST_SETS else sorted(wanted - _with_parents(specs))
    if not missing:
        observations.record(_KNOWN, value=True)
    return missing


def _with_parents(specs: Sequence[str]) -> set[str]:
    """Return the sets and the sets above them: `a:b` belongs to `a`, even if only `a:b` is listed."""
    return {spec[:end] for spec in specs for end in [*(i for i, c in enumerate(spec) if c == ":"), len(spec)]}
