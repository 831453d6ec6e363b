"""Parse one record outside of its page, as the quarantine has it.

The bytes are a `record` element, with its namespaces or, if its page was not well-formed, without them; or a whole
response to GetRecord.
"""

from __future__ import annotations

import re

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.harvesters.oai.records import identifier_of, parse_record
from harvest_dagster.harvesters.oai.response import NAMESPACE, OAI
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.response_limits import ResponseLimits

_URL = "the record"  # in messages, in place of the address of a page
_PREFIX = re.compile(rb"\s*<([A-Za-z_][\w.-]*):record[\s>]")
_XSI = b"http://www.w3.org/2001/XMLSchema-instance"


def parse_single_record(datum: bytes, limits: ResponseLimits | None = None) -> Record | InvalidRecord:
    """Return the record, or an InvalidRecord with the present reason."""
    try:
        root = parse_xml(_enveloped(datum), url=_URL, limits=limits)
    except SourceError as error:
        return InvalidRecord(datum, str(error))
    elements = (
        list(root) if root.tag == f"{OAI}ListRecords" else list(root.iterfind(f"{OAI}GetRecord/{OAI}record"))
    )
    if len(elements) != 1:
        return InvalidRecord(datum, f"{len(elements)} records instead of one")
    identifier = identifier_of(elements[0])
    found = parse_record(elements[0])
    return found if isinstance(found, Record) else InvalidRecord(datum, found.error, identifier)


def _enveloped(datum: bytes) -> bytes:
    """Return the bytes within a list that declares the namespaces of OAI-PMH. A whole response stays as it is."""
    if re.match(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml|<(?:[\w.-]+:)?OAI-PMH[\s>])", datum):
        return datum
    namespace, prefix = NAMESPACE.encode(), _PREFIX.match(datum)
    own = b' xmlns:%b="%b"' % (prefix[1], namespace) if prefix else b""
    return b'<ListRecords xmlns="%b"%b xmlns:xsi="%b">%b</ListRecords>' % (namespace, own, _XSI, datum)
