"""One exception for each OAI-PMH error code (section 3.6).

    SourceRefused
    └── OaiError                    a code that is not listed below
        ├── BadArgument
        ├── BadResumptionToken      also a CursorRefused
        ├── BadVerb
        ├── CannotDisseminateFormat
        ├── IdDoesNotExist
        ├── NoMetadataFormats
        └── NoSetHierarchy

    CursorRefused
    └── ResumptionTokenConsumed     no error code: the harvester must not send a single-use token again

The code `noRecordsMatch` has no exception. In a response to a list request it is an empty list (see `response`).
"""

from __future__ import annotations

from harvest_dagster.errors import CursorRefused, SourceRefused
from harvest_dagster.texts import shorten

_MAX_QUOTED = 500  # characters of the server's text in a message


class OaiError(SourceRefused):
    """The repository answered with `<error code="…">`.

    Attributes:
        code: an error code of OAI-PMH, or one that the server invented.
        text: the server's explanation.
        request: the URL of the request, without secrets.
    """

    remedy = "OAI-PMH does not define this code. Ask the operator of the source."

    def __init__(self, *, code: str, text: str, request: str) -> None:
        reason = shorten(f"{code}: {text}".strip(" :."), _MAX_QUOTED)
        super().__init__(f"{request} was refused with {reason}. {self.remedy}", code=code)
        self.text = text
        self.request = request


class BadArgument(OaiError):
    """An argument is illegal, missing, repeated, or has a wrong form."""

    remedy = (
        "Check harvester_kwargs and the dates. If they are right, the source may mean that the window is empty. "
        "Harvest a window of this length that has records, then this window again."
    )


class BadResumptionToken(OaiError, CursorRefused):
    """The resumptionToken is invalid or has expired. This is never the end of a list.

    The harvester miku/metha treated it as the end (docs/failures.md#empty-page-with-token).
    """

    remedy = "Start the list again from its first page."


class BadVerb(OaiError):
    """The verb is missing, repeated, or not a verb of the protocol."""

    remedy = "Check that base_url is the base URL of an OAI-PMH 2.0 repository, without a conflicting query string."


class CannotDisseminateFormat(OaiError):
    """The record or the repository does not support the metadata format."""

    remedy = (
        "Request verb=ListMetadataFormats to see the available formats, and change metadata_prefix. If it is right, "
        "the source may mean that the window is empty. Harvest a window that has records, then this window again."
    )


class IdDoesNotExist(OaiError):
    """The repository does not know the identifier."""

    remedy = "Check the identifier."


class NoMetadataFormats(OaiError):
    """The record has no metadata formats."""

    remedy = "Request another record."


class NoSetHierarchy(OaiError):
    """The repository has no sets."""

    remedy = "Remove `set` from harvester_kwargs."


class ResumptionTokenConsumed(CursorRefused):
    """A single-use resumptionToken was sent, and its page did not arrive.

    A harvester may send the last token again (section 3.5.1). Some sources violate this: the second request skips the
    page (docs/failures.md#single-use-token). For them, only a new list from its first page is safe.
    """

    def __init__(self, cause: object) -> None:
        message = f"{cause} Its resumptionToken may be used only once, so the list must start again at its first page."
        super().__init__(message, code="tokenSpent")


_CLASSES: dict[str, type[OaiError]] = {
    "badArgument": BadArgument,
    "badResumptionToken": BadResumptionToken,
    "badVerb": BadVerb,
    "cannotDisseminateFormat": CannotDisseminateFormat,
    "idDoesNotExist": IdDoesNotExist,
    "noMetadataFormats": NoMetadataFormats,
    "noSetHierarchy": NoSetHierarchy,
}


def oai_error(*, code: str, text: str, request: str) -> OaiError:
    """Return the exception for an error code."""
    return _CLASSES.get(code, OaiError)(code=code, text=text, request=request)
