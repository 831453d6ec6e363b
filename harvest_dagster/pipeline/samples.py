"""A few records of a day in short form, which people see beside the counts of the day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from harvest_dagster.records import Record

MOST_SAMPLES = 3  # of a day
_LONGEST_EXCERPT = 120  # characters
_LONGEST_IDENTIFIER = 200
_READ = 4000  # characters; a datum may have megabytes


@dataclass(frozen=True)
class Sample:
    """A record in short form. Its content has passed the masking of secrets, like all content that is stored.

    Attributes:
        identifier: of the record at the source, shortened.
        datestamp: of the record; None if it has none or if it is not known.
        deleted: whether the source has deleted it.
        excerpt: the beginning of its content.
    """

    identifier: str
    datestamp: datetime | None
    deleted: bool
    excerpt: str

    def as_row(self) -> dict[str, str]:
        """Return the sample as texts, in the form that ops pass on."""
        return {
            "identifier": self.identifier,
            "datestamp": self.datestamp.isoformat() if self.datestamp else "",
            "deleted": "yes" if self.deleted else "",
            "excerpt": self.excerpt,
        }


def sample_record(record: Record) -> Sample:
    """Return the sample of a record."""
    return Sample(
        record.identifier[:_LONGEST_IDENTIFIER],
        record.datestamp,
        record.deleted,
        _words(record.blob[:_READ])[:_LONGEST_EXCERPT],
    )


def sample_document(identifier: str, title: str | None, text: str) -> Sample:
    """Return the sample of a document: its title if it has one, else the beginning of its JSON."""
    excerpt = text if title is None else title
    return Sample(identifier[:_LONGEST_IDENTIFIER], None, False, excerpt[:_LONGEST_EXCERPT])


def _words(blob: str) -> str:
    """Return a blob in readable form: for XML, the text between the tags."""
    if not blob.startswith("<"):
        return blob
    return " · ".join(text for part in blob.split("<")[1:] if (text := part.partition(">")[2].strip()))
