"""OAI-PMH 2.0: the answer to a request, as a document.

The rules are those of the specification, section 4 for the verbs and 3.6 for the errors:
http://www.openarchives.org/OAI/openarchivesprotocol.html. Here: verbs, arguments, errors. Not here: which
records a list has (`lists`), how one is written (`render`), what a resumption token looks like (`tokens`), HTTP
(`wire`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from harvest_dagster.simulator import render
from harvest_dagster.simulator.edits import Edit
from harvest_dagster.simulator.errors import OaiError
from harvest_dagster.simulator.exchange import Page, Response
from harvest_dagster.simulator.lists import Holdings, find, page_of
from harvest_dagster.simulator.repository import Repository
from harvest_dagster.simulator.tokens import Listing, decode

Arguments = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Verb:
    """The arguments a verb takes beside `resumptionToken`, which is always exclusive, and what answers it."""

    answer: Callable[[Holdings, dict[str, str]], str | Page]
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    resumable: bool = False


def answer(holdings: Holdings, arguments: Arguments) -> Response:
    """The document that answers a request; OAI-PMH's errors are documents, too."""
    given = dict(arguments)
    try:
        verb = _checked(arguments)
        return _written(holdings, given, VERBS[verb].answer(holdings, given))
    except OaiError as error:
        return _written(holdings, given, error)


def _written(holdings: Holdings, given: dict[str, str], content: str | Page | OaiError) -> Response:
    again = partial(_written, holdings, given)
    if isinstance(content, OaiError):
        echo = {} if content.code in {"badVerb", "badArgument"} else given
        return Response(
            render.document(render.error(content), echo, holdings.url, holdings.now),
            error=content.code,
            write=again,
        )
    page = content if isinstance(content, Page) else None
    text = content if isinstance(content, str) else _page_text(content)
    body = f"<{given['verb']}>{text}</{given['verb']}>"
    return Response(render.document(body, given, holdings.url, holdings.now), page=page, write=again)


def _page_text(page: Page) -> str:
    text = "".join(page.records)
    if page.token is not None:
        text += render.token(page.token, page.offset, page.total, page.expires if page.token else None)
    return text


def _checked(arguments: Arguments) -> str:
    names = [name for name, _ in arguments]
    given = dict(arguments)
    if names.count("verb") != 1 or given["verb"] not in VERBS:
        raise OaiError("badVerb", "The verb is missing, repeated or not one of " + ", ".join(VERBS))
    if len(names) != len(given):
        raise OaiError("badArgument", "An argument is repeated")
    verb = VERBS[given.pop("verb")]
    if verb.resumable and "resumptionToken" in given:
        verb = Verb(verb.answer, required=frozenset({"resumptionToken"}))
    if missing := verb.required - given.keys():
        raise OaiError("badArgument", "Missing: " + ", ".join(sorted(missing)))
    if unknown := given.keys() - verb.required - verb.optional:
        raise OaiError("badArgument", "Not allowed here: " + ", ".join(sorted(unknown)))
    return dict(arguments)["verb"]


def _identify(holdings: Holdings, given: dict[str, str]) -> str:  # noqa: ARG001
    stamps = [edit.stamp for edit in holdings.edits.values() if edit.stamp is not None]
    return render.identify(holdings.repository, holdings.url, min([0, *stamps]))


def _list_sets(holdings: Holdings, given: dict[str, str]) -> str:
    if not holdings.repository.sets:
        raise OaiError("noSetHierarchy", "This repository has no sets")
    if "resumptionToken" in given:
        raise OaiError("badResumptionToken", "The list of sets comes whole")
    return render.sets(holdings.repository.sets)


def _list_metadata_formats(holdings: Holdings, given: dict[str, str]) -> str:
    if "identifier" in given and _is_deleted(holdings, find(holdings, given["identifier"])):
        raise OaiError("noMetadataFormats", f"{given['identifier']} is deleted")
    return render.METADATA_FORMATS


def _get_record(holdings: Holdings, given: dict[str, str]) -> Page:
    index = find(holdings, given["identifier"])
    _check_prefix(given["metadataPrefix"])
    return Page((render.record(holdings.repository, holdings.edits, index),))


def _list_records(holdings: Holdings, given: dict[str, str]) -> Page:
    return _list(holdings, given, render.record)


def _list_identifiers(holdings: Holdings, given: dict[str, str]) -> Page:
    return _list(holdings, given, render.header)


def _list(
    holdings: Holdings, given: dict[str, str], write: Callable[[Repository, Mapping[int, Edit], int], str]
) -> Page:
    """One page of a list, and the token of the next (section 3.5)."""
    _check_list(holdings, given)
    listing = _listing(holdings, given)
    return page_of(holdings, listing, partial(write, holdings.repository, holdings.edits))


def _check_list(holdings: Holdings, given: dict[str, str]) -> None:
    if "resumptionToken" in given:
        if not given["resumptionToken"]:
            raise OaiError("badResumptionToken", "An empty token ends a list, it does not begin one")
        return
    _check_prefix(given["metadataPrefix"])
    if "set" in given and not holdings.repository.sets:
        raise OaiError("noSetHierarchy", "This repository has no sets")


def _listing(holdings: Holdings, given: dict[str, str]) -> Listing:
    if token := given.get("resumptionToken"):
        return decode(token, given["verb"], holdings.now)
    return Listing(given["verb"], given.get("from"), given.get("until"), given.get("set"))


def _is_deleted(holdings: Holdings, index: int) -> bool:
    return render.is_deleted(holdings.repository, holdings.edits, index)


def _check_prefix(prefix: str) -> None:
    if prefix != "oai_dc":
        raise OaiError("cannotDisseminateFormat", f"No format {prefix}; there is oai_dc")


_OF_LISTS = frozenset({"from", "until", "set"})
VERBS = {
    "Identify": Verb(_identify),
    "ListMetadataFormats": Verb(_list_metadata_formats, optional=frozenset({"identifier"})),
    "ListSets": Verb(_list_sets, resumable=True),
    "GetRecord": Verb(_get_record, required=frozenset({"identifier", "metadataPrefix"})),
    "ListIdentifiers": Verb(_list_identifiers, frozenset({"metadataPrefix"}), _OF_LISTS, resumable=True),
    "ListRecords": Verb(_list_records, frozenset({"metadataPrefix"}), _OF_LISTS, resumable=True),
}
