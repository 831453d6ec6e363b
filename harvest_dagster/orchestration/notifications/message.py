"""The text of a notification: which sources have changed, since when, why, and what to do. One text for all of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from harvest_dagster.orchestration.asset_keys import AssetKeys
from harvest_dagster.orchestration.notifications.conditions import (
    DIFFERS,
    FAILS,
    INCOMPLETE,
    NONE,
    REFUSED,
    SourceCondition,
)
from harvest_dagster.storage.reported_states import ReportedState
from harvest_dagster.windows import format_instant

UI_VARIABLE = "HARVEST_UI_URL"
# A message with more sources would be cut by many services.
_MOST_DESCRIBED = 20
_MOST_LISTED = 200

_WORDS = {
    FAILS: "fails",
    REFUSED: "is refused",
    DIFFERS: "differs from its source",
    INCOMPLETE: "is incomplete",
    NONE: "works again",
}
_GROWN = "quarantined more records"
_PLURALS = {
    "fails": "fail",
    "is refused": "are refused",
    "differs from its source": "differ from their source",
    "is incomplete": "are incomplete",
    "works again": "work again",
    _GROWN: _GROWN,
}
_REMEDIES = {
    FAILS: "If the source is down, wait: the next scheduled harvest tries again, and so does the sensor repair_gaps if "
    "it is on. If its address, its arguments or its access have changed, correct its YAML.",
    REFUSED: "Remove the cause. Then start a run of the source; after repeated failures, start it with force: true.",
    DIFFERS: "Look at the examples in the asset check `reconciled`. Approve the held deletions only if the source has "
    "really removed these records. If records are missing, read their errors in the table quarantine; the next sweep "
    "looks for them again.",
    INCOMPLETE: "Switch on the sensor repair_gaps, or materialize the failed and missing partitions of the asset.",
    NONE: "Nothing.",
}
_QUARANTINE_REMEDY = (
    "Read their errors in the asset check `complete`, or in the table quarantine. A valid version of a record removes "
    "it from the quarantine."
)


@dataclass(frozen=True)
class Change:
    """A change of a source's state that is news.

    Attributes:
        condition: the condition of the source now.
        before: the state that was reported before.
        after: the state that the message reports.
    """

    condition: SourceCondition
    before: ReportedState
    after: ReportedState

    @property
    def label(self) -> str:
        """The label of the source."""
        return self.condition.config.label

    @property
    def headline(self) -> str:
        """What has happened, after the name of the source."""
        if self.before.problem == self.after.problem:
            return _GROWN
        return _WORDS[self.after.problem]


@dataclass(frozen=True)
class Message:
    """A notification: its subject, and its text in lines of plain text."""

    title: str
    body: str


def compose(changes: Sequence[Change], ui_url: str | None, keys: AssetKeys) -> Message:
    """Return one message about all changes.

    Sources of one host that cannot be reached share a paragraph.

    Args:
        changes: one for each source.
        ui_url: address of Dagster's webserver; None if it is not known.
        keys: the keys of the assets, for the links.
    """
    groups = _by_unreachable_host(changes)
    together = {change.label for group in groups.values() for change in group}
    alone = [change for change in changes if change.label not in together]
    paragraphs = [
        *(_host_paragraph(host, group, ui_url) for host, group in groups.items()),
        *(_paragraph(change, ui_url, keys) for change in alone[:_MOST_DESCRIBED]),
    ]
    if more := alone[_MOST_DESCRIBED:]:
        listed = ", ".join(f"{change.label} ({change.headline})" for change in more[:_MOST_LISTED])
        paragraphs.append(f"{len(more)} more sources: {listed}{_ellipsis(more)}")
    return Message(_title(changes), "\n\n".join(paragraphs))


def ui_url(environ: Mapping[str, str]) -> str | None:
    """Return the address of the webserver, without user and password; None if it is not set or not an address."""
    try:
        parts = urlsplit(environ.get(UI_VARIABLE, "").strip())
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}" if parts.scheme in {"http", "https"} else None


def _title(changes: Sequence[Change]) -> str:
    if len(changes) == 1:
        return f"{changes[0].label} {changes[0].headline}"
    counts = Counter(change.headline for change in changes)
    parts = [f"{number} {name if number == 1 else _PLURALS[name]}" for name, number in counts.items()]
    return f"{len(changes)} sources: {', '.join(parts)}"


def _by_unreachable_host(changes: Sequence[Change]) -> dict[str, list[Change]]:
    groups: dict[str, list[Change]] = {}
    for change in changes:
        host = change.condition.unreachable_host
        if host and change.headline == _WORDS[FAILS]:
            groups.setdefault(host, []).append(change)
    return {host: group for host, group in groups.items() if len(group) > 1}


def _host_paragraph(host: str, group: Sequence[Change], ui_url: str | None) -> str:
    since = min((change.condition.since for change in group if change.condition.since), default=None)
    labels = ", ".join(change.label for change in group[:_MOST_LISTED])
    lines = [
        f"{len(group)} sources of the host {host} fail: it cannot be reached.",
        *([f"Since: {format_instant(since)}"] if since else []),
        f"Sources: {labels}{_ellipsis(group)}",
        f"Reason of {group[0].label}: {group[0].condition.reason}",
        f"What to do: {_REMEDIES[FAILS]}",
        *([f"See: {ui_url}/assets"] if ui_url else []),
    ]
    return "\n".join(lines)


def _paragraph(change: Change, ui_url: str | None, keys: AssetKeys) -> str:
    return "\n".join(_lines(change, ui_url, keys))


def _lines(change: Change, ui_url: str | None, keys: AssetKeys) -> Iterator[str]:
    condition, after = change.condition, change.after
    config = condition.config
    name = config.label if config.name == config.label else f"{config.label} ({config.name})"
    yield f"{name} {change.headline}."
    if change.before.problem != after.problem:
        if after.problem == NONE:
            yield f"Before: it {_WORDS[change.before.problem]}."
        elif condition.since:
            word = "Complete up to" if after.problem == INCOMPLETE else "Since"
            yield f"{word}: {format_instant(condition.since)}"
        yield f"{'Now' if after.problem == NONE else 'Reason'}: {condition.reason}"
        yield f"What to do: {_REMEDIES[after.problem]}"
    if after.quarantined > change.before.quarantined:
        yield f"Invalid records in quarantine: {after.quarantined}, {change.before.quarantined} when last reported."
        yield f"What to do: {_QUARANTINE_REMEDY}"
    if ui_url:
        yield f"See: {ui_url}/assets/{'/'.join(keys.key_of('raw', config.label).path)}"


def _ellipsis(listed: Sequence[Change]) -> str:
    return f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
