"""The settings of the repository. Every record is computed from its number, so that no list is held in memory.

Record `index` of `size` belongs to day `index // records_per_day`. The records of a day are distributed evenly over the
day. The order of the numbers is therefore the order of (datestamp, identifier), the records between two instants are a
`range`, and those of a set are a `range` with a step. The content of a record is in `repository.content`, its changes
are in `repository.edits`.

Instants are whole seconds since midnight at the start of the first day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

DAY = 86_400
Granularity = Literal["day", "second"]
_PREFIX = "oai:repository.example.org:"


@dataclass(frozen=True)
class RecordSet:
    """A set of the repository: every n-th record.

    Attributes:
        spec: its setSpec; a colon makes a hierarchy (OAI-PMH section 2.6).
        name: its setName.
        step: the distance between two records of the set.
        first: the number of its first record.
    """

    spec: str
    name: str
    step: int = 1
    first: int = 0

    def __contains__(self, index: int) -> bool:
        return index % self.step == self.first

    def within(self, records: range) -> range:
        """Return the records of a contiguous range that belong to the set."""
        start = records.start + (self.first - records.start) % self.step
        return range(start, records.stop, self.step)


# Consistent with `content.DISCIPLINES`. The last set overlaps the others: a client that harvests several sets gets some
# records twice, as in real repositories.
SETS = (
    RecordSet("science", "Science", 2, 0),
    RecordSet("science:physics", "Physics", 4, 0),
    RecordSet("science:mathematics", "Mathematics", 4, 2),
    RecordSet("humanities", "Humanities", 2, 1),
    RecordSet("humanities:history", "History", 4, 1),
    RecordSet("humanities:linguistics", "Linguistics", 4, 3),
    RecordSet("open_access", "Open access", 5, 0),
)


@dataclass(frozen=True)
class Repository:
    """The settings of the repository. The same settings give the same records on every machine.

    Attributes:
        first_day: the day of the oldest records, UTC.
        days: the number of days that have records.
        records_per_day: the number of records of each day.
        page_size: the number of records per page.
        granularity: the granularity of the datestamps.
        deleted: the share of deleted records, 0 to 1.
        sets: the sets; empty for a repository without sets.
        seed: another seed gives other records.
        record_bytes: the length in bytes of each `<record>` that is not deleted; its description is padded to reach
            it. 0 means no padding: records then have 1 to 2 KB.
        totals: True if tokens carry completeListSize.
        token_lifetime: how long a resumptionToken is valid.
        name: the repositoryName.

    Raises:
        ValueError: if a setting is out of range.
    """

    first_day: date = date(2024, 3, 1)
    days: int = 5
    records_per_day: int = 200
    page_size: int = 50
    granularity: Granularity = "second"
    deleted: float = 0.03
    sets: tuple[RecordSet, ...] = SETS
    seed: int = 0
    record_bytes: int = 0
    totals: bool = True
    token_lifetime: timedelta = timedelta(hours=1)
    name: str = "Example Repository"

    def __post_init__(self) -> None:
        if self.days < 0 or self.records_per_day < 1 or self.page_size < 1 or not 0 <= self.deleted <= 1:
            message = (
                "a repository needs days >= 0, records_per_day >= 1, page_size >= 1 and 0 <= deleted <= 1, "
                f"not {self.days}, {self.records_per_day}, {self.page_size} and {self.deleted}"
            )
            raise ValueError(message)

    @property
    def size(self) -> int:
        """The number of records."""
        return self.days * self.records_per_day

    @property
    def midnight(self) -> datetime:
        """Midnight at the start of the first day."""
        return datetime.combine(self.first_day, time(), timezone.utc)

    @property
    def newest(self) -> datetime:
        """The datestamp of the newest record."""
        return self.midnight + timedelta(seconds=self.datestamp(self.size - 1))

    def identifier(self, index: int) -> str:
        """Return the OAI identifier of a record."""
        return f"{_PREFIX}{index:09d}"

    def index(self, identifier: str) -> int | None:
        """Return the number of the record with an identifier; None if there is no such record."""
        number = identifier.removeprefix(_PREFIX)
        index = int(number) if number.isascii() and number.isdecimal() else self.size
        return index if index < self.size and self.identifier(index) == identifier else None

    def datestamp(self, index: int) -> int:
        """Return the original datestamp of a record, as an instant."""
        day, number = divmod(index, self.records_per_day)
        return day * DAY if self.granularity == "day" else day * DAY + number * DAY // self.records_per_day

    def count_before(self, instant: int) -> int:
        """Return the number of records that are older than an instant, which is the number of the next record."""
        day, second = divmod(instant, DAY)
        if self.granularity == "day":
            older = self.records_per_day if second else 0
        else:
            older = -(-second * self.records_per_day // DAY)
        return min(max(day * self.records_per_day + older, 0), self.size)

    def to_instant(self, moment: datetime) -> int:
        """Return an aware datetime as an instant, truncated to the granularity."""
        seconds = (moment - self.midnight) // timedelta(seconds=1)
        return seconds // DAY * DAY if self.granularity == "day" else seconds

    def format_instant(self, instant: int) -> str:
        """Return an instant as the text of a datestamp of this repository."""
        day, second = divmod(instant, DAY)
        text = _format_day(self.first_day, day)
        if self.granularity == "day":
            return text
        minute, second = divmod(second, 60)
        return f"{text}T{minute // 60:02d}:{minute % 60:02d}:{second:02d}Z"

    def random_bytes(self, index: int) -> bytes:
        """Return the 32 pseudo-random bytes from which the content of a record is chosen."""
        return blake2b(b"%d:%d" % (self.seed, index), digest_size=32).digest()

    def is_deleted(self, random_bytes: bytes) -> bool:
        """Return True if the record with these random bytes was deleted from the start."""
        return int.from_bytes(random_bytes[:2], "big") < self.deleted * 65_536


@lru_cache(maxsize=64)
def _format_day(first_day: date, day: int) -> str:
    return (first_day + timedelta(days=day)).isoformat()
