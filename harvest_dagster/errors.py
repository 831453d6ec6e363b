"""The exceptions of this package, as one tree.

    HarvestError
    ├── BadInput                        a mistake of the caller; nothing was changed
    │   ├── CatalogError                invalid YAML files of IngestConfigs
    │   ├── UnknownIngestConfig         no IngestConfig with this label or primary key
    │   ├── UnknownPlugin               no harvester or transformer is registered under this key
    │   ├── BadParameters               invalid run config
    │   └── MissingSecret               the environment has no variable for a ${NAME}
    ├── DatabaseError
    │   ├── DatabaseUnreachable         no connection, a lost connection, or no write access; usually transient
    │   ├── DatabaseMissing             there is no database, or it has no tables
    │   └── DatabaseNewerThanCode       a newer version of this package migrated the schema
    ├── PreflightRefused
    │   ├── ConfigDisabled              the IngestConfig is disabled
    │   └── TooManyFailures             the last `failure_threshold` harvests all failed
    ├── LeaseHeld                       another live run harvests this IngestConfig; transient
    ├── LeaseLost                       this run lost its lease and cannot write anything more
    ├── SourceError                     a failure of the source, or of the connection to it
    │   ├── SourceUnreachable           no connection, or no complete response in time; usually transient
    │   ├── HttpStatusError             an error status; transient for 408, 425, 429 and 5xx
    │   ├── ResponseTooLarge            more bytes than the session allows
    │   ├── MalformedResponse           not in the expected format
    │   │   ├── EmptyBody               an empty body, or only white space
    │   │   ├── TruncatedResponse       the end of the document is missing
    │   │   └── WebPage                 HTML in place of XML or JSON
    │   │       ├── MaintenancePage     the source is down for maintenance; transient
    │   │       ├── LoginPage           the source requires a login
    │   │       └── BotChallenge        the source blocks harvesters as bots; often with status 403
    │   ├── ProtocolError               a well-formed response that violates the protocol
    │   │   ├── UnexpectedResponse      the response to a different request
    │   │   ├── MisconfiguredSource     the config does not describe the source correctly
    │   │   │   └── MisconfiguredPath   a path of the config matches nothing
    │   │   └── PaginationLoop          a list without an end: repeated cursors, or pages without new records
    │   ├── SourceRefused               an error that the protocol defines (OAI-PMH: <error code="…">)
    │   │   └── CursorRefused           the source does not accept a cursor: expired, or unknown
    │   ├── IncompleteList              the list ended before the source's own total
    │   ├── UnconfirmedEnd              a list seems to end where a transient error may have ended it; transient
    │   └── QuarantineLimitExceeded     more invalid records than `quarantine` allows
    ├── DeadlineExceeded                the time limit of `timeout` is over
    ├── RetryLater                      the necessary wait is too long for a worker; transient
    │   └── OutsideHours                the source is not asked now, because of the key `hours`; transient
    ├── SpoolError                      a page in the spool is missing or damaged, or the spool cannot be used
    ├── SpoolUnreachable                the object store of the spool cannot be reached now; transient
    └── TransformError                  a datum that cannot be transformed

`str(error)` is one clear message. Its last sentence says what to do. No message contains a secret: URLs and excerpts
of responses are masked.
"""

from __future__ import annotations

from traceback import clear_frames


class HarvestError(Exception):
    """The base class of all exceptions of this package.

    Attributes:
        transient: Whether the same call may succeed later although nobody changes anything. False unless a class says
            otherwise.
    """

    transient = False


class BadInput(HarvestError):
    """Raised for a mistake of the caller, before anything is changed. Not transient."""


class CatalogError(BadInput):
    """Raised for the problems in the YAML files of a catalog. The message lists all of them. Not transient."""


class UnknownIngestConfig(BadInput):
    """Raised if there is no IngestConfig with a label or a primary key. Not transient."""


class UnknownPlugin(BadInput):
    """Raised if no harvester or transformer is registered under a key. Not transient."""


class BadParameters(BadInput):
    """Raised if the parameters of a run contradict each other or the selected partitions. Not transient."""


class MissingSecret(BadInput):
    """Raised if the environment has no variable for a `${NAME}` of a config. Not transient."""


class DatabaseError(HarvestError):
    """Raised for a failure of the harvest database."""


class DatabaseUnreachable(DatabaseError):
    """Raised if the database cannot be connected to or written, or if a connection is lost.

    Args:
        transient: Whether the failure may end without a change of the configuration.
    """

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


class DatabaseMissing(DatabaseError):
    """Raised if a command needs the harvest database and there is none yet. Not transient."""

    @classmethod
    def at(cls, place: str) -> DatabaseMissing:
        """Return the error for a place."""
        return cls(
            f"there is no {place}, or it has no tables yet. Harvest something first, or set HARVEST_DATABASE_URL."
        )


class DatabaseNewerThanCode(DatabaseError):
    """Raised if a newer version of this package migrated the schema of the database. Not transient."""


class PreflightRefused(HarvestError):
    """Raised if the preflight step refuses the run. Not transient.

    A refused run writes no harvest log, so that refused runs do not count as failures.
    """


class ConfigDisabled(PreflightRefused):
    """Raised if the IngestConfig is disabled. Not transient."""


class TooManyFailures(PreflightRefused):
    """Raised if the last `failure_threshold` harvests all failed. Not transient."""


class LeaseHeld(HarvestError):
    """Raised if another live run holds the lease of the IngestConfig. Transient."""

    transient = True


class LeaseLost(HarvestError):
    """Raised if another run acquired the lease. This run cannot write anything more. Not transient."""


