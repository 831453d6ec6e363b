"""The interface of a response format. `document` and items are values on which `rest.paths` finds values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harvest_dagster.paths.syntax import Location
from harvest_dagster.records import Page
from harvest_dagster.response_limits import ResponseLimits

if TYPE_CHECKING:
    from harvest_dagster.harvesters.rest.arguments import RestArguments


@dataclass(frozen=True)
class InvalidItem:
    """A line or a row that is no record.

    Attributes:
        reason: what is wrong with it, without its place.
        raw: its bytes.
    """

    reason: str
    raw: bytes


class ResponseFormat(ABC):
    """Parses the pages of a source, and writes their records in canonical form.

    Attributes:
        NAME: of the format, for messages.
        HAS_ORIGINALS: whether `raw_items` returns the bytes of the page, so that `keep_original` can be followed.
    """

    NAME: ClassVar[str]
    HAS_ORIGINALS: ClassVar[bool] = True

    def __init__(self, arguments: RestArguments, limits: ResponseLimits) -> None:
        self.arguments = arguments
        self.limits = limits

    @abstractmethod
    def document(self, body: bytes, url: str, content_type: str) -> Any:
        """Return the content of a page.

        Raises:
            MalformedResponse: the body has another format, or is truncated.
            SourceRefused: the page contains an error at the path `error`.
        """

    @abstractmethod
    def find_items(self, document: Any, url: str) -> list[tuple[Location, Any]] | None:
        """Return each record of a page with its location, or None if the page has no list of records.

        Raises:
            ProtocolError: something else is in place of the list, or the page also says that it failed.
        """

    @abstractmethod
    def raw_items(self, page: Page, locations: Iterable[Location]) -> dict[Location, bytes]:
        """Return the bytes of the records at these locations of a page that was parsed before."""

    @abstractmethod
    def parse_item(self, datum: bytes) -> Any:
        """Return the record that `raw_items` or `blob` wrote, or None if it cannot be read without its page.

        Raises:
            SourceError: the bytes have another format.
        """

    @abstractmethod
    def fault_of(self, item: Any) -> str | None:
        """Return why a part of the list cannot be a record, or None."""

    @abstractmethod
    def blob(self, item: Any) -> str:
        """Return the canonical form of a record without its `volatile` parts. The record may be changed.

        Raises:
            ValueError: it has no canonical form.
            RecursionError: it is nested too deeply.
        """
