"""Read where and when a result of Europe PMC was published: journal, book, pages, dates."""

from __future__ import annotations

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Agent, Container, Date, Identifier, Text
from harvest_dagster.transformers.reading.json_tree import Node, child, take
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify_as

_OF_JOURNAL = {"issn": "issn", "essn": "issn", "nlmid": "nlmid"}
_OF_BOOK = {"isbn10": "isbn", "isbn13": "isbn", "seriesISSN": "issn"}


def add_journal(builder: DocumentBuilder, node: Node) -> None:
    """Add the journal or the book of a result, and the dates of publication; the exact dates first."""
    info = child(node, "journalInfo")
    _date(builder, node, "firstPublicationDate")
    _date(builder, node, "electronicPublicationDate")
    _date(builder, info, "printPublicationDate")
    _date_of_issue(builder, info)
    _date(builder, node, "pubYear")
    journal = _journal(node, info)
    if journal not in (Container(), Container(kind="journal")):
        builder.containers.append(journal)
    _book(builder, child(node, "bookOrReportDetails"))


def _date(builder: DocumentBuilder, node: Node, name: str) -> None:
    if text := take(node, name):
        value = parse_date(text)
        builder.dates.append(Date(value, text if text != value else None, "Issued", name))


def _date_of_issue(builder: DocumentBuilder, info: Node) -> None:
    """Add the date of the issue. The year and the month repeat it as numbers, and are dropped if they do."""
    _date(builder, info, "dateOfPublication")
    value = builder.dates[-1].value if builder.dates else None
    year, month = str(info.get("yearOfPublication") or ""), str(info.get("monthOfPublication") or "")
    known = [date.value or "" for date in builder.dates]
    if month.isdigit() and any(date[:7] == f"{year}-{month.zfill(2)}" for date in known):
        take(info, "monthOfPublication")
        take(info, "yearOfPublication")
    elif year and value and value[:4] == year:
        take(info, "yearOfPublication")


def _journal(node: Node, info: Node) -> Container:
    of_journal = child(info, "journal")
    title = take(of_journal, "title") or take(node, "journalTitle")
    others = [
        Text(text, vocabulary=name)
        for name in ("medlineAbbreviation", "isoabbreviation")
        if (text := take(of_journal, name))
    ]
    identifiers = [
        identify_as(scheme, text) for name, scheme in _OF_JOURNAL.items() if (text := take(of_journal, name))
    ]
    # A lite result: `0140-6736; 1474-547x; `
    identifiers += (
        identify_as("issn", one) for one in (take(node, "journalIssn") or "").replace(";", " ").split()
    )
    if text := take(info, "journalIssueId"):
        identifiers.append(Identifier("other", text, "journalIssueId"))
    return Container(
        title,
        "journal" if title else None,
        tuple(others),
        tuple(dict.fromkeys(identifiers)),
        volume=take(info, "volume") or take(node, "journalVolume"),
        issue=take(info, "issue") or take(node, "issue"),
        pages=take(node, "pageInfo"),
    )


def _book(builder: DocumentBuilder, details: Node) -> None:
    """Add the book or the report; of a preprint, the server is the publisher."""
    if text := take(details, "publisher"):
        builder.publishers.append(Agent(text))
    _date(builder, details, "yearOfPublication")
    identifiers = [
        identify_as(scheme, text) for name, scheme in _OF_BOOK.items() if (text := take(details, name))
    ]
    title = take(details, "comprisingTitle")
    series = take(details, "seriesName")
    book = Container(
        title,
        "book" if title else None,
        identifiers=tuple(identifiers),
        edition=take(details, "edition"),
        text=take(details, "extraInformation"),
    )
    if book != Container():
        builder.containers.append(book)
    if series:
        builder.containers.append(Container(series, "series"))
    if text := take(details, "numberOfPages"):
        builder.sizes.append(Text(f"{text} pages"))
