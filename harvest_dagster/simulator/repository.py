"""What the repository holds, as arithmetic: records are numbers, and all else follows from the number.

Record `index` of `size` belongs to day `index // records_per_day`; the records of a day are spread evenly
over it. So the order of the numbers is the order of (datestamp, identifier), the records between two instants
are a `range`, those of a set are a `range` with a step, and no list is ever held. What a record says is
`simulator.content`; what was changed since is `simulator.edits`.

Instants are whole seconds since the midnight of the first day.
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
class Subset:
    """A set: every n-th record.

    Attributes:
        spec: its setSpec; a colon makes a hierarchy (OAI-PMH section 2.6).
        name: its setName.
        step: every so many records one belongs to it.
        first: the first that does.
    """

    spec: str
    name: str
    step: int = 1
    first: int = 0

    def __contains__(self, index: int) -> bool:
        return index % self.step == self.first

    def within(self, records: range) -> range:
        """Those of a contiguous range that belong to it."""
        start = records.start + (self.first - records.start) % self.step
        return range(start, records.stop, self.step)


# In step with `content.DISCIPLINES`. The last one overlaps the others: who asks for several sets gets some
# records twice, as from real repositories.
SETS = (
    Subset("science", "Science", 2, 0),
    Subset("science:physics", "Physics", 4, 0),
    Subset("science:mathematics", "Mathematics", 4, 2),
    Subset("humanities", "Humanities", 2, 1),
    Subset("humanities:history", "History", 4, 1),
    Subset("humanities:linguistics", "Linguistics", 4, 3),
    Subset("open_access", "Open access", 5, 0),
)


@dataclass(frozen=True)
class Repository:
    """The settings; the same settings give the same records, on every machine.

    Attributes:
        first_day: the day of the oldest records, UTC.
        days: how many days have records.
        records_per_day: how many each of them has.
        page_size: records a page.
        granularity: of its datestamps.
        deleted: the share of records that are deleted, 0 to 1.
        sets: none makes it a repository without sets.
        seed: another one gives other records.
        record_bytes: length of a `<record>` that is not deleted, padded in its description; 0 leaves it as it
            is, 1 to 2 KB.
        totals: whether its tokens carry completeListSize.
        token_lifetime: how long a resumptionToken can be used.
        name: repositoryName.

    Raises:
        ValueError: settings that no repository can have.
    """

    first_day: date = date(2024, 3, 1)
    days: int = 5
    records_per_day: int = 200
    page_size: int = 50
    granularity: Granularity = "second"
    deleted: float = 0.03
    sets: tuple[Subset, ...] = SETS
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
        """How many records it holds."""
        return self.days * self.records_per_day

    @property
    def midnight(self) -> datetime:
        """The midnight that the first day begins with."""
        return datetime.combine(self.first_day, time(), timezone.utc)

    @property
    def newest(self) -> datetime:
        """The datestamp of the newest record."""
        return self.midnight + timedelta(seconds=self.stamp(self.size - 1))

    def identifier(self, index: int) -> str:
        """The OAI identifier of a record."""
        return f"{_PREFIX}{index:09d}"

    def index(self, identifier: str) -> int | None:
        """The record of an identifier, None where there is none."""
        number = identifier.removeprefix(_PREFIX)
        index = int(number) if number.isascii() and number.isdecimal() else self.size
        return index if index < self.size and self.identifier(index) == identifier else None

    def stamp(self, index: int) -> int:
        """When a record was last changed."""
        day, number = divmod(index, self.records_per_day)
        return day * DAY if self.granularity == "day" else day * DAY + number * DAY // self.records_per_day

    def position(self, instant: int) -> int:
        """How many records are older than an instant: the number of the first that is not."""
        day, second = divmod(instant, DAY)
        if self.granularity == "day":
            older = self.records_per_day if second else 0
        else:
            older = -(-second * self.records_per_day // DAY)
        return min(max(day * self.records_per_day + older, 0), self.size)

    def instant(self, moment: datetime) -> int:
        """An aware datetime as an instant, as coarse as the granularity."""
        seconds = (moment - self.midnight) // timedelta(seconds=1)
        return seconds // DAY * DAY if self.granularity == "day" else seconds

    def stamp_text(self, instant: int) -> str:
        """An instant as a datestamp of this repository."""
        day, second = divmod(instant, DAY)
        text = _day_text(self.first_day, day)
        if self.granularity == "day":
            return text
        minute, second = divmod(second, 60)
        return f"{text}T{minute // 60:02d}:{minute % 60:02d}:{second:02d}Z"

    def dice(self, index: int) -> bytes:
        """32 bytes that every choice about a record is made from."""
        return blake2b(b"%d:%d" % (self.seed, index), digest_size=32).digest()

    def is_deleted(self, dice: bytes) -> bool:
        """Whether the record of these dice is deleted."""
        return int.from_bytes(dice[:2], "big") < self.deleted * 65_536


@lru_cache(maxsize=64)
def _day_text(first_day: date, day: int) -> str:
    return (first_day + timedelta(days=day)).isoformat()
