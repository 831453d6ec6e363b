"""Everything this project raises, as one tree.

    HarvestError
    ├── BadInput                    the caller's mistake: nothing was touched
    │   ├── CatalogError            a YAML file of IngestConfigs
    │   ├── UnknownIngestConfig
    │   ├── UnknownPlugin           a harvester or transformer key that nothing registered
    │   ├── BadParameters           run config
    │   └── MissingSecret           a ${NAME} that the environment does not have
    ├── DatabaseError
    │   ├── DatabaseUnreachable
    │   └── DatabaseNewerThanCode
    ├── Refused                     the preflight says no
    │   ├── ConfigDisabled
    │   └── TooManyFailures
    ├── LeaseHeld                   another living run harvests this IngestConfig; transient
    ├── LeaseLost                   this run no longer holds its lease: it may write nothing more
    ├── SourceError                 the remote source
    │   ├── SourceUnreachable       no connection, no answer in time, broken off; transient
    │   ├── HttpStatusError         an answer with an error status; transient for 408, 425, 429, 5xx
    │   ├── ResponseTooLarge
    │   ├── MalformedResponse       not what it should be
    │   │   ├── EmptyBody           nothing at all, or white space
    │   │   ├── Truncated           it begins well and breaks off
    │   │   └── WebPage             HTML where XML or JSON should be
    │   │       ├── MaintenancePage     transient
    │   │       ├── LoginPage
    │   │       └── BotWall         a page that asks whether one is a human; often with status 403 (Lesson 33)
    │   ├── ProtocolError           well-formed, but against the protocol
    │   │   ├── WrongVerb           the answer to another question than the one that was asked
    │   │   └── EndlessList         cursors that repeat, or pages that bring nothing new
    │   ├── SourceRefused           an error of the protocol itself (OAI-PMH's <error code="…">)
    │   │   └── CursorRefused       the source no longer accepts a cursor: expired, or never known
    │   ├── IncompleteList          the list ended before the source's own total
    │   └── TooManyUnreadable       more records than `quarantine` allows cannot be read
    ├── DeadlineExceeded            the time that `timeout` allows is over
    ├── WaitTooLong                 the host wants quiet for longer than a worker should sleep; transient
    ├── SpoolError                  a page in the spool is not what its manifest says
    └── TransformError              one datum that cannot be transformed

`str(error)` is one clear message; its last sentence says what to do. No message ever carries a secret: URLs
come redacted.
"""

from __future__ import annotations


class HarvestError(Exception):
    """Root of the tree.

    Attributes:
        transient: whether the same call may succeed later without anybody changing anything.
    """

    transient = False


class BadInput(HarvestError):
    """The caller's mistake; nothing was touched."""


class CatalogError(BadInput):
    """One or more problems in the YAML files of a catalogue."""


class UnknownIngestConfig(BadInput):
    """No IngestConfig of this label or primary key."""


class UnknownPlugin(BadInput):
    """No harvester or transformer is registered under this key."""


class BadParameters(BadInput):
    """The parameters of a run contradict each other or the partitions chosen."""


class MissingSecret(BadInput):
    """A `${NAME}` in a config names no variable of the environment."""


class DatabaseError(HarvestError):
    """The harvest database."""


class DatabaseUnreachable(DatabaseError):
    """No connection, it broke, or it cannot be written; transient where that may pass by itself."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


class DatabaseNewerThanCode(DatabaseError):
    """The schema was migrated by a newer version of this package."""


class Refused(HarvestError):
    """The preflight refuses to run; it writes no log, so that it cannot feed itself."""


class ConfigDisabled(Refused):
    """The IngestConfig is disabled."""


class TooManyFailures(Refused):
    """The last `failure_threshold` harvests all failed."""


class LeaseHeld(HarvestError):
    """Another living run holds the lease of this IngestConfig."""

    transient = True


class LeaseLost(HarvestError):
    """The fencing token of this run is no longer the newest; it may write nothing more."""


class SourceError(HarvestError):
    """The remote source, or the way to it."""


class SourceUnreachable(SourceError):
    """No connection, no answer in time, or one that broke off."""

    transient = True


class HttpStatusError(SourceError):
    """An answer with an error status.

    Attributes:
        status: the HTTP status code.
        url: the URL that was asked, redacted.
        page: what kind of web page came with it, such as BotWall; None for none.
    """

    TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

    def __init__(self, message: str, *, status: int, url: str, page: type[WebPage] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.url = url
        self.page = page
        self.transient = status in self.TRANSIENT


class ResponseTooLarge(SourceError):
    """A response larger than the session's limit, before or after decompression."""


class MalformedResponse(SourceError):
    """Not what it should be: cut short, HTML instead of XML or JSON, not well-formed."""


class EmptyBody(MalformedResponse):
    """A body without anything in it where a document should be."""


class Truncated(MalformedResponse):
    """A document that breaks off: its end is missing."""


class WebPage(MalformedResponse):
    """HTML where XML or JSON should be."""


class MaintenancePage(WebPage):
    """The source says that it is down for a while."""

    transient = True


class LoginPage(WebPage):
    """The source wants a user and a password."""


class BotWall(WebPage):
    """The source, or what stands before it, takes harvesters for an attack."""


class ProtocolError(SourceError):
    """Well-formed, but against the protocol."""


class WrongVerb(ProtocolError):
    """The answer to another question than the one that was asked."""


class EndlessList(ProtocolError):
    """A list that would never end: its cursors repeat, or its pages bring nothing new."""


class SourceRefused(SourceError):
    """The source answered with an error of its protocol.

    Attributes:
        code: the protocol's own code, such as `badArgument`.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class CursorRefused(SourceRefused):
    """The source no longer accepts the cursor; the list must be begun again, or from its last safe datestamp."""


class IncompleteList(SourceError):
    """The list ended before the source's own total was reached; the message carries both numbers.

    Attributes:
        stretch: number of the part of the window that was asked for.
        announced: the source's total.
        came: different records.
    """

    def __init__(self, message: str, *, stretch: int, announced: int, came: int) -> None:
        super().__init__(message)
        self.stretch = stretch
        self.announced = announced
        self.came = came


class TooManyUnreadable(SourceError):
    """More of a window's records than `quarantine` allows cannot be read; the message carries the numbers."""


class DeadlineExceeded(HarvestError):
    """The time that `timeout` allows is over."""


class WaitTooLong(HarvestError):
    """The host's budget, or the source itself, asks for a longer wait than a worker should sleep through.

    Attributes:
        seconds: from now on, until it is worth asking again.
    """

    transient = True

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class SpoolError(HarvestError):
    """A spooled page is missing or is not what its manifest says."""


class TransformError(HarvestError):
    """One datum that cannot be transformed; the others go on."""
