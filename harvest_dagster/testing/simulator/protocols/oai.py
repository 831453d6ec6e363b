"""OAI-PMH 2.0: verbs, arguments, errors, and the response documents.

The rules are those of the specification, section 4 for the verbs and 3.6 for the errors:
http://www.openarchives.org/OAI/openarchivesprotocol.html. The content of lists is in `repository.lists`, the XML in
`oai_xml`, resumption tokens in `repository.tokens`, HTTP in `serving`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from harvest_dagster.testing.simulator.errors import OaiError
from harvest_dagster.testing.simulator.protocols import oai_xml
from harvest_dagster.testing.simulator.repository.edits import Edit
from harvest_dagster.testing.simulator.repository.lists import RepositorySnapshot, find_record, page_at
from harvest_dagster.testing.simulator.repository.repository import Repository
from harvest_dagster.testing.simulator.repository.tokens import ListPosition, decode
from harvest_dagster.testing.simulator.serving.messages import Page, Response

Arguments = tuple[tuple[str, str], ...]
Content = str | Page | OaiError


@dataclass(frozen=True)
class Verb:
    """A verb of OAI-PMH.

    Attributes:
        handle: returns the XML inside the element of the verb, or a page.
        required: the required arguments.
        optional: the optional arguments.
        resumable: True if the verb accepts resumptionToken, which excludes all other arguments.
    """

    handle: Callable[[RepositorySnapshot, dict[str, str]], str | Page]
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    resumable: bool = False


def respond(snapshot: RepositorySnapshot, arguments: Arguments) -> Response:
    """Return the response to a request. OAI-PMH errors are documents with status 200."""
    parameters = dict(arguments)
    try:
        _validate(arguments)
        content: Content = VERBS[parameters["verb"]].handle(snapshot, parameters)
    except OaiError as error:
        content = error
    return _render(snapshot, parameters, content)


def _render(snapshot: RepositorySnapshot, parameters: dict[str, str], content: Content) -> Response:
    render_other = partial(_render, snapshot, parameters)
    if isinstance(content, OaiError):
        echo = {} if content.code in {"badVerb", "badArgument"} else parameters
        return Response(
            oai_xml.document(oai_xml.error(content), echo, snapshot.url, snapshot.now),
            error_code=content.code,
            render=render_other,
        )
    page = content if isinstance(content, Page) else None
    text = content if isinstance(content, str) else _page_text(content)
    body = f"<{parameters['verb']}>{text}</{parameters['verb']}>"
    document = oai_xml.document(body, parameters, snapshot.url, snapshot.now)
    return Response(document, page=page, render=render_other)


def _page_text(page: Page) -> str:
    text = "".join(page.records)
    if page.token is not None:
        text += oai_xml.token(page.token, page.offset, page.total, page.expires if page.token else None)
    return text


def _validate(arguments: Arguments) -> None:
    """Raise OaiError if the verb or the arguments are not allowed."""
    names = [name for name, _ in arguments]
    parameters = dict(arguments)
    if names.count("verb") != 1 or parameters["verb"] not in VERBS:
        raise OaiError("badVerb", "The verb is missing, repeated or not one of " + ", ".join(VERBS))
    if len(names) != len(parameters):
        raise OaiError("badArgument", "An argument is repeated")
    verb = VERBS[parameters.pop("verb")]
    if verb.resumable and "resumptionToken" in parameters:
        verb = Verb(verb.handle, required=frozenset({"resumptionToken"}))
    if missing := verb.required - parameters.keys():
        raise OaiError("badArgument", "Missing: " + ", ".join(sorted(missing)))
    if unknown := parameters.keys() - verb.required - verb.optional:
        raise OaiError("badArgument", "Not allowed here: " + ", ".join(sorted(unknown)))


def _identify(snapshot: RepositorySnapshot, parameters: dict[str, str]) -> str:  # noqa: ARG001
    datestamps = [edit.datestamp for edit in snapshot.edits.values() if edit.datestamp is not None]
    return oai_xml.identify(snapshot.repository, snapshot.url, min([0, *datestamps]), snapshot.deleted_record)


def _list_sets(snapshot: RepositorySnapshot, parameters: dict[str, str]) -> str:
    if not snapshot.repository.sets:
        raise OaiError("noSetHierarchy", "This repository has no sets")
    if "resumptionToken" in parameters:
        raise OaiError("badResumptionToken", "The list of sets has a single page")
    return oai_xml.sets(snapshot.repository.sets)


def _list_metadata_formats(snapshot: RepositorySnapshot, parameters: dict[str, str]) -> str:
    if "identifier" in parameters:
        index = find_record(snapshot, parameters["identifier"])
        if oai_xml.is_deleted(snapshot.repository, snapshot.edits, index):
            raise OaiError("noMetadataFormats", f"{parameters['identifier']} is deleted")
    return oai_xml.METADATA_FORMATS


def _get_record(snapshot: RepositorySnapshot, parameters: dict[str, str]) -> Page:
    index = find_record(snapshot, parameters["identifier"])
    _validate_prefix(parameters["metadataPrefix"])
    return Page((oai_xml.record(snapshot.repository, snapshot.edits, index),))


def _list(
    render: Callable[[Repository, Mapping[int, Edit], int], str],
    snapshot: RepositorySnapshot,
    parameters: dict[str, str],
) -> Page:
    """Return one page of a list and the token of the next page (section 3.5). `render` writes one record."""
    position = _list_position(snapshot, parameters)
    return page_at(snapshot, position, partial(render, snapshot.repository, snapshot.edits))


def _list_position(snapshot: RepositorySnapshot, parameters: dict[str, str]) -> ListPosition:
    verb, token = parameters["verb"], parameters.get("resumptionToken")
    if token == "":
        raise OaiError("badResumptionToken", "An empty token marks the end of a list and cannot be used")
    if token:
        return decode(token, verb, snapshot.now)
    _validate_prefix(parameters["metadataPrefix"])
    if "set" in parameters and not snapshot.repository.sets:
        raise OaiError("noSetHierarchy", "This repository has no sets")
    return ListPosition(verb, parameters.get("from"), parameters.get("until"), parameters.get("set"))


def _validate_prefix(prefix: str) -> None:
    if prefix != "oai_dc":
        raise OaiError("cannotDisseminateFormat", f"No format {prefix}; the only format is oai_dc")


_LIST_ARGUMENTS = frozenset({"from", "until", "set"})
VERBS = {
    "Identify": Verb(_identify),
    "ListMetadataFormats": Verb(_list_metadata_formats, optional=frozenset({"identifier"})),
    "ListSets": Verb(_list_sets, resumable=True),
    "GetRecord": Verb(_get_record, required=frozenset({"identifier", "metadataPrefix"})),
    "ListIdentifiers": Verb(
        partial(_list, oai_xml.header), frozenset({"metadataPrefix"}), _LIST_ARGUMENTS, resumable=True
    ),
    "ListRecords": Verb(
        partial(_list, oai_xml.record), frozenset({"metadataPrefix"}), _LIST_ARGUMENTS, resumable=True
    ),
}
