"""The errors of OAI-PMH 2.0, section 3.6, each its own exception.

    SourceRefused
    └── OaiError                    any code; those below have a class
        ├── BadArgument
        ├── BadResumptionToken      also a CursorRefused
        ├── BadVerb
        ├── CannotDisseminateFormat
        ├── IdDoesNotExist
        ├── NoMetadataFormats
        └── NoSetHierarchy

    CursorRefused
    └── TokenSpent                  not by the source: by us, who must not send a single-use token again

`noRecordsMatch` has none: where a list was asked for it is an empty list (`oai_response`).
"""

from __future__ import annotations

from harvest_dagster.errors import CursorRefused, SourceRefused
from harvest_dagster.texts import brief

_LONGEST = 500  # characters of what a server says that go into the message


class OaiError(SourceRefused):
    """The repository answered with `<error code="…">`.

    Attributes:
        code: the protocol's code, or the one that the server made up.
        text: what the server says of it.
        request: the URL that was asked, redacted.
    """

    remedy = "The code is none of the protocol's: ask the operator of the source."

    def __init__(self, *, code: str, text: str, request: str) -> None:
        said = brief(f"{code}: {text}".strip(" :."), _LONGEST)
        super().__init__(f"{request} was refused with {said}. {self.remedy}", code=code)
        self.text = text
        self.request = request


class BadArgument(OaiError):
    """Illegal, missing, repeated, or of a bad form."""

    remedy = "Check harvester_kwargs and the dates."


class BadResumptionToken(OaiError, CursorRefused):
    """The token expired or was never given; never the end of a list (Lesson 2)."""

    remedy = "The list must be begun again."


class BadVerb(OaiError):
    """Not a verb of the protocol, or none."""

    remedy = (
        "Check that base_url is that of an OAI-PMH 2.0 repository, without a query string that disturbs it."
    )


class CannotDisseminateFormat(OaiError):
    """The metadata format is not supported, by the record or the repository."""

    remedy = "Ask with verb=ListMetadataFormats which there are and change metadata_prefix."


class IdDoesNotExist(OaiError):
    """No such identifier in this repository."""

    remedy = "Check the identifier."


class NoMetadataFormats(OaiError):
    """No metadata formats for this item."""

    remedy = "Ask for another item."


class NoSetHierarchy(OaiError):
    """The repository has no sets."""

    remedy = "Leave out set."


class TokenSpent(CursorRefused):
    """A resumptionToken that may be used once was sent, and its page did not come (Lesson 23).

    To send it again might skip that page; only a new list is safe.
    """

    def __init__(self, why: object) -> None:
        message = f"{why} Its resumptionToken may be used once only, so the list must be begun again."
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
    """The exception of a code."""
    return _CLASSES.get(code, OaiError)(code=code, text=text, request=request)