class SourceError(HarvestError):
    """Raised for a failure of the source, or of the connection to it.

    Attributes:
        needs_shorter_list: Whether the source refused a list because it would be too long. A request for a shorter
            window may succeed (docs/failures.md#list-too-long).
    """

    needs_shorter_list = False


class SourceUnreachable(SourceError):
    """Raised if there is no connection to the source, or no complete response in time.

    Transient, except for an invalid URL, header or certificate.

    Attributes:
        was_connected: Whether the request was sent. If not, the host has no address, refuses connections, fails the TLS
            handshake or does not answer, so requests for other windows would fail in the same way.
    """

    transient = True
    was_connected = True


class HttpStatusError(SourceError):
    """Raised for a response with an error status. Transient for 408, 425, 429 and 5xx.

    Attributes:
        status: The HTTP status code.
        url: The requested URL, secrets masked.
        page: The kind of the web page in the body, such as BotChallenge. None if the body is not a web page.
    """

    TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

    def __init__(self, message: str, *, status: int, url: str, page: type[WebPage] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.url = url
        self.page = page
        self.transient = status in self.TRANSIENT


class ResponseTooLarge(SourceError):
    """Raised if a response has more bytes than the session allows, before or after decompression. Not transient."""


class MalformedResponse(SourceError):
    """Raised if a response is not in the expected format, such as XML that is not well-formed. Not transient."""


class EmptyBody(MalformedResponse):
    """Raised if a body is empty or has only white space. Not transient."""


class TruncatedResponse(MalformedResponse):
    """Raised if the end of a document is missing. Not transient."""


class WebPage(MalformedResponse):
    """Raised for HTML in place of XML or JSON. Not transient."""


class MaintenancePage(WebPage):
    """Raised if the source shows a maintenance page. Transient."""

    transient = True


class LoginPage(WebPage):
    """Raised if the source shows a login page. Not transient."""


class BotChallenge(WebPage):
    """Raised if the source, or a service in front of it, blocks the harvester as a bot. Not transient.

    It does not end until the operator of the source lets the harvester in (docs/failures.md#bot-protection).
    """


class ProtocolError(SourceError):
    """Raised if a well-formed response violates the protocol. Not transient."""


class UnexpectedResponse(ProtocolError):
    """Raised if a response belongs to a different request. Not transient."""


class MisconfiguredSource(ProtocolError):
    """Raised if a list shows that the config describes the source wrongly or not sufficiently. Not transient."""


class MisconfiguredPath(MisconfiguredSource):
    """Raised if a page lacks what a path of the config names, although it must have it. Not transient."""


class PaginationLoop(ProtocolError):
    """Raised if a list would never end: its cursors repeat, or its pages have no new records. Not transient."""


class SourceRefused(SourceError):
    """Raised if the source responds with an error that the protocol defines. Not transient unless a subclass says so.

    Attributes:
        code: The error code of the protocol, such as `badArgument`.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class CursorRefused(SourceRefused):
    """Raised if the source does not accept a cursor. Not transient.

    The list must be fetched again, from its start or from its last safe datestamp.
    """


class IncompleteList(SourceError):
    """Raised if a list ended before the source's own total. The message contains both numbers. Not transient.

    Attributes:
        sub_window: The number of the sub-window whose list is short.
        announced: The source's own total.
        received: The number of different records received.
    """

    def __init__(self, message: str, *, sub_window: int, announced: int, received: int) -> None:
        super().__init__(message)
        self.sub_window = sub_window
        self.announced = announced
        self.received = received


class UnconfirmedEnd(SourceError):
    """Raised if a list seems to end where a transient error may have ended it. Transient."""

    transient = True


class QuarantineLimitExceeded(SourceError):
    """Raised if a window has more invalid records than `quarantine` allows. Not transient.

    The message contains both numbers.
    """


class DeadlineExceeded(HarvestError):
    """Raised if a time limit of `timeout` is over. Not transient."""


class RetryLater(HarvestError):
    """Raised if the budget of the host or the source requires a longer wait than a worker should sleep. Transient.

    Attributes:
        seconds: The seconds from now until a new attempt makes sense.
    """

    transient = True

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class OutsideHours(RetryLater):
    """Raised if a source must not be asked now, because its config allows requests only in some hours. Transient."""


class SpoolError(HarvestError):
    """Raised if a page in the spool is missing or damaged, or if the spool cannot be used. Not transient."""


class SpoolUnreachable(HarvestError):
    """Raised if the object store of the spool does not answer, or answers that it is overloaded. Transient.

    It is no SpoolError, because the pages in the spool are neither missing nor damaged. They are not fetched again.
    """

    transient = True


class TransformError(HarvestError):
    """Raised for one datum that cannot be transformed. The other data are transformed. Not transient."""


def release_locals(error: BaseException) -> None:
    """Release the local variables that the tracebacks of an error and of its causes keep alive.

    Call it before an error is kept for later: the frames of parsers hold the body of the page that failed. The
    tracebacks still name files and lines.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            clear_frames(current.__traceback__)
            waiting += [current.__cause__, current.__context__]


# Plug-ins may raise or catch an error by the name that it had before.
_FORMER_NAMES: dict[str, type[HarvestError]] = {
    "BotWall": BotChallenge,
    "EndlessList": PaginationLoop,
    "Refused": PreflightRefused,
    "TooManyUnreadable": QuarantineLimitExceeded,
    "Truncated": TruncatedResponse,
    "WaitTooLong": RetryLater,
    "WrongVerb": UnexpectedResponse,
}


def __getattr__(name: str) -> type[HarvestError]:
    """Return the exception class that had this name before."""
    if name in _FORMER_NAMES:
        return _FORMER_NAMES[name]
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
