"""The XML of OAI-PMH documents and their elements.

The XML is written with f-strings, which are many times faster than an element tree. If the simulator were slower than a
harvester, a benchmark would measure the simulator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import escape

from harvest_dagster.testing.simulator.errors import OaiError
from harvest_dagster.testing.simulator.repository import content
from harvest_dagster.testing.simulator.repository.edits import Edit
from harvest_dagster.testing.simulator.repository.repository import RecordSet, Repository

_NAMESPACE = "http://www.openarchives.org/OAI/2.0/"
METADATA_FORMATS = (
    "<metadataFormat><metadataPrefix>oai_dc</metadataPrefix>"
    "<schema>http://www.openarchives.org/OAI/2.0/oai_dc.xsd</schema>"
    "<metadataNamespace>http://www.openarchives.org/OAI/2.0/oai_dc/</metadataNamespace></metadataFormat>"
)
_UNCHANGED = Edit()


def document(body: str, arguments: Mapping[str, str], url: str, now: datetime) -> bytes:
    """Return a complete response document (section 3.2 of the specification)."""
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in arguments.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<OAI-PMH xmlns="{_NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{_NAMESPACE} {_NAMESPACE}OAI-PMH.xsd">'
        f"<responseDate>{utc_text(now)}</responseDate><request{attributes}>{escape(url)}</request>{body}</OAI-PMH>\n"
    ).encode("utf-8", "surrogateescape")


def error(problem: OaiError) -> str:
    """Return the element of an error."""
    return f'<error code="{problem.code}">{escape(problem.text)}</error>'


def identify(repository: Repository, url: str, earliest: int, deleted_record: str) -> str:
    """Return the content of Identify. `earliest` is the earliest datestamp, as an instant."""
    granularity = "YYYY-MM-DD" if repository.granularity == "day" else "YYYY-MM-DDThh:mm:ssZ"
    return (
        f"<repositoryName>{escape(repository.name)}</repositoryName><baseURL>{escape(url)}</baseURL>"
        "<protocolVersion>2.0</protocolVersion><adminEmail>admin@repository.example.org</adminEmail>"
        f"<earliestDatestamp>{repository.format_instant(earliest)}</earliestDatestamp>"
        f"<deletedRecord>{deleted_record}</deletedRecord><granularity>{granularity}</granularity>"
    )


def sets(record_sets: Iterable[RecordSet]) -> str:
    """Return the content of ListSets."""
    return "".join(
        f"<set><setSpec>{escape(record_set.spec)}</setSpec><setName>{escape(record_set.name)}</setName></set>"
        for record_set in record_sets
    )


def token(text: str, cursor: int, total: int | str | None, expires: datetime | None) -> str:
    """Return a resumptionToken element with those of its three attributes that are given (section 3.5)."""
    expiry = "" if expires is None else f' expirationDate="{utc_text(expires)}"'
    size = "" if total is None else f' completeListSize="{total}"'
    return f'<resumptionToken{expiry}{size} cursor="{cursor}">{text}</resumptionToken>'


def is_deleted(repository: Repository, edits: Mapping[int, Edit], index: int) -> bool:
    """Return True if a record is deleted, edits included."""
    return _is_deleted(repository, edits.get(index, _UNCHANGED), repository.random_bytes(index))


def header(repository: Repository, edits: Mapping[int, Edit], index: int) -> str:
    """Return the `<header>` of a record."""
    edit = edits.get(index, _UNCHANGED)
    return _header(
        repository, edit, index, deleted=_is_deleted(repository, edit, repository.random_bytes(index))
    )


def record(repository: Repository, edits: Mapping[int, Edit], index: int) -> str:
    """Return the `<record>` element of a record; a deleted record has only a header."""
    edit = edits.get(index, _UNCHANGED)
    random_bytes = repository.random_bytes(index)
    deleted = _is_deleted(repository, edit, random_bytes)
    head = _header(repository, edit, index, deleted=deleted)
    if deleted:
        return f"<record>{head}</record>"
    first = content.title(index, random_bytes) if edit.title is None else escape(edit.title)
    created = repository.first_day + timedelta(days=index // repository.records_per_day)
    # The header is ASCII, so its length is its number of bytes.
    size = repository.record_bytes and repository.record_bytes - len(head) - len("<record></record>")
    return f"<record>{head}{content.metadata(index, random_bytes, created, first, size)}</record>"


def utc_text(moment: datetime) -> str:
    """Return an aware UTC datetime as a UTCdatetime with seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_deleted(repository: Repository, edit: Edit, random_bytes: bytes) -> bool:
    return repository.is_deleted(random_bytes) if edit.deleted is None else edit.deleted


def _header(repository: Repository, edit: Edit, index: int, *, deleted: bool) -> str:
    datestamp = repository.datestamp(index) if edit.datestamp is None else edit.datestamp
    status = ' status="deleted"' if deleted else ""
    specs = "".join(
        [f"<setSpec>{record_set.spec}</setSpec>" for record_set in repository.sets if index in record_set]
    )
    return (
        f"<header{status}><identifier>{repository.identifier(index)}</identifier>"
        f"<datestamp>{repository.format_instant(datestamp)}</datestamp>{specs}</header>"
    )
