"""The pieces of OAI-PMH's documents, as XML.

By hand: f-strings are many times as fast as an element tree, and a simulator that is slower than the
harvester it serves measures itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import escape

from harvest_dagster.simulator import content
from harvest_dagster.simulator.edits import Edit
from harvest_dagster.simulator.errors import OaiError
from harvest_dagster.simulator.repository import Repository, Subset

_NAMESPACE = "http://www.openarchives.org/OAI/2.0/"
METADATA_FORMATS = (
    "<metadataFormat><metadataPrefix>oai_dc</metadataPrefix>"
    "<schema>http://www.openarchives.org/OAI/2.0/oai_dc.xsd</schema>"
    "<metadataNamespace>http://www.openarchives.org/OAI/2.0/oai_dc/</metadataNamespace></metadataFormat>"
)
_UNCHANGED = Edit()


def document(body: str, arguments: Mapping[str, str], url: str, now: datetime) -> bytes:
    """A whole response: section 3.2 of the specification."""
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in arguments.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<OAI-PMH xmlns="{_NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{_NAMESPACE} {_NAMESPACE}OAI-PMH.xsd">'
        f"<responseDate>{utc_text(now)}</responseDate><request{attributes}>{escape(url)}</request>{body}</OAI-PMH>\n"
    ).encode("utf-8", "surrogateescape")


def error(problem: OaiError) -> str:
    """The element of an error."""
    return f'<error code="{problem.code}">{escape(problem.text)}</error>'


def identify(repository: Repository, url: str, earliest: int) -> str:
    """The content of Identify."""
    granularity = "YYYY-MM-DD" if repository.granularity == "day" else "YYYY-MM-DDThh:mm:ssZ"
    return (
        f"<repositoryName>{escape(repository.name)}</repositoryName><baseURL>{escape(url)}</baseURL>"
        "<protocolVersion>2.0</protocolVersion><adminEmail>admin@repository.example.org</adminEmail>"
        f"<earliestDatestamp>{repository.stamp_text(earliest)}</earliestDatestamp>"
        f"<deletedRecord>persistent</deletedRecord><granularity>{granularity}</granularity>"
    )


def sets(subsets: Iterable[Subset]) -> str:
    """The content of ListSets."""
    return "".join(
        f"<set><setSpec>{escape(subset.spec)}</setSpec><setName>{escape(subset.name)}</setName></set>"
        for subset in subsets
    )


def token(text: str, cursor: int, size: int | str | None, expires: datetime | None) -> str:
    """A resumptionToken with what is known of its three attributes (section 3.5)."""
    expiry = "" if expires is None else f' expirationDate="{utc_text(expires)}"'
    total = "" if size is None else f' completeListSize="{size}"'
    return f'<resumptionToken{expiry}{total} cursor="{cursor}">{text}</resumptionToken>'


def is_deleted(repository: Repository, edits: Mapping[int, Edit], index: int) -> bool:
    """Whether a record is deleted by now."""
    return _is_deleted(repository, edits.get(index, _UNCHANGED), repository.dice(index))


def header(repository: Repository, edits: Mapping[int, Edit], index: int) -> str:
    """The `<header>` of a record."""
    edit = edits.get(index, _UNCHANGED)
    return _header(repository, edit, index, deleted=_is_deleted(repository, edit, repository.dice(index)))


def record(repository: Repository, edits: Mapping[int, Edit], index: int) -> str:
    """The `<record>` of a record: for a deleted one a header alone."""
    edit = edits.get(index, _UNCHANGED)
    dice = repository.dice(index)
    deleted = _is_deleted(repository, edit, dice)
    head = _header(repository, edit, index, deleted=deleted)
    if deleted:
        return f"<record>{head}</record>"
    first = content.title(index, dice) if edit.title is None else escape(edit.title)
    made = repository.first_day + timedelta(days=index // repository.records_per_day)
    # The header is ASCII, so that its length is that of its bytes.
    size = repository.record_bytes and repository.record_bytes - len(head) - len("<record></record>")
    return f"<record>{head}{content.metadata(index, dice, made, first, size)}</record>"


def utc_text(moment: datetime) -> str:
    """A UTCdatetime in seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_deleted(repository: Repository, edit: Edit, dice: bytes) -> bool:
    return repository.is_deleted(dice) if edit.deleted is None else edit.deleted


def _header(repository: Repository, edit: Edit, index: int, *, deleted: bool) -> str:
    stamp = repository.stamp(index) if edit.stamp is None else edit.stamp
    status = ' status="deleted"' if deleted else ""
    specs = "".join([f"<setSpec>{subset.spec}</setSpec>" for subset in repository.sets if index in subset])
    return (
        f"<header{status}><identifier>{repository.identifier(index)}</identifier>"
        f"<datestamp>{repository.stamp_text(stamp)}</datestamp>{specs}</header>"
    )
